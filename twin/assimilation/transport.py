"""Optimal transport of the twin's cells to measured ones."""

import numpy as np
import torch
from numpy.typing import NDArray

from twin.kernels.random import Stream

Float = NDArray[np.float64]

BATCH = 2000  # cells of each side that are matched at once; our choice: 4·10^6 costs, 32 MB
BLUR = 0.05  # entropic regularisation, of the median cost; our choice: rows stay sharp, 200 rounds converge
ROUNDS = 200  # of Sinkhorn's; our choice
CLOSE = 1e-3  # largest error of a column's mass, as a share of it, at which it stops; our choice


def matched(x: Float, y: Float, ids: NDArray[np.uint64], luck: Stream) -> NDArray[np.intp]:
    """Return for each of the twin's cells the measured cell that it is moved to, (cell,) rows of y.

    A plan of least cost (squared distance) that spreads both populations evenly, with a little entropy; each cell then
    draws its partner from its own row of the plan by a number keyed by its id. Large populations are matched in
    batches, drawn by keyed luck too, so that memory stays bounded and time linear.

    Parameters
    ----------
    x : (cell, axis) the twin's. y : (measured, axis). ids : (cell,) of the twin's. luck : keyed randomness.
    """
    assert len(y), "there is nobody to be moved to"
    order = np.argsort(luck.bits(ids, np.zeros(len(ids), np.uint64)), kind="stable")
    names = np.arange(len(y), dtype=np.uint64)
    others = np.argsort(luck.bits(names, np.ones(len(y), np.uint64)), kind="stable")
    draw = luck.uniform_at(ids, np.full(len(ids), 2, np.uint64))
    partner = np.empty(len(ids), dtype=np.intp)
    for k, start in enumerate(range(0, len(ids), BATCH)):
        mine = order[start : start + BATCH]
        theirs = others if len(y) <= BATCH else others[(k * BATCH + np.arange(BATCH)) % len(y)]
        plan = sinkhorn(x[mine], y[theirs])
        reached = np.cumsum(plan, axis=1)
        place = (reached < (draw[mine] * reached[:, -1])[:, None]).sum(axis=1)
        partner[mine] = theirs[np.minimum(place, len(theirs) - 1)]
    return partner


def sinkhorn(x: Float, y: Float) -> Float:
    """Return the entropic plan between two even populations, (x, y); rows sum to 1/len(x), columns nearly to 1/len(y).

    In logarithms, so that no weight runs to 0. Source: Cuturi, Sinkhorn Distances, NeurIPS 26 (2013); Peyré & Cuturi,
    Computational Optimal Transport (2019), section 4.4.
    """
    a, b = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(np.ascontiguousarray(y))
    centre = b.mean(0)
    a, b = a - centre, b - centre
    cost = ((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T).clamp_min(0)
    scale = float(cost.median())
    if scale <= 0:
        return np.full((len(x), len(y)), 1 / (len(x) * len(y)))
    kernel = -cost / (BLUR * scale)
    log_row, log_column = -np.log(len(x)), -np.log(len(y))
    g = torch.zeros(len(y), dtype=kernel.dtype)
    f = torch.zeros(len(x), dtype=kernel.dtype)
    for turn in range(ROUNDS):
        f = log_row - torch.logsumexp(kernel + g[None, :], 1)
        reached = torch.logsumexp(kernel + f[:, None], 0) + g
        if turn and float((reached - log_column).abs().max()) < CLOSE:
            break
        g = g + (log_column - reached)
    f = log_row - torch.logsumexp(kernel + g[None, :], 1)
    return np.asarray((kernel + f[:, None] + g[None, :]).exp().numpy(), dtype=np.float64)
