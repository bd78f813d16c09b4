"""Starting points for the cells of any solid: a close packing cut to it, as loose as it may be."""

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.packing import DENSEST
from twin.kernels.random import Stream
from twin.kernels.shapes.solid import Solid

Float = NDArray[np.float64]

UNEVEN = 0.1  # 1, of the spacing; how far a cell moves off its site at the most in a dense tissue; our choice
TRIES = 24  # halvings of the spacing's bracket; our choice: within 1e-7 of it
_ROW, _LAYER = np.sqrt(3.0) / 2.0, np.sqrt(2.0 / 3.0)  # distance of rows and layers for spacing 1


def fill(n: int, radius: float, solid: Solid, stream: Stream, volume: float | None = None) -> Float:
    """Return `n` points that fill a solid evenly, for cells of a mean radius.

    A hexagonal close packing as wide as gives `n` points one radius off the surface; of points too many some are left
    out at random. Each is moved at random as far as keeps it off the others' reach, in a dense tissue a little farther,
    so that no lattice is seen. They come in random order. Where cells press on each other, mechanics parts them.

    Parameters
    ----------
    n : number of cells. radius : µm.
    solid : where they go.
    stream : where order and places are drawn from.
    volume : of the solid, µm³, where it is known; else it is worked out.

    Returns
    -------
    (cell, 3) µm, inside the solid.

    Raises
    ------
    InputError
        If the cells would fill more than 0.74 of the solid, or it is too thin for them.
    """
    if n == 0:
        return np.empty((0, 3))
    room = solid.volume() if volume is None else volume
    fraction = n * 4.0 / 3.0 * np.pi * radius**3 / max(room, 1e-300)
    if fraction > DENSEST:
        raise InputError(
            f"{n} cells of radius {radius:.3g} um would fill {fraction:.2f} of their part of the tissue, and spheres "
            f"fill at most {DENSEST}: take at most {int(n * DENSEST / fraction)} cells, or a larger tissue"
        )
    spacing = _spacing(n, radius, solid, room)
    points = _lattice(spacing, radius, solid)
    lots = stream.bits(np.arange(len(points), dtype=np.uint64), np.array([4], np.uint64))
    points = points[np.argsort(lots, kind="stable")[:n]]
    numbers = np.arange(n, dtype=np.uint64)
    free = max((spacing - 2.0 * radius) / 2.0, UNEVEN * spacing)  # µm
    u = stream.uniform(numbers, 3)
    up = 2.0 * u[:, 0] - 1.0
    flat, turn = np.sqrt(1.0 - up**2), 2.0 * np.pi * u[:, 1]
    way = np.stack([flat * np.cos(turn), flat * np.sin(turn), up], axis=1)  # (cell, 3), even on the sphere
    moved = points + free * np.cbrt(u[:, 2])[:, None] * way
    return np.where(solid.holds(moved, radius)[:, None], moved, points)


def _lattice(spacing: float, margin: float, solid: Solid) -> Float:
    """Return the points of a close packing in a solid, `margin` µm off its surface, (point, 3) µm."""
    origin = (solid.low + solid.high) / 2.0
    low, high = (solid.low - origin) / spacing, (solid.high - origin) / spacing
    k = np.arange(np.ceil(low[2] / _LAYER), np.floor(high[2] / _LAYER) + 1)
    j = np.arange(np.floor(low[1] / _ROW) - 1, np.ceil(high[1] / _ROW) + 2)
    i = np.arange(np.floor(low[0]) - 1, np.ceil(high[0]) + 2)
    k, j, i = np.meshgrid(k, j, i, indexing="ij")
    x, y, z = i + (j % 2) / 2 + (k % 2) / 2, j * _ROW + (k % 2) * _ROW / 3, k * _LAYER
    points = origin + spacing * np.stack([x, y, z], axis=-1).reshape(-1, 3)
    return points[solid.holds(points, margin)]


def _spacing(n: int, margin: float, solid: Solid, volume: float) -> float:
    """Return about the widest spacing at which a close packing has `n` points in a solid, µm."""

    def enough(spacing: float) -> bool:
        return len(_lattice(spacing, margin, solid)) >= n

    close = (np.sqrt(2.0) * volume / n) ** (1 / 3)
    for _ in range(TRIES):
        if enough(close):
            break
        close *= 0.9
    else:
        raise InputError(
            f"{n} cells of radius {margin:.3g} um do not fit into their part of the tissue: it is too thin for them"
        )
    wide = close / 0.9
    while enough(wide):
        close, wide = wide, wide / 0.9
        if wide > 2.0 * float((solid.high - solid.low).max()):
            return float(close)
    for _ in range(TRIES):
        middle = (close + wide) / 2.0
        close, wide = (middle, wide) if enough(middle) else (close, middle)
    return float(close)
