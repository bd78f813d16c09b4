"""Which genes differ between two groups of cells: the Mann-Whitney test of all genes at once."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import false_discovery_control

from twin.errors import InputError

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Cells: TypeAlias = NDArray[np.floating] | NDArray[np.integer] | sp.csr_array

ALPHA = 0.05  # false discovery rate below which a gene is significant; cell-eval's default
PSEUDOCOUNT = 1e-9  # CP1M; keeps a fold change finite where one group has no molecule; cell-eval2's default
LEAST_CPM = 5.0  # mean CP1M in the controls above which a gene is tested; cell-eval2's vcc2026 preset


@dataclass(frozen=True)
class DifferentialTable:
    """Differential expression of one group of cells against controls.

    log2fc : (gene,) log2 fold change, may be ±inf; 0 where not tested.
    p, fdr : (gene,) two-sided p and its Benjamini-Hochberg value over the tested genes; 1 where not tested.
    tested : (gene,) genes that took part.
    """

    log2fc: Float
    p: Float
    fdr: Float
    tested: Bool

    def significant(self, alpha: float = ALPHA) -> Bool:
        """Return which genes are below the false discovery rate, (gene,)."""
        return self.fdr < alpha


def sparse(cells: Cells, what: str = "the cells") -> sp.csr_array:
    """Return cells as (cell, gene) float64 CSR without stored zeros; the input is not modified.

    Raises
    ------
    InputError
        If there are no cells, or a value is not finite.
    """
    out = sp.csr_array(cells, dtype=np.float64, copy=True)
    if out.shape[0] == 0:
        raise InputError(f"{what}: there are no cells to score; at least one is needed")
    if not np.isfinite(out.data).all():
        raise InputError(f"{what}: {int((~np.isfinite(out.data)).sum())} values are not finite; numbers are needed")
    out.sum_duplicates()
    out.eliminate_zeros()
    return out


def gene_means(cells: Cells) -> Float:
    """Return the mean over cells in float64, (gene,)."""
    return np.asarray(cells.sum(axis=0, dtype=np.float64) / cells.shape[0], dtype=np.float64).ravel()


def rank_sum_p(cells: sp.csr_array, controls: sp.csr_array) -> Float:
    """Return the two-sided p of Mann-Whitney's U of every gene, (gene,).

    Normal approximation with tie and continuity correction: with U the larger of the two statistics,
    σ² = n1 n2 / 12 · (n + 1 − Σ(t³ − t) / (n (n − 1))) over the tie blocks t, p = 2 Φ(−(U − n1 n2 / 2 − 1/2) / σ), at
    most 1; a gene with one value in all cells has p = 1. The zeros of a gene are one tie block and are never sorted.

    Parameters
    ----------
    cells, controls : (cell, gene) CSR without stored zeros, any sign.

    Source
    ------
    Mann & Whitney, Ann Math Stat 18:50 (1947); as scipy.stats.mannwhitneyu(method="asymptotic").
    """
    n1, n2 = cells.shape[0], controls.shape[0]
    n = n1 + n2
    both = sp.csc_array(sp.vstack([cells, controls]))
    starts, values = both.indptr, both.data
    stored = np.diff(starts)
    order = np.empty(len(values), dtype=np.intp)
    for low, high in pairwise(starts):
        order[low:high] = low + np.argsort(values[low:high])
    values = values[order]
    treated = (both.indices[order] < n1).astype(np.float64)
    gene = np.repeat(np.arange(len(stored)), stored)
    zeros = n - stored
    below = np.bincount(gene[values < 0], minlength=len(stored))  # values under the zero block
    zeros_treated = n1 - np.bincount(gene, weights=treated, minlength=len(stored))
    ranks = zeros_treated * (below + (zeros + 1) / 2)
    ties = zeros.astype(np.float64) ** 3 - zeros
    if len(values):
        first = np.flatnonzero(np.r_[True, (values[1:] != values[:-1]) | (gene[1:] != gene[:-1])])
        size = np.diff(np.r_[first, len(values)]).astype(np.float64)
        owner = gene[first]
        middle = first - starts[owner] + (size + 1) / 2 + np.where(values[first] > 0, zeros[owner], 0)
        ranks += np.bincount(owner, weights=middle * np.add.reduceat(treated, first), minlength=len(stored))
        ties += np.bincount(owner, weights=size**3 - size, minlength=len(stored))
    u = ranks - n1 * (n1 + 1) / 2
    u = np.maximum(u, n1 * n2 - u)
    variance = n1 * n2 / 12 * ((n + 1) - ties / (n * (n - 1)))
    flat = variance <= 0
    z = (u - n1 * n2 / 2 - 0.5) / np.sqrt(np.where(flat, 1.0, variance))
    return np.where(flat, 1.0, np.clip(2 * ndtr(-z), 0, 1))


def differential_expression(cells: Cells, controls: Cells) -> DifferentialTable:
    """Test log-normalised cells against log-normalised controls.

    log2 fold change = log2(expm1(mean of cells) / expm1(mean of controls)), a ratio of geometric means without
    pseudocount: 0/0 is 0, a one-sided zero ±inf. p by `rank_sum_p`, Benjamini-Hochberg over all genes.

    Parameters
    ----------
    cells, controls : (cell, gene) log1p values over the same genes.

    Source
    ------
    pdex 0.2.5+ with epsilon = 0, geometric mean: what cell-eval 0.8.2 runs.
    """
    treated, control = sparse(cells, "the treated cells"), sparse(controls, "the controls")
    _same_genes(treated, control)
    p = rank_sum_p(treated, control)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log2(np.expm1(gene_means(treated)) / np.expm1(gene_means(control)))
    change[np.isnan(change)] = 0.0
    return DifferentialTable(change, p, false_discovery_control(p), np.ones(len(p), dtype=np.bool_))


def counts_table(cells: Cells, controls: Cells) -> DifferentialTable:
    """Test raw counts against raw counts of controls.

    log2 fold change = log2((m1 + ε) / (m0 + ε)), m the mean CP1M, ε = 1e-9; p by `rank_sum_p` on log1p(CP1M).
    Only genes with a mean above 5 CP1M in the controls are tested, and Benjamini-Hochberg is over them.

    Parameters
    ----------
    cells, controls : (cell, gene) counts over the same genes.

    Source
    ------
    cell-eval2 0.20.0, preset vcc2026 (method wilcoxon, arithmetic means, gate on the reference group alone).
    """
    treated, control = _per_million(cells, "the treated cells"), _per_million(controls, "the controls")
    _same_genes(treated, control)
    mean, reference = gene_means(treated), gene_means(control)
    tested = reference > LEAST_CPM
    p, fdr, change = np.ones(len(mean)), np.ones(len(mean)), np.zeros(len(mean))
    if tested.any():
        treated.data, control.data = np.log1p(treated.data), np.log1p(control.data)
        p[tested] = rank_sum_p(treated[:, tested], control[:, tested])
        fdr[tested] = false_discovery_control(p[tested])
        change[tested] = np.log2((mean[tested] + PSEUDOCOUNT) / (reference[tested] + PSEUDOCOUNT))
    return DifferentialTable(change, p, fdr, tested)


def _per_million(counts: Cells, what: str) -> sp.csr_array:
    out = sparse(counts, what)
    totals = np.asarray(out.sum(axis=1)).ravel() / 1e6
    # divided, not multiplied by a reciprocal: equal rates must stay exactly equal, they are ties
    out.data = out.data / np.repeat(totals, np.diff(out.indptr))
    return out


def _same_genes(treated: sp.csr_array, control: sp.csr_array) -> None:
    if treated.shape[1] != control.shape[1]:
        raise InputError(
            f"the treated cells have {treated.shape[1]} genes and the controls {control.shape[1]}; "
            "both must be over the same genes"
        )
