"""Scores of one prediction, and of one predictor, on one task."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.metrics.differential import discrimination, table_agreement
from twin.analysis.metrics.population import GenerationScorer
from twin.analysis.metrics.rank_test import DifferentialTable, differential_expression
from twin.analysis.metrics.systema import (
    centroid_accuracy,
    perturbed_centroid,
    systema_pearson,
)
from twin.analysis.protocol.task import Float, Mask, Prediction, Predictor, Task, library_sizes
from twin.analysis.scores import lognorm, mse, pearson, slope

DRAWS = 10  # halvings of the control cells; as the reference scorer
SPLIT_SEED = 0  # of the halvings; as the reference scorer
LEAST_TO_HALVE = 4  # control cells; with fewer a half says nothing; our choice
LEAST_TO_TEST = 8  # cells an arm for a rank test to call anything; our choice

POPULATION = ("mmd", "energy", "ilisi", "w1_hvg", "corr_err", "ks_library", "zero_rate_diff", "mean_variance")

Scores = dict[str, float]
Rows = NDArray[np.intp]


def score(task: Task, prediction: Prediction) -> Scores:
    """Score a prediction against the hidden cells; what cannot be said is NaN or left out.

    With C the start cells' pseudobulk, T the hidden cells', P the predicted one, over the scored genes:
    pearson_delta : Pearson of P - C and T - C. mse, mae : of P - T. slope : least squares of P - C on T - C through 0.
    Where cells were predicted and both arms have eight: des, auprc, spearman_lfc, direction, n_real, n_predicted of
    their differential expression against the start cells (`twin.analysis.metrics.differential.table_agreement`).
    Where the task has a panel of conditions: pds (L1 rank of the true delta among the panel's), systema (Pearson of P
    and T, both less the mean of the panel's other pseudobulks) and centroid (share of those farther from P than T is).
    own_control : Pearson of P - Q and T - C, Q the predictor's own pseudobulk of the untreated start cells.
    support : as the predictor said it.

    Source
    ------
    Vinas Torne et al., Systema, Nat Biotechnol (2025), 10.1038/s41587-025-02777-8: the perturbed centroid as reference.
    """
    start, real = task.means(task.start), task.means(task.truth)
    delta, predicted = real - start, prediction.mean - start
    out = {
        "pearson_delta": pearson(predicted, delta),
        "mse": mse(prediction.mean, real),
        "mae": float(np.abs(prediction.mean - real).mean()),
        "slope": slope(predicted, delta),
        "support": prediction.support,
    }
    if prediction.control is not None:
        out["own_control"] = pearson(prediction.mean - prediction.control, delta)
    enough = min(task.start.sum(), task.truth.sum()) >= LEAST_TO_TEST
    if prediction.cells is not None and enough and prediction.cells.shape[0] >= LEAST_TO_TEST:
        logged = lognorm(prediction.cells, library_sizes(task, prediction))[:, task.scored]
        found = table_agreement(_table(task, logged), _real_table(task))
        out |= {k: found[k] for k in ("des", "auprc", "spearman_lfc", "n_real", "n_predicted")}
        out["direction"] = found["direction_match"]
    return out | _panel(task, prediction.mean)


def split_control(task: Task, predictors: Mapping[str, Predictor], draws: int = DRAWS) -> dict[str, Scores]:
    """Return Pearson-delta without shared noise, per predictor: mean over random halvings of the start cells.

    Half A is all that the predictors get as start cells (the other half is not in their task), and their delta is
    taken against A; the true delta is taken against half B. In the plain Pearson-delta one control mean stands in both
    deltas, and its sampling noise counts as agreement. NaN below four start cells.

    Returns
    -------
    predictor -> split_control, and split_own where the predictor has a control of its own, against which its delta is
    then taken.

    Source
    ------
    As `twin.analysis.metrics.systema.split_control_pearson`, draw for draw, with each half made once for all.
    """
    cells = np.flatnonzero(task.start)
    if len(cells) < LEAST_TO_HALVE:
        return {name: {"split_control": float("nan")} for name in predictors}
    rng = np.random.default_rng(SPLIT_SEED)
    real = task.means(task.truth)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in predictors}
    for _ in range(draws):
        order = rng.permutation(len(cells))
        cut = len(order) // 2
        first, second = mask(task, cells[order[:cut]]), mask(task, cells[order[cut:]])
        half = task.blind(without=second)
        own, other = task.means(first), real - task.means(second)
        for name, predictor in predictors.items():
            said = predictor(half)
            against = {"split_control": own} | ({} if said.control is None else {"split_own": said.control})
            for key, control in against.items():
                found[name].setdefault(key, []).append(pearson(said.mean - control, other))
    return {name: {key: float(np.mean(x)) for key, x in scores.items()} for name, scores in found.items()}


def distribution(task: Task, prediction: Prediction) -> Scores:
    """Score predicted cells as a population against the hidden ones, on all genes of the task.

    mmd, energy, ilisi, w1_hvg, corr_err, ks_library, zero_rate_diff, mean_variance of
    `twin.analysis.metrics.population.GenerationScorer`, fitted on the start cells and the visible cells that were
    given what is asked; library sizes are those over the task's genes. Nothing below eight cells a side.
    """
    fitted = task.start | (task.visible & task.is_asked())
    if prediction.cells is None or prediction.cells.shape[0] < LEAST_TO_TEST or task.truth.sum() < LEAST_TO_TEST:
        return {}
    if fitted.sum() < LEAST_TO_TEST:
        return {}
    found = _scorer(_Key(task)).scores(prediction.cells)
    return {key: found[key] for key in POPULATION}


@lru_cache(maxsize=2)
def _scorer(key: "_Key") -> GenerationScorer:
    task = key.task
    fitted = task.start | (task.visible & task.is_asked())
    return GenerationScorer(task.counts[fitted], task.counts[task.truth])


def mask(task: Task, rows: Rows) -> Mask:
    """Return the mask of some rows, (cell,)."""
    out = np.zeros(len(task.totals), dtype=np.bool_)
    out[rows] = True
    return out


def _table(task: Task, logged: sp.csr_array) -> DifferentialTable:
    return differential_expression(logged, sp.csr_array(task.logged[task.start]))


def _real_table(task: Task) -> DifferentialTable:
    return _cached_table(_Key(task))


class _Key:
    """A task as the key of a cache: by the memory of its cells and its masks, which no one changes."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.key = (id(task.logged), task.start.tobytes(), task.truth.tobytes())

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


@lru_cache(maxsize=32)
def _cached_table(key: _Key) -> DifferentialTable:
    return _table(key.task, sp.csr_array(key.task.logged[key.task.truth]))


def _panel(task: Task, mean: Float) -> Scores:
    """Return pds, systema and centroid of a task with a panel."""
    if task.condition not in task.panel:
        return {}
    levels = panel_levels(task)
    names = list(levels)
    own, start = names.index(task.condition), task.means(task.start)
    real = np.stack([levels[n] for n in names])
    predicted = real.copy()
    predicted[own] = mean
    gene: list[int | None] = [None] * len(names)
    gene[own] = own_gene(task)
    centre = perturbed_centroid(np.delete(real, own, axis=0))
    return {
        "pds": float(discrimination(predicted - start, real - start, gene)[own]),
        "systema": float(systema_pearson(mean[None], real[own][None], centre)[0]),
        "centroid": float(centroid_accuracy(predicted, real)[own]),
    }


def own_gene(task: Task) -> int | None:
    """Return the place, among the scored genes, of a perturbed gene; None where it is not scored."""
    names = [task.genes[g] for g in task.scored]
    return names.index(task.condition) if task.condition in names else None


def panel_levels(task: Task) -> Mapping[str, Float]:
    """Return the pseudobulks of the panel's conditions in the target context, hidden or not, (scored,) each."""
    home = task.column("context") == task.target
    condition = task.column("condition")
    found = {name: home & (condition == name) for name in task.panel}
    found[task.condition] = task.truth
    return {name: task.means(cells) for name, cells in found.items() if cells.any()}
