"""What real cells reach: disjoint halves, a duplicate experiment, and the limit of a noise-free prediction."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from twin.analysis.metrics.differential import table_agreement
from twin.analysis.metrics.rank_test import differential_expression
from twin.analysis.protocol.baselines import mean_shift, pooled_shift
from twin.analysis.protocol.combinations import cell_mean
from twin.analysis.protocol.score import LEAST_TO_TEST, Scores, mask
from twin.analysis.protocol.task import Float, Mask, Task
from twin.analysis.scores import mse, pearson, slope

HALVINGS = 20  # draws; as the reference scorer
TESTED = 5  # of them tested for differential expression, which costs more; our choice

Ceiling = Callable[[Task], Scores | None]


def split_half(task: Task) -> Scores | None:
    """Both arms in two disjoint random halves: the one's delta against the other's.

    It shows the noise and is not a limit: each half has half the cells.
    """
    if min(task.start.sum(), task.truth.sum()) < 2:
        return None
    rng = np.random.default_rng(task.seed)
    rows = []
    for draw in range(HALVINGS):
        (c1, c2), (t1, t2) = _halves(task, rng, task.start), _halves(task, rng, task.truth)
        first, second = task.means(t1) - task.means(c1), task.means(t2) - task.means(c2)
        row = {"pearson_delta": pearson(first, second), "mse": mse(first, second), "slope": slope(first, second)}
        row["mae"] = float(np.abs(first - second).mean())
        if draw < TESTED and min(m.sum() for m in (c1, c2, t1, t2)) >= LEAST_TO_TEST:
            row |= _agreement(task, (t1, c1), (t2, c2))
        rows.append(row)
    return _mean(rows)


def noise_free(task: Task) -> Scores | None:
    """The true, noise-free shift: Pearson-delta √(2r / (1 + r)), a quarter of the halves' MSE.

    r is the halves' Pearson. A half's delta has twice the variance of the full one, and two of them are subtracted.
    """
    half = split_half(task)
    if half is None:
        return None
    r = half["pearson_delta"]
    return {"pearson_delta": float(np.sqrt(max(2 * r / (1 + r), 0.0))), "mse": half["mse"] / 4, "slope": 1.0}


def interpolated_duplicate(task: Task) -> Scores | None:
    """One half of the hidden cells predicts the other, each gene drawn to the mean baseline by its p-value.

    Prediction = (1 - q) * half + q * mean baseline, q the false discovery rate of the gene between the other half and
    the start cells; scored against that other half. The mean baseline is the target context's
    own shift in other cells, else the mean shift of other contexts, else the cell mean.

    Source
    ------
    Positive control of bioRxiv 2025.10.20.683304.
    """
    blind = task.blind()
    base = pooled_shift(blind) or mean_shift(blind) or cell_mean(blind)
    if base is None or task.truth.sum() < 2 * LEAST_TO_TEST or task.start.sum() < LEAST_TO_TEST:
        return None
    rng = np.random.default_rng(task.seed)
    rows = []
    start = task.means(task.start)
    for _ in range(TESTED):
        truth, duplicate = _halves(task, rng, task.truth)
        q = differential_expression(_cells(task, truth), _cells(task, task.start)).fdr
        made = (1 - q) * task.means(duplicate) + q * base.mean
        real = task.means(truth)
        rows.append(
            {
                "pearson_delta": pearson(made - start, real - start),
                "mse": mse(made, real),
                "mae": float(np.abs(made - real).mean()),
                "slope": slope(made - start, real - start),
            }
        )
    return _mean(rows)


def _halves(task: Task, rng: np.random.Generator, cells: Mask) -> tuple[Mask, Mask]:
    order = rng.permutation(np.flatnonzero(cells))
    cut = len(order) // 2
    return mask(task, order[:cut]), mask(task, order[cut : 2 * cut])


def _cells(task: Task, cells: Mask) -> sp.csr_array:
    return sp.csr_array(task.logged[cells])


def _agreement(task: Task, predicted: tuple[Mask, Mask], real: tuple[Mask, Mask]) -> Scores:
    one, other = (differential_expression(_cells(task, t), _cells(task, c)) for t, c in (predicted, real))
    found = table_agreement(one, other)
    scores = {k: found[k] for k in ("des", "auprc", "spearman_lfc", "n_real", "n_predicted")}
    return scores | {"direction": found["direction_match"]}


def _mean(rows: list[Scores]) -> Scores:
    keys = {key for row in rows for key in row}
    return {key: float(np.mean([row[key] for row in rows if key in row])) for key in sorted(keys)}


def scaled(task: Task, mean: Float, factor: float) -> Float:
    """Return a prediction whose delta is multiplied, (scored,): shows which scores a mere change of scale moves."""
    start = task.means(task.start)
    return np.asarray(start + factor * (mean - start))
