"""The process `diffusion`: what it reads, returns, takes for granted and refuses."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from twin_diffusion import Diffusion

from twin.conformance.trial import UniformModel, make_scenario, make_view
from twin.errors import RunError
from twin.kernels.diffusion import diffuse
from twin.process import CONCENTRATION, Add, View

RANDOM = np.random.default_rng(0)
SHAPE = (1, 3, 4, 5)


def change(view: View, dt: float = 0.5, **config: float) -> np.ndarray:
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
    with pytest.raises(RunError, match=r"node, IFNB1 at 0 h: after 2 substeps .* raise .*max_substeps"):
        change(view, tolerance=1e-9, max_substeps=2)


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
    assert "node: a voxel of 10 µm holds 0.602 molecules at 1 pM" in told[2]
    half_life = make_scenario()  # 30 µm²/s, 5 h
    assert (
        f"{np.sqrt(108_000 / (np.log(2) / 5)):.3g} µm"
        in Diffusion(Diffusion.Config()).assumptions(half_life, UniformModel())[0]
    )
