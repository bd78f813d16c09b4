"""Cells at a glance: their places and columns without counts, and a few genes without all the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from numpy.typing import NDArray

from twin.errors import UnknownNameError
from twin.results.arrays import load_csr_rows
from twin.results.frames import LAZY_ROWS, load_genes

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Kept:
    """One instant at which the cells of a compartment were kept.

    owner : id of the trajectory that holds it; of a branch before its fork, its trunk's.
    time : h. n_cells : in the compartment. file : that holds them. has_field : whether concentrations were kept, too.
    """

    owner: str
    tick: int
    time: float
    n_cells: int
    file: Path
    has_field: bool


@dataclass(frozen=True)
class GeneCounts:
    """Counts of a few genes at one kept instant.

    id : (cell,). counts : (cell, gene). total : (cell,) counts of all genes together.
    """

    id: NDArray[np.uint64]
    counts: sp.csr_matrix
    total: Int64

    @property
    def log_rate(self) -> NDArray[np.float64]:
        """Return the mean over the genes of log(1 + counts per 10,000), (cell,)."""
        n = self.counts.shape[1]
        rate = sp.csr_matrix(self.counts, dtype=np.float64)
        rate.data *= np.repeat(1e4 / np.maximum(self.total, 1), np.diff(rate.indptr))
        sums = np.asarray(np.log1p(rate).sum(axis=1), dtype=np.float64).ravel()
        return np.asarray(sums / max(n, 1))


def load_glance(group: zarr.Group, rows: tuple[int, int]) -> ad.AnnData:
    """Return the rows of one instant without counts, contacts and latent states; obs_names are the cells' ids.

    rows : (first, row after the last). Of each column only these rows are read.
    """
    first, last = rows
    table = _part(group, "obs")
    names: Any = table.attrs["column-order"]
    columns = {str(name): _column(table[str(name)], first, last) for name in names}
    obs = pd.DataFrame(columns, index=pd.Index(columns["id"].astype(str).astype(object)))
    place = _part(group, "obsm")["spatial"]
    assert isinstance(place, zarr.Array)
    return ad.AnnData(obs=obs, obsm={"spatial": np.asarray(place[first:last])})


def load_counts(group: zarr.Group, rows: tuple[int, int], genes: Sequence[str]) -> GeneCounts:
    """Return the counts of some genes in the rows of one instant; a block of rows at a time is in memory.

    Raises
    ------
    UnknownNameError
        If a gene is not on the axis of the run.
    """
    axis = load_genes(group)
    place = {gene: i for i, gene in enumerate(axis)}
    for gene in genes:
        if gene not in place:
            raise UnknownNameError("gene", gene, axis)
    chosen = np.full(len(axis), -1, np.int64)  # the column that a gene gets; -1: none
    chosen[[place[gene] for gene in genes]] = np.arange(len(genes))
    first, last = rows
    blocks, totals = [], []
    for low in range(first, last, LAZY_ROWS):
        high = min(low + LAZY_ROWS, last)
        data, columns, starts = load_csr_rows(_part(group, "X"), low, high)
        totals.append(np.diff(np.concatenate([[0], np.cumsum(data, dtype=np.int64)])[starts]))
        mine = np.flatnonzero(chosen[columns] >= 0)
        ends = np.searchsorted(mine, starts)
        parts = (data[mine], chosen[columns[mine]], ends)
        blocks.append(sp.csr_matrix(parts, shape=(high - low, len(genes))))
    ids = _column(_part(group, "obs")["id"], first, last)
    counts = sp.vstack(blocks, format="csr") if blocks else sp.csr_matrix((0, len(genes)), dtype=np.int32)
    return GeneCounts(ids.astype(np.uint64), counts, np.concatenate([np.empty(0, np.int64), *totals]))


def _column(stored: Any, first: int, last: int) -> Any:
    """Return some rows of a column of a table: an array, or a categorical as anndata stores it."""
    if isinstance(stored, zarr.Group):
        words: Any = stored["categories"]
        codes: Any = stored["codes"]
        return pd.Categorical.from_codes(codes[first:last], pd.Index(np.asarray(words[...]).astype(object)))
    return np.asarray(stored[first:last])


def _part(group: zarr.Group, name: str) -> zarr.Group:
    found = group[name]
    assert isinstance(found, zarr.Group), name
    return found
