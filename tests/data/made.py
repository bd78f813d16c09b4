"""Small files of cells for the tests of `twin.data`."""

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd

from twin.data.counts import CountData, checked_counts


def adata_of(n: int, genes: Sequence[str] = ("A", "B", "C"), seed: int = 0, **columns: object) -> ad.AnnData:
    """Return cells with random counts; a column is one value for all cells or a sequence."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3.0, (n, len(genes))).astype(np.float32)
    obs = pd.DataFrame({"cell_type": "T", "condition": "control", **columns}, index=[f"cell{i}" for i in range(n)])
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(genes)))


def cells(
    n: int, genes: Sequence[str] = ("A", "B", "C"), source: str = "made.h5ad", seed: int = 0, **columns: object
) -> CountData:
    """Return `adata_of` as checked counts."""
    return checked_counts(adata_of(n, genes, seed, **columns), source)
