"""Starting points for the cells of an epithelium: even over any surface, a single layer."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.curve import curve_order
from twin.kernels.random import Stream
from twin.kernels.shapes.solid import Solid, midpoints

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Chosen = Callable[[Float], Bool]  # (point, 3) µm → which of them are part of the surface that counts

COVERED = float(np.pi / np.sqrt(12.0))  # 1; the most that equal discs cover of a plane (Thue 1910)
BAND = 2.0  # µm; half the thickness of the shell in which points are drawn: see `surface_points`; our choice
COARSE = 48  # voxels along the longest edge, among which those near the surface are sought; our choice
DRAWN, MOST_DRAWN = 24, 600_000  # points a cell, of which its place is the middle; and in all; our choice
LEAST_DRAWN = 20_000  # points, for an area; our choice: within 1 %
ROUNDS = 8  # of moving places to the middle of what is theirs; our choice
PARTINGS, PART = 60, 0.25  # rounds in which places too near part, and by which share of what they lack; our choice
PROJECTIONS = 3  # Newton steps onto the surface; our choice
ON = 1e-6  # µm; a place so near to a face of the block is on it


def surface_points(n: int, solid: Solid, stream: Stream, chosen: Chosen | None = None) -> tuple[Float, float]:
    """Return about `n` points drawn evenly from a solid's surface within its block, and the surface's area.

    Points are drawn in the shell of `BAND` µm on either side and moved onto the surface. Its thickness is the same
    everywhere, so that the density is even to 1 + K BAND² / 3 where K is the Gaussian curvature: within 1 % down to
    radii of 12 µm.

    Returns
    -------
    (point, 3) µm, and µm².
    """
    low, high = solid.low - 2.0 * BAND, solid.high + 2.0 * BAND  # a surface may touch the faces of its block
    middles, edges = midpoints(low, high, COARSE)
    reach = float(np.linalg.norm(edges)) / 2.0 + 3.0 * BAND
    near = middles[np.abs(solid.distance(middles)) <= reach]  # voxels that the shell may cross
    if not len(near):
        return np.empty((0, 3)), 0.0
    shell: list[Float] = []
    tried = found = 0
    turn = 0
    while found < n and turn < 64:
        numbers = np.arange(len(near), dtype=np.uint64)
        drawn = near + (stream.uniform(numbers + np.uint64(turn) * np.uint64(len(near)), 3) - 0.5) * edges
        tried, turn = tried + len(near), turn + 1
        drawn = drawn[np.abs(solid.distance(drawn)) < BAND]  # nowhere is the gradient longer than 1
        if len(drawn):
            off, gradient = solid.slope(drawn)
            drawn = onto_surface(drawn[np.abs(off) < BAND * np.linalg.norm(gradient, axis=1)], solid)
            inside = ((drawn >= solid.low - ON) & (drawn <= solid.high + ON)).all(axis=1)
            drawn = drawn[inside if chosen is None else inside & chosen(drawn)]
            shell.append(drawn)
            found += len(drawn)
    points = np.concatenate(shell) if shell else np.empty((0, 3))
    return points, len(points) / tried * len(near) * float(np.prod(edges)) / (2.0 * BAND)


def area_of(solid: Solid, chosen: Chosen | None = None) -> float:
    """Return the area of a solid's surface within its block, µm², within about 1 %."""
    return surface_points(LEAST_DRAWN, solid, Stream(0), chosen)[1]


def onto_surface(points: Float, solid: Solid, steps: int = PROJECTIONS) -> Float:
    """Return points moved to the nearest place of a surface that they are near to, by Newton's steps, (point, 3) µm."""
    for _ in range(steps):
        off, gradient = solid.slope(points)
        points = points - (off / np.maximum((gradient**2).sum(axis=1), 0.01))[:, None] * gradient
    return points


def cover(n: int, radius: float, solid: Solid, stream: Stream, chosen: Chosen | None = None) -> Float:
    """Return `n` points that cover a solid's surface evenly, for a layer of cells of a mean radius.

    Many points are drawn from the surface; each place moves to the middle of those that are nearest to it, again and
    again (a centroidal Voronoi tessellation, which is hexagonal but for the defects that a curved surface must have);
    then places that are nearer than in a hexagonal layer part.

    Parameters
    ----------
    n : number of cells. radius : µm.
    solid : whose surface within its block is covered.
    stream : where points are drawn from.
    chosen : which part of the surface; without it all.

    Returns
    -------
    (cell, 3) µm, on the surface.

    Raises
    ------
    InputError
        If there is no such surface, or the cells cover more of it than discs can.

    Source
    ------
    Du, Faber, Gunzburger, Centroidal Voronoi tessellations, SIAM Review 41 (1999), Lloyd's method.
    """
    if n == 0:
        return np.empty((0, 3))
    wanted = max(min(DRAWN * n, MOST_DRAWN), 4 * n, 2000)
    points, area = surface_points(wanted, solid, stream, chosen)
    covered = n * np.pi * radius**2 / max(area, 1e-300)
    if covered > 1.02 * COVERED:  # an area is known within 1 %
        raise InputError(
            f"{n} cells of radius {radius:.3g} um would cover {covered:.2f} of their surface of {area:,.0f} um^2, and "
            f"discs cover at most {COVERED:.2f}: take at most {int(n * COVERED / covered)} cells, or a larger surface"
        )
    points = points[curve_order(points)]
    offset = float(stream.uniform(np.array([2**40], np.uint64), 1)[0, 0])
    places = points[((np.arange(n) + offset) * len(points) / n).astype(np.intp)]
    for _ in range(ROUNDS):
        owner = np.asarray(cKDTree(places).query(points)[1])
        size = np.bincount(owner, minlength=n)
        sums = np.stack([np.bincount(owner, points[:, axis], n) for axis in range(3)], axis=1)
        middle = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], places)
        places = onto_surface(middle, solid, 1)
    spacing = float(np.sqrt(2.0 / np.sqrt(3.0) * area / n))  # µm, of a hexagonal layer
    for _ in range(PARTINGS):
        places = _parted(places, spacing, solid, chosen)
    return np.clip(onto_surface(places, solid), solid.low, solid.high)


def _parted(places: Float, spacing: float, solid: Solid, chosen: Chosen | None) -> Float:
    """Return places of which those nearer than `spacing` have moved apart, along the surface."""
    one, other = cKDTree(places).query_pairs(spacing, output_type="ndarray").T
    apart = places[one] - places[other]
    away = np.maximum(np.linalg.norm(apart, axis=1), 1e-9)
    push = (PART * (spacing - away) / away)[:, None] * apart
    n = len(places)
    sums = [np.bincount(one, push[:, k], n) - np.bincount(other, push[:, k], n) for k in range(3)]
    moved = onto_surface(np.clip(places + np.stack(sums, axis=1), solid.low, solid.high), solid, 1)
    return moved if chosen is None else np.where(chosen(moved)[:, None], moved, places)
