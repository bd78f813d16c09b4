"""Whether a predictor's support score tells the tasks on which it is worse than the baselines."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from twin.analysis.metrics.calibration import auroc
from twin.analysis.protocol.table import Row, Table
from twin.analysis.protocol.task import Float
from twin.errors import InputError

METRIC = "mse"  # the error that is compared: free of shared control noise


def support_cases(tables: Iterable[Table], predictor: str) -> tuple[Float, NDArray[np.bool_], tuple[str, ...]]:
    """Return (support (case,), whether the error is above the baseline's (case,), the cases' names), all families.

    The baseline of a family is the one with the least mean error among those that are defined on all its tasks.
    Tasks without a support score are left out.
    """
    support, worse, names = [], [], []
    for table in tables:
        row, baseline = table.row(predictor), best_baseline(table)
        said = table.values(row, "support")
        own, other = table.values(row, METRIC), table.values(baseline, METRIC)
        for i in np.flatnonzero(np.isfinite(said) & np.isfinite(own) & np.isfinite(other)):
            support.append(float(said[i]))
            worse.append(bool(own[i] > other[i]))
            names.append(f"{table.key}: {table.tasks[i]}")
    return np.array(support, dtype=np.float64), np.array(worse, dtype=np.bool_), tuple(names)


def support_auroc(tables: Iterable[Table], predictor: str) -> float:
    """Return the probability that a task with an error above the baseline's has less support than one without.

    NaN where all tasks are of one kind.
    """
    support, worse, _ = support_cases(tables, predictor)
    return auroc(worse, -support)


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
