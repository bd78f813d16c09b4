"""Which points lie in a part of space."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def inside(
    position: Float,
    low: Sequence[float],
    high: Sequence[float],
    ball: tuple[Sequence[float], float, float] | None = None,
) -> NDArray[np.bool_]:
    """Return which points lie in a block and, where one is given, in a ball or shell, (point,); borders belong to it.

    Parameters
    ----------
    position : (point, 3) µm. Not modified.
    low, high : corners of the block, (3,) µm; infinite where nothing limits.
    ball : centre, radius, and radius of its hollow, µm.
    """
    found = ((position >= np.asarray(low)) & (position <= np.asarray(high))).all(axis=1)
    if ball is not None:
        centre, radius, inner = ball
        away = np.sqrt(((position - np.asarray(centre)) ** 2).sum(axis=1))
        found &= (away <= radius) & (away >= inner)
    return np.asarray(found, dtype=np.bool_)
