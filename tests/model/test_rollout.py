"""A culture rolled out through time: the cells of `twin run`, without its space."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

import twin
from twin.data.counts import is_control, onto_axis, read_counts
from twin.errors import InputError, UnknownNameError
from twin.model.masked import MaskedDiffusion
from twin.model.rollout import (
    EC50_SPREAD,
    Culture,
    draw_culture,
    exposed,
    receptors_of,
    rollout,
    take_culture,
    twinned,
)
from twin.registry import named_model
from twin.scenario.sources import CellSource

CONTEXT, FULL = "CD14 Mono", 0.02  # nM; of IFNB1, 100 U/mL
SCENARIO = """
name: culture
duration: 3 h
tick: 1 h
seed: 7
compartments:
  well:
    organ: culture
    box: [60 um, 60 um, 40 um]
    cells: {source: model, count: 12, composition: {CD14 Mono: 1.0}}
substances:
  IFNB1: {from_table: IFNB1, half_life: 1e9 h}
signalling:
  reception:
    - {substance: IFNB1, perturbation: IFNB1}
processes: {dosing: {}, diffusion: {}, exposure: {}, transition: {}}
timeline:
  - {do: add, at: 0 h, substance: IFNB1, dose: 100 U/mL}
  - {do: knock_out, at: 0 h, gene: STAT1}
observe: {every: 1 h, cells_every: 1 h}
"""


@pytest.fixture(scope="module")
def model() -> MaskedDiffusion:
    """The shipped model, for one type and one cytokine."""
    whole = named_model("default")
    assert isinstance(whole, MaskedDiffusion)
    return whole.focused([CONTEXT], perturbations=["IFNB1"])


@pytest.fixture(scope="module")
def culture(model: MaskedDiffusion) -> Culture:
    """A dozen cells."""
    return draw_culture(model, CONTEXT, 12, seed=7)


def end_of(model: MaskedDiffusion, culture: Culture, hours: float = 3) -> sp.csr_array:
    *_, last = rollout(model, culture, hours=hours, seed=7)
    return last.counts


def test_it_gives_the_very_counts_of_a_run_in_a_well_stirred_culture(
    model: MaskedDiffusion, culture: Culture, tmp_path: Path
) -> None:
    file = tmp_path / "culture.yaml"
    file.write_text(SCENARIO)
    run = twin.run(file, tmp_path / "run")
    treated = exposed(model, culture, {"IFNB1": FULL}, {"STAT1": 0.0})
    moments = {0.0: culture.counts} | {m.hour: m.counts for m in rollout(model, treated, hours=3, seed=7)}
    assert list(moments) == list(run.times()) == [0.0, 1.0, 2.0, 3.0]
    for hour, counts in moments.items():
        cells = run.cells(hour)
        assert tuple(cells.var_names) == model.genes
        order = np.argsort(cells.obs["id"].to_numpy())
        assert (sp.csr_array(cells.X)[order] != counts).nnz == 0, hour
    assert moments[3.0].sum() > 10_000


def test_the_spread_of_sensitivity_is_that_of_a_scenario() -> None:
    assert CellSource.model_fields["ec50_spread"].default == EC50_SPREAD


def test_a_cell_does_not_depend_on_who_is_drawn_beside_it(model: MaskedDiffusion, culture: Culture) -> None:
    some = draw_culture(model, CONTEXT, 3, first=5, seed=7)
    assert (some.counts != culture.counts[5:8]).nnz == 0
    np.testing.assert_array_equal(some.condition.ec50_factor, culture.condition.ec50_factor[5:8])
    together = end_of(model, exposed(model, culture, {"IFNB1": FULL}), 2)
    alone = end_of(model, exposed(model, some, {"IFNB1": FULL}), 2)
    assert (alone != together[5:8]).nnz == 0


def test_twins_live_as_if_they_were_alone_and_without_a_treatment_nothing_tells_them_apart(
    model: MaskedDiffusion, culture: Culture
) -> None:
    both = end_of(model, twinned(exposed(model, culture, {"IFNB1": FULL}, {"STAT1": 0.0})))
    free = end_of(model, exposed(model, culture, {}))
    assert (both[12:] != free).nnz == 0
    assert (both[:12] != free).nnz > 500
    nothing = end_of(model, twinned(exposed(model, culture, {"IFNB1": 0.0})))
    assert (nothing[:12] != nothing[12:]).nnz == 0


def test_without_the_receptor_the_cells_notice_nothing(model: MaskedDiffusion, culture: Culture) -> None:
    assert receptors_of(model, "IFNB1") == (("IFNAR1", "IFNAR2"),)
    deaf = exposed(model, culture, {"IFNB1": FULL}, {"IFNAR2": 0.0})
    assert not deaf.condition.dose.any()
    half = exposed(model, culture, {"IFNB1": FULL}, {"IFNAR2": 0.5})
    np.testing.assert_allclose(half.condition.dose, FULL / 2)
    told = exposed(model, culture, {"IFNB1": FULL}, {"IFNAR2": 0.0}, receptors={})
    np.testing.assert_allclose(told.condition.dose, FULL)


def test_more_of_a_dose_does_more_up_to_what_was_measured(model: MaskedDiffusion, culture: Culture) -> None:
    genes = [model.genes.index(gene) for gene in ("ISG15", "IFI6", "IFIT3")]

    def risen(dose: float) -> float:
        counts = end_of(model, exposed(model, culture, {"IFNB1": dose}))
        return float(counts[:, genes].sum())

    doses = [0.0, 0.0005, 0.005, FULL, 10 * FULL]
    levels = [risen(dose) for dose in doses]
    assert levels[0] < levels[1] < levels[2] < levels[3]
    assert levels[4] < 1.2 * levels[3]


def test_copies_of_a_measured_cell_start_alike_and_part(model: MaskedDiffusion, culture: Culture) -> None:
    copies = take_culture(model, sp.csr_array(culture.counts[[4] * 6]), CONTEXT, seed=3)
    np.testing.assert_allclose(copies.z, np.tile(copies.z[0], (6, 1)), atol=1e-5)  # float32, by rows of a product
    np.testing.assert_array_equal(copies.condition.depth, np.full(6, culture.counts[[4]].sum()))
    later = end_of(model, copies, 1)
    assert all((later[[0]] != later[[i]]).nnz for i in range(1, 6))


@pytest.mark.parametrize(
    ("doses", "clamp", "told"),
    [
        ({"IFNB": 1.0}, {}, "no perturbation of this model is called 'IFNB'; did you mean IFNB1"),
        ({"IFNB1": -1.0}, {}, "dose of IFNB1: -1.0 nM is no dose"),
        ({"IFNB1": float("nan")}, {}, "is no dose"),
        ({}, {"STAT": 0.0}, "no gene of this model is called 'STAT'"),
        ({}, {"STAT1": -0.5}, "the factor of STAT1 is -0.5"),
    ],
)
def test_what_stands_for_nothing_is_told(
    model: MaskedDiffusion, culture: Culture, doses: Mapping[str, float], clamp: Mapping[str, float], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        exposed(model, culture, doses, clamp)


@pytest.mark.parametrize(("hours", "step"), [(0.0, 1.0), (1.0, 0.0), (1.0, 2.0), (float("nan"), 1.0)])
def test_a_time_that_is_none_is_told(model: MaskedDiffusion, culture: Culture, hours: float, step: float) -> None:
    with pytest.raises(InputError, match="must be above 0"):
        next(rollout(model, culture, hours=hours, step=step))


def test_an_unknown_type_is_told(model: MaskedDiffusion) -> None:
    with pytest.raises(UnknownNameError, match="no cell type of this model is called 'Neutrophil'"):
        draw_culture(model, "Neutrophil", 1)


def test_a_model_in_which_nothing_changes_leaves_the_cells_as_they_are() -> None:
    still = named_model("still").focused([CONTEXT], perturbations=["IFNB1"])
    cells = draw_culture(still, CONTEXT, 2)
    [moment] = rollout(still, exposed(still, cells, {"IFNB1": FULL}), hours=1)
    assert (moment.counts != cells.counts).nnz == 0


def test_kappa_scales_how_fast_messages_turn_over(model: MaskedDiffusion, culture: Culture) -> None:
    def changed(kappa: float) -> int:
        [moment] = rollout(model, culture, hours=1, kappa=kappa, seed=7)
        return int((moment.counts != culture.counts).nnz)

    assert changed(0.5) < changed(2.0) < changed(8.0)


@pytest.mark.slow
def test_interferon_leads_monocytes_to_the_shift_that_was_measured(model: MaskedDiffusion, data_folder: Path) -> None:
    measured = read_counts(data_folder / "kang2018_pbmc_ifnb.h5ad")
    counts, _ = onto_axis(measured, model.genes)
    mine, control = measured.column("cell_type") == CONTEXT, is_control(measured.column("condition"))
    shift = log_mean(counts[np.flatnonzero(mine & ~control)]) - log_mean(counts[np.flatnonzero(mine & control)])
    cells = draw_culture(model, CONTEXT, 100, seed=1)
    *_, last = rollout(model, twinned(exposed(model, cells, {"IFNB1": FULL})), hours=6, seed=1)
    moved = log_mean(last.counts[:100]) - log_mean(last.counts[100:])
    assert np.corrcoef(moved, shift)[0, 1] > 0.9  # two halves of the measured cells agree to 0.97


def log_mean(counts: sp.csr_array) -> NDArray[np.float64]:
    """Return the mean over cells of ln(1 + counts per 10,000), (gene,)."""
    library = np.asarray(counts.sum(axis=1)).ravel()
    levels = sp.csr_array(counts, dtype=np.float64)
    levels.data = np.log1p(levels.data * np.repeat(1e4 / library, np.diff(levels.indptr)))
    return np.asarray(levels.mean(axis=0)).ravel()
