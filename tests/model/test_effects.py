"""Effects carried to contexts and treatments never measured: synthetic laws, and IFN-beta with a type left out."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.protocol.families import chosen
from twin.analysis.protocol.task import Task
from twin.analysis.scores import mse, pearson
from twin.data.arms import Agent, Arm
from twin.model.effects import MOST_SHIFT, EffectFamily, Group, fit_family
from twin.model.groups import summarise
from twin.model.likeness import Features
from twin.model.logmean import LogMean

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

GENES, RESPONDERS = 240, 40
CYTOKINE = Arm((Agent("CYT", "cytokine", 1.0),), 6.0)


@dataclass(frozen=True)
class Law:
    """Contexts of two kinds that answer one cytokine by kind: rate (context, gene) per 10,000, fold (context, gene)."""

    rate: Float
    fold: Float
    phi: float = 0.3

    def draw(
        self, rng: np.random.Generator, context: int, fold: Float | None, cells: int
    ) -> tuple[sp.csr_array, Float]:
        depth = np.exp(rng.normal(np.log(4_000), 0.3, cells))
        rate = self.rate[context] * np.exp(0.0 if fold is None else fold)
        mu = depth[:, None] * rate / 1e4
        counts = rng.negative_binomial(1 / self.phi, 1 / (1 + self.phi * mu)).astype(np.int32)
        return sp.csr_array(counts), depth


def law(seed: int, contexts: int = 8) -> Law:
    rng = np.random.default_rng(seed)
    kind = np.arange(contexts) % 2
    base = rng.normal(1.0, 1.5, GENES) + 1.2 * rng.normal(size=(2, GENES))[kind]
    fold = np.zeros((contexts, GENES))
    fold[:, :RESPONDERS] = rng.normal(0.6, 0.8, RESPONDERS) + 0.8 * rng.normal(size=(2, RESPONDERS))[kind]
    fold[:, :RESPONDERS] += 0.1 * rng.normal(size=(contexts, RESPONDERS))
    rate = np.exp(base + 0.3 * rng.normal(size=(contexts, GENES)))
    return Law(1e4 * rate / rate.sum(axis=1, keepdims=True), fold)


def groups_of(
    law: Law, seed: int, treated: dict[int, int], measured: Mask | None = None
) -> tuple[list[Group], list[Float]]:
    """Draw 150 control cells of each context and some treated ones of those of `treated`."""
    rng = np.random.default_rng(seed)
    groups, depths = [], []
    for c in range(len(law.rate)):
        mask = np.ones(GENES, np.bool_) if measured is None else measured[c]
        counts, depth = law.draw(rng, c, None, 150)
        groups.append(Group(c, -1, summarise(sp.csr_array(counts * mask), mask, depth)))
        depths.append(depth)
        if c in treated:
            counts, depth = law.draw(rng, c, law.fold[c], treated[c])
            groups.append(Group(c, 0, summarise(sp.csr_array(counts * mask), mask, depth)))
    return groups, depths


def levels_of(law: Law, family: EffectFamily, c: int, shift: Float, depth: Float) -> Float:
    """Return the change of mean log1p(CP10k) that a shift makes of the true control rates."""
    mean = LogMean(depth)
    return mean.forward(law.rate[c] * np.exp(shift), family.phi) - mean.forward(law.rate[c], family.phi)


@pytest.mark.parametrize("seed", range(3))
def test_a_context_left_out_is_recovered_better_than_by_the_mean_shift(seed: int) -> None:
    truth = law(seed)
    out = seed
    groups, depths = groups_of(truth, 10 + seed, {c: 100 for c in range(8) if c != out})
    family, rates = fit_family(groups, [CYTOKINE], depths)
    shift = family.shifts(rates[out], depths[out], [CYTOKINE], own=out)[0]
    mean_shift = np.delete(truth.fold, out, axis=0).mean(axis=0)
    found, mean, true = (levels_of(truth, family, out, s, depths[out]) for s in (shift, mean_shift, truth.fold[out]))
    assert mse(found, true) < 0.6 * mse(mean, true)
    assert pearson(found, true) > pearson(mean, true)
    assert pearson(found, true) > 0.9


def test_a_context_never_seen_is_known_by_its_control_cells() -> None:
    truth = law(4)
    known = Law(truth.rate[:7], truth.fold[:7])
    groups, depths = groups_of(known, 5, dict.fromkeys(range(7), 100))
    family, _ = fit_family(groups, [CYTOKINE], depths)
    shift = family.shifts(truth.rate[7], depths[0], [CYTOKINE])[0]
    found, mean, true = (
        levels_of(truth, family, 7, s, depths[0]) for s in (shift, truth.fold[:7].mean(axis=0), truth.fold[7])
    )
    assert mse(found, true) < 0.6 * mse(mean, true)
    alike = family.likeness_to(LogMean(depths[0]).forward(truth.rate[7], family.phi), np.ones(GENES, np.bool_))
    assert alike[[1, 3, 5]].min() > alike[[0, 2, 4, 6]].max()


def test_many_cells_of_its_own_outvote_all_other_contexts() -> None:
    truth = law(2)
    truth.fold[0] = 0.0
    truth.fold[0, RESPONDERS : 2 * RESPONDERS] = 1.5  # an answer of its own
    error = []
    for cells in (5, 3_000):
        groups, depths = groups_of(truth, 3, {0: cells, **dict.fromkeys(range(1, 8), 100)})
        family, rates = fit_family(groups, [CYTOKINE], depths)
        shift = family.shifts(rates[0], depths[0], [CYTOKINE], own=0)[0]
        found, true = (levels_of(truth, family, 0, s, depths[0]) for s in (shift, truth.fold[0]))
        error.append(mse(found, true))
        if cells == 3_000:
            strong = (truth.rate[0] > 3.0) & (truth.fold[0] > 0)
            np.testing.assert_allclose(shift[strong].mean(), 1.5, atol=0.1)
            assert pearson(found, true) > 0.97
    assert error[1] < 0.1 * error[0]


def test_denoised_control_rates_are_nearer_the_truth_than_counted_ones() -> None:
    truth = law(6)
    groups, depths = groups_of(truth, 7, dict.fromkeys(range(8), 60))
    _, rates = fit_family(groups, [CYTOKINE], depths)
    counted = np.stack([1e4 * g.sums.total / g.sums.depth for g in groups if g.arm < 0])
    assert rates.shape == (8, GENES)
    assert mse(np.log1p(rates).ravel(), np.log1p(truth.rate).ravel()) < 1.05 * mse(
        np.log1p(counted).ravel(), np.log1p(truth.rate).ravel()
    )
    assert np.abs(np.log1p(rates) - np.log1p(truth.rate)).mean() < 0.1


def test_a_gene_that_the_context_did_not_measure_does_not_shift() -> None:
    truth = law(0)
    groups, depths = groups_of(truth, 1, dict.fromkeys(range(1, 8), 100))
    family, rates = fit_family(groups, [CYTOKINE], depths)
    rate = rates[0].copy()
    rate[: RESPONDERS // 2] = np.nan
    shift = family.shifts(rate, depths[0], [CYTOKINE], own=0)[0]
    np.testing.assert_array_equal(shift[: RESPONDERS // 2], 0.0)
    assert np.abs(shift[RESPONDERS // 2 : RESPONDERS]).max() > 0.5
    assert np.abs(shift).max() <= MOST_SHIFT


def test_without_a_treatment_nothing_shifts() -> None:
    truth = law(0)
    stranger = Arm((Agent("OTHER", "drug", 3.0),), 6.0)
    groups, depths = groups_of(truth, 1, dict.fromkeys(range(8), 100))
    family, rates = fit_family(groups, [CYTOKINE], depths)
    shift = family.shifts(rates[0], depths[0], [Arm(()), stranger, CYTOKINE], own=0)
    np.testing.assert_array_equal(shift[:2], 0.0)
    assert np.abs(shift[2]).max() > 0.5
    assert family.shifts(rates[0], depths[0], [], own=0).shape == (0, GENES)
    controls, depths = groups_of(truth, 1, {})
    family, rates = fit_family(controls, [], depths)
    np.testing.assert_array_equal(family.shifts(rates[3], depths[3], [CYTOKINE], own=3), np.zeros((1, GENES)))


def test_the_share_goes_from_the_rate_scale_to_the_level_scale() -> None:
    truth = law(3)
    groups, depths = groups_of(truth, 4, dict.fromkeys(range(1, 8), 150))
    family, rates = fit_family(groups, [CYTOKINE], depths)
    rate, level, both, quarter = (
        levels_of(replace(truth, rate=rates), family, 0, family.shifts(*said, own=0, share=share)[0], said[1])
        for share in (0.0, 1.0, 0.5, 0.25)
        for said in [(rates[0], depths[0], [CYTOKINE])]
    )
    assert np.abs(level - rate).max() > 0.1
    np.testing.assert_allclose(both, 0.5 * (rate + level), atol=0.02)  # a level below 0 is 0
    np.testing.assert_allclose(quarter, 0.75 * rate + 0.25 * level, atol=0.02)


def test_genes_that_few_contexts_measured_neither_blur_their_likeness_nor_bias_their_rates() -> None:
    truth = law(1)
    measured = np.ones((8, GENES), np.bool_)
    measured[2:, 200:] = False  # 40 genes are in the panel of two contexts only
    everything = dict.fromkeys(range(8), 100)
    whole, depths = groups_of(truth, 1, everything)
    part, _ = groups_of(truth, 1, everything, measured)
    (full, _), (cut, rates) = (fit_family(g, [CYTOKINE], depths) for g in (whole, part))
    assert set(cut.similar) == set(range(200))
    off_diagonal = ~np.eye(8, dtype=np.bool_)
    assert np.corrcoef(full.near[off_diagonal], cut.near[off_diagonal])[0, 1] > 0.95
    strong = np.flatnonzero((truth.rate[0] > 5.0) & (np.arange(GENES) >= 200))
    np.testing.assert_allclose(np.log(rates[0, strong] / truth.rate[0, strong]), 0.0, atol=0.5)
    assert abs(np.log(rates[0, strong] / truth.rate[0, strong]).mean()) < 0.1


def test_a_family_on_other_genes_answers_for_those() -> None:
    truth = law(3)
    groups, depths = groups_of(truth, 2, dict.fromkeys(range(8), 100))
    family, rates = fit_family(groups, [CYTOKINE], depths)
    keep = np.arange(0, GENES, 2)
    moved = family.moved(keep, {c: c + 10 for c in range(8)})
    assert moved.contexts == tuple(range(10, 18))
    np.testing.assert_array_equal(moved.genes, np.arange(len(keep)))
    before = family.shifts(rates[0], depths[0], [CYTOKINE], own=0)
    after = moved.shifts(rates[0][keep], depths[0], [CYTOKINE], own=0)
    np.testing.assert_allclose(after, before[:, keep], rtol=1e-10, atol=1e-12)
    assert moved.level.control.shape == (8, len(keep))


def test_what_was_measured_is_supported_and_what_is_unlike_it_is_not() -> None:
    truth = law(3)
    groups, depths = groups_of(truth, 2, dict.fromkeys(range(7), 100))
    family, rates = fit_family(groups, [CYTOKINE], depths)
    seen, left = (family.evidence(rates[c], depths[c], CYTOKINE, own=c) for c in (0, 7))
    stranger = family.evidence(rates[0], depths[0], Arm((Agent("OTHER", "drug"),)), own=0)
    assert seen > 2.0  # standard deviations on the safe side of no effect
    assert left > 2.0
    assert stranger == -np.inf
    shares = [family.explained(rates[c], depths[c], CYTOKINE, own=c) for c in (0, 7)]
    assert 1.0 >= shares[0] > shares[1] > 0.3


def test_the_cells_of_one_animal_do_not_vouch_for_each_other() -> None:
    truth = law(2, contexts=4)
    groups, depths = groups_of(truth, 3, dict.fromkeys(range(4), 60))

    def of_animals(treated: tuple[int, ...]) -> list[Group]:
        """The controls are of animals 0 and 1, the treated cells of all contexts of the same other ones."""
        return [
            replace(g, samples=tuple((animal, g.sums) for animal in ((0, 1) if g.arm < 0 else treated))) for g in groups
        ]

    def evidence(found: list[Group]) -> float:
        family, rates = fit_family(found, [CYTOKINE], depths)
        return family.evidence(rates[0], depths[0], CYTOKINE, own=0)

    assert evidence(groups) > 1.0
    assert math.isnan(evidence(of_animals((2,))))  # nothing could be left out: untested
    apart = [replace(g, samples=((2 + g.context, g.sums),)) if g.arm >= 0 else g for g in of_animals((2,))]
    assert evidence(apart) > 0.0


def test_related_genes_predict_each_other_where_that_was_seen_to_help() -> None:
    """Twelve knock-outs in three pathways; the features say which, and one is left out."""
    rng = np.random.default_rng(9)
    pathway = np.arange(12) % 3
    one = law(5, contexts=1)
    fold = np.where(rng.random((3, GENES)) < 0.2, rng.normal(0.0, 1.2, (3, GENES)), 0.0)[pathway]
    arms = [Arm((Agent(f"g{i}", "gene"),)) for i in range(12)]
    counts, depth = one.draw(rng, 0, None, 300)
    mask = np.ones(GENES, np.bool_)
    groups = [Group(0, -1, summarise(counts, mask, depth))]
    for i in range(11):
        treated, sizes = one.draw(rng, 0, fold[i] + 0.1 * rng.normal(size=GENES), 60)
        groups.append(Group(0, i, summarise(treated, mask, sizes)))
    features = Features({f"g{i}": i for i in range(12)}, sp.csr_array(np.eye(3)[pathway]))
    family, rates = fit_family(groups, arms[:11], [depth], features)
    assert family.likeness.feature > 0
    shift = family.shifts(rates[0], depth, [arms[11]], features, own=0)[0]
    true = levels_of(one, family, 0, fold[11], depth)
    assert pearson(levels_of(one, family, 0, shift, depth), true) > 0.85
    blind, _ = fit_family(groups, arms[:11], [depth])
    np.testing.assert_array_equal(blind.shifts(rates[0], depth, [arms[11]], own=0), np.zeros((1, GENES)))


def left_out_type(task: Task) -> tuple[float, float]:
    """Return Pearson-delta and MSE of the treated pseudobulk of a task's hidden cells."""
    seen = task.blind()
    column = "cell_type" if "cell_type" in seen.obs and seen.obs["cell_type"].nunique() > 1 else "context"
    context, treated = seen.column(column), seen.column("condition") != "control"
    mask = np.ones(len(seen.genes), np.bool_)
    arm = Arm((Agent(task.condition, "cytokine", task.dose if task.dose > 0 else math.nan),), task.time)
    groups: list[Group] = []
    depths: list[Float] = []
    names: list[str] = []
    for name in np.unique(context):
        control, moved = (np.flatnonzero((context == name) & (treated == kind)) for kind in (False, True))
        if len(control) < 3:
            continue
        groups.append(Group(len(names), -1, summarise(seen.counts[control], mask, seen.totals[control])))
        if len(moved) >= 3:
            groups.append(Group(len(names), 0, summarise(seen.counts[moved], mask, seen.totals[moved])))
        names.append(str(name))
        depths.append(seen.totals[control])
    family, rates = fit_family(groups, [arm], depths)
    level = np.zeros(len(family.genes))
    cells = np.zeros(len(names))
    for i, name in enumerate(names):
        cells[i] = ((context == name) & seen.start).sum()
        if cells[i]:
            shift = family.shifts(rates[i], depths[i], [arm], own=i)[0]
            level += cells[i] * LogMean(depths[i]).forward(rates[i] * np.exp(shift), family.phi)
    predicted = np.zeros(len(seen.genes))
    predicted[family.genes] = level / cells.sum()
    before, truth = task.means(task.start), task.means(task.truth)
    return pearson(predicted[task.scored] - before, truth - before), mse(predicted[task.scored], truth)


def test_interferon_in_a_type_left_out_is_met_to_the_bar(data_folder: Path) -> None:
    tasks = chosen(["ifnb-types"])[0].tasks(data_folder)
    score = {task.name: left_out_type(task) for task in tasks}
    assert len(score) == 7
    correlation, error = np.mean(list(score.values()), axis=0)
    assert correlation >= 0.90  # the similarity-weighted level, the best baseline: 0.883
    assert score["monocyte"][0] >= 0.92  # 0.899
    assert error <= 0.015  # 0.0168
