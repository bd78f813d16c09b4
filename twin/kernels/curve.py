"""An order of points in space in which neighbours in the order are neighbours in space: along a Hilbert curve."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
UInt64 = NDArray[np.uint64]

BITS = 16  # of a coordinate: a box of 6 cm is resolved to 1 µm
_ONE = np.uint64(1)


def curve_order(position: Float) -> NDArray[np.intp]:
    """Return the rows of points in the order in which a Hilbert curve through their bounding cube meets them, (point,).

    Points that share a place on the curve keep their order.

    position : (point, 3) µm, finite. Not modified.
    """
    if len(position) == 0:
        return np.empty(0, np.intp)
    low = position.min(axis=0)
    edge = float((position - low).max())
    scale = (2**BITS - 1) / edge if edge > 0 else 0.0
    return np.argsort(hilbert((scale * (position - low)).astype(np.uint64), BITS), kind="stable")


def hilbert(place: UInt64, bits: int) -> UInt64:
    """Return how far along the Hilbert curve each voxel of a cube of 2^bits voxels lies, (voxel,).

    place : (voxel, 3) whole numbers below 2^bits; bits <= 21. Not modified.

    Source
    ------
    Skilling, Programming the Hilbert curve, AIP Conference Proceedings 707 (2004).
    """
    x = [place[:, axis].astype(np.uint64) for axis in range(3)]
    for bit in range(bits - 1, 0, -1):
        below = np.uint64((1 << bit) - 1)
        for axis in range(3):
            inverts = (x[axis] >> np.uint64(bit)) & _ONE == 1
            swapped = np.where(inverts, np.uint64(0), (x[0] ^ x[axis]) & below)
            x[0] = np.where(inverts, x[0] ^ below, x[0] ^ swapped)
            x[axis] = x[axis] if axis == 0 else x[axis] ^ swapped
    x[1] ^= x[0]
    x[2] ^= x[1]
    turned = np.zeros_like(x[2])
    for bit in range(bits - 1, 0, -1):
        turned ^= np.where((x[2] >> np.uint64(bit)) & _ONE == 1, np.uint64((1 << bit) - 1), np.uint64(0))
    key = np.zeros_like(turned)
    for bit in range(bits - 1, -1, -1):
        for axis in range(3):
            key = (key << _ONE) | (((x[axis] ^ turned) >> np.uint64(bit)) & _ONE)
    return key


def mean_step(position: Float) -> float:
    """Return the mean distance between points that follow each other, µm; 0 of fewer than two."""
    if len(position) < 2:
        return 0.0
    return float(np.sqrt((np.diff(position, axis=0) ** 2).sum(axis=1)).mean())
