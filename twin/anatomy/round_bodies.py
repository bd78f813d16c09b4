"""Spheroids and cysts: balls of cells in zones, and layers of cells around a lumen."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twin.anatomy.parts import ROW, Anatomy, Index, Mix, Part, cell_volume, layer_area, mean_radius, only, shared_out
from twin.errors import InputError
from twin.kernels.random import Stream
from twin.kernels.shapes.cover import cover
from twin.kernels.shapes.fill import fill
from twin.kernels.shapes.solid import Solid, ball
from twin.scenario.builders import Cyst, Spheroid

Float = NDArray[np.float64]

ORIGIN = np.zeros(3)
HALVINGS = 60  # of the bracket of a radius; our choice: to rounding
TOP = 1e6  # µm; above any radius


def spheroid(cells: Spheroid) -> Anatomy:
    """Return a spheroid: one packing of cells, in zones by how deep they lie.

    Raises
    ------
    InputError
        If its zones are thicker than its radius.
    """
    mixes = tuple(
        Mix(name, shell.cells if shell.cells is not None else cells.cells) for name, shell in cells.zones.items()
    )
    density = [cells.packing / cell_volume(mean_radius(cells, m.shares)) if m.shares else 0.0 for m in mixes]

    def n_of(radius: float) -> float:
        return float(np.dot(_zone_volumes(cells, radius), density))

    if cells.diameter is not None:
        radius, n = cells.diameter / 2.0, cells.count or int(n_of(cells.diameter / 2.0))
    else:
        assert cells.count is not None
        n = cells.count
        radius = _radius_for(lambda r: n_of(r) >= n)
    bounds = _bounds(cells, radius)
    if "zones" in cells.model_fields_set and bounds[-2] <= 0 and len(mixes) > 1:
        thick = sum(shell.thickness or 0.0 for shell in list(cells.zones.values())[:-1])
        raise InputError(
            f"zones of {thick:g} um leave nothing for {mixes[-1].niche!r} inside a spheroid of radius {radius:.4g} um: "
            "make them thinner, or the spheroid larger"
        )
    volumes = np.array(_zone_volumes(cells, radius))
    room = float(volumes[[bool(mix.shares) for mix in mixes]].sum())
    if n_of(radius) < 1:
        raise InputError(f"a spheroid of {2 * radius:.4g} um holds no cell: make it larger")
    size = float((cells.packing * room / n_of(radius) * 3.0 / (4.0 * np.pi)) ** (1 / 3))  # of a cell of mean volume
    filled = [(bounds[i + 1], bounds[i]) for i, mix in enumerate(mixes) if mix.shares and bounds[i] > bounds[i + 1]]

    def place(stream: Stream) -> Float:
        return fill(n, size, _shells(filled, radius), stream, room)

    def zone(points: Float) -> Index:
        away = np.linalg.norm(points, axis=1)
        return np.asarray(np.clip(np.searchsorted(-np.array(bounds[1:-1]), -away), 0, len(mixes) - 1))

    part = Part("spheroid", n, place, mixes, zone)
    return _body("spheroid", (part,), radius, cells)


def _bounds(cells: Spheroid, radius: float) -> list[float]:
    """Return the radii between the zones, µm, from the surface to 0."""
    bounds = [radius]
    for shell in list(cells.zones.values())[:-1]:
        bounds.append(max(bounds[-1] - (shell.thickness or 0.0), 0.0))
    last = list(cells.zones.values())[-1].thickness
    return [*bounds, 0.0 if last is None else max(bounds[-1] - last, 0.0)]


def _zone_volumes(cells: Spheroid, radius: float) -> list[float]:
    bounds = _bounds(cells, radius)
    return [4.0 / 3.0 * np.pi * (a**3 - b**3) for a, b in pairwise(bounds)]


def _shells(filled: list[tuple[float, float]], radius: float) -> Solid:
    """Return the shells (inner, outer) of a ball that hold cells, those that touch as one."""
    merged: list[list[float]] = []
    for inner, outer in sorted(filled):
        if merged and inner <= merged[-1][1] + 1e-9:
            merged[-1][1] = outer
        else:
            merged.append([inner if inner > 0 else -TOP, outer])

    def distance(points: Float) -> Float:
        away = np.linalg.norm(points, axis=1)
        return np.asarray(np.min([np.maximum(inner - away, away - outer) for inner, outer in merged], axis=0))

    return Solid(distance, np.full(3, -radius), np.full(3, radius))


def _radius_for(enough: Callable[[float], bool]) -> float:
    """Return the least radius that is enough, µm."""
    low, high = 0.0, TOP
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def cyst(cells: Cyst) -> Anatomy:
    """Return a cyst: rows of cells around a lumen, a cap of other cells around the upper pole, an outer layer."""
    size = mean_radius(cells, cells.cells)

    def rows(lumen: float) -> list[float]:
        return [lumen + size * (1.0 + ROW * k) for k in range(cells.rows)]

    def areas(lumen: float) -> list[float]:
        return [4.0 * np.pi * row**2 for row in rows(lumen)]

    def closed(lumen: float) -> float:
        return sum(areas(lumen)) / layer_area(size)

    if cells.lumen is not None:
        lumen = cells.lumen / 2.0
        n = cells.count or round(closed(lumen))
    else:
        assert cells.count is not None
        n = cells.count
        lumen = _radius_for(lambda r: closed(r) >= n)
    epithelium = Mix("epithelium", cells.cells)
    mixes = (epithelium,) if cells.cap is None else (epithelium, Mix("cap", cells.cap.cells))
    above = 1.0 - 2.0 * cells.cap.share if cells.cap is not None else 2.0  # cosine of the cap's edge

    def side(points: Float) -> Index:
        return np.asarray(points[:, 2] > above * np.linalg.norm(points, axis=1), dtype=np.intp)

    parts = [
        Part(f"epithelium {k}", m, partial(_covered, m, size, radius), mixes, side)
        for k, (m, radius) in enumerate(zip(shared_out(n, areas(lumen)), rows(lumen), strict=True))
    ]
    reach = rows(lumen)[-1] + size
    if cells.outer is not None:
        around = mean_radius(cells, cells.outer.cells)
        outer = reach + around
        m = max(1, round(cells.outer.coverage * 4.0 * np.pi * outer**2 / layer_area(around)))
        place = partial(_covered, m, around, outer)
        parts.append(Part("outer layer", m, place, (Mix("outer layer", cells.outer.cells),), only))
        reach = outer + around
    return _body("cyst", tuple(parts), reach, cells)


def _covered(n: int, size: float, radius: float, stream: Stream) -> Float:
    return cover(n, size, ball(ORIGIN, radius), stream)


def _body(what: str, parts: tuple[Part, ...], reach: float, cells: Spheroid | Cyst) -> Anatomy:
    corner = np.full(3, reach)
    scattered = cells.arrangement == "scattered"
    return Anatomy(what, parts, -corner, corner, cells.organoids, scattered, cells.gap, cells.margin)
