"""Integer counts of every gene of every cell: sparse, chunked, 4 bytes an entry.

A chunk holds the rows of a fixed number of cells (the last one fewer). Genes and tokens are
16 bit each; a token is a level of `twin.kernels.tokens`, exact below 100 counts. Chunks are replaced in
place, one by one, so that a transition never holds a second copy of the population.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.kernels.tokens import counts_of, tokens_of

Counts: TypeAlias = sp.csr_array  # (cell, gene), int32, sorted indices, no stored zeros


@dataclass
class Chunk:
    """Rows of consecutive cells: `indptr` (rows + 1,), `gene` and `token` (entries,)."""

    indptr: NDArray[np.int64]
    gene: NDArray[np.uint16]
    token: NDArray[np.uint16]

    @property
    def n_cells(self) -> int:
        """How many rows the chunk holds."""
        return len(self.indptr) - 1


@dataclass
class Expression:
    """The population's counts as a list of chunks of `chunk_size` rows."""

    n_genes: int
    chunk_size: int
    chunks: list[Chunk] = field(default_factory=list)

    @classmethod
    def from_counts(cls, counts: Counts, chunk_size: int) -> "Expression":
        """Return the chunks of an integer count matrix (cell, gene)."""
        assert counts.shape[1] <= 2**16, counts.shape
        new = cls(int(counts.shape[1]), chunk_size)
        for start in range(0, counts.shape[0], chunk_size):
            new.chunks.append(pack(counts[start : start + chunk_size]))
        return new

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return sum(chunk.n_cells for chunk in self.chunks)

    def slices(self) -> Iterator[slice]:
        """Yield the rows of each chunk in turn."""
        start = 0
        for chunk in self.chunks:
            yield slice(start, start + chunk.n_cells)
            start += chunk.n_cells

    def counts(self, rows: slice, ids: NDArray[np.uint64]) -> Counts:
        """Return integer counts of the rows of one chunk.

        Parameters
        ----------
        rows : a slice that `slices` gave.
        ids : (cell,) ids of all cells; they fix where inside a bin a large count lies.
        """
        return unpack(self.chunks[rows.start // self.chunk_size], self.n_genes, ids[rows])

    def replace(self, rows: slice, counts: Counts) -> None:
        """Put new counts into the rows of one chunk, in place."""
        index = rows.start // self.chunk_size
        assert counts.shape == (self.chunks[index].n_cells, self.n_genes), counts.shape
        self.chunks[index] = pack(counts)

    def to_counts(self, ids: NDArray[np.uint64]) -> Counts:
        """Return the counts of all cells, (cell, gene) int32."""
        if not self.chunks:
            return sp.csr_array((0, self.n_genes), dtype=np.int32)
        return sp.vstack([self.counts(rows, ids) for rows in self.slices()], format="csr")

    def has_chunk(self, rows: slice) -> bool:
        """Return whether `rows` is a slice that `slices` gives."""
        index, inside = divmod(rows.start or 0, self.chunk_size)
        if inside or rows.step not in (None, 1) or not 0 <= index < len(self.chunks):
            return False
        return bool(rows.stop == rows.start + self.chunks[index].n_cells)

    def rebuild(self, keep: NDArray[np.intp], added: Sequence["Expression"] = ()) -> "Expression":
        """Return the expression of the rows `keep` (any order, repeats allowed) and all `added` ones, chunked anew.

        It is made chunk by chunk: beside the old and the new one there is never a third copy.
        """
        old = [chunk for expression in (self, *added) for chunk in expression.chunks]
        first = np.cumsum([0, *(chunk.n_cells for chunk in old)])  # row at which each chunk begins
        rows = np.concatenate([keep, np.arange(self.n_cells, first[-1])]).astype(np.intp)
        new = Expression(self.n_genes, self.chunk_size)
        for start in range(0, len(rows), self.chunk_size):
            new.chunks.append(_gathered(old, first, rows[start : start + self.chunk_size]))
        return new

    def rows(self, rows: NDArray[np.intp], ids: NDArray[np.uint64]) -> Counts:
        """Return integer counts of some rows, (row, gene); ids : (cell,) of all cells."""
        if len(rows) == 0:
            return sp.csr_array((0, self.n_genes), dtype=np.int32)
        first = np.arange(len(self.chunks)) * self.chunk_size
        return unpack(_gathered(self.chunks, first, rows), self.n_genes, ids[rows])


def _gathered(chunks: Sequence[Chunk], first: NDArray[np.intp], rows: NDArray[np.intp]) -> Chunk:
    """Return rows of chunks of which each begins at row `first`; neighbouring ones are copied together."""
    owner = np.searchsorted(first[: len(chunks)], rows, side="right") - 1  # (row,)
    breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(owner) != 0)) + 1
    sizes, genes, tokens = [], [], []
    for low, high in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
        chunk = chunks[int(owner[low])]
        begin = int(rows[low] - first[owner[low]])
        end = begin + high - low
        if high - low == len(rows) == chunk.n_cells:
            return chunk  # never changed in place: it may be shared
        indptr = chunk.indptr[begin : end + 1]
        sizes.append(np.diff(indptr))
        genes.append(chunk.gene[indptr[0] : indptr[-1]])
        tokens.append(chunk.token[indptr[0] : indptr[-1]])
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    return Chunk(indptr, np.concatenate(genes), np.concatenate(tokens))


def pack(counts: Counts) -> Chunk:
    """Return the chunk of integer counts (cell, gene)."""
    assert counts.has_sorted_indices, "counts need sorted indices"
    return Chunk(counts.indptr.astype(np.int64), counts.indices.astype(np.uint16), tokens_of(counts.data))


def unpack(chunk: Chunk, n_genes: int, ids: NDArray[np.uint64]) -> Counts:
    """Return integer counts (cell, gene) of a chunk; `ids` (cell,) are those of its rows."""
    owner = np.repeat(ids, np.diff(chunk.indptr))
    values = counts_of(chunk.token, owner, chunk.gene)
    counts = sp.csr_array((values, chunk.gene.astype(np.int32), chunk.indptr), shape=(chunk.n_cells, n_genes))
    counts.has_sorted_indices = True
    return counts
