"""The processes `secretion` and `exposure`: what cells release, take up and notice."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from twin_diffusion import Diffusion
from twin_signalling import Exposure, Secretion

from twin.conformance.trial import GENES, UniformModel, make_scenario, make_view
from twin.kernels.diffusion import decay_length, measured_decay_length
from twin.process import DOSE, SINK, SOURCE, TIME_SINCE, Add, Rate, Set, View
from twin.scenario.schema import Scenario

RELEASE = {"substance": "IFNB1", "by": ["Dendritic"], "rate": "1e-3 amol/h"}
FEEL = {"substance": "IFNB1", "perturbation": "IFNB1", "receptor": ["IFNAR1", "IFNAR2"]}
NO_SUBUNIT = UniformModel(rates={("T cell", "IFNAR2"): 1e-4})


def with_secretion(**changes: Any) -> Scenario:
    return make_scenario(signalling={"secretion": [RELEASE | changes]})


def with_reception(**changes: Any) -> Scenario:
    return make_scenario(signalling={"reception": [FEEL | changes]})


def source_and_sink(view: View, dt: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    source, sink = Secretion(Secretion.Config()).step(view, dt)
    assert isinstance(source, Rate)
    assert isinstance(sink, Rate)
    assert (source.port, sink.port) == (SOURCE, SINK)
    return source.value, sink.value


def dose_and_time(view: View, dt: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    dose, since = Exposure(Exposure.Config()).step(view, dt)
    assert isinstance(dose, Set)
    assert isinstance(since, Set)
    assert (dose.port, since.port) == (DOSE, TIME_SINCE)
    return dose.value, since.value


def test_a_cell_releases_into_its_own_voxel_what_its_rate_says() -> None:
    source, sink = source_and_sink(make_view(with_secretion(), types=(0, 1, 2)))
    assert source.sum() == source[0, 1, 2, 2] == pytest.approx(1.0)  # 1e-3 amol/h in 1000 µm³ is 1 nM/h
    assert not sink.any()


def test_cells_in_one_voxel_add_up_and_the_dead_release_nothing() -> None:
    together = np.tile([25.0, 15.0, 5.0], (4, 1))
    alive = np.array([True, True, False, True])
    view = make_view(with_secretion(), types=(2, 2, 2, 0), position=together, alive=alive)
    assert source_and_sink(view)[0][0, 0, 1, 2] == pytest.approx(2.0)


@pytest.mark.parametrize(("tick", "share"), [(0, 0.0), (2, 0.5), (3, 1.0), (5, 0.2), (6, 0.0)])
def test_release_begins_and_ends_within_a_tick_by_its_share(tick: int, share: float) -> None:
    view = make_view(with_secretion(start="1.25 h", end="2.6 h"), types=(2,), tick=tick)
    assert source_and_sink(view)[0].sum() == pytest.approx(share)


def test_a_gated_release_follows_the_expected_rate_of_its_gene() -> None:
    scenario = with_secretion(gene="IFNB1", half_rate=2.0, by=["T cell", "Dendritic"])
    model = UniformModel(rates={("T cell", "IFNB1"): 6.0, ("Dendritic", "IFNB1"): 2.0})
    view = make_view(scenario, model, types=(0, 1, 2, 2), clamp={(3, GENES.index("IFNB1")): 0.0})
    source = source_and_sink(view)[0][0, 1, 2]
    np.testing.assert_allclose(source, [0.75, 0.0, 0.5, 0.0, 0.0])  # the last cell's gene is knocked out


def test_a_factor_of_two_chains_is_released_as_its_scarcer_chain_allows() -> None:
    model = UniformModel(rates={("Dendritic", "IFNB1"): 6.0, ("Dendritic", "CD3D"): 2.0})
    view = make_view(with_secretion(gene="IFNB1+CD3D", half_rate=2.0), model, types=(2,))
    assert source_and_sink(view)[0].sum() == pytest.approx(0.5)
    (fault,) = Secretion.check(Secretion.Config(), with_secretion(gene="IFNB1+IL12B"), UniformModel())
    assert "no gene of the world model is called 'IL12B'" in fault


def test_uptake_is_clearance_per_voxel_where_the_receptor_is() -> None:
    scenario = with_reception(uptake="500 um^3/h")
    view = make_view(scenario, NO_SUBUNIT, types=(0, 1, 1, 1, 2), clamp={(2, 0): 0.25, (4, 1): 0.0})
    source, sink = source_and_sink(view)
    np.testing.assert_allclose(sink[0, 1, 2], [0.0, 0.5, 0.125, 0.5, 0.0])
    assert sink.sum() == pytest.approx(1.125)
    assert not source.any()


def test_the_dose_is_the_local_concentration_where_the_receptor_is() -> None:
    c = np.zeros((1, 3, 4, 5))
    c[0] = np.arange(5.0)  # rises along x
    alive = np.array([True, True, True, True, False])
    view = make_view(
        with_reception(), NO_SUBUNIT, types=(0, 1, 1, 1, 1), concentration=c, clamp={(3, 0): 0.5}, alive=alive
    )
    np.testing.assert_allclose(dose_and_time(view)[0][:, 0], [0.0, 1.0, 2.0, 1.5, 0.0])


def test_a_scenario_may_fix_the_competence_of_a_type_and_a_knock_out_still_acts() -> None:
    scenario = with_reception(competence={"T cell": 0.5})
    view = make_view(scenario, NO_SUBUNIT, types=(0, 0, 1), concentration=4.0, clamp={(1, 1): 0.0})
    np.testing.assert_allclose(dose_and_time(view)[0][:, 0], [2.0, 0.0, 4.0])


def test_without_receptor_genes_every_living_cell_feels_the_whole_concentration() -> None:
    view = make_view(with_reception(receptor=[]), NO_SUBUNIT, concentration=3.0)
    np.testing.assert_allclose(dose_and_time(view)[0][:, 0], 3.0)


def test_perturbations_without_a_reception_keep_their_columns() -> None:
    dose, since = np.full((6, 2), 9.0), np.full((6, 2), 4.0)
    view = make_view(with_reception(), dose=dose, time_since=since)
    new_dose, new_since = dose_and_time(view)
    assert new_dose[:, 0].tolist() == [0.0] * 6
    assert new_dose[:, 1].tolist() == [9.0] * 6
    assert new_since[:, 1].tolist() == [4.0] * 6
    assert dose.min() == 9.0  # not mutated


def test_exposure_begins_above_one_percent_of_a_cells_own_ec50_and_never_stops_counting() -> None:
    sensitivity = np.array([0.5, 2.0, 1.0])
    view = make_view(with_reception(), types=(0, 0, 0), concentration=0.03, ec50_factor=sensitivity)
    _, since = dose_and_time(view)  # thresholds: 0.01, 0.04 and 0.02 nM
    np.testing.assert_array_equal(since[:, 0], [0.5, np.nan, 0.5])
    washed = make_view(with_reception(), types=(0, 0, 0), time_since=since, ec50_factor=sensitivity)
    dose, later = dose_and_time(washed)
    np.testing.assert_array_equal(later[:, 0], [1.0, np.nan, 1.0])
    assert not dose.any()


def test_no_exposure_begins_at_no_dose() -> None:
    assert np.isnan(dose_and_time(make_view(with_reception()))[1]).all()


def test_an_ec50_of_the_scenario_puts_the_half_effect_there() -> None:
    """The model's is 2 nM: a dose of 10 nM at an EC50 of 10 nM has to read as 2 nM."""
    nanomolar = make_view(with_reception(ec50="10 nM"), concentration=10.0)
    mass = make_view(with_reception(ec50="200 ng/mL"), concentration=10.0)  # of 20 kDa
    np.testing.assert_allclose(dose_and_time(nanomolar)[0][:, 0], 2.0)
    np.testing.assert_allclose(dose_and_time(mass)[0][:, 0], 2.0)


def test_two_substances_felt_as_one_perturbation_add_up() -> None:
    factor = {"diffusivity": "30 um^2/s", "decay": "0.1 /h"}
    second = {"substance": "IFNA2", "perturbation": "IFNB1", "ec50": "20 nM"}  # ten times less potent
    scenario = make_scenario(substances={"IFNB1": factor, "IFNA2": factor}, signalling={"reception": [FEEL, second]})
    c = np.stack([np.full((3, 4, 5), 1.0), np.full((3, 4, 5), 5.0)])
    np.testing.assert_allclose(dose_and_time(make_view(scenario, concentration=c))[0][:, 0], 1.5)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"substance": "IFNB"}, "reception[0]: no substance is called 'IFNB'; did you mean IFNB1?"),
    ({"perturbation": "IFNG"}, "no perturbation of the world model is called 'IFNG'"),
    ({"receptor": ["IFNAR3"]}, "no gene of the world model is called 'IFNAR3'; did you mean IFNAR"),
    ({"ec50": "100 U/mL"}, "ec50: '100 U/mL' needs the specific activity of IFNB1"),
    ({"ec50": "0 nM"}, "ec50: 0 nM is no EC50"),
    ({"perturbation": None}, "reception[0]: does nothing; give a perturbation, an uptake or both"),
    ({"perturbation": None, "ec50": "1 nM"}, "an EC50 needs a perturbation"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_a_reception_that_cannot_work_is_named(change: dict[str, Any], message: str) -> None:
    faults = Exposure.check(Exposure.Config(), with_reception(**change), UniformModel())
    assert any(message in fault for fault in faults), faults


def test_a_perturbation_trained_without_a_dose_or_felt_twice_is_refused() -> None:
    model = UniformModel()
    undosed = UniformModel(perturbations=(replace(model.perturbations[0], ec50=float("nan")),))
    assert "trained without a dose" in Exposure.check(Exposure.Config(), with_reception(), undosed)[0]
    twice = make_scenario(signalling={"reception": [FEEL, FEEL]})
    assert "felt as IFNB1 twice" in Exposure.check(Exposure.Config(), twice, model)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"substance": "IFNB"}, "secretion[0]: no substance is called 'IFNB'; did you mean IFNB1?"),
        ({"gene": "IFNB2"}, "secretion[0].gene: no gene of the world model is called 'IFNB2'"),
    ],
)
def test_a_secretion_that_cannot_work_is_named(change: dict[str, Any], message: str) -> None:
    (fault,) = Secretion.check(Secretion.Config(), with_secretion(**change), UniformModel())
    assert message in fault


def test_uptake_without_exposure_has_its_names_checked_too() -> None:
    scenario = make_scenario(signalling={"reception": [FEEL | {"receptor": ["X"]}]}, processes={"secretion": {}})
    assert "'X'" in Secretion.check(Secretion.Config(), scenario, UniformModel())[0]


def test_types_of_a_composition_are_known_and_good_scenarios_have_no_faults() -> None:
    cells = {"source": "model", "count": 6, "composition": {"Fibroblast": 1.0}}
    scenario = make_scenario(
        compartments={"node": {"box": ["50 um"] * 3, "cells": cells}},
        signalling={"secretion": [RELEASE | {"by": ["Fibroblast"]}], "reception": [FEEL]},
    )
    assert Secretion.check(Secretion.Config(), scenario, UniformModel()) == []
    assert Exposure.check(Exposure.Config(), scenario, UniformModel()) == []


def test_the_record_says_how_release_uptake_and_receptors_are_meant() -> None:
    scenario = make_scenario(
        signalling={
            "secretion": [RELEASE, RELEASE | {"gene": "IFNB1"}],
            "reception": [FEEL | {"uptake": "1 um^3/h", "ec50": "1 nM"}],
        }
    )
    told = Secretion(Secretion.Config()).assumptions(scenario, UniformModel())
    assert "fixed rate" in told[0]
    assert "expected rate of IFNB1" in told[1]
    assert "receptors do not saturate" in told[2]
    told = Exposure(Exposure.Config()).assumptions(scenario, UniformModel())
    assert "EC50 of 1 nM" in told[0]
    assert "receptor level" in told[1]


def test_release_uptake_and_diffusion_together_settle_to_the_decay_length_of_all_losses() -> None:
    """A slab of 500 × 50 × 50 µm, 2,000 receiving cells at random, a source at its low end."""
    clearance, n = 18_750.0, 2000  # µm³/h: 30 /h on average, so √(D/(λ+k)) is near 60 µm
    scenario = make_scenario(
        compartments={"slab": {"box": ["500 um", "50 um", "50 um"], "cells": {"source": "model", "count": n}}},
        signalling={
            "secretion": [RELEASE],
            "reception": [FEEL | {"uptake": f"{clearance} um^3/h", "competence": {"Dendritic": 0.0}}],
        },
    )
    random = np.random.default_rng(5)
    types = np.where(np.arange(n + 40) < 40, 2, 1)
    position = random.random((n + 40, 3)) * [500.0, 50.0, 50.0]
    position[:40, 0] *= 0.02  # the sources: within 10 µm
    c: np.ndarray | float = 0.0
    for tick in range(12):
        view = make_view(scenario, types=types.tolist(), tick=tick, position=position, concentration=c)
        source, sink = source_and_sink(view)
        view = replace(view, rates={"source": source, "sink": sink})
        (update,) = Diffusion(Diffusion.Config()).step(view, 0.5)
        assert isinstance(update, Add)
        c = view["concentration"] + update.value
    assert sink.mean() == pytest.approx(30.0)
    profile = np.asarray(c)[0].mean((0, 1))
    measured = measured_decay_length(profile, view.grid.centres(0))
    law = decay_length(view.substances.diffusivity[0], view.substances.decay[0] + sink.mean())
    assert measured == pytest.approx(law, rel=0.05)
