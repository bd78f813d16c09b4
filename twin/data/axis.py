"""Counts of several files on one gene axis, in memory or on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.columns import Text, distinct
from twin.data.counts import CountData
from twin.data.stream import CountStream
from twin.errors import InputError
from twin.kernels.random import hash_words

READ_WORDS = ("bulk", "read count", "reads", "smart-seq", "full-length")  # of technologies that count no molecules
AT_ONCE = 4_096  # cells thinned at once where only their sums are kept; our choice


@dataclass(frozen=True)
class LazyCounts:
    """Counts of cells of several files on one gene axis, fetched when they are asked for.

    files : where they are.
    places : for each file (its gene,) the place on the axis.
    n_genes : of the axis.
    file : (cell,) index into files; row : (cell,) row there.
    share : (cell,) chance of each molecule to be kept; 1: all.
    keys : (cell,) what the thinning of a cell is keyed by.
    """

    files: tuple[CountData | CountStream, ...]
    places: tuple[NDArray[np.int32], ...]
    n_genes: int
    file: NDArray[np.intp]
    row: NDArray[np.intp]
    share: NDArray[np.float64]
    keys: NDArray[np.uint64]

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return len(self.row), self.n_genes

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> sp.csr_array:
        """Return the counts of some cells, in their order, (row, gene) CSR int32, sorted indices.

        Raises
        ------
        InputError
            If a value on disk is no raw count.
        """
        wanted = np.arange(len(self.row))[rows]
        if len(wanted) == 0:
            return sp.csr_array((0, self.n_genes), dtype=np.int32)
        parts, order = [], []
        for index in np.unique(self.file[wanted]):
            here = np.flatnonzero(self.file[wanted] == index)
            part = self.files[index].fetch(self.row[wanted[here]])
            parts.append(
                sp.csr_array(
                    (part.data, self.places[index][part.indices], part.indptr), shape=(len(here), self.n_genes)
                )
            )
            order.append(here)
        back = np.argsort(np.concatenate(order))
        counts = parts[0] if len(parts) == 1 else sp.vstack(parts, format="csr")
        counts = counts if np.array_equal(back, np.arange(len(back))) else counts[back]
        counts.sort_indices()
        return thin(counts, self.share[wanted], self.keys[wanted])

    def select(self, rows: NDArray[np.intp]) -> "LazyCounts":
        """Return some of the cells, still unread."""
        return replace(self, file=self.file[rows], row=self.row[rows], share=self.share[rows], keys=self.keys[rows])

    def thinned_depth(self, depth: NDArray[np.float64], row_sum: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return depths after thinning, (cell,): molecules of genes that a panel lacks are thinned like the others.

        depth, row_sum : (cell,) before it. Not modified.
        """
        out = depth.copy()
        thinned = np.flatnonzero(self.share < 1)
        for start in range(0, len(thinned), AT_ONCE):
            rows = thinned[start : start + AT_ONCE]
            out[rows] = np.asarray(self[rows].sum(axis=1)).ravel()
            for row in rows[depth[rows] > row_sum[rows]]:
                rest = np.random.default_rng([int(self.keys[row]), 1])
                out[row] += rest.binomial(int(depth[row] - row_sum[row]), self.share[row])
        return out


def thinning_share(
    depth: NDArray[np.float64], technology: Text, file: NDArray[np.intp], max_depth: float | None
) -> NDArray[np.float64]:
    """Return the chance of each count to be kept so that deep cells come down to `max_depth`, (cell,).

    Molecule counts (UMI) stay as they are. Cells are thinned whose technology says that it counts reads, or that it
    is bulk (`READ_WORDS`); where no technology is told, those of files whose median depth is above `max_depth`.

    Raises
    ------
    InputError
        If `max_depth` is not above 0.
    """
    if max_depth is None:
        return np.ones(len(depth))
    if not max_depth > 0:
        raise InputError(f"the greatest depth is {max_depth:g}: a number of counts above 0 is needed")
    rows, code = distinct(technology)
    reads = np.array([any(word in text.lower() for word in READ_WORDS) for (text,) in rows])[code]
    untold = np.array([text == "" for (text,) in rows])[code]
    for index in np.unique(file[untold]):
        cells = untold & (file == index)
        reads[cells] = np.median(depth[cells]) > max_depth
    return np.where(reads, np.minimum(1.0, max_depth / np.maximum(depth, 1.0)), 1.0)


def thinning_keys(
    share: NDArray[np.float64], file: NDArray[np.intp], stems: Sequence[str], names: Text
) -> NDArray[np.uint64]:
    """Return what the thinning of each cell is keyed by, (cell,): its file and its name; 0 where none is thinned."""
    keys = np.zeros(len(share), np.uint64)
    for i in np.flatnonzero(share < 1):
        keys[i] = hash_words("thin", stems[file[i]], names[i])
    return keys


def thin(counts: sp.csr_array, share: NDArray[np.float64], keys: NDArray[np.uint64]) -> sp.csr_array:
    """Keep each molecule of a cell with a chance of `share`, drawn by the cell's key alone.

    counts : (cell, gene) CSR int32. Not modified.
    share, keys : (cell,).
    """
    rows = np.flatnonzero(share < 1)
    if len(rows) == 0:
        return counts
    out = counts.copy()
    for row in rows:
        part = slice(out.indptr[row], out.indptr[row + 1])
        rng = np.random.default_rng([int(keys[row]), 0])
        out.data[part] = rng.binomial(counts.data[part], share[row])
    out.eliminate_zeros()
    return out


def joined_axis(axes: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[NDArray[np.int32], ...]]:
    """Return the union of gene axes, the first leading, and the place of each axis' genes on it."""
    place: dict[str, int] = {}
    for axis in axes:
        for gene in axis:
            place.setdefault(gene, len(place))
    return tuple(place), tuple(np.array([place[gene] for gene in axis], np.int32) for axis in axes)
