"""Whether a predictor's support score tells the tasks on which it is worse than the baselines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twin.analysis.metrics.calibration import Calibration, auroc, fit_calibration
from twin.analysis.protocol.table import Row, Table
from twin.analysis.protocol.task import Float
from twin.errors import InputError

METRIC = "mse"  # the error that is compared: free of shared control noise
NOTHING, PLAIN, BEST = "no change", "the plain mean", "the family's best baseline"
PLAIN_MEANS = (  # the first that is defined on a task is its plain mean
    "mean shift",
    "own context's shift, pooled",
    "mean effect of all other perturbations",
    "logarithmic interpolation",
)
AGAINST = {
    NOTHING: "to say that nothing changes: what the support is the probability of not being worse than",
    PLAIN: "the mean shift of the other contexts, else of other donors, of all other perturbations, else log-time",
    BEST: "of about 30, the one with the least mean error on the family's own hidden cells: known afterwards only",
}
EDGES = (0.0, 0.5, 0.7, 0.9, 1.0)  # of the classes of support in the table of reliability; our choice


@dataclass(frozen=True)
class Cases:
    """Left-out tasks with a support score.

    support : (case,). worse : (case,) whether the error is above the baseline's. names : "family: task".
    """

    support: Float
    worse: NDArray[np.bool_]
    names: tuple[str, ...]

    @property
    def auroc(self) -> float:
        """The probability that a worse case has less support than another; NaN where all are of one kind."""
        return auroc(self.worse, -self.support)

    @property
    def families(self) -> NDArray[np.str_]:
        """The family of each case, (case,)."""
        return np.array([name.split(": ")[0] for name in self.names], dtype=np.str_)


def support_cases(tables: Iterable[Table], predictor: str, against: str = NOTHING) -> Cases:
    """Return the left-out tasks of all families, compared with one baseline of `AGAINST`.

    Tasks without a support score, or on which the baseline is not defined, are left out.
    """
    support, worse, names = [], [], []
    for table in tables:
        row = table.row(predictor)
        said = table.values(row, "support")
        own, other = table.values(row, METRIC), _errors(table, against)
        for i in np.flatnonzero(np.isfinite(said) & np.isfinite(own) & np.isfinite(other)):
            support.append(float(said[i]))
            worse.append(bool(own[i] > other[i]))
            names.append(f"{table.key}: {table.tasks[i]}")
    return Cases(np.array(support, dtype=np.float64), np.array(worse, dtype=np.bool_), tuple(names))


def _errors(table: Table, against: str) -> Float:
    """Return the error of one baseline of `AGAINST` on each task, NaN where it is not defined, (task,)."""
    if against == BEST:
        return table.values(best_baseline(table), METRIC)
    out = np.full(len(table.tasks), np.nan)
    there = {row.name: row for row in table.rows if row.kind == "baseline"}
    for name in (NOTHING,) if against == NOTHING else PLAIN_MEANS:
        if name in there:
            out = np.where(np.isfinite(out), out, table.values(there[name], METRIC))
    return out


def best_baseline(table: Table) -> Row:
    """Return the baseline with the least mean error on all tasks of a table.

    Raises
    ------
    InputError
        If no baseline is defined on all of them.
    """
    found = table.best(METRIC)
    if found is None:
        raise InputError(f"{table.name}: no baseline is defined on all {len(table.tasks)} tasks")
    return found


def by_other_families(cases: Cases) -> Float:
    """Return the probability of being no worse, calibrated for each family on the others alone, (case,).

    NaN where the others are fewer than two.
    """
    family, score = cases.families, evidence(cases.support)
    out = np.full(len(score), np.nan)
    for one in np.unique(family):
        others = family != one
        if others.sum() > 1:
            curve = fit_calibration(~cases.worse[others], score[others])
            out[~others] = curve.probability(score[~others])
    return out


def calibration(cases: Cases) -> Calibration:
    """Return the logistic curve from `evidence` to the probability of being no worse, fitted on all cases."""
    return fit_calibration(~cases.worse, evidence(cases.support))


def evidence(support: Float) -> Float:
    """Return the log odds of a support score, within ±6."""
    inside = np.clip(support, 1 / (1 + np.exp(6.0)), 1 / (1 + np.exp(-6.0)))
    return np.asarray(np.log(inside / (1 - inside)))


def reliability(cases: Cases, edges: Sequence[float] = EDGES) -> list[tuple[str, int, float, float]]:
    """Return (class of support, cases, their mean support, share that was no worse) of the classes with cases."""
    rows = []
    for low, high in pairwise(edges):
        mine = (cases.support >= low) & ((cases.support < high) | (high == edges[-1]))
        if mine.any():
            said, true = float(cases.support[mine].mean()), float((~cases.worse[mine]).mean())
            rows.append((f"{low:g} to {high:g}", int(mine.sum()), said, true))
    return rows
