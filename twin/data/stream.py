"""Counts that stay on disk: files larger than memory, read by rows and checked on the way."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from numpy.typing import NDArray

from twin.data.counts import checked_genes, first_fault
from twin.errors import InputError

CHUNK = 1_000_000  # entries read at once, about 40 MB with the copies of the checks; our choice
GAP = 2_048  # entries between two wanted rows that are read rather than skipped; our choice

Rows = NDArray[np.intp]


class CountStream:
    """Raw counts of one .h5ad or .zarr file, fetched by rows; obs and genes are in memory.

    The matrix is X, or layers['counts'] where X begins with values that are no counts. Values are checked whenever
    they are read: `totals` reads, and so checks, the whole file.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises
        ------
        InputError
            If it is not there, cannot be read, is stored by columns, has duplicate genes, or holds no raw counts.
        """
        if not path.exists():
            raise InputError(f"{path} is not there")
        self.source = str(path)
        try:
            self._file: Any = zarr.open_group(path, mode="r") if path.is_dir() else h5py.File(path, "r")
            self.obs: pd.DataFrame = ad.io.read_elem(self._file["obs"])
            var: pd.DataFrame = ad.io.read_elem(self._file["var"])
            self.genes = checked_genes(len(self.obs), var.index, self.source)
            self._open_matrix()
        except (OSError, KeyError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise InputError(
                f"{path} cannot be read as AnnData ({reason}); is it cut short or of another format?"
            ) from error

    def _open_matrix(self) -> None:
        names = [name for name in ("X", "layers/counts") if name in self._file]
        fault: InputError | None = None
        for name in names:
            self._name = name
            matrix = self._file[name]
            kind = str(dict(matrix.attrs).get("encoding-type", "array"))
            if kind == "csc_matrix":
                raise InputError(
                    f"{self.source}: {name} is stored by columns (CSC) and cannot be streamed by rows; "
                    "write it with X = X.tocsr()"
                )
            self._indptr = np.asarray(matrix["indptr"][:], np.int64) if kind == "csr_matrix" else None  # (cell + 1,)
            self._matrix: Any = matrix
            try:
                self._read(0, int(self._next(0)))
                return
            except InputError as error:
                fault = fault or error
        raise fault or InputError(f"{self.source} has neither X nor layers['counts']: it holds no counts")

    @property
    def n_cells(self) -> int:
        """How many cells."""
        return len(self.obs)

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """Library size of each cell over this file's genes, (cell,); reads and checks the whole file.

        Raises
        ------
        InputError
            As `fetch`.
        """
        return np.concatenate([np.asarray(c.sum(axis=1), np.float64).ravel() for _, c in self.chunks()])

    def chunks(self) -> Iterator[tuple[int, sp.csr_array]]:
        """Yield (first row, counts (row, gene)) from the first cell to the last, `CHUNK` entries at a time.

        Raises
        ------
        InputError
            As `fetch`.
        """
        start = 0
        while start < self.n_cells:
            stop = self._next(start)
            yield start, self._read(start, stop)
            start = stop

    def fetch(self, rows: Rows) -> sp.csr_array:
        """Return the counts of some cells, in the order of `rows`, (row, gene) CSR int32.

        Raises
        ------
        InputError
            If a value read is no raw count; the row is named.
        """
        if len(rows) == 0:
            return sp.csr_array((0, len(self.genes)), dtype=np.int32)
        wanted, place = np.unique(rows, return_inverse=True)
        start = wanted if self._indptr is None else self._indptr[wanted]
        stop = wanted + 1 if self._indptr is None else self._indptr[wanted + 1]
        gap = 0 if self._indptr is None else GAP
        cut = np.flatnonzero(start[1:] - stop[:-1] > gap) + 1
        parts = []
        for run in np.split(wanted, cut):
            first, last = int(run[0]), int(run[-1]) + 1
            part = self._read(first, last)
            parts.append(part if len(run) == last - first else part[run - first])
        counts = parts[0] if len(parts) == 1 else sp.vstack(parts, format="csr")
        return counts if np.array_equal(rows, wanted) else counts[place]

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._file, h5py.File):
            self._file.close()

    def _next(self, start: int) -> int:
        """Return the row before which a chunk that begins at `start` ends."""
        if self._indptr is None:
            return min(start + max(CHUNK // len(self.genes), 1), self.n_cells)
        stop = int(np.searchsorted(self._indptr, self._indptr[start] + CHUNK, side="right")) - 1
        return min(max(stop, start + 1), self.n_cells)

    def _read(self, start: int, stop: int) -> sp.csr_array:
        """Return rows start … stop−1, checked, as CSR int32 with sorted indices."""
        if self._indptr is None:
            part = sp.csr_array(np.asarray(self._matrix[start:stop, :]))
        else:
            a, b = int(self._indptr[start]), int(self._indptr[stop])
            part = sp.csr_array(
                (self._matrix["data"][a:b], self._matrix["indices"][a:b], self._indptr[start : stop + 1] - a),
                shape=(stop - start, len(self.genes)),
            )
        found = first_fault(part.data)
        if found is not None:
            row = start + int(np.searchsorted(part.indptr, found[0], side="right")) - 1
            raise InputError(
                f"{self.source}: {self._name} {found[1]} (first in row {row}, {self.obs.index[row]}); "
                "raw integer counts are needed, in X or in layers['counts']"
            )
        part = part.astype(np.int32)
        part.sum_duplicates()
        part.eliminate_zeros()
        return part
