"""What is measured, not trained, of a token world model: contexts, their depths and priors, perturbations as vectors.

A context is its control cells' pooled profile, log1p of counts per 10,000, on the principal axes of the trained
contexts' profiles: so a context never seen gets its vector from its control cells alone.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.model.batches import TrainingCells

Array = NDArray[np.float32]

BORROWED_COUNTS = 2_000.0  # counts that a context's profile borrows from the others'; our choice
BORROWED_CELLS = 30.0  # cells' worth of covariance of z that a context borrows; our choice
LEAST_SPREAD = 0.05  # standard deviation of log depth; our choice


@dataclass(frozen=True)
class Tables:
    """Measured numbers, 32 bit.

    log_rate : (context, gene) log share of the transcriptome among controls.
    context : (context, context_width), and centre (gene,) and axes (gene, context_width) that it is made with.
    perturbation : (perturbation, perturbation_width) at the trained dose.
    depth_law : (context, 2) mean and standard deviation of the log library size.
    prior_mean : (context, latent); prior_root : (context, latent, latent), lower Cholesky factor of the covariance.
    """

    log_rate: Array
    context: Array
    centre: Array
    axes: Array
    perturbation: Array
    depth_law: Array
    prior_mean: Array
    prior_root: Array

    def arrays(self) -> dict[str, Array]:
        """Return every table by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def vector(self, log_rate: Array) -> Array:
        """Return the context vectors of profiles: log_rate (context, gene) to (context, context_width)."""
        return np.asarray((_logs(log_rate) - self.centre) @ self.axes, dtype=np.float32)

    def with_context(self, log_rate: Array, depths: NDArray[np.float64]) -> "Tables":
        """Return the tables with one context more, its prior of z that of all others together."""
        size = self.prior_mean.shape[1]
        root = self.prior_root.mean(axis=0) if len(self.prior_root) else np.eye(size, dtype=np.float32)
        added = {
            "log_rate": log_rate[None],
            "context": self.vector(log_rate[None]),
            "depth_law": depth_law(depths)[None],
            "prior_mean": self.prior_mean.mean(axis=0, keepdims=True),
            "prior_root": root[None],
        }
        return replace(self, **{k: np.concatenate([getattr(self, k), v]).astype(np.float32) for k, v in added.items()})

    def with_prior(self, context: int, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> "Tables":
        """Return the tables with the prior of one context set to the moments of its cells.

        mean, variance : (cell, latent) of q(z | x). Few cells borrow the covariance that the table has.
        """
        n = len(mean)
        if n == 0 or mean.shape[1] == 0:
            return self
        centre = mean.mean(axis=0)
        scatter = (mean - centre).T @ (mean - centre) + np.diag(variance.sum(axis=0))
        root = self.prior_root[context].astype(np.float64)
        covariance = (scatter + BORROWED_CELLS * root @ root.T) / (n + BORROWED_CELLS)
        means, roots = self.prior_mean.copy(), self.prior_root.copy()
        means[context] = centre
        roots[context] = np.linalg.cholesky(covariance + 1e-5 * np.eye(len(centre)))
        return replace(self, prior_mean=means, prior_root=roots)


def measure_tables(cells: TrainingCells, n_contexts: int, perturbation: Array, width: int, latent: int) -> Tables:
    """Return the tables of training cells; a context without controls takes all of its cells.

    perturbation : (perturbation, perturbation_width). width : of the context vectors.
    """
    n_genes = cells.measured.shape[1]
    depth = depths_of(cells, np.arange(cells.n))
    control = ~(cells.strength != 0).any(axis=1)
    total, exposure = np.zeros((n_contexts, n_genes)), np.zeros((n_contexts, n_genes))
    laws = []
    for c in range(n_contexts):
        here = cells.context == c
        rows = np.flatnonzero(here & control) if (here & control).any() else np.flatnonzero(here)
        total[c] = np.asarray(cells.counts[rows].sum(axis=0)).ravel()
        for file in np.unique(cells.file[rows]):
            exposure[c] += cells.measured[file] * depth[rows[cells.file[rows] == file]].sum()
        laws.append(depth_law(depth[rows]))
    pooled = (total.sum(axis=0) + 0.5 / n_genes) / np.maximum(exposure.sum(axis=0), 1.0)
    rate = (total + BORROWED_COUNTS * pooled) / (exposure + BORROWED_COUNTS)
    log_rate = np.log(rate / rate.sum(axis=1, keepdims=True)).astype(np.float32)
    x = _logs(log_rate)
    centre = x.mean(axis=0)
    _, scale, axes = np.linalg.svd(x - centre, full_matrices=False)
    k = min(width, len(scale))
    own = np.zeros((n_genes, width))
    own[:, :k] = axes[:k].T * np.sqrt(n_contexts) / max(float(scale[0]), 1e-6)  # the largest axis has variance 1
    return Tables(
        log_rate,
        ((x - centre) @ own).astype(np.float32),
        centre.astype(np.float32),
        own.astype(np.float32),
        np.asarray(perturbation, dtype=np.float32),
        np.stack(laws).astype(np.float32),
        np.zeros((n_contexts, latent), np.float32),
        np.tile(np.eye(latent, dtype=np.float32), (n_contexts, 1, 1)),
    )


def depths_of(cells: TrainingCells, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the library sizes of some cells, (cell,): as they are told, else the sums of their counts."""
    if cells.depth is not None:
        return np.asarray(cells.depth[rows], dtype=np.float64)
    return np.asarray(cells.counts[rows].sum(axis=1), dtype=np.float64).ravel()


def pooled_profile(controls: sp.csr_array, known: Array, weights: NDArray[np.float64]) -> Array:
    """Return the log shares of a new context's control cells, with a little of the known ones', (gene,).

    known : (context, gene) log shares. weights : (context,), adding up to 1, of how alike they are.
    """
    pooled = np.asarray(controls.sum(axis=0), dtype=np.float64).ravel()
    rate = (pooled + BORROWED_COUNTS * (weights @ np.exp(known.astype(np.float64)))) / (pooled.sum() + BORROWED_COUNTS)
    return np.asarray(np.log(rate / rate.sum()), dtype=np.float32)


def depth_law(depths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean and standard deviation of log library sizes, (2,)."""
    logs = np.log(np.maximum(depths, 1.0)) if len(depths) else np.zeros(1)
    return np.array([logs.mean(), max(float(logs.std()), LEAST_SPREAD)])


def _logs(log_rate: Array) -> NDArray[np.float64]:
    """Return log1p of counts per 10,000."""
    return np.asarray(np.log1p(1e4 * np.exp(log_rate.astype(np.float64))))
