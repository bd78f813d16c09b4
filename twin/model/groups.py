"""Groups of cells as sufficient sums: mean expression on two scales, with its sampling noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.model.kriging import UNSEEN

Float = NDArray[np.float64]

BORROWED_CELLS = 5.0  # cells' worth of the pooled variance that each group's own borrows; our choice
PSEUDO = 0.3  # counts added to a group, at the pool's rate; our choice
LEAST_VARIANCE = 1e-3  # of log1p(CP10k) between cells; our choice
BORROWED_SAMPLES = 2.0  # samples' worth of the usual variance between samples that each gene borrows; our choice
UNSURE_SAMPLES = 2.0  # degrees of freedom of an inverse χ² prior of that variance; our choice
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


def are_apart(samples: Sequence[NDArray[Any]]) -> bool:
    """Return whether the control cells are of other samples than all the treated ones are, and of several.

    samples : per group of one context, the control first, (cell,) the sample of each cell.
    """
    control, *treated = (set(np.unique(x).tolist()) for x in samples)
    return bool(treated) and len(control) > 1 and all(not (control & one) for one in treated)


@dataclass(frozen=True)
class Samples:
    """Means over the cells of one sample each, of groups that are made of several samples or of one.

    mean, variance : (sample, gene) means and sampling variances. cells : (sample,).
    group : (sample,) index of its group. name : (sample,) which donor it is, in whatever group.
    """

    mean: Float
    variance: Float
    cells: Float
    group: NDArray[np.intp]
    name: NDArray[np.intp]

    def between(self) -> Float:
        """Return the variance of each group's mean that comes from its samples' differing, (group, gene).

        Cells of one donor are no replicates of a treatment that other donors were given: the mean of k samples has
        the variance between samples over k beside its cells'. That variance is told, gene by gene, from groups of
        several samples, and leans by the weight of `BORROWED_SAMPLES` on what is usual at the gene's sampling noise.
        Donors that stand out in one group do so in others: where a donor is in m groups, with a correlation r of its
        deviations, each counts for 1 / (1 + (m − 1) r) (the design effect). What n donors show of their variance is
        the less certain the fewer they are: the mean of its posterior is larger by 1 + 2 / (n − 1). Without any group
        of two samples nothing is known of it, and it is left out.

        Source
        ------
        Squair et al., Nat Commun 12:5692 (2021); Kish, Survey Sampling (1965), section 5.4.
        """
        n_groups, n_genes = int(self.group.max()) + 1, self.mean.shape[1]
        off, degrees = np.zeros_like(self.mean), np.zeros(n_genes)
        noise, square = np.zeros(n_genes), np.zeros(n_genes)
        share, shared_by = np.zeros(n_groups), np.zeros(n_groups)
        known = self.variance < UNSEEN / 2
        for g in range(n_groups):
            mine = np.flatnonzero(self.group == g)
            share[g] = float((self.cells[mine] ** 2).sum() / self.cells[mine].sum() ** 2)
            shared_by[g] = float(np.mean([(self.name == self.name[i]).sum() for i in mine]))
            k = known[mine].sum(axis=0)
            centre = np.where(known[mine], self.mean[mine], 0.0).sum(axis=0) / np.maximum(k, 1)
            off[mine] = np.where(known[mine] & (k > 1), self.mean[mine] - centre, 0.0)
            expected = np.where(known[mine], self.variance[mine], 0.0).sum(axis=0) / np.maximum(k, 1)  # of a sample
            square += (off[mine] ** 2).sum(axis=0)
            noise += np.where(k > 1, (k - 1) * expected, 0.0)
            degrees += np.where(k > 1, k - 1, 0)
        if not degrees.any():
            return np.zeros((n_groups, n_genes))
        excess = max(float((square - noise).sum()), 0.0)
        usual = excess / max(float(noise.sum()), 1e-12)  # in units of sampling noise
        typical = np.nan_to_num(np.nanmedian(np.where(known, self.variance, np.nan), axis=0))
        own = np.maximum(square - noise, 0.0)
        found = (own + BORROWED_SAMPLES * usual * typical) / (degrees + BORROWED_SAMPLES)
        effect = 1.0 + (shared_by - 1.0) * self._correlation(off, excess)
        n = len(np.unique(self.name[(off != 0).any(axis=1)]))
        unsure = 1.0 + UNSURE_SAMPLES / max(n - 1, 1)
        return np.asarray(unsure * (share * effect)[:, None] * found[None, :])

    def _correlation(self, off: Float, excess: float) -> float:
        """Return the correlation of one donor's deviations between groups, [0, 1]; excess : Σ of their squares."""
        several = np.flatnonzero((off != 0).any(axis=1))
        cross, pairs = 0.0, 0
        for i in several:
            for j in several[several > i]:
                if self.name[i] == self.name[j]:
                    cross, pairs = cross + float(off[i] @ off[j]), pairs + 1
        if not pairs or excess <= 0:
            return 0.0
        return float(np.clip((cross / pairs) / (excess / len(several)), 0.0, 1.0))
