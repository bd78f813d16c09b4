"""Which genes differ between two groups of cells where there are replicates: a paired test of pseudobulks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from twin.analysis.metrics.rank_test import DifferentialTable
from twin.errors import InputError

Float = NDArray[np.float64]

LEAST_PAIRS = 3  # replicates on both sides; below it a variance is hardly known, even a shared one
LEAST_COUNT = 10.0  # a gene is tested if as many samples as one side has hold this in a library of median size …
LEAST_TOTAL = 15.0  # … and all together this: edgeR's filterByExpr
NEWTON = 50  # steps at most


@dataclass(frozen=True)
class Prior:
    """What all genes say about a gene's variance: a scaled inverse chi-square law.

    df : its degrees of freedom, inf where all genes have one variance. variance : its scale.
    """

    df: float
    variance: float


def log_cpm(bulk: Float) -> Float:
    """Return log2((count + 0.5) / (library + 1) · 1e6), (replicate, gene).

    Source
    ------
    Law et al., voom, Genome Biology 15:R29 (2014).
    """
    return np.asarray(np.log2((bulk + 0.5) / (bulk.sum(axis=1, keepdims=True) + 1.0) * 1e6))


def expressed(first: Float, second: Float) -> NDArray[np.bool_]:
    """Return which genes have enough counts to be tested, (gene,).

    Source
    ------
    edgeR's filterByExpr: CPM above that of 10 counts in a library of median size, in as many samples as a group has,
    of those beyond 10 in 70 %.
    """
    both = np.concatenate([first, second])
    library = both.sum(axis=1, keepdims=True)
    cpm = both / np.maximum(library, 1.0) * 1e6
    n = len(first)
    least = n if n <= 10 else 10 + 0.7 * (n - 10)
    enough = (cpm >= LEAST_COUNT / max(float(np.median(library)), 1.0) * 1e6).sum(axis=0) >= least
    return np.asarray(enough & (both.sum(axis=0) >= LEAST_TOTAL))


def paired_test(first: Float, second: Float) -> DifferentialTable:
    """Test the log2 fold change of each gene, first over second, replicate by replicate.

    The moderated t of the paired differences of log CPM: each gene's variance is drawn to what all genes have, which
    is what makes three replicates useful. Benjamini-Hochberg over the tested genes.

    Parameters
    ----------
    first, second : (replicate, gene) sums of counts over the cells of a group; row by row of the same replicate.

    Raises
    ------
    InputError
        If there are fewer than three replicates.

    Source
    ------
    Smyth, Stat Appl Genet Mol Biol 3:3 (2004), as limma's eBayes without trend.
    """
    if first.shape != second.shape or len(first) < LEAST_PAIRS:
        raise InputError(f"{len(first)} replicates are too few for a test of pseudobulks: {LEAST_PAIRS} are needed")
    n = len(first)
    tested = expressed(first, second)
    p, fdr = np.ones(first.shape[1]), np.ones(first.shape[1])
    difference = log_cpm(first) - log_cpm(second)  # (replicate, gene)
    change = np.where(tested, difference.mean(axis=0), 0.0)
    if tested.any():
        own = difference[:, tested].var(axis=0, ddof=1)
        prior = shared_variance(own, n - 1)
        df = min(prior.df + n - 1, float(tested.sum()) * (n - 1))
        mixed = (
            np.full_like(own, prior.variance)
            if np.isinf(prior.df)
            else (prior.df * prior.variance + (n - 1) * own) / (prior.df + n - 1)
        )
        moderated = change[tested] / np.sqrt(np.maximum(mixed, np.finfo(float).tiny) / n)
        p[tested] = np.where(change[tested] == 0, 1.0, 2 * student.sf(np.abs(moderated), df))
        fdr[tested] = false_discovery_control(p[tested])
    return DifferentialTable(change, p, fdr, tested)


def shared_variance(variance: Float, df: int) -> Prior:
    """Return the law that the variances of all genes are drawn from, by the moments of their logarithms.

    variance : (gene,) sample variances with `df` degrees of freedom each; the tiniest are lifted, as limma does.
    """
    floor = 1e-5 * float(np.median(variance))
    if len(variance) < 2 or floor <= 0:
        return Prior(0.0, 1.0)
    e = np.log(np.maximum(variance, floor)) - digamma(df / 2) + np.log(df / 2)
    spread = float(e.var(ddof=1)) - float(polygamma(1, df / 2))
    if spread <= 0:
        return Prior(float("inf"), float(np.exp(e.mean())))
    half = _inverse_trigamma(spread)
    return Prior(2 * half, float(np.exp(e.mean() + digamma(half) - np.log(half))))


def _inverse_trigamma(value: float) -> float:
    """Return x with ψ'(x) = value, by Newton's method on 1/ψ', which is convex."""
    x = 0.5 + 1.0 / value
    for _ in range(NEWTON):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1.0 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
