"""A population that is moved rises by what is expected of it, and stays the very cells."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from tests.model.synthetic import FIRST, RESPONDERS, TYPES, synthetic_adata
from twin.data.counts import checked_counts
from twin.kernels.random import Streams
from twin.model.aimed import LEAST_GROUP, aimed, expected_rise, pseudobulk
from twin.model.condition import Condition
from twin.model.logmean import LogMean
from twin.model.masked import MaskedDiffusion
from twin.model.shifts import Effects

LUCK = Streams(0, 0, 0)


def controls(n: int = 900) -> tuple[sp.csr_array, Condition]:
    """Return control cells of three types under the trained dose."""
    data = checked_counts(synthetic_adata(n, seed=0), "x")
    rows = np.flatnonzero(data.column("condition") == "control")
    context = np.array([TYPES.index(t) for t in data.column("cell_type")[rows]])
    n = len(rows)
    ids = np.arange(n, dtype=np.uint64)
    return data.counts[rows], Condition(
        ids, context, data.totals[rows], np.full((n, 1), 10.0), np.full((n, 1), np.nan), np.ones(n)
    )


def sizes(counts: sp.csr_array) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def plain(model: MaskedDiffusion, counts: sp.csr_array, here: Condition) -> sp.csr_array:
    z = model.encode(counts, replace(here, dose=np.zeros_like(here.dose)))
    return model.decoder.move(counts, z, here, model.effects(here), LUCK)


@pytest.mark.parametrize(("dose", "guidance"), [(10.0, 0.0), (1.0, 0.0), (10.0, 0.4)])
def test_a_population_rises_by_what_is_expected_much_nearer_than_a_plain_draw(
    small_model: MaskedDiffusion, dose: float, guidance: float
) -> None:
    """Within the molecules of three cells, at the library sizes that the cells had, where enough is there to fall."""
    counts, here = controls()
    here = replace(here, dose=np.full_like(here.dose, dose), guidance=guidance)
    moved, drawn = small_model.perturb(counts, here, LUCK), plain(small_model, counts, here)
    for context in range(len(TYPES)):
        rows = np.flatnonzero(here.context == context)
        size = sizes(counts[rows])
        rise, before = small_model.rise(here.rows(rows)), pseudobulk(counts[rows], size)
        one = np.log1p(1e4 / size).mean() / len(rows)  # a molecule of one cell
        there = before > 20 * one
        off, off_plain = (
            np.abs(pseudobulk(x[rows], size) - np.maximum(before + rise, 0))[there] for x in (moved, drawn)
        )
        assert rise[RESPONDERS].mean() > 0.8
        assert off.mean() < 0.3 * off_plain.mean()
        assert off.mean() < one
        assert abs(moved[rows].sum() / counts[rows].sum() - 1) < 0.05


def test_the_order_of_rows_and_other_populations_do_not_matter(small_model: MaskedDiffusion) -> None:
    counts, here = controls(400)
    moved = small_model.perturb(counts, here, LUCK)
    order = np.random.default_rng(0).permutation(here.n)
    again = small_model.perturb(counts[order], here.rows(order), LUCK)
    np.testing.assert_array_equal(again.toarray(), moved[order].toarray())
    assert again.has_sorted_indices
    for context in (0, 2):
        rows = np.flatnonzero(here.context == context)
        alone = small_model.perturb(counts[rows], here.rows(rows), LUCK)
        np.testing.assert_array_equal(alone.toarray(), moved[rows].toarray())


def test_few_cells_are_moved_by_their_shifts_as_they_are(small_model: MaskedDiffusion) -> None:
    counts, here = controls(400)
    for n, same in ((LEAST_GROUP - 1, True), (LEAST_GROUP, False)):
        rows = np.flatnonzero(here.context == 1)[:n]
        some = here.rows(rows)
        moved, drawn = small_model.perturb(counts[rows], some, LUCK), plain(small_model, counts[rows], some)
        assert np.array_equal(moved.toarray(), drawn.toarray()) == same
    none = np.arange(0)
    assert small_model.perturb(counts[none], here.rows(none), LUCK).shape == (0, counts.shape[1])


def test_cells_of_another_dose_are_another_population_and_those_of_none_come_back(small_model: MaskedDiffusion) -> None:
    counts, here = controls(600)
    dose = np.where(np.arange(here.n) % 3, 10.0, 0.0)[:, None]
    moved = small_model.perturb(counts, replace(here, dose=dose), LUCK)
    left, felt = np.flatnonzero(dose[:, 0] == 0), np.flatnonzero(dose[:, 0])
    assert (moved[left] != counts[left]).nnz == 0
    np.testing.assert_array_equal(
        moved[felt].toarray(), small_model.perturb(counts[felt], here.rows(felt), LUCK).toarray()
    )


def test_a_gene_without_a_shift_keeps_its_counts_whatever_is_expected(small_model: MaskedDiffusion) -> None:
    counts, here = controls(300)
    rows = np.flatnonzero(here.context == 0)
    here, counts = here.rows(rows), counts[rows]
    effects = small_model.effects(here)
    table = effects.table.copy()
    table[:, :, ::2] = 0
    z = small_model.encode(counts, replace(here, dose=np.zeros_like(here.dose)))
    rise = np.full(counts.shape[1], 0.5)
    moved = aimed(small_model.decoder, counts, z, here, replace(effects, table=table), LUCK, rise)
    np.testing.assert_array_equal(moved[:, ::2].toarray(), counts[:, ::2].toarray())
    assert moved[:, 1::2].sum() > 1.2 * counts[:, 1::2].sum()


def test_a_knocked_out_gene_is_gone_and_the_others_are_as_without(small_model: MaskedDiffusion) -> None:
    counts, here = controls(300)
    n, gene = here.n, int(RESPONDERS[np.argmax(counts[:, RESPONDERS].sum(axis=0))])
    clamp = sp.csr_array((np.zeros(n), np.full(n, gene), np.arange(n + 1)), shape=counts.shape)
    free, held = (small_model.perturb(counts, x, LUCK).toarray() for x in (here, replace(here, clamp=clamp)))
    assert free[:, gene].sum() > 50
    assert held[:, gene].sum() == 0
    np.testing.assert_array_equal(np.delete(held, gene, axis=1), np.delete(free, gene, axis=1))


def test_what_is_expected_of_a_combination_is_more_than_of_its_part(dosed_model: MaskedDiffusion) -> None:
    n, names = 50, [p.name for p in dosed_model.perturbations]
    risen = []
    for doses in ({"CYT": 100.0}, {"CYT": 100.0, "DRG": 10.0}):
        dose = np.tile([doses.get(name, 0.0) for name in names], (n, 1))
        ids, context = np.arange(n, dtype=np.uint64), np.zeros(n, np.intp)
        here = Condition(ids, context, np.full(n, 1500.0), dose, np.full_like(dose, np.nan), np.ones(n))
        risen.append(dosed_model.rise(here))
    one, both = risen
    assert one[FIRST].mean() > 0.8
    assert one[30:40].mean() < 0.0 < 0.5 < both[30:40].mean()
    assert one[50:56].mean() < 0.0 < 0.5 < both[50:56].mean()


def test_the_expected_rise_is_that_of_the_law_and_its_rates_stay_one_transcriptome() -> None:
    rng = np.random.default_rng(0)
    rate = np.append(rng.dirichlet(np.ones(50)) * 6e3, 0.0)  # 40 % lie elsewhere
    shift, phi, depths = np.where(np.arange(51) < 5, 1.5, 0.0), np.full(51, 0.5), np.full(40, 2_000.0)
    rise = expected_rise(rate, shift, phi, depths)
    after = LogMean(depths).inverse(LogMean(depths).forward(rate, phi) + rise, phi)
    assert after[:50].sum() + 4e3 / (1 + rate @ np.expm1(shift) / 1e4) == pytest.approx(1e4, rel=0.01)
    np.testing.assert_allclose(np.log(after[:5] / rate[:5]) - np.log(after[5] / rate[5]), 1.5, atol=0.05)
    assert rise[50] == 0.0
    assert (expected_rise(rate, np.zeros(51), phi, depths) == 0).all()


def test_a_pseudobulk_is_the_mean_log_level() -> None:
    counts = sp.csr_array(np.array([[0, 2, 1], [4, 0, 0]], dtype=np.int32))
    told = pseudobulk(counts, np.array([3.0, 8.0]))
    expected = np.array([np.log1p(5e3), np.log1p(2e4 / 3), np.log1p(1e4 / 3)]) / 2
    np.testing.assert_allclose(told, expected, rtol=1e-12)


def test_a_set_of_arms_has_the_geometric_mean_of_what_is_known_of_how_each_scatters() -> None:
    table = np.zeros((2, 1, 3), np.float32)
    phi = np.array([[0.1, 0.1, np.nan], [0.4, np.nan, np.nan]], np.float32)
    strength = np.array([[1.0, 0.0], [0.5, 0.3], [0.0, 0.0], [0.2, 0.9]])
    effects = Effects(table, np.zeros(4, np.int64), strength, phi)
    told, of_cell = effects.spread()
    expected = np.array([phi[0], [0.2, 0.1, np.nan], np.full(3, np.nan), [0.2, 0.1, np.nan]])
    np.testing.assert_allclose(told[of_cell], expected, rtol=1e-6)
    assert np.isnan(replace(effects, dispersion=None).spread()[0]).all()


def test_what_is_added_scatters_as_in_the_experiment_that_measured_it(small_model: MaskedDiffusion) -> None:
    phi, family = small_model.effects(controls(60)[1]).dispersion, small_model.knowledge.families[0]
    assert phi is not None
    np.testing.assert_allclose(phi[:, family.genes], family.phi[None], rtol=1e-6)
