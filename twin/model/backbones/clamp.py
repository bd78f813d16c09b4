"""Clamped genes of drawn cells: a stored factor 0 is a knock-out, any other scales what is drawn."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.kernels.random import Stream
from twin.model.condition import Condition, Counts


def knocked_out(condition: Condition) -> Counts | None:
    """Return the genes that are known to be silent before anything is drawn, as stored zeros, (cell, gene)."""
    clamp = condition.clamp
    if clamp is None or not (clamp.data == 0).any():
        return None
    silent = np.flatnonzero(clamp.data == 0)
    ends = np.searchsorted(silent, clamp.indptr)
    return sp.csr_array((np.zeros(len(silent), np.int32), clamp.indices[silent], ends), shape=clamp.shape)


def scale_clamped(
    drawn: Counts, condition: Condition, luck: Stream, due: NDArray[np.float64] | None, due_luck: Stream
) -> Counts:
    """Scale the clamped genes that were drawn anew by their factors, rounded without bias; the others keep theirs.

    due : (gene,) probability that a gene was drawn anew, decided by `due_luck`; None: all were.
    """
    clamp = condition.clamp
    if clamp is None or clamp.nnz == 0:
        return drawn
    row = np.repeat(np.arange(condition.n), np.diff(clamp.indptr))
    owner, gene = condition.ids[row], clamp.indices.astype(np.uint64)
    fresh = np.ones(len(row), np.bool_) if due is None else due_luck.uniform_at(owner, gene) < due[clamp.indices]
    if not fresh.any():
        return drawn
    row, factor, gene = row[fresh], clamp.data[fresh], clamp.indices[fresh].astype(np.int64)
    value = np.asarray(drawn[row, gene]).ravel()
    u = luck.uniform_at(condition.ids[row], gene.astype(np.uint64))
    change = np.floor(value * factor + u * (factor > 0)).astype(np.int64) - value
    result = sp.csr_array(drawn + sp.csr_array((change, (row, gene)), shape=drawn.shape)).astype(np.int32)
    result.eliminate_zeros()
    result.sort_indices()
    return result
