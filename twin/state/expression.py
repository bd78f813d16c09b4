"""Integer counts of every gene of every cell: sparse, chunked, 4 bytes an entry.

A chunk holds the rows of a fixed number of cells (the last one fewer). Genes and tokens are
16 bit each; a token is a level of `twin.kernels.tokens`, exact below 100 counts. Chunks are replaced in
place, one by one, so that a transition never holds a second copy of the population.
"""

from collections.abc import Iterator
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

    def _tokens(self) -> sp.csr_array:
        """Return all tokens as one matrix (cell, gene), uint16."""
        if not self.chunks:
            return sp.csr_array((0, self.n_genes), dtype=np.uint16)
        parts = [
            sp.csr_array((c.token, c.gene.astype(np.int32), c.indptr), shape=(c.n_cells, self.n_genes))
            for c in self.chunks
        ]
        return sp.vstack(parts, format="csr")

    def rebuild(self, keep: NDArray[np.intp], added: list["Expression"] | None = None) -> "Expression":
        """Return the expression of the rows `keep` (any order, repeats allowed), chunked anew."""
        tokens = self._tokens()[keep]
        if added:
            tokens = sp.vstack([tokens, *(a._tokens() for a in added)], format="csr")
        new = Expression(self.n_genes, self.chunk_size)
        for start in range(0, tokens.shape[0], self.chunk_size):
            part = tokens[start : start + self.chunk_size]
            new.chunks.append(
                Chunk(
                    part.indptr.astype(np.int64),
                    part.indices.astype(np.uint16),
                    part.data.astype(np.uint16),
                )
            )
        return new


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
