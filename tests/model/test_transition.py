"""The transition kernel: turnover towards a target, held to its law."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.model.synthetic import PROGRAMME, RESPONDERS
from twin.kernels.random import Streams, daughter_ids
from twin.model.contract import HALF_LIFE, Condition
from twin.model.masked import MaskedDiffusion

KAPPA = 3.6


def condition_of(model: MaskedDiffusion, n: int, dose: float, context: int = 0, first: int = 0) -> Condition:
    ids = np.arange(first, first + n, dtype=np.uint64)
    which = np.full(n, context, dtype=np.intp)
    depth = model.depths(which, ids, Streams(3, 0, 0))
    return Condition(ids, which, depth, np.full((n, 1), dose), np.full((n, 1), np.nan), np.ones(n))


def score(counts: object) -> float:
    return float(counts[:, RESPONDERS].mean())  # type: ignore[index]


def test_no_time_changes_nothing(small_model: MaskedDiffusion) -> None:
    here = condition_of(small_model, 50, 10.0)
    counts, z = small_model.sample(here, Streams(0, 0, 0))
    after, z_after = small_model.transition(counts, z, here, 0.0, KAPPA, Streams(0, 0, 1))
    assert (after != counts).nnz == 0
    np.testing.assert_allclose(z_after, z, atol=1e-6)


def test_endless_time_equals_a_fresh_draw_given_z(small_model: MaskedDiffusion) -> None:
    """Δt → ∞ is `sample` given z: the old counts leave no trace, and the law is that of the target."""
    here = condition_of(small_model, 400, 0.0)
    counts, z = small_model.sample(here, Streams(0, 0, 0))
    blank = counts.copy()
    blank.data[:] = 0
    blank.eliminate_zeros()
    from_counts, _ = small_model.transition(counts, z, here, 1e9, KAPPA, Streams(0, 0, 1))
    from_nothing, _ = small_model.transition(blank, z, here, 1e9, KAPPA, Streams(0, 0, 1))
    assert (from_counts != from_nothing).nnz == 0
    fresh, _ = small_model.sample(here, Streams(0, 0, 2))
    a, b = from_counts.toarray(), fresh.toarray()
    spread = np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a)) + 1e-9
    assert np.abs((a.mean(axis=0) - b.mean(axis=0)) / spread).max() < 5


@pytest.mark.parametrize("step", [0.25, 1.0, 6.0])
def test_the_response_follows_the_half_life_law_whatever_the_tick(small_model: MaskedDiffusion, step: float) -> None:
    """After a switch the module mean goes as 1 − 2^(−κ t / t½), within 10 % of the full response."""
    n, hours = 1_500, 6.0
    control, exposed = condition_of(small_model, n, 0.0), condition_of(small_model, n, 10.0)
    counts, z = small_model.sample(control, Streams(0, 0, 0))
    low = score(counts)
    high = score(small_model.transition(counts, z, exposed, 1e9, KAPPA, Streams(0, 0, 900))[0])
    assert high > 3 * low
    kappa, elapsed = 1.0, 0.0
    for tick in range(round(hours / step)):
        counts, z = small_model.transition(counts, z, exposed, step, kappa, Streams(0, 0, tick + 1))
        elapsed += step
        law = 1 - 2 ** (-kappa * elapsed / HALF_LIFE)
        assert (score(counts) - low) / (high - low) == pytest.approx(law, abs=0.1 * law + 0.01)


def test_kappa_at_the_assays_time_reaches_the_snapshot_to_95_percent(small_model: MaskedDiffusion) -> None:
    assert small_model.kappa() == pytest.approx(4.32 * HALF_LIFE / 6.0)
    assert 1 - 2 ** (-small_model.kappa() * 6.0 / HALF_LIFE) == pytest.approx(0.95, abs=1e-3)


def test_a_fitted_kappa_takes_the_place_of_the_convention(small_model: MaskedDiffusion) -> None:
    fitted = small_model.named({"kappa": 1.7})
    assert fitted.kappa() == 1.7
    assert fitted.fingerprint != small_model.fingerprint
    assert small_model.focused(perturbations=()).kappa() == 1.0  # no assay, no clock
    assert fitted.focused(perturbations=()).kappa() == 1.7


def test_each_gene_is_due_by_its_own_half_life(small_model: MaskedDiffusion) -> None:
    """A gene of infinite half-life never changes; one of a short life changes almost everywhere."""
    half_life = np.full(len(small_model.genes), HALF_LIFE)
    half_life[0:5], half_life[5:10] = 1e12, 1e-3
    model = MaskedDiffusion(small_model.net, replace(small_model.knowledge, half_life=half_life), small_model.card)
    here = condition_of(model, 300, 0.0)
    counts, z = model.sample(here, Streams(0, 0, 0))
    other, _ = model.sample(condition_of(model, 300, 0.0, context=1), Streams(1, 0, 0))
    after, _ = model.transition(other, z, here, 1.0, 1.0, Streams(0, 0, 1))
    assert (after[:, :5] != other[:, :5]).nnz == 0
    kept = (after[:, 5:10].toarray() == other[:, 5:10].toarray()).mean()
    chance = (counts[:, 5:10].toarray() == other[:, 5:10].toarray()).mean()
    assert abs(kept - chance) < 5 * np.sqrt(chance * (1 - chance) / 1500) + 0.02


def test_library_size_is_kept_for_a_week(small_model: MaskedDiffusion) -> None:
    here = condition_of(small_model, 600, 0.0)
    counts, z = small_model.sample(here, Streams(0, 0, 0))
    before = np.median(counts.sum(axis=1))
    for tick in range(28):
        counts, z = small_model.transition(counts, z, here, 6.0, KAPPA, Streams(0, 0, tick + 1))
    assert np.median(counts.sum(axis=1)) == pytest.approx(before, rel=0.03)
    per_cell = np.corrcoef(np.asarray(counts.sum(axis=1)).ravel(), here.depth)[0, 1]
    assert per_cell > 0.8  # each cell keeps its own depth, not only the population its median


def energy(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the energy distance of two samples, (cell, axis)."""
    from scipy.spatial.distance import cdist

    return float(2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean())


def test_control_cells_stay_in_the_control_distribution_for_a_week(small_model: MaskedDiffusion) -> None:
    """Energy distance of week-old cells from fresh ones stays within that of fresh from fresh (95th percentile)."""
    n = 300
    here = condition_of(small_model, n, 0.0)
    old, z = small_model.sample(here, Streams(0, 0, 0))
    for tick in range(28):
        old, z = small_model.transition(old, z, here, 6.0, KAPPA, Streams(0, 0, tick + 1))
    fresh = [
        np.log1p(small_model.sample(condition_of(small_model, n, 0.0, first=k * n), Streams(k, 0, 0))[0].toarray())
        for k in range(1, 13)
    ]
    null = [energy(fresh[i], fresh[j]) for i in range(6) for j in range(6, 12)]
    mine = np.mean([energy(np.log1p(old.toarray()), f) for f in fresh])
    assert mine < np.percentile(null, 95)


def test_sisters_are_more_alike_than_strangers_after_three_divisions(small_model: MaskedDiffusion) -> None:
    """z is inherited and drifts over days; through it the transcriptomes of two lines of one founder stay alike."""
    n = 2_000
    here = condition_of(small_model, n, 0.0)
    start, z_start = small_model.sample(here, Streams(0, 0, 0))
    lines = []
    for sibling in (0, 1):
        ids, counts, z = here.ids, start, z_start
        for generation in range(3):
            ids = daughter_ids(ids, generation, sibling)
            line = Condition(ids, here.context, here.depth, here.dose, here.time_since, here.ec50_factor)
            for tick in range(2):
                counts, z = small_model.transition(counts, z, line, 6.0, KAPPA, Streams(0, 0, 2 * generation + tick))
        lines.append(np.log1p(1e3 * counts[:, PROGRAMME].toarray() / here.depth[:, None]).mean(axis=1))
    kin = np.corrcoef(lines[0], lines[1])[0, 1]
    strangers = [np.corrcoef(lines[0], np.roll(lines[1], k))[0, 1] for k in range(1, 200)]
    assert kin > 5 * np.std(strangers)


def test_a_cells_step_depends_on_nobody_beside_it(small_model: MaskedDiffusion) -> None:
    """Order and batch change nothing: the same cells alone, reversed, or among others step the same."""
    here = condition_of(small_model, 90, 10.0)
    counts, z = small_model.sample(here, Streams(0, 0, 0))
    whole, _ = small_model.transition(counts, z, here, 1.0, KAPPA, Streams(0, 0, 1))
    rows = np.arange(89, -1, -3)
    some, _ = small_model.transition(counts[rows], z[rows], here.rows(rows), 1.0, KAPPA, Streams(0, 0, 1))
    assert (some != whole[rows]).nnz == 0


def test_a_knocked_out_gene_fades_with_its_messages_and_stays_away(small_model: MaskedDiffusion) -> None:
    import scipy.sparse as sp

    gene = int(np.argmax(np.asarray(small_model.net.log_rate[0])))
    here = condition_of(small_model, 200, 0.0)
    counts, z = small_model.sample(here, Streams(0, 0, 0))
    clamp = sp.csr_array((np.zeros(200), (np.arange(200), np.full(200, gene))), shape=counts.shape)
    knocked = Condition(here.ids, here.context, here.depth, here.dose, here.time_since, here.ec50_factor, clamp)
    start = counts[:, [gene]].sum()
    half, z = small_model.transition(counts, z, knocked, HALF_LIFE, 1.0, Streams(0, 0, 1))
    assert half[:, [gene]].sum() == pytest.approx(start / 2, rel=0.2)
    gone, _ = small_model.transition(half, z, knocked, 1e9, 1.0, Streams(0, 0, 2))
    assert gone[:, [gene]].sum() == 0
    others = np.delete(np.arange(counts.shape[1]), gene)
    free, _ = small_model.transition(counts, small_model.encode(counts, here), here, 1e9, 1.0, Streams(0, 0, 2))
    assert gone[:, others].sum() == pytest.approx(free[:, others].sum(), rel=0.1)
