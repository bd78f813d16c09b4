"""The process `diffusion`: what it reads, returns, takes for granted and refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from twin_diffusion import Diffusion
from twin_diffusion.process import MEAN

from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.errors import RunError
from twin.kernels.diffusion import diffuse
from twin.process import CONCENTRATION, Add, Rate, View

RANDOM = np.random.default_rng(0)
SHAPE = (1, 3, 4, 5)


def change(view: View, dt: float = 0.5, **config: object) -> np.ndarray:
    process = Diffusion(Diffusion.Config.model_validate(config))
    (update,) = process.step(view, dt)
    assert isinstance(update, Add)
    assert update.port == CONCENTRATION
    return update.value


def test_without_rates_a_field_spreads_and_decays() -> None:
    c = RANDOM.random(SHAPE)
    view = make_view(concentration=c)
    after = view["concentration"] + change(view)
    np.testing.assert_allclose(after, diffuse(c, np.array([1.08e5]), np.array([np.log(2) / 5]), 0.5, 10.0))
    assert after.sum() == pytest.approx(c.sum() * 2 ** (-0.1))
    np.testing.assert_array_equal(view["concentration"], c)


def test_a_source_fills_and_a_sink_empties() -> None:
    c, source, sink = np.ones(SHAPE), RANDOM.random(SHAPE), 30 * RANDOM.random(SHAPE)
    filled = change(make_view(concentration=c, rates={"source": source}))
    emptied = change(make_view(concentration=c, rates={"sink": sink}))
    neither = change(make_view(concentration=c))
    assert filled.min() > neither.max() > emptied.max()
    assert (c + emptied).min() > 0


def test_held_walls_of_the_substance_are_heard() -> None:
    view = make_view()
    held = replace(view.substances, walls=(("closed", 2.0, "closed", "closed", "closed", "closed"),))
    after = change(replace(view, substances=held), dt=24.0)
    assert after[0, 0, 0, -1] > after[0, 0, 0, 0] > 1.0
    assert after.max() < 2.0


def test_an_answer_less_exact_than_the_tolerance_stops_the_run_and_says_what_helps() -> None:
    sink = np.zeros(SHAPE)
    sink[..., 0] = 1e5
    view = make_view(concentration=1.0, rates={"sink": sink, "source": np.ones(SHAPE)})
    with pytest.raises(RunError, match=r"node, IFNB1 at 0 h: the error of a 0.5 h tick .* shorten it"):
        change(view, tolerance=1e-9, quasi_steady="never")


@pytest.mark.parametrize("what", ["concentration", "source", "sink"])
@pytest.mark.parametrize("value", [-1e-3, np.nan, np.inf])
def test_what_is_no_amount_stops_the_run_and_says_where(what: str, value: float) -> None:
    bad = np.zeros(SHAPE)
    bad[0, 1, 2, 3] = value
    view = make_view(concentration=bad) if what == "concentration" else make_view(rates={what: bad})
    with pytest.raises(RunError, match=rf"node, IFNB1 at 0 h: the {what} in voxel x 3, y 2, z 1 is"):
        change(view)


def test_a_settled_field_does_not_ask_where_it_comes_from() -> None:
    sink = RANDOM.random(SHAPE)
    rates = {"sink": sink, "source": np.ones(SHAPE)}
    low, high = (
        (
            make_view(concentration=c, rates=rates)["concentration"]
            + change(make_view(concentration=c, rates=rates), quasi_steady=way)
        )
        for c, way in ((0.0, "always"), (5.0, {"IFNB1": "always"}))
    )
    np.testing.assert_allclose(low, high, rtol=1e-6)
    assert (low * (sink + np.log(2) / 5)).sum() == pytest.approx(low.size)


def test_a_substance_that_is_not_there_or_cannot_settle_is_refused() -> None:
    def told(**substances: str) -> list[str]:
        scenario = make_scenario(substances={"O2": {"diffusivity": "0 um^2/s"}})
        config = Diffusion.Config.model_validate({"quasi_steady": substances})
        return Diffusion.check(config, scenario, UniformModel())

    assert told(O2="never") == []
    assert "no substance is called 'O3'" in told(O3="never")[0]
    assert "O2 has no diffusivity" in told(O2="always")[0]


def test_a_settled_field_without_any_loss_stops_the_run() -> None:
    lasting = make_scenario(substances={"IFNB1": {"diffusivity": "30 um^2/s"}})
    with pytest.raises(RunError, match="never"):
        change(make_view(lasting, concentration=1.0), quasi_steady="always")


def test_the_mean_over_a_tick_is_given_where_uptake_is_counted() -> None:
    counting = make_scenario(processes={"diffusion": {}, "exchange": {}, "internalisation": {}})
    process = Diffusion.made_for(Diffusion.Config(), counting)
    assert MEAN in process.writes
    assert MEAN not in Diffusion.made_for(Diffusion.Config(), make_scenario()).writes
    sink = RANDOM.random(SHAPE)
    add, rate = process.step(make_view(counting, concentration=1.0, rates={"sink": sink}), 0.5)
    assert isinstance(add, Add)
    assert isinstance(rate, Rate)
    assert -add.value.sum() == pytest.approx(0.5 * ((sink + np.log(2) / 5) * rate.value).sum(), rel=1e-12)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    told = Diffusion.check(Diffusion.Config(device="cuda", quasi_steady="always"), make_scenario(), UniformModel())
    assert "no CUDA device" in told[0]
    assert "always follows the transient" in told[1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_a_tick_is_the_same() -> None:
    view = make_view(concentration=RANDOM.random(SHAPE), rates={"sink": 30 * RANDOM.random(SHAPE)})
    np.testing.assert_allclose(change(view, device="cuda"), change(view), atol=1e-8)


def test_a_compartment_without_cells_has_fields() -> None:
    view = make_view(types=(), concentration=1.0)
    assert view.n_cells == 0
    assert (view["concentration"] + change(view)).min() > 0


def test_a_tolerance_outside_its_range_is_refused() -> None:
    with pytest.raises(ValidationError):
        Diffusion.Config.model_validate({"tolerance": 0})


def test_the_record_names_decay_length_walls_and_molecules_per_voxel() -> None:
    held = {"diffusivity": "3600 um^2/h", "decay": "1 /h", "walls": {"x_low": "1 nM"}}
    scenario = make_scenario(substances={"IFNB1": held, "O2": held | {"walls": {}}})
    told = Diffusion(Diffusion.Config()).assumptions(scenario, UniformModel())
    assert "IFNB1: decay length √(D/λ) = 60 µm" in told[0]
    assert "x_low held" in told[0]
    assert "walls: all closed" in told[1]
    assert "exact in time within a tick" in told[2]
    assert "node: a voxel of 10 µm holds 0.602 molecules at 1 pM" in told[3]
    half_life = make_scenario()  # 30 µm²/s, 5 h
    assert (
        f"{np.sqrt(108_000 / (np.log(2) / 5)):.3g} µm"
        in Diffusion(Diffusion.Config()).assumptions(half_life, UniformModel())[0]
    )
