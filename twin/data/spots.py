"""Spots become cells: where in a spot they stand, and how its counts are dealt out among them."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import pdtrik

from twin.kernels.random import Stream

Float = NDArray[np.float64]
Index = NDArray[np.intp]
Keys = NDArray[np.uint64]

GOLDEN_ANGLE = np.pi * (3.0 - 5.0**0.5)
AT_ONCE = 20_000_000  # molecules that are dealt out together: some 1 GiB; our choice


def cells_of_spots(mean: float, law: str, totals: Float, keys: Keys, stream: Stream) -> Index:
    """Return how many cells each spot holds, (spot,), at least 1.

    Parameters
    ----------
    law : same, poisson, or counts (in proportion to `totals`).
    totals : (spot,) counts. keys : (spot,) what a spot's luck is keyed by.
    """
    if law == "same":
        return np.full(len(totals), round(mean), np.intp)
    if law == "counts":
        exact = mean * totals / max(float(totals.mean()), 1.0)
    else:
        luck = stream.uniform(keys, 1)[:, 0]
        exact = np.ceil(np.nan_to_num(pdtrik(luck, mean)))  # the smallest n with P(N <= n) >= luck
    return np.asarray(np.maximum(np.rint(exact), 1), dtype=np.intp)


def sunflower(n: int, radius: float) -> Float:
    """Return n points spread evenly over a disc, (point, 2) µm; their middle is the disc's, and they keep off its rim.

    Source: Vogel, A better way to construct the sunflower head, Mathematical Biosciences 44:179 (1979): each point has
    the same share of the disc's area; here moved by their mean, and shrunk where that takes one too far out.
    """
    k = np.arange(n)
    away = np.sqrt((k + 0.5) / n)
    point = np.stack([away * np.cos(k * GOLDEN_ANGLE), away * np.sin(k * GOLDEN_ANGLE)], axis=1)
    point -= point.mean(axis=0)
    farthest = float(np.linalg.norm(point, axis=1).max())
    return np.asarray(radius * point * min(1.0, float(away[-1]) / max(farthest, 1e-12)))


def least_distance(n: int, radius: float) -> float:
    """Return the least distance of two points of `sunflower`, µm; infinite for one."""
    if n < 2:
        return float("inf")
    point = sunflower(n, radius)
    away = np.linalg.norm(point[:, None] - point[None], axis=2)
    return float(away[np.triu_indices(n, 1)].min())


def places_in_spots(centre: Float, n: Index, radius: float, keys: Keys, stream: Stream) -> Float:
    """Return where the cells of each spot stand, (cell, 3) µm, spot by spot: a sunflower turned by the spot's luck.

    centre : (spot, 3) µm. n : (spot,) cells.
    """
    turn = 2 * np.pi * stream.uniform(keys, 1)[:, 0]
    position = np.repeat(centre, n, axis=0)
    discs = {int(m): sunflower(int(m), radius) for m in np.unique(n)}
    off = np.concatenate([discs[int(m)] for m in n]) if len(n) else np.empty((0, 2))
    angle = np.repeat(turn, n)
    position[:, 0] += np.cos(angle) * off[:, 0] - np.sin(angle) * off[:, 1]
    position[:, 1] += np.sin(angle) * off[:, 0] + np.cos(angle) * off[:, 1]
    return position


def dealt(counts: sp.csr_array, n: Index, keys: Keys, stream: Stream) -> sp.csr_array:
    """Deal the molecules of each spot out among its cells, each to any of them with the same chance.

    The counts of a spot's cells add up to the spot's, gene by gene: each cell's share is multinomial.

    Parameters
    ----------
    counts : (spot, gene) CSR int32. Not modified.
    n : (spot,) cells. keys : (spot,) what a spot's luck is keyed by.

    Returns
    -------
    (cell, gene) CSR int32, spot by spot.
    """
    first = np.concatenate([[0], np.cumsum(n)])
    molecules = np.concatenate([[0], np.cumsum(np.asarray(counts.sum(axis=1)).ravel(), dtype=np.int64)])
    parts, spot = [], 0
    while spot < len(n):
        last = max(spot + 1, int(np.searchsorted(molecules, molecules[spot] + AT_ONCE, side="right")) - 1)
        part = counts[spot:last].tocoo()
        row = np.repeat(part.row, part.data)  # (molecule,)
        gene = np.repeat(part.col, part.data)
        number = np.arange(len(row)) - (molecules[spot:last] - molecules[spot])[row]  # in its spot
        luck = stream.uniform_at(keys[spot:last][row], number.astype(np.uint64))
        cell = first[spot:last][row] + (luck * n[spot:last][row]).astype(np.intp) - first[spot]
        shape = (int(first[last] - first[spot]), counts.shape[1])
        parts.append(sp.csr_array((np.ones(len(row), np.int32), (cell, gene)), shape=shape))
        spot = last
    out = sp.vstack(parts, format="csr") if parts else sp.csr_array((0, counts.shape[1]), dtype=np.int32)
    out.sum_duplicates()
    out.sort_indices()
    return sp.csr_array(out, dtype=np.int32)
