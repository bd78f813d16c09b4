"""Groups of cells as sufficient sums: mean expression on two scales, with its sampling noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.model.kriging import UNSEEN

Float = NDArray[np.float64]

BORROWED_CELLS = 5.0  # cells' worth of the pooled variance that each group's own borrows; our choice
PSEUDO = 0.3  # counts added to a group, at the pool's rate; our choice
LEAST_VARIANCE = 1e-3  # of log1p(CP10k) between cells; our choice
DISPERSION_BOUNDS = (0.05, 10.0)
USUAL_DISPERSION = 0.3  # φ of counts of molecules between cells of a type; our choice


@dataclass(frozen=True)
class Summary:
    """Sums over one group of cells, each (gene,) and only over the cells that measured the gene.

    n : cells. total, square : Σ x, Σ x². cross : Σ x D. depth, depth_square : Σ D, Σ D², D the library size.
    level, level_square : Σ log1p(1e4 x / D) and its square.
    """

    n: Float
    total: Float
    square: Float
    cross: Float
    depth: Float
    depth_square: Float
    level: Float
    level_square: Float


def summarise(counts: sp.csr_array, measured: NDArray[np.bool_], depth: Float) -> Summary:
    """Return the sums of a group of cells.

    counts : (cell, gene). measured : (cell, gene) or (gene,). depth : (cell,) library sizes.
    """
    genes = counts.shape[1]
    x = counts.data.astype(np.float64)
    d = np.repeat(depth, np.diff(counts.indptr))
    level = np.log1p(1e4 * x / np.maximum(d, 1.0))

    def summed(values: Float) -> Float:
        return np.asarray(np.bincount(counts.indices, weights=values, minlength=genes), np.float64)

    seen = np.broadcast_to(measured, counts.shape) if measured.ndim == 2 else None
    if seen is None:
        n, first, second = (measured * s for s in (float(len(depth)), depth.sum(), (depth**2).sum()))
    else:
        n, first, second = seen.sum(axis=0), depth @ seen, depth**2 @ seen
    return Summary(
        np.asarray(n, np.float64),
        summed(x),
        summed(x**2),
        summed(x * d),
        np.asarray(first, np.float64),
        np.asarray(second, np.float64),
        summed(level),
        summed(level**2),
    )


def dispersion(groups: Sequence[Summary]) -> Float:
    """Return φ of variance μ + φ μ² within groups, by moments, (gene,).

    Shrunk towards `USUAL_DISPERSION` by the weight of an average gene.
    """
    excess, square = np.zeros_like(groups[0].n), np.zeros_like(groups[0].n)
    for g in groups:
        rate = g.total / np.maximum(g.depth, 1.0)
        mean_square = rate**2 * g.depth_square
        excess += g.square - 2 * rate * g.cross + mean_square - rate * g.depth
        square += mean_square
    typical = max(float(square.mean()), 1e-12)
    phi = (np.maximum(excess, 0.0) + USUAL_DISPERSION * typical) / (square + typical)
    return np.asarray(np.clip(phi, *DISPERSION_BOUNDS))


def levels(groups: Sequence[Summary]) -> tuple[Float, Float]:
    """Return means of log1p(CP10k) and their sampling variances, (group, gene) each."""
    n = np.stack([g.n for g in groups])
    mean = np.stack([g.level for g in groups]) / np.maximum(n, 1.0)
    within = np.stack([g.level_square for g in groups]) / np.maximum(n, 1.0) - mean**2
    several = n > 2
    pooled = np.where(several, within * n, 0.0).sum(axis=0) / np.maximum(np.where(several, n, 0.0).sum(axis=0), 1.0)
    # wells without replicates: a Poisson count at that depth, the least it can be
    total = np.stack([g.total for g in groups])
    poisson = np.where(n > 0, 1.0 / np.maximum(total, 1.0), 0.0).sum(axis=0) / np.maximum((n > 0).sum(axis=0), 1) + 0.05
    pooled = np.where(several.any(axis=0), pooled, poisson)
    own = np.where(several, within, 0.0)
    weight = np.where(several, n, 0.0)
    variance = (own * weight + BORROWED_CELLS * pooled) / (weight + BORROWED_CELLS) + LEAST_VARIANCE
    return mean, np.where(n > 0, variance / np.maximum(n, 1.0), UNSEEN)


def rates(groups: Sequence[Summary], control: NDArray[np.bool_], phi: Float) -> tuple[Float, Float]:
    """Return log mean rates (natural log of counts per 10,000) and their variances, (group, gene) each.

    control : (group,) which groups are controls; each kind borrows `PSEUDO` counts at its pool's rate.
    """
    total, depth = np.stack([g.total for g in groups]), np.stack([g.depth for g in groups])
    n = np.stack([g.n for g in groups])
    out = np.zeros_like(total)
    for kind in (True, False):
        mine = control == kind
        if mine.any():
            pool = total[mine].sum(axis=0) / np.maximum(depth[mine].sum(axis=0), 1.0) + 1e-7
            out[mine] = np.log((total[mine] + PSEUDO) / (depth[mine] + PSEUDO / pool)) + np.log(1e4)
    square = np.stack([g.depth_square for g in groups])
    variance = 1.0 / (total + PSEUDO) + phi * square / np.maximum(depth, 1.0) ** 2
    return out, np.where(n > 0, variance, UNSEEN)
