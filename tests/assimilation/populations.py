"""Synthetic cells of two types whose counts follow a known law, as files and as snapshots."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

GENES = tuple(f"G{i}" for i in range(60))
TYPES = ("fast", "slow")


def population(n: int, level: float, seed: int, share: float = 0.5) -> tuple[sp.csr_array, NDArray[np.str_]]:
    """Counts (cell, gene) and types (cell,); `level` multiplies the first ten genes of the fast type."""
    rng = np.random.default_rng(seed)
    types = np.where(rng.random(n) < share, *TYPES)
    base = np.random.default_rng(0).gamma(2.0, 2.0, (2, len(GENES)))
    rates = base[(types == "slow").astype(int)]
    rates[:, :10] *= np.where(types == "fast", level, 1.0)[:, None]
    rates *= np.exp(rng.normal(0, 0.2, (n, 1)))
    counts = sp.csr_array(rng.poisson(rates).astype(np.int32))
    counts.sort_indices()
    return counts, types


def write_snapshot(
    file: Path, n: int, level: float, seed: int, share: float = 0.5, genes: tuple[str, ...] = GENES
) -> Path:
    counts, types = population(n, level, seed, share)
    obs = pd.DataFrame({"cell_type": types}, index=[f"{seed}-{i}" for i in range(n)])
    ad.AnnData(sp.csr_matrix(counts), obs, pd.DataFrame(index=list(genes))).write_h5ad(file)
    return file
