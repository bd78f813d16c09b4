"""What training reads: cells as rows, batches as tensors, and how they are masked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from twin.errors import InputError
from twin.kernels.tokens import tokens_of

ALL_MASKED_SHARE = 0.25  # of each batch; our choice
SMALLEST_T = 0.02  # 1/t stays bounded; our choice


@dataclass(frozen=True)
class TrainingCells:
    """What training sees, one row a cell.

    counts : (cell, gene) CSR, or what gives such a matrix for rows. measured : (file, gene) bool.
    file, context : (cell,). strength : (cell, arm). depth : (cell,) library sizes; None: the rows' sums.
    shifts : of log μ by (arm, context), (gene,) each; what is not there is no effect.
    """

    counts: sp.csr_array
    measured: NDArray[np.bool_]
    file: NDArray[np.intp]
    context: NDArray[np.intp]
    strength: NDArray[np.float32]
    depth: NDArray[np.float64] | None = None
    shifts: Mapping[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many cells."""
        return int(self.counts.shape[0])

    def rows(self, rows: NDArray[np.intp]) -> "TrainingCells":
        """Return some of the cells."""
        return replace(
            self,
            counts=self.counts[rows],
            file=self.file[rows],
            context=self.context[rows],
            strength=self.strength[rows],
            depth=None if self.depth is None else self.depth[rows],
        )

    @cached_property
    def one_axis(self) -> bool:
        """Whether all files measured the same genes."""
        return bool((self.measured == self.measured[:1]).all())

    def shift(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the shifts of log μ of these cells, (cell, column)."""
        out = np.zeros((len(rows), len(columns)), np.float32)
        cell, arm = np.nonzero(self.strength[rows])
        for i, a in zip(cell, arm, strict=True):
            shift = self.shifts.get((int(a), int(self.context[rows[i]])))
            if shift is not None:
                out[i] += self.strength[rows[i], a] * shift[columns]
        return out


@dataclass(frozen=True)
class ConditionVectors:
    """What each context and each perturbation is, as numbers.

    context : (context, context_width) float32. perturbation : (perturbation, perturbation_width) float32, at the
    trained dose; a cell's vector is the sum of its perturbations' by strength, so control is the zero vector.
    """

    context: NDArray[np.float32]
    perturbation: NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """One batch as tensors: CSR counts and what goes with them.

    indptr (cell + 1,); gene, count, level, row (entry,); context (cell,) index; log_depth (cell,);
    strength (cell, arm); measured (cell, gene) of 0 and 1. Genes are those of `columns` on the axis, where a batch of
    one file leaves the others out; None: all. shift (cell, gene) of log μ, empty for token backbones.
    context_vector (cell, context_width) and perturbation_vector (cell, perturbation_width) are empty without vectors.
    """

    indptr: Tensor
    gene: Tensor
    count: Tensor
    level: Tensor
    row: Tensor
    context: Tensor
    log_depth: Tensor
    strength: Tensor
    measured: Tensor
    context_vector: Tensor
    perturbation_vector: Tensor
    shift: Tensor
    columns: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: x.to(device, non_blocking=True) for k, x in parts.items() if x is not None})


def batch_of(cells: TrainingCells, rows: NDArray[np.intp], vectors: ConditionVectors | None = None) -> Batch:
    """Return these rows as tensors on the CPU.

    Without `vectors`, for the latent backbone, a batch that comes from one file holds that file's genes alone.
    """
    part = cells.counts[rows]
    depth = np.asarray(part.sum(axis=1)).ravel() if cells.depth is None else cells.depth[rows]
    lengths = np.diff(part.indptr)
    n = len(rows)
    measured = cells.measured[cells.file[rows]]
    gene, columns = part.indices.astype(np.int64), None
    shift = np.zeros((n, 0), np.float32)
    context = np.zeros((n, 0), np.float32)
    perturbation = np.zeros((n, 0), np.float32)
    if vectors is None:
        columns = np.flatnonzero(measured.any(axis=0))
        place = np.full(measured.shape[1], -1, np.int64)
        place[columns] = np.arange(len(columns))
        gene, measured = place[gene], measured[:, columns]
        shift = cells.shift(rows, columns)
    else:
        context = vectors.context[cells.context[rows]]
        perturbation = cells.strength[rows] @ vectors.perturbation
    return Batch(
        torch.from_numpy(part.indptr.astype(np.int64)),
        torch.from_numpy(gene),
        torch.from_numpy(part.data.astype(np.float32)),
        torch.from_numpy(tokens_of(part.data).astype(np.int64)),
        torch.from_numpy(np.repeat(np.arange(n), lengths)),
        torch.from_numpy(cells.context[rows].astype(np.int64)),
        torch.from_numpy(np.log(np.maximum(depth, 1.0)).astype(np.float32)),
        torch.from_numpy(cells.strength[rows]),
        torch.from_numpy(measured.astype(np.float32)),
        torch.from_numpy(np.ascontiguousarray(context, dtype=np.float32)),
        torch.from_numpy(np.ascontiguousarray(perturbation, dtype=np.float32)),
        torch.from_numpy(shift),
        None if columns is None or len(columns) == cells.measured.shape[1] else torch.from_numpy(columns),
    )


def checked_vectors(cells: TrainingCells, vectors: ConditionVectors) -> ConditionVectors:
    """Return the vectors if there is one for each context and perturbation of the cells.

    Raises
    ------
    InputError
        If there are too few, or a number among them is not finite.
    """
    contexts = int(cells.context.max(initial=-1)) + 1
    if len(vectors.context) < contexts or len(vectors.perturbation) != cells.strength.shape[1]:
        raise InputError(
            f"condition vectors: {len(vectors.context)} contexts and {len(vectors.perturbation)} perturbations have "
            f"one, the cells have {contexts} and {cells.strength.shape[1]}"
        )
    for word, table in (("context", vectors.context), ("perturbation", vectors.perturbation)):
        if not np.isfinite(table).all():
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            raise InputError(f"condition vectors: the vector of {word} {row} holds a number that is not finite")
    return vectors


def batches(cells: TrainingCells, size: int) -> Iterator[NDArray[np.intp]]:
    """Yield all rows, at most `size` of one file at a time."""
    for file in np.unique(cells.file):
        mine = np.flatnonzero(cells.file == file)
        for start in range(0, len(mine), size):
            yield mine[start : start + size]


def stratified(n: int, generator: torch.Generator) -> Tensor:
    """Return n masking probabilities, stratified over (0, 1], a share of them exactly 1; on the generator's device."""
    where = generator.device
    u = (torch.randperm(n, generator=generator, device=where) + torch.rand(1, generator=generator, device=where)) / n
    t = u.clamp(min=SMALLEST_T)
    whole = round(ALL_MASKED_SHARE * n)
    t[torch.randperm(n, generator=generator, device=where)[:whole]] = 1.0
    return t


def imbalance(z: Tensor, strength: Tensor) -> Tensor:
    """Return how far the mean z of treated cells is from that of controls, squared, summed over perturbations.

    z is to say who a cell is, not what was done to it; the arms of one experiment hold the same kinds of cells.
    """
    total = z.sum() * 0.0
    control = strength.sum(dim=1) == 0
    for p in range(strength.shape[1]):
        treated = strength[:, p] > 0
        if bool(treated.any()) and bool(control.any()):
            total = total + ((z[treated].mean(dim=0) - z[control].mean(dim=0)) ** 2).sum()
    return total
