"""AnnData files in: raw counts checked, columns found, controls told from treated."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.columns import find_column, is_control, needed_column
from twin.errors import InputError
from twin.kernels.random import hash_words

__all__ = [
    "CountData",
    "checked_counts",
    "checked_genes",
    "first_fault",
    "held_out",
    "is_control",
    "onto_axis",
    "read_counts",
]


@dataclass(frozen=True)
class CountData:
    """Checked raw counts with what is known of each cell.

    counts : (cell, gene) CSR int32, sorted indices.
    genes : the gene axis, symbols.
    obs : the file's obs, untouched.
    spatial : (cell, 2 or 3) the file's obsm['spatial'], or None.
    """

    counts: sp.csr_array
    genes: tuple[str, ...]
    obs: pd.DataFrame
    source: str
    spatial: NDArray[np.float64] | None = None

    @property
    def n_cells(self) -> int:
        """How many cells."""
        return int(self.counts.shape[0])

    @property
    def totals(self) -> NDArray[np.float64]:
        """Library size of each cell over this file's genes, (cell,)."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64).ravel()

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "CountData":
        """Return some of the cells."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        spatial = None if self.spatial is None else self.spatial[rows]
        return CountData(self.counts[rows], self.genes, self.obs.iloc[rows], self.source, spatial)

    def fetch(self, rows: NDArray[np.intp]) -> sp.csr_array:
        """Return the counts of some cells, in the order of `rows`, (row, gene) CSR int32."""
        return self.counts[rows]

    def column(self, what: str, given: str | None = None) -> NDArray[np.str_]:
        """Return an obs column as text, by the user's name or found by convention.

        Raises
        ------
        InputError
            If there is no such column.
        """
        return np.asarray(needed_column(self.obs, what, given, self.source), dtype=np.str_)

    def find_column(self, what: str, given: str | None = None) -> str | None:
        """Return the name of the obs column that says `what`, or None."""
        return find_column(self.obs, what, given, self.source)


def read_counts(path: Path) -> CountData:
    """Read an .h5ad or .zarr file of raw counts.

    Counts are taken from X, or from layers['counts'] where X is not whole numbers.

    Raises
    ------
    InputError
        If the file is not there, cannot be read, has duplicate genes or no cells, or holds no raw counts.
    """
    if not path.exists():
        raise InputError(f"{path} is not there")
    if (path / "trajectories").is_dir():
        raise InputError(
            f"{path} is a run store, not a file of cells; its cells are those of twin.open_run(...).cells()"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Variable names are not unique")  # refused below, in our words
            adata = ad.read_zarr(path) if path.is_dir() else ad.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"{path} cannot be read as AnnData ({reason}); is it cut short or of another format?"
        ) from error
    return checked_counts(adata, str(path))


def checked_counts(adata: ad.AnnData, source: str) -> CountData:
    """Return the raw counts of an AnnData in memory, checked.

    Raises
    ------
    InputError
        As `read_counts`.
    """
    genes = checked_genes(adata.n_obs, adata.var_names, source)
    fault = ""
    for name, matrix in (("X", adata.X), ("layers['counts']", adata.layers.get("counts"))):
        if matrix is None:
            continue
        counts = sp.csr_array(matrix)
        found = first_fault(counts.data)
        if found is None:
            counts = counts.astype(np.int32)
            counts.sum_duplicates()
            counts.eliminate_zeros()
            counts.sort_indices()
            spatial = np.asarray(adata.obsm["spatial"], np.float64) if "spatial" in adata.obsm else None
            return CountData(counts, genes, adata.obs, source, spatial)
        row = int(np.searchsorted(counts.indptr, found[0], side="right")) - 1
        fault = fault or f"{name} {found[1]} (first in row {row}, {adata.obs_names[row]})"
    raise InputError(f"{source}: {fault}; raw integer counts are needed, in X or in layers['counts']")


def checked_genes(n_cells: int, var_names: pd.Index, source: str) -> tuple[str, ...]:
    """Return the gene axis of a file.

    Raises
    ------
    InputError
        If there are no cells or genes, or a gene stands twice.
    """
    if n_cells == 0 or len(var_names) == 0:
        raise InputError(f"{source} holds no cells or no genes ({n_cells} x {len(var_names)})")
    genes = tuple(map(str, var_names))
    if len(set(genes)) < len(genes):
        twice = var_names[var_names.duplicated()][0]
        raise InputError(f"{source}: gene {twice} stands more than once; make var_names unique first")
    return genes


def first_fault(values: NDArray[np.generic]) -> tuple[int, str] | None:
    """Return where the first value stands that no raw count can be, and what is wrong, or None.

    values : (entry,) stored entries of a matrix. Not modified.
    """
    if values.size == 0 or (values.dtype.kind in "ui" and values.min() >= 0 and values.max() < 2**31):
        return None
    numbers = np.asarray(values, dtype=np.float64)
    wild = ~np.isfinite(numbers)
    if wild.any():
        return int(wild.argmax()), "holds values that are not finite"
    if numbers.min() < 0:
        return int((numbers < 0).argmax()), f"holds negative values (down to {numbers.min():g})"
    broken = numbers != np.floor(numbers)
    if broken.any():
        at = int(broken.argmax())
        return at, f"holds {numbers[at]:g}, which is no whole number: normalised data?"
    if numbers.max() > 2**31 - 1:
        return int(numbers.argmax()), "holds counts above 2^31"
    return None


def onto_axis(data: CountData, genes: Sequence[str]) -> tuple[sp.csr_array, NDArray[np.bool_]]:
    """Put counts on another gene axis.

    Returns
    -------
    counts : (cell, gene of the axis) CSR int32; genes that the file lacks are empty.
    measured : (gene,) which genes the file has.

    Raises
    ------
    InputError
        If no gene is shared.
    """
    place = {gene: i for i, gene in enumerate(genes)}
    target = np.array([place.get(gene, -1) for gene in data.genes])
    if (target < 0).all():
        raise InputError(
            f"{data.source} shares no gene with the model's axis: its genes are {', '.join(data.genes[:3])}, …; "
            f"the model's {', '.join(list(genes)[:3])}, …"
        )
    kept = np.flatnonzero(target >= 0)
    part = data.counts[:, kept].tocoo()
    counts = sp.csr_array(
        (part.data, (part.row, target[kept][part.col])), shape=(data.n_cells, len(genes)), dtype=np.int32
    )
    counts.sort_indices()
    measured = np.zeros(len(genes), dtype=np.bool_)
    measured[target[kept]] = True
    return counts, measured


def held_out(names: Sequence[str], fraction: float) -> NDArray[np.bool_]:
    """Return which cells are held out, (cell,): by a hash of their names, so that anybody can repeat it."""

    return np.array([hash_words("held out", str(n)) / 2**64 < fraction for n in names], dtype=np.bool_)
