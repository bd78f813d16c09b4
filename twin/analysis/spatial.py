"""Whether cells that lie near each other are alike: Moran's I over a graph, and correlograms over distance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.random import Stream

Float = NDArray[np.float64]

SHUFFLES = 199  # our choice: the smallest p is then 0.005
LEVEL = 0.95  # of a correlogram's band
BINS = 15  # of distances; our choice
REACH = 0.5  # of the longest side of the tissue: beyond, few pairs are left and all of them lie at its rim
BATCH = 64  # shuffles at a time: memory stays a small multiple of the cells


@dataclass(frozen=True)
class Moran:
    """Moran's I of each value.

    statistic : (value,) I; NaN where a value is the same in all cells, or no two cells are neighbours.
    expected : −1 / (n − 1), the mean over all shuffles, exact.
    z : (value,) (I − expected) / standard deviation of the shuffles.
    p_value : (value,) share of shuffles at least as far from the expected, (1 + hits) / (1 + shuffles), two-sided.
    """

    statistic: Float
    expected: float
    z: Float
    p_value: Float


@dataclass(frozen=True)
class Correlogram:
    """Correlation of the values of pairs of cells by the distance between them.

    distance : (bin,) µm, mean over the pairs. n_pairs : (bin,).
    correlation : (bin, value) mean of the product of the standardised values of a pair; 1 at no distance.
    low, high : (bin, value) the middle 95 % of what shuffled cells have, bin by bin.
    """

    distance: Float
    n_pairs: NDArray[np.intp]
    correlation: Float
    low: Float
    high: Float


def morans_i(
    values: Float, graph: sp.sparray | sp.spmatrix, *, shuffles: int = SHUFFLES, seed: int = 0, by_row: bool = False
) -> Moran:
    """Return Moran's I, n / Σw · Σ w_ij z_i z_j / Σ z_i², z the values less their mean.

    Parameters
    ----------
    values : (cell, value) numbers. Not modified.
    graph : (cell, cell) weights w; its diagonal does not count.
    by_row : every cell's weights are made to sum to 1 first (squidpy's `transformation=True`).

    Raises
    ------
    InputError
        If there are fewer than three cells, or a value is not finite.

    Source
    ------
    Moran, Biometrika 37:17 (1950); Cliff & Ord, Spatial Processes (1981), for the law under shuffles.
    """
    z, spread = _centred(values)
    n = len(z)
    w = sp.csr_array(graph, dtype=np.float64, copy=True)
    w.setdiag(0.0)
    w.eliminate_zeros()
    if by_row:
        total = np.asarray(w.sum(axis=1)).ravel()
        w = sp.csr_array(sp.diags_array(np.divide(1.0, total, out=np.zeros(n), where=total > 0)) @ w)
    weight = float(w.sum())
    expected = -1.0 / (n - 1)
    nothing = np.full(z.shape[1], np.nan)
    if weight == 0:
        return Moran(nothing, expected, nothing, nothing)
    scale = np.divide(n / weight, n * spread**2, out=nothing.copy(), where=spread > 0)
    found = scale * (z * (w @ z)).sum(axis=0)
    off, hits, square = np.abs(found - expected), np.zeros(z.shape[1]), np.zeros(z.shape[1])
    for mixed in _shuffled(z, shuffles, seed):  # (cell, value × shuffle)
        away = (mixed * (w @ mixed)).sum(axis=0).reshape(z.shape[1], -1) * scale[:, None] - expected
        hits += (np.abs(away) >= off[:, None] - 1e-12).sum(axis=1)
        square += (away**2).sum(axis=1)
    deviation = np.sqrt(square / max(shuffles, 1))
    standing = np.divide(found - expected, deviation, out=nothing.copy(), where=deviation > 0)
    return Moran(found, expected, standing, np.where(np.isnan(found), np.nan, (1 + hits) / (1 + shuffles)))


def distance_bins(position: Float, n: int = BINS, reach: float | None = None) -> Float:
    """Return edges of n equal bins from 0 to `reach`; without it half the longest side of the tissue, (bin + 1,) µm.

    position : (cell, axis) µm.
    """
    longest = float(np.ptp(position, axis=0).max()) if len(position) else 0.0
    return np.linspace(0.0, REACH * (longest or 1.0) if reach is None else reach, n + 1)


def correlogram(
    values: Float, position: Float, edges: Float, *, shuffles: int = SHUFFLES, seed: int = 0
) -> Correlogram:
    """Return how alike pairs of cells are by their distance, with what shuffled cells would show.

    Parameters
    ----------
    values : (cell, value) numbers. Not modified. A value that is the same in all cells gives NaN.
    position : (cell, axis) µm.
    edges : (bin + 1,) µm, ascending; bins without a pair are left out. O(pairs within the last edge × shuffles).

    Raises
    ------
    InputError
        If there are fewer than three cells, a value is not finite, or no pair lies within the edges.

    Source
    ------
    Bjørnstad & Falck, Nonparametric spatial covariance functions, Environ Ecol Stat 8:53 (2001).
    """
    z, spread = _centred(values)
    z = np.divide(z, spread, out=np.full_like(z, np.nan), where=spread > 0)
    pairs = cKDTree(position).query_pairs(float(edges[-1]), output_type="ndarray")  # (pair, 2), each once
    away = np.linalg.norm(position[pairs[:, 0]] - position[pairs[:, 1]], axis=1)
    bins = np.searchsorted(edges, away, side="right") - 1
    bins[away == edges[-1]] = len(edges) - 2
    count = np.bincount(bins[bins >= 0], minlength=len(edges) - 1)
    kept = np.flatnonzero(count)
    if not len(kept):
        raise InputError(f"no two cells lie within {edges[-1]:g} µm of each other: ask for a longer distance")
    shape = (len(z), len(z))
    graphs = [sp.csr_array((np.ones(count[b]), tuple(pairs[bins == b].T)), shape=shape) for b in kept]
    found = np.stack([(z * (g @ z)).sum(axis=0) / g.nnz for g in graphs])  # (bin, value)
    drawn = []
    for mixed in _shuffled(z, shuffles, seed):
        part = np.stack([(mixed * (g @ mixed)).sum(axis=0) / g.nnz for g in graphs])
        drawn.append(part.reshape(len(kept), z.shape[1], -1))
    low, high = np.full_like(found, np.nan), np.full_like(found, np.nan)
    if drawn:
        low, high = np.quantile(np.concatenate(drawn, axis=2), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=2)
    mean = np.bincount(bins[bins >= 0], weights=away[bins >= 0], minlength=len(edges) - 1)[kept] / count[kept]
    return Correlogram(mean, count[kept], found, low, high)


def _centred(values: Float) -> tuple[Float, Float]:
    """Return values less their mean, (cell, value), and their standard deviations; rounding is no spread."""
    if len(values) < 3:
        raise InputError(f"{len(values)} cells are too few to tell whether near ones are alike: at least 3 are needed")
    if not np.isfinite(values).all():
        raise InputError("a value is not finite: choose one that all cells have")
    mean = values.mean(axis=0)
    z = values - mean
    spread = np.sqrt((z**2).mean(axis=0))
    return z, np.where(spread > 1e-12 * np.abs(mean), spread, 0.0)


def _shuffled(z: Float, shuffles: int, seed: int) -> Iterator[Float]:
    """Yield z with its rows shuffled, (cell, value × shuffle), the shuffle fastest; all values by the same shuffles."""
    rows = np.arange(len(z), dtype=np.uint64)
    for first in range(0, shuffles, BATCH):
        numbers = range(first, min(first + BATCH, shuffles))
        order = [np.argsort(Stream(seed).bits(rows, np.array([i], np.uint64)), kind="stable") for i in numbers]
        yield z[np.stack(order, axis=1)].swapaxes(1, 2).reshape(len(z), -1)  # (cell, shuffle, value) before
