"""How far two populations of points lie apart: kernel, energy and neighbourhood distances, marginals, correlations."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

NEIGHBOURS = 90  # of iLISI; Korsunsky et al. 2019: three times the perplexity of 30
BISECTIONS = 60
BLOCK = 1024  # rows of a block of pairwise distances: memory stays linear in the number of cells


def squared_distances(x: Float, y: Float) -> Iterator[Float]:
    """Yield squared Euclidean distances of blocks of rows of x to all rows of y, (block, y)."""
    centre = y.mean(axis=0)  # near the origin fewer digits cancel
    x, y = x - centre, y - centre
    norm = (y**2).sum(axis=1)
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK]
        yield np.maximum((part**2).sum(axis=1)[:, None] + norm - 2 * part @ y.T, 0.0)


def median_distance(x: Float) -> float:
    """Return the median Euclidean distance over distinct pairs of rows; the bandwidth of `mmd`.

    x : (cell, axis), at least two cells.
    """
    pairs = [
        np.sqrt(block[np.arange(len(x)) > np.arange(start, start + len(block))[:, None]])
        for start, block in zip(range(0, len(x), BLOCK), squared_distances(x, x), strict=True)
    ]
    return float(np.median(np.concatenate(pairs)))


def mmd(x: Float, y: Float, sigma: float) -> tuple[float, float]:
    """Return (√ of the biased estimate, the unbiased estimate) of MMD² with k(a, b) = exp(−|a − b|² / 2σ²).

    The first is the V statistic, mean kxx + mean kyy − 2 mean kxy; the second leaves each point's kernel with itself
    out and may be negative.

    x, y : (cell, axis), at least two cells each.

    Source
    ------
    Gretton et al., A Kernel Two-Sample Test, JMLR 13:723 (2012), eqs. 3 and 5.
    """
    g = -1 / (2 * sigma**2)
    n, m = len(x), len(y)
    kxx, kyy, kxy = (
        sum(float(np.exp(g * d).sum()) for d in squared_distances(a, b)) for a, b in ((x, x), (y, y), (x, y))
    )
    biased = kxx / n**2 + kyy / m**2 - 2 * kxy / (n * m)
    unbiased = (kxx - n) / (n * (n - 1)) + (kyy - m) / (m * (m - 1)) - 2 * kxy / (n * m)
    return float(np.sqrt(max(biased, 0.0))), unbiased


def energy_distance(x: Float, y: Float) -> float:
    """Return 2 E|X − Y| − E|X − X'| − E|Y − Y'| as a V statistic (≥ 0), in units of the space.

    Source
    ------
    Székely & Rizzo, J Stat Plan Inference 143:1249 (2013).
    """
    xy, xx, yy = (
        sum(float(np.sqrt(d).sum()) for d in squared_distances(a, b)) / (len(a) * len(b))
        for a, b in ((x, y), (x, x), (y, y))
    )
    return 2 * xy - xx - yy


def ilisi(x: Float, y: Float) -> float:
    """Return the mean over all points of (inverse Simpson index of the labels around it − 1): 0 apart, 1 evenly mixed.

    Around a point: its k = min(90, n/3) nearest others in the union, weighted by a Gaussian of the distance whose
    width gives a perplexity of k/3 (60 bisections).

    x, y : (cell, axis).

    Source
    ------
    Korsunsky et al., Nat Methods 16:1289 (2019); scaled to [0, 1].
    """
    z = np.concatenate([x, y])
    label = np.r_[np.zeros(len(x)), np.ones(len(y))]
    k = min(NEIGHBOURS, len(z) // 3)
    if k < 2:
        return float("nan")
    near, other = np.empty((len(z), k)), np.empty((len(z), k))
    for start, block in zip(range(0, len(z), BLOCK), squared_distances(z, z), strict=True):
        rows = np.arange(len(block))
        block[rows, start + rows] = np.inf  # not its own neighbour
        index = np.argpartition(block, k - 1, axis=1)[:, :k]
        near[start : start + BLOCK] = np.sqrt(np.take_along_axis(block, index, axis=1))
        other[start : start + BLOCK] = label[index]
    share = (_gaussian(near, k / 3) * other).sum(axis=1)
    return float(np.mean(1 / (share**2 + (1 - share) ** 2) - 1))


def wasserstein(x: Float, y: Float) -> Float:
    """Return the 1-Wasserstein distance of the two samples of each column, (gene,).

    ∫ |F_x − F_y|; with equal numbers of cells the mean |sorted x − sorted y|.

    x, y : (cell, gene), any numbers of cells.
    """
    if len(x) == len(y):
        return np.asarray(np.abs(np.sort(x, axis=0) - np.sort(y, axis=0)).mean(axis=0), dtype=np.float64)
    both = np.concatenate([x, y])
    order = np.argsort(both, axis=0)
    steps = np.diff(np.take_along_axis(both, order, axis=0), axis=0)
    mine = np.cumsum(order < len(x), axis=0)[:-1]
    rest = np.arange(1, len(both))[:, None] - mine
    return np.asarray((np.abs(mine / len(x) - rest / len(y)) * steps).sum(axis=0), dtype=np.float64)


def correlation_error(x: Float, y: Float) -> float:
    """Return ‖corr(x) − corr(y)‖_F / number of genes, of the gene-gene Pearson correlations.

    A gene without variance in a set has correlation 0 with all others there, 1 with itself.

    x, y : (cell, gene).
    """
    return float(np.linalg.norm(_correlations(x) - _correlations(y)) / x.shape[1])


def _correlations(x: Float) -> Float:
    centred = x - x.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    unit = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    out = unit.T @ unit
    np.fill_diagonal(out, 1.0)
    return np.asarray(out)


def _gaussian(distance: Float, perplexity: float) -> Float:
    """Weights exp(−β (d − d_min)) of each row, summing to 1, with the entropy of the perplexity."""
    want = np.log(perplexity)
    nearest = distance.min(axis=1, keepdims=True)
    low, high = np.zeros(len(distance)), np.full(len(distance), np.inf)
    beta = 1 / np.maximum(distance.mean(axis=1), 1e-12)
    share = distance
    for _ in range(BISECTIONS):
        weight = np.exp(-beta[:, None] * (distance - nearest))
        share = weight / weight.sum(axis=1, keepdims=True)
        entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(axis=1)
        wide = entropy > want
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        open_ended = np.isinf(high)
        beta = np.where(open_ended, beta * 2, (low + np.where(open_ended, low, high)) / 2)
    return share
