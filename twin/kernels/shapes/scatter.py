"""Random places that keep a distance from each other, and an even choice among places."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.random import Stream

Float = NDArray[np.float64]

MOST_ROUNDS = 500  # without a new place before it is given up; our choice
BATCH = 256  # points that are tried at a time; our choice


def scatter(
    n: int,
    distance: float,
    low: Float,
    high: Float,
    stream: Stream,
    chosen: Callable[[Float], NDArray[np.bool_]] | None = None,
) -> Float:
    """Return `n` random points of a block that lie at least `distance` µm apart: a Poisson disc sample.

    Points are drawn one after the other; one that is too near to an earlier one is left out.

    Parameters
    ----------
    low, high : (3,) µm, corners of the block.
    chosen : which points of it may be taken; without it all.

    Returns
    -------
    (point, 3) µm.

    Raises
    ------
    InputError
        If so many do not fit: at random discs cover at most 0.547 of a plane, balls 0.384 of space.

    Source
    ------
    Feder, Random sequential adsorption, J. Theor. Biol. 87 (1980); Torquato, Uche, Stillinger, Phys. Rev. E 74 (2006).
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    taken = np.empty((0, 3))
    idle = turn = 0
    while len(taken) < n:
        numbers = np.arange(turn * BATCH, (turn + 1) * BATCH, dtype=np.uint64)
        drawn = low + stream.uniform(numbers, 3) * (high - low)
        turn += 1
        drawn = drawn if chosen is None else drawn[chosen(drawn)]
        if len(taken) and len(drawn):
            drawn = drawn[np.asarray(cKDTree(taken).query(drawn)[0]) >= distance]
        kept = _apart(drawn, distance)[: n - len(taken)]
        idle = idle + 1 if not len(kept) else 0
        if idle > MOST_ROUNDS:
            raise InputError(
                f"of {n} random places at least {distance:.3g} um apart only {len(taken)} were found: take fewer, "
                "nearer to each other, or more room"
            )
        taken = np.concatenate([taken, kept])
    return taken


def _apart(points: Float, distance: float) -> Float:
    """Return those points that are not nearer than `distance` to one before them that stays."""
    stays = np.ones(len(points), np.bool_)
    for i, j in sorted(cKDTree(points).query_pairs(distance * (1 - 1e-12))) if len(points) > 1 else ():
        if stays[i]:
            stays[j] = False
    return points[stays]


def spread_out(points: Float, n: int, stream: Stream) -> NDArray[np.intp]:
    """Return the rows of `n` points that lie as far from each other as a greedy choice finds, in that order.

    The first is drawn; each further one is the farthest from those before.

    Source
    ------
    Gonzalez, Clustering to minimize the maximum intercluster distance, Theor. Comput. Sci. 38 (1985).
    """
    assert n <= len(points), (n, len(points))
    if n == 0:
        return np.empty(0, np.intp)
    rows = [int(stream.uniform(np.zeros(1, np.uint64), 1)[0, 0] * len(points))]
    away = np.linalg.norm(points - points[rows[0]], axis=1)
    away[rows[0]] = -1.0
    for _ in range(n - 1):
        rows.append(int(np.argmax(away)))
        away = np.minimum(away, np.linalg.norm(points - points[rows[-1]], axis=1))
        away[rows[-1]] = -1.0
    return np.array(rows, dtype=np.intp)
