"""Scores of predicted expression: small, exact, and in agreement with an independent scorer (see the tests)."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Float = NDArray[np.float64]

HVG_BINS = 20


def lognorm(counts: sp.csr_array, totals: Float | None = None) -> sp.csr_array:
    """Return log1p(CP10k), natural log, (cell, gene) float32.

    totals : (cell,) library sizes; without them the row sums. A cell with total 0 stays zero.
    """
    counts = sp.csr_array(counts, dtype=np.float64)
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel() if totals is None else totals
    scale = np.divide(1e4, totals, out=np.zeros_like(totals), where=totals > 0)
    return sp.csr_array((sp.diags_array(scale) @ counts).log1p().astype(np.float32))


def dispersion_genes(logged: sp.csr_array, n: int) -> NDArray[np.intp]:
    """Return the n genes of largest binned, normalised dispersion, ascending columns.

    On x = expm1(logged): dispersion d = log(variance / mean), abscissa a = log1p(mean), 20 equal bins of a; the
    score is d standardised within its bin (1 in a bin of one gene).

    Source
    ------
    Satija et al., Nat Biotechnol 33:495 (2015), as scanpy's highly_variable_genes(flavor="seurat").
    """
    x = logged.astype(np.float64)
    x.data = np.expm1(x.data)
    cells = x.shape[0]
    mean = np.asarray(x.mean(axis=0)).ravel()
    variance = (np.asarray(x.multiply(x).mean(axis=0)).ravel() - mean**2) * cells / (cells - 1)
    good = (variance > 0) & (mean > 0)
    dispersion = np.full(mean.size, np.nan)
    dispersion[good] = np.log(variance[good] / mean[good])
    place = np.log1p(mean)
    edges = np.linspace(place.min(), place.max(), HVG_BINS + 1)
    bins = np.clip(np.searchsorted(edges, place, side="left") - 1, 0, HVG_BINS - 1)
    score = np.full(mean.size, -np.inf)
    for b in np.unique(bins):
        inside = np.flatnonzero((bins == b) & np.isfinite(dispersion))
        if inside.size == 1:
            score[inside] = 1.0
        elif inside.size > 1:
            values = dispersion[inside]
            score[inside] = (values - values.mean()) / values.std(ddof=1)
    return np.sort(np.argsort(-score, kind="stable")[:n])


def pearson(x: Float, y: Float) -> float:
    """Return the Pearson correlation of two vectors; NaN where one is constant."""
    x, y = np.asarray(x, np.float64) - np.mean(x), np.asarray(y, np.float64) - np.mean(y)
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else float("nan")


def slope(predicted: Float, true: Float) -> float:
    """Return the least-squares slope of predicted on true deltas through the origin; 1 is a full effect."""
    whole = float(true @ true)
    return float(predicted @ true) / whole if whole > 0 else float("nan")


def mse(predicted: Float, true: Float) -> float:
    """Return the mean squared difference over genes."""
    return float(np.mean((np.asarray(predicted, np.float64) - np.asarray(true, np.float64)) ** 2))


def split_half(control: Float, treated: Float, repeats: int = 20, seed: int = 0) -> tuple[float, float]:
    """Return Pearson and mean squared difference of the deltas of two disjoint random halves of both arms.

    control, treated : (cell, gene) log-normalised. Means over `repeats` draws.
    """
    rng = np.random.default_rng(seed)
    rs, ms = [], []
    for _ in range(repeats):
        halves = []
        pc, pt = rng.permutation(len(control)), rng.permutation(len(treated))
        for part in (slice(0, None, 2), slice(1, None, 2)):
            halves.append(treated[pt[part]].mean(axis=0) - control[pc[part]].mean(axis=0))
        rs.append(pearson(halves[0], halves[1]))
        ms.append(mse(halves[0], halves[1]))
    return float(np.mean(rs)), float(np.mean(ms))
