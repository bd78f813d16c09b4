"""Optimal transport of the twin's cells to measured ones."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from twin.kernels.random import Stream

Float = NDArray[np.float64]

BATCH = 1000  # cells of each side that are matched at once; our choice: 10^6 costs, a fraction of a second


def matched(x: Float, y: Float, ids: NDArray[np.uint64], luck: Stream) -> NDArray[np.intp]:
    """Return for each of the twin's cells the measured cell that it is moved to, (cell,) rows of y.

    Exact: of all ways to use the measured cells evenly (each as often as any other, give or take one) that of the least
    sum of squared distances. Where there are fewer cells than measured ones, who is used is drawn. Large populations
    are matched in batches that are drawn too, so that memory stays bounded and time linear.

    Parameters
    ----------
    x : (cell, axis) the twin's. y : (measured, axis). ids : (cell,) of the twin's. luck : draws, keyed by cell.

    Source
    ------
    Peyré & Cuturi, Computational Optimal Transport (2019), section 3.
    """
    assert len(y), "there is nobody to be moved to"
    order = np.argsort(luck.bits(ids, np.zeros(len(ids), np.uint64)), kind="stable")
    names = np.arange(len(y), dtype=np.uint64)
    others = np.argsort(luck.bits(names, np.ones(len(y), np.uint64)), kind="stable")
    partner = np.empty(len(ids), dtype=np.intp)
    for start in range(0, len(ids), BATCH):
        mine = order[start : start + BATCH]
        theirs = others[(start + np.arange(len(mine))) % len(y)]
        rows, columns = linear_sum_assignment(_costs(x[mine], y[theirs]))
        partner[mine[rows]] = theirs[columns]
    return partner


def _costs(x: Float, y: Float) -> Float:
    """Return squared distances, (x, y); by torch, whose threads the engine sets: the last bits stay the same."""
    a, b = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(np.ascontiguousarray(y))
    centre = b.mean(0)
    a, b = a - centre, b - centre
    cost = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return np.asarray(cost.numpy(), dtype=np.float64)
