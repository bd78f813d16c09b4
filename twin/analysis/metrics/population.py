"""Generated cells against held-out cells of the same population."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.stats import ks_2samp, rankdata

from twin.analysis.metrics.counts_board import raw_counts
from twin.analysis.metrics.distances import (
    correlation_error,
    energy_distance,
    ilisi,
    median_distance,
    mmd,
    wasserstein,
)
from twin.analysis.metrics.rank_test import Cells, gene_means
from twin.analysis.scores import dispersion_genes, lognorm, pearson
from twin.errors import InputError

Float = NDArray[np.float64]
Index = NDArray[np.intp]

COMPONENTS = 50
VARIABLE_GENES = 1_000  # of the largest dispersion in the training cells
CORRELATED_GENES = 200  # of the largest variance in the training cells
MOST_CELLS = 4_000  # training cells that components are fitted on, evenly spaced; our choice, bounds time and memory
DETECTED = 0.1  # share of training cells that must show a gene for its variance to be scored; our choice
LEAST_VARIANCE = 1e-3  # of log1p(CP10k); a constant gene is a finite error; our choice
GENE_BLOCK = 512
COVERAGE = 0.95
LEAST_CELLS = 4


@dataclass(frozen=True)
class _Population:
    counts: sp.csr_array  # (cell, gene)
    logged: sp.csr_array  # (cell, gene) log1p(CP10k)
    z: Float  # (cell, component)

    def take(self, rows: Index) -> "_Population":
        return _Population(self.counts[rows], self.logged[rows], self.z[rows])


class GenerationScorer:
    """Scores of generated counts; whatever is fitted, is fitted on the training cells alone.

    Components: 50, of log1p(CP10k) of the training cells, all genes, centred, not scaled. Bandwidth of MMD: the
    median distance between held-out cells there. Gene sets: the 1,000 of largest dispersion and the 200 of largest
    variance in the training cells.

    Parameters
    ----------
    training, held_out : (cell, gene) raw counts over the same genes, of which the generator saw the first.

    Raises
    ------
    InputError
        If a matrix holds no raw counts, has fewer than 4 cells, or the genes differ in number.
    """

    def __init__(self, training: Cells, held_out: Cells) -> None:
        train = raw_counts(training, "the training cells")
        test = raw_counts(held_out, "the held-out cells")
        self._check(train, train.shape[1], "training cells")
        self._check(test, train.shape[1], "held-out cells")
        logged = lognorm(train)
        self._mean, self._axes = principal_axes(logged[spread(train.shape[0], MOST_CELLS)], COMPONENTS)
        self.variable = dispersion_genes(logged, min(VARIABLE_GENES, train.shape[1]))
        self.correlated = variance_genes(logged, CORRELATED_GENES)
        self.detected = np.flatnonzero(shown(train) >= DETECTED)
        self._test = self._population(test)
        self.sigma = median_distance(self._test.z)

    def scores(self, generated: Cells, *, resamples: int = 0, seed: int = 0) -> dict[str, float]:
        """Return the scores of a generated population, (cell, gene) raw counts.

        mmd, mmd2_unbiased, energy, ilisi : of the components (`distances`). w1_all, w1_hvg : mean over all / the
        variable genes of the 1-Wasserstein distance of log1p(CP10k). pearson, spearman : of the gene means of
        log1p(CP10k). corr_err : error of the correlations of the 200 genes. ks_library : Kolmogorov-Smirnov statistic
        of the library sizes. zero_err : mean over genes of |share of zeros, generated − held out|; zero_rate_diff :
        generated − held out overall. mean_variance : mean over the genes shown by ≥ 10 % of the training cells of
        |ln variance, generated − held out| of log1p(CP10k), variances at least 0.001.

        Parameters
        ----------
        resamples : with a number above 0 each score has a 95 % interval under the names `<score>_low` and `_high`:
            both populations are drawn anew with replacement that many times, and the spread of the scores around
            their own mean is laid around the score (a redrawn cell is its own double, which shifts every distance;
            the shift is taken out). Time grows with it: meant for small sets.
        """
        counts = raw_counts(generated, "the generated cells")
        self._check(counts, len(self._mean), "generated cells")
        made = self._population(counts)
        found = self._scores(made, self._test)
        if resamples <= 0:
            return found
        rng = np.random.default_rng(seed)
        drawn: list[dict[str, float]] = []
        for _ in range(resamples):
            parts = [p.take(rng.integers(len(p.z), size=len(p.z))) for p in (made, self._test)]
            drawn.append(self._scores(parts[0], parts[1]))
        tail = 100 * (1 - COVERAGE) / 2
        out = dict(found)
        for key, value in found.items():
            column = np.array([d[key] for d in drawn])
            low, high = np.percentile(column - column.mean(), [tail, 100 - tail])
            out[f"{key}_low"], out[f"{key}_high"] = value + float(low), value + float(high)
        return out

    def _check(self, counts: sp.csr_array, genes: int, what: str) -> None:
        if counts.shape[0] < LEAST_CELLS:
            raise InputError(
                f"there are {counts.shape[0]} {what}; at least {LEAST_CELLS} are needed to score a population"
            )
        if counts.shape[1] != genes:
            raise InputError(
                f"the {what} have {counts.shape[1]} genes and the training cells {genes}; they must be the same"
            )

    def _population(self, counts: sp.csr_array) -> _Population:
        logged = sp.csr_array(lognorm(counts), dtype=np.float64)
        return _Population(counts, logged, np.asarray(logged @ self._axes - self._mean @ self._axes))

    def _scores(self, made: _Population, test: _Population) -> dict[str, float]:
        biased, unbiased = mmd(test.z, made.z, self.sigma)
        a, b = gene_means(test.logged), gene_means(made.logged)
        zeros = 1 - shown(test.counts), 1 - shown(made.counts)
        sizes = [np.asarray(p.counts.sum(axis=1)).ravel() for p in (test, made)]
        top = [p.logged[:, self.correlated].toarray() for p in (test, made)]
        spreads = [np.log(np.maximum(variances(p.logged[:, self.detected]), LEAST_VARIANCE)) for p in (test, made)]
        return {
            "mmd": biased,
            "mmd2_unbiased": unbiased,
            "energy": energy_distance(test.z, made.z),
            "ilisi": ilisi(test.z, made.z),
            "w1_all": _wasserstein_mean(test.logged, made.logged),
            "w1_hvg": _wasserstein_mean(test.logged[:, self.variable], made.logged[:, self.variable]),
            "pearson": pearson(a, b),
            "spearman": pearson(rankdata(a), rankdata(b)),
            "corr_err": correlation_error(top[0], top[1]),
            "ks_library": float(ks_2samp(sizes[0], sizes[1], method="asymp").statistic),
            "zero_err": float(np.abs(zeros[1] - zeros[0]).mean()),
            "zero_rate_diff": float(zeros[1].mean() - zeros[0].mean()),
            "mean_variance": float(np.abs(spreads[1] - spreads[0]).mean()) if len(self.detected) else float("nan"),
        }


def generation_scores(
    generated: Cells, held_out: Cells, training: Cells, *, resamples: int = 0, seed: int = 0
) -> dict[str, float]:
    """Return the scores of `GenerationScorer.scores` of one generated population.

    Who scores several populations against the same cells keeps the scorer: most of the time goes into its fit.

    generated, held_out, training : (cell, gene) raw counts over the same genes.
    """
    return GenerationScorer(training, held_out).scores(generated, resamples=resamples, seed=seed)


def principal_axes(logged: sp.csr_array, n: int) -> tuple[Float, Float]:
    """Return (mean (gene,), the first n principal axes (gene, n)) of centred cells; fewer where the data have fewer.

    logged : (cell, gene). From the eigenvectors of the cell-by-cell Gram matrix, (cell, cell) in memory.
    """
    cells = logged.shape[0]
    mean = gene_means(logged)
    gram = np.zeros((cells, cells))
    columns = sp.csc_array(logged)
    for start in range(0, logged.shape[1], GENE_BLOCK):
        block = columns[:, start : start + GENE_BLOCK].toarray() - mean[start : start + GENE_BLOCK]
        gram += block @ block.T
    n = min(n, cells - 1)
    values, vectors = eigh(gram, subset_by_index=(cells - n, cells - 1))
    good = values > 1e-10 * max(float(values.max()), 1e-300)
    values, vectors = values[good][::-1], vectors[:, good][:, ::-1]
    axes = (sp.csr_array(logged, dtype=np.float64).T @ vectors - np.outer(mean, vectors.sum(axis=0))) / np.sqrt(values)
    return mean, np.asarray(axes)


def variance_genes(logged: sp.csr_array, n: int) -> Index:
    """Return the n genes of the largest variance of log-normalised values, ascending columns; ties: lower first."""
    return np.sort(np.argsort(-variances(logged), kind="stable")[:n])


def variances(cells: sp.csr_array) -> Float:
    """Return the variance over cells (divided by n) in float64, (gene,)."""
    x = sp.csr_array(cells, dtype=np.float64)
    return np.maximum(gene_means(x.multiply(x).tocsr()) - gene_means(x) ** 2, 0.0)


def shown(counts: sp.csr_array) -> Float:
    """Return the share of cells with at least one molecule, (gene,); no stored zeros."""
    return np.asarray(np.bincount(counts.indices, minlength=counts.shape[1]) / counts.shape[0], dtype=np.float64)


def spread(n: int, most: int) -> Index:
    """Return at most `most` evenly spaced of n rows."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.intp)


def _wasserstein_mean(x: sp.csr_array, y: sp.csr_array) -> float:
    a, b = sp.csc_array(x), sp.csc_array(y)
    starts = range(0, a.shape[1], GENE_BLOCK)
    parts = [wasserstein(*(m[:, s : s + GENE_BLOCK].toarray() for m in (a, b))) for s in starts]
    return float(np.concatenate(parts).mean())
