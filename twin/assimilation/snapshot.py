"""A measured snapshot: its cells on the twin's genes, and the fixed space in which twin and snapshot are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.data.counts import held_out, onto_axis, read_counts
from twin.errors import InputError, unknown_name

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

COMPONENTS = 20  # axes of the space; our choice
VARIABLE_GENES = 1000  # that span it, the most variable measured ones; our choice
SCORED_GENES = 300  # the most variable ones, gene by gene; our choice
MOST_FITTED = 2000  # measured cells that span it; our choice, above them the axes hardly move
LEAST_SHARED = 0.5  # of the snapshot's counts, on genes that the twin has; our choice, as for a tissue's own cells


@dataclass(frozen=True)
class Snapshot:
    """Measured cells on the twin's gene axis.

    counts : (cell, gene) CSR int32. measured : (gene,) which genes the file has.
    types : (cell,) names. test : (cell,) which cells correct nothing and test the correction.
    source : the file, for messages.
    """

    counts: sp.csr_array
    measured: Bool
    types: NDArray[np.str_]
    test: Bool
    source: str

    @property
    def n(self) -> int:
        """How many cells."""
        return int(self.counts.shape[0])

    @cached_property
    def space(self) -> "Space":
        """The space that the cells that correct span; it is fitted once, and does not depend on the twin."""
        return _fit(self._correcting, self.measured)

    @cached_property
    def genes(self) -> "Space":
        """The plain space of the genes that vary most, in which the twin is scored.

        Axes that were fitted to some cells hold those cells' noise, and put all others nearer to each other: they serve
        to match cells, not to judge.
        """
        counts = self._correcting
        used, mean = _most_variable(log_per_10k(counts, self.measured), SCORED_GENES)
        return Space(used, self.measured, mean[used], None)

    @property
    def _correcting(self) -> sp.csr_array:
        return self.counts if self.test.all() else self.counts[np.flatnonzero(~self.test)]

    @cached_property
    def points(self) -> Float:
        """The measured cells in that space, (cell, axis)."""
        return self.space.project(self.counts)

    def rows(self, cell_type: str, *, test: bool | None = None) -> NDArray[np.intp]:
        """Return the rows of a type: of all cells, of those that test, or of those that correct."""
        mine = self.types == cell_type
        return np.flatnonzero(mine if test is None else mine & (self.test == test))

    def scored(self, cell_type: str) -> NDArray[np.intp]:
        """Return the rows of a type by which the twin is scored: those that test, or all where none are held out."""
        return self.rows(cell_type, test=True if self.test.any() else None)


@dataclass(frozen=True)
class Space:
    """Log1p counts per 10,000 of the most variable genes, along principal axes or gene by gene.

    genes : (used,) their places. measured : (gene,) genes that a library size is taken over.
    mean : (used,). axes : (used, axis); None: gene by gene.
    """

    genes: NDArray[np.intp]
    measured: Bool
    mean: Float
    axes: Float | None

    def project(self, counts: sp.csr_array) -> Float:
        """Return cells as points, (cell, axis).

        counts : (cell, gene) CSR on the twin's axis. Not modified.
        """
        out = np.empty((counts.shape[0], len(self.genes) if self.axes is None else self.axes.shape[1]))
        for start in range(0, counts.shape[0], MOST_FITTED):
            part = log_per_10k(counts[start : start + MOST_FITTED], self.measured)[:, self.genes].toarray() - self.mean
            if self.axes is None:
                out[start : start + len(part)] = part
                continue
            # torch, because how many threads it takes is set by the engine: a result hangs on it in its last bits
            out[start : start + len(part)] = (torch.from_numpy(part) @ torch.from_numpy(self.axes)).numpy()
        return out


def read_snapshot(
    path: Path,
    genes: Sequence[str],
    cell_type: str = "cell_type",
    where: Mapping[str, str] | None = None,
    hold_out: float = 0.0,
) -> Snapshot:
    """Read measured cells.

    Parameters
    ----------
    genes : the twin's axis. cell_type : the obs column of the types. where : obs column → the value to keep.
    hold_out : share of the cells that test; which ones is a hash of their names.

    Raises
    ------
    InputError
        If the file holds no raw counts, shares no genes or too few of its counts with the twin, lacks a column, or
        no cell is left.
    """
    data = read_counts(path)
    for column, value in (where or {}).items():
        words = data.column(column, column)
        if not (words == value).any():
            found = ", ".join(sorted(set(map(str, words)))[:8])
            raise InputError(f"{path}: no cell has {column} = {value!r}; found {found}")
        data = data.take(words == value)
    counts, measured = onto_axis(data, genes)
    share = float(counts.sum()) / max(float(data.totals.sum()), 1.0)
    if share < LEAST_SHARED:
        raise InputError(
            f"{path}: {int(measured.sum()):,} of its {len(data.genes):,} genes are the twin's, with {share:.1%} of its "
            f"counts, and {LEAST_SHARED:.0%} are needed; var_names must be gene symbols like {', '.join(genes[:3])}, …"
        )
    test = held_out([str(name) for name in data.obs.index], hold_out)
    return Snapshot(counts, measured, data.column("cell_type", cell_type), test, str(path))


def shared_types(snapshot: Snapshot, present: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the cell types that are compared: those that are wanted, or all that both have.

    Raises
    ------
    InputError
        If a wanted type is missing in one of them, or they have none in common.
    """
    measured = sorted(set(map(str, snapshot.types)))
    for name in wanted:
        for who, names in ((snapshot.source, measured), ("the twin", present)):
            if name not in names:
                raise InputError(f"{unknown_name(f'cell type of {who}', name, names)}")
    found = tuple(wanted) or tuple(name for name in measured if name in present)
    if not found:
        raise InputError(
            f"{snapshot.source} and the twin have no cell type in common: it has {', '.join(measured[:6])}; the twin "
            f"{', '.join(sorted(present)[:6])}"
        )
    return found


def log_per_10k(counts: sp.csr_array, measured: Bool) -> sp.csr_array:
    """Return log1p of counts per 10,000 over the measured genes, (cell, gene) CSR float64."""
    out = sp.csr_array(counts, dtype=np.float64, copy=True)
    out.data[~measured[out.indices]] = 0.0
    total = np.maximum(np.asarray(out.sum(axis=1)).ravel(), 1.0)
    out.data = np.log1p(out.data * np.repeat(1e4 / total, np.diff(out.indptr)))
    return out


def library_sizes(counts: sp.csr_array, measured: Bool) -> Float:
    """Return the counts of each cell on the measured genes, (cell,)."""
    return np.asarray(counts[:, np.flatnonzero(measured)].sum(axis=1), dtype=np.float64).ravel()


def _fit(counts: sp.csr_array, measured: Bool) -> Space:
    """Return the principal axes of measured cells, evenly picked where they are many; each axis points to its largest
    gene, so that its sign is not a matter of chance.
    """
    step = max(1, -(-counts.shape[0] // MOST_FITTED))
    logs = log_per_10k(counts[::step], measured)
    used, mean = _most_variable(logs, VARIABLE_GENES)
    dense = torch.from_numpy(logs[:, used].toarray() - mean[used])
    covariance = dense.T @ dense
    vectors = torch.linalg.eigh(covariance)[1].flip(1)[:, :COMPONENTS].numpy()
    top = np.abs(vectors).argmax(axis=0)
    axes = vectors * np.sign(vectors[top, np.arange(vectors.shape[1])])
    return Space(used, measured, mean[used], np.ascontiguousarray(axes))


def _most_variable(logs: sp.csr_array, n: int) -> tuple[NDArray[np.intp], Float]:
    """Return the places of the n genes of most variance, in order, and the mean of every gene."""
    mean = np.asarray(logs.mean(axis=0)).ravel()
    square = np.asarray(logs.multiply(logs).mean(axis=0)).ravel()
    return np.sort(np.argsort(-(square - mean**2), kind="stable")[:n]).astype(np.intp), mean
