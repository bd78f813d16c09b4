"""Starting points for the cells of a tissue: dense, even, and the same for the same stream."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.random import Stream

Float = NDArray[np.float64]
Region = tuple[Float, Float]  # low and high corner, (3,) µm each; infinite where not limited

DENSEST = 0.74  # 1; π / √18, equal spheres, Kepler's conjecture (Hales 2005)
JITTER = 0.05  # 1, of the spacing; our choice: breaks the lattice's symmetry, leaves it even
_ROW, _LAYER = np.sqrt(3.0) / 2.0, np.sqrt(2.0 / 3.0)  # distance of rows and layers for spacing 1


def pack_box(n: int, radii: Float | float, box_low: Float, box_high: Float, stream: Stream) -> Float:
    """Return `n` points that fill a box evenly, for cells of the given radii.

    Sites of a hexagonal close packing, as wide as gives `n` of them, stretched to span the box one
    mean radius off its walls; sites too many are left out at even steps, the others are jittered.
    The points come in random order, so any cell may go to any of them, and the first k of any
    region are an even draw from it. Cells of unequal radii may overlap: `relax` parts them.

    Parameters
    ----------
    n : number of cells.
    radii : (cell,) µm, or one for all.
    box_low, box_high : (3,) µm, corners of the box.
    stream : where jitter and order are drawn from.

    Returns
    -------
    (cell, 3) µm, inside the box.

    Raises
    ------
    InputError
        If the cells' volume is more than 0.74 of the box, or the box has no volume.
    """
    radius = np.broadcast_to(np.asarray(radii, np.float64), (n,))
    low, high = np.asarray(box_low, np.float64), np.asarray(box_high, np.float64)
    size = high - low
    if not bool((size > 0).all()):
        raise InputError(f"a box of {_text(size)} um has no room for cells: make every edge longer than 0 um")
    if n == 0:
        return np.empty((0, 3))
    fraction = float((4.0 / 3.0 * np.pi * radius**3).sum() / prod(size.tolist()))
    if fraction > DENSEST:
        raise InputError(
            f"{n} cells would fill {fraction:.2f} of the box of {_text(size)} um, and spheres fill at most "
            f"{DENSEST}: take at most {int(n * DENSEST / fraction)} cells or a larger box"
        )
    inset = np.minimum(float(radius.mean()), size / 2.0)
    span = size - 2.0 * inset
    spacing = _spacing(n, span)
    nx, ny, nz = counts = _counts(spacing, span)
    numbers = np.arange(n, dtype=np.uint64)
    offset = float(stream.uniform(np.array([n], np.uint64), 1)[0, 0])
    site = np.minimum(((numbers + offset) * (prod(counts) / n)).astype(np.int64), prod(counts) - 1)  # (cell,)
    i, j, k = site % nx, site // nx % ny, site // (nx * ny)
    lattice = np.stack([i + (j + k) % 2 / 2, j * _ROW + k % 2 * _ROW / 3, k * _LAYER], axis=1)  # (cell, axis)
    widest = np.array([nx - 1 + (ny * nz > 1) / 2, (ny - 1) * _ROW + (nz > 1) * _ROW / 3, (nz - 1) * _LAYER])
    stretch = np.divide(span, widest, out=np.zeros(3), where=widest > 0)
    lone = np.where(widest > 0, 0.0, span / 2.0)  # a single layer lies in the middle
    jitter = JITTER * spacing * (2.0 * stream.uniform(numbers, 3) - 1.0)  # (cell, axis)
    points = np.clip(low + inset + lone + lattice * stretch + jitter, low + inset, high - inset)
    return np.asarray(points[np.argsort(stream.bits(numbers, np.array([3], np.uint64)), kind="stable")])


def choose_sites(sites: Float, region: Region) -> NDArray[np.intp]:
    """Return the rows of the sites that lie in a region, faces included, ascending.

    Parameters
    ----------
    sites : (site, 3) µm.
    region : its low and high corner, (3,) µm each; -inf and inf where it is not limited.

    Raises
    ------
    InputError
        If no site lies there.
    """
    low, high = (np.asarray(corner, np.float64) for corner in region)
    rows = np.flatnonzero(((sites >= low) & (sites <= high)).all(axis=1))
    if len(rows) == 0:
        raise InputError(
            f"none of the {len(sites)} places for cells lies between ({_text(low, ', ')}) um and "
            f"({_text(high, ', ')}) um: make the region larger or move it into the box"
        )
    return rows


def _counts(spacing: float, span: Float) -> tuple[int, int, int]:
    """Return how many sites, rows and layers (x, y, z) of a close packing fit into a span, at least 1."""
    x, y, z = (span / spacing).tolist()
    return (
        max(int(np.floor(x - 0.5)) + 1, 1),
        max(int(np.floor(y / _ROW - 1 / 3)) + 1, 1),
        int(np.floor(z / _LAYER)) + 1,
    )


def _spacing(n: int, span: Float) -> float:
    """Return the widest spacing at which a close packing has `n` sites in a span, µm."""
    wide = 2.0 * float(span.max()) + 1e-6  # one site
    close = wide
    while prod(_counts(close, span)) < n:
        close /= 2.0
    for _ in range(50):
        middle = (close + wide) / 2.0
        close, wide = (middle, wide) if prod(_counts(middle, span)) >= n else (close, middle)
    return close


def _text(numbers: Float, between: str = " x ") -> str:
    return between.join(f"{number:g}" for number in numbers)
