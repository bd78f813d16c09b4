"""Where the codes of genes start: at the axes along which the cells of a context vary.

A code drawn at random has to be learned gene by gene, from a few hundred cells and in a thousand steps. The axes of
the cells themselves are there at once: what the encoder sums up then starts as the cells' scores along them, and what
the decoder adds to a gene's log mean as how much that gene rises with each score.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh

from twin.data.experiment import Experiment
from twin.model.network import LOG_DEPTH, VISIBLE_SCALE, LatentNetwork

Float = NDArray[np.float64]

MOST_CELLS = 1_500  # looked at, evenly spaced; our choice, bounds time and memory
LEAST_CELLS = 16  # below, codes start at random; our choice
MOST_AXES = 32  # half of the width of a code, the rest starts at random; our choice
DEVIATIONS = 3.0  # standard errors above which two halves of the molecules agree on an axis; our choice
BORROWED_COUNTS = 30.0  # counts' worth of weight of no loading; our choice
GENE_BLOCK = 1024


def set_codes(net: LatentNetwork, data: Experiment, rows: NDArray[np.intp], seed: int = 0) -> None:
    """Start the first columns of the genes' codes at the axes of some cells, in place; rates are set before.

    Each cell's molecules are dealt into two halves, whose noise is independent: axes come from one half, and what
    genes gain along them from the other, so that an axis of noise alone has no loading. Those on whose scores the
    halves do not agree are left out. With few cells the codes stay as they are. rows : (any,) control cells; others
    among them are left out where there are controls.
    """
    control = rows[data.arm[rows] < 0]
    rows = control if len(control) else rows
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST_CELLS, len(rows))).astype(np.intp))]
    if len(rows) < LEAST_CELLS:
        return
    counts, depth = sp.csr_array(data.counts[rows]), np.maximum(data.depth[rows], 1.0)
    group = np.unique(np.stack([data.context[rows], data.file[rows]]), axis=1, return_inverse=True)[1].ravel()
    halves = dealt(counts, seed)
    logged = [scaled(half, depth / 2.0) for half in halves]
    axes, strength = axes_of(logged[0], group, min(MOST_AXES, net.config.code // 2, len(rows) - 1))
    across = np.concatenate([block.T @ axes for block in _centred(logged[0], group)]) / strength  # (gene, axis)
    scores = [_projected(one, group, across) for one in logged]  # (cell, axis) each
    agreement = np.array([_correlation(a, b) for a, b in zip(scores[0].T, scores[1].T, strict=True)])
    kept = np.flatnonzero(agreement > DEVIATIONS / len(rows) ** 0.5)
    if len(kept) == 0:
        return
    size = np.sqrt((scores[0][:, kept] ** 2).mean(axis=0))  # (axis,)
    rate = np.exp(net.log_rate.numpy().astype(np.float64))
    loading = loadings(halves[1], depth / 2.0, data.context[rows], rate, scores[0][:, kept] / size)
    with torch.no_grad():
        net.code_in[:, : len(kept)] = torch.from_numpy(across[:, kept] / (VISIBLE_SCALE * size)).float()
        net.code_out[:, : len(kept)] = torch.from_numpy(loading).float()


def dealt(counts: sp.csr_array, seed: int) -> tuple[sp.csr_array, sp.csr_array]:
    """Return two halves of the molecules, (cell, gene) each, dealt by a fair coin.

    Source
    ------
    Neufeld et al., Data thinning for convolution-closed distributions, JMLR 25 (2024): of a Poisson count the two are
    independent.
    """
    first = np.random.default_rng(seed).binomial(counts.data.astype(np.int64), 0.5)
    half = sp.csr_array((first, counts.indices, counts.indptr), shape=counts.shape)
    rest = sp.csr_array((counts.data - first, counts.indices, counts.indptr), shape=counts.shape)
    return half, rest


def scaled(counts: sp.csr_array, depth: Float) -> sp.csr_array:
    """Return counts as the encoder reads them, log1p at one library size, (cell, gene); depth (cell,)."""
    factor = np.repeat(np.exp(LOG_DEPTH) / depth, np.diff(counts.indptr))
    return sp.csr_array((np.log1p(counts.data * factor), counts.indices, counts.indptr), shape=counts.shape)


def axes_of(logged: sp.csr_array, group: NDArray[np.intp], n: int) -> tuple[Float, Float]:
    """Return the first left singular vectors of cells less the mean of their group, (cell, axis), and their values.

    From the (cell, cell) Gram matrix; axes without variance are left out.
    """
    gram = np.zeros((logged.shape[0],) * 2)
    for block in _centred(logged, group):
        gram += block @ block.T
    values, vectors = eigh(gram, subset_by_index=(len(gram) - n, len(gram) - 1))
    good = values > 1e-9 * max(float(values.max()), 1e-300)
    return vectors[:, good][:, ::-1], np.sqrt(values[good][::-1])


def loadings(counts: sp.csr_array, depth: Float, context: NDArray[np.intp], rate: Float, scores: Float) -> Float:
    """Return how much the log mean of each gene rises with each score, (gene, axis): one step of a Poisson regression.

    counts : (cell, gene). depth : (cell,). rate : (context, gene). scores : (cell, axis), of mean square 1.
    """
    seen = np.asarray(counts.T @ scores)  # (gene, axis)
    total = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    for c in np.unique(context):
        mine = context == c
        seen -= np.outer(rate[c], depth[mine] @ scores[mine])
    return seen / (total + BORROWED_COUNTS)[:, None]


def _projected(logged: sp.csr_array, group: NDArray[np.intp], across: Float) -> Float:
    out = np.zeros((logged.shape[0], across.shape[1]))
    for at, block in _blocks(logged, group):
        out += block @ across[at]
    return out


def _correlation(a: Float, b: Float) -> float:
    return float(a @ b) / max(float(np.sqrt((a @ a) * (b @ b))), 1e-300)  # both have mean 0 in every group


def _centred(logged: sp.csr_array, group: NDArray[np.intp]) -> Iterator[Float]:
    for _, block in _blocks(logged, group):
        yield block


def _blocks(logged: sp.csr_array, group: NDArray[np.intp]) -> Iterator[tuple[slice, Float]]:
    """Yield blocks of genes, (cell, gene), less the mean of each cell's group."""
    columns = sp.csc_array(logged)
    member = sp.csr_array((np.ones(len(group)), (group, np.arange(len(group)))))
    size = np.bincount(group).astype(np.float64)
    for start in range(0, logged.shape[1], GENE_BLOCK):
        at = slice(start, min(start + GENE_BLOCK, logged.shape[1]))
        block = columns[:, at].toarray()
        yield at, block - ((member @ block) / size[:, None])[group]
