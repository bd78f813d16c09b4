"""How likely a snapshot is, given a population of the twin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.assimilation.snapshot import Snapshot

Float = NDArray[np.float64]

AXES = 5  # of the snapshot's space on which means are compared; our choice: the noise of the others says nothing
MODEL_ERROR = 0.1  # standard deviation of what the twin cannot get right, in those of measured cells; our choice
PRIOR = 0.5  # pseudo-count a cell type (Jeffreys), so that a type that a replicate lacks is unlikely, not impossible


@dataclass(frozen=True)
class Features:
    """What of a population is compared: means of cell types on leading axes of the snapshot's space, and numbers.

    names : one a mean. value : (mean,). spread : (mean,) standard deviation among measured cells. error : (mean,)
    standard error of the twin's and of the snapshot's mean together. counts : per type, cells of the twin.
    """

    names: tuple[str, ...]
    value: Float
    spread: Float
    error: Float
    counts: Mapping[str, int]


def features(snapshot: Snapshot, points: Float, types: NDArray[np.str_], wanted: Sequence[str]) -> Features:
    """Return the features of the twin's cells. Of a type that the snapshot has too few of there are none; one that the
    twin has too few of counts as if its cells could be any measured ones.

    points : (cell, axis) the twin's cells in the snapshot's space. types : (cell,) names.
    """
    names, value, spread, error = [], [], [], []
    for name in wanted:
        x, y = points[types == name][:, :AXES], snapshot.points[snapshot.rows(name, test=False)][:, :AXES]
        if len(y) < 2:
            continue
        if len(x) < 2:
            x, n = snapshot.points[~snapshot.test][:, :AXES], 1
        else:
            n = len(x)
        sd = y.std(axis=0, ddof=1)
        names += [f"{name} {axis}" for axis in range(x.shape[1])]
        value += list(x.mean(axis=0))
        spread += list(sd)
        error += list(np.sqrt(x.var(axis=0, ddof=1) / n + sd**2 / len(y)))
    numbers = {name: int((types == name).sum()) for name in wanted}
    return Features(tuple(names), np.array(value), np.array(spread), np.array(error), numbers)


def observed(snapshot: Snapshot, found: Features, *, test: bool = False) -> Float:
    """Return the snapshot's own means of these features, (mean,): of the cells that correct, or of those that test.

    Of a type without such cells they are NaN.
    """
    out = []
    for name in found.names:
        cell_type, _, axis = name.rpartition(" ")
        rows = snapshot.rows(cell_type, test=test)
        out.append(float(snapshot.points[rows, int(axis)].mean()) if len(rows) else np.nan)
    return np.array(out, dtype=np.float64)


def log_likelihood(snapshot: Snapshot, found: Features, wanted: Sequence[str]) -> float:
    """Return the log-likelihood of the correcting half of a snapshot, given a replicate.

    Means are Gaussian, with the sampling error of both sides and `MODEL_ERROR`; cell numbers are multinomial with the
    replicate's shares, of as many cells as tell shares to within that error. Source: Wood, Statistical inference for
    noisy nonlinear ecological dynamic systems, Nature 466 (2010), synthetic likelihood.
    """
    variance = found.error**2 + (MODEL_ERROR * found.spread) ** 2
    off = observed(snapshot, found) - found.value
    means = -0.5 * float((off**2 / variance + np.log(2 * np.pi * variance)).sum()) if len(off) else 0.0
    seen = np.array([len(snapshot.rows(name, test=False)) for name in wanted], dtype=np.float64)
    shares = np.array([found.counts[name] + PRIOR for name in wanted])
    worth = effective_cells(float(seen.sum())) / max(float(seen.sum()), 1.0)
    return means + worth * float((seen * np.log(shares / shares.sum())).sum())


def effective_cells(n: float) -> float:
    """Return how many cells tell a composition as well as n do, of which the twin errs by `MODEL_ERROR`."""
    return n / (1 + n * MODEL_ERROR**2)
