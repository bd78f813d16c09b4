"""Tissues that fill a block: cortical layers, a monolayer, a slab with vessels, a lymphoid patch."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from twin.anatomy.parts import (
    Anatomy,
    Index,
    Mix,
    Part,
    cell_volume,
    layer_area,
    mean_radius,
    only,
    portions,
)
from twin.anatomy.vessels import axes_of, lumina
from twin.errors import InputError
from twin.kernels.random import Stream
from twin.kernels.shapes.cover import COVERED, area_of, cover
from twin.kernels.shapes.fill import fill
from twin.kernels.shapes.scatter import scatter
from twin.kernels.shapes.solid import Solid, block, half, without
from twin.scenario.builders import CorticalLayers, LymphoidPatch, Monolayer, VesselSlab

Float = NDArray[np.float64]

CORTEX_WIDTH = (200.0, 200.0)  # µm; where neither box nor width says; our choice
SLAB_SIZE = (300.0, 200.0, 300.0)  # µm; the same of a slab with vessels
OVERLAP = 0.8  # of two radii; how near cells of a random monolayer may come; our choice
FOLLICLE_GAP = 30.0  # µm; around a follicle; our choice
PARACORTEX = 120.0  # µm; T cell zone below the follicles, where no box says how much; our choice


def cortical_layers(cells: CorticalLayers, room: Float | None) -> Anatomy:
    """Return the layers of a cortex, from the pia at the top; flat, or bent along x.

    Raises
    ------
    InputError
        If a bent cortex is thicker than the radius of its pia.
    """
    width = _width(cells.width, room, CORTEX_WIDTH)
    total = sum(layer.thickness for layer in cells.layers.values())
    bend = cells.curvature
    if bend is not None and total >= bend:
        raise InputError(f"layers of {total:.5g} um in all do not bend around a radius of {bend:.5g} um: raise it")
    wide = float(width[0])
    angle = 0.0 if bend is None else wide / bend / 2.0
    if angle > np.pi / 2:
        raise InputError(f"a cortex {wide:g} um wide goes more than half round a radius of {bend:g} um: raise it")
    side = wide / 2.0 if bend is None else bend * np.sin(angle)
    height = total if bend is None else bend - (bend - total) * np.cos(angle)
    high = np.array([side, width[1] / 2.0, height / 2.0])

    def depth(points: Float) -> Float:
        """Return how deep below the pia points lie, µm."""
        if bend is None:
            return np.asarray(high[2] - points[:, 2])
        return np.asarray(bend - np.hypot(points[:, 0], points[:, 2] - (high[2] - bend)))

    def beside(points: Float) -> Float:
        """Return how far beyond the piece's sides points lie, µm."""
        if bend is None:
            along = np.abs(points[:, 0]) - side
        else:
            x, z = np.abs(points[:, 0]), points[:, 2] - (high[2] - bend)
            along = x * np.cos(angle) - z * np.sin(angle)
        return np.asarray(np.maximum(along, np.abs(points[:, 1]) - high[1]))

    parts, top = [], 0.0
    for name, layer in cells.layers.items():
        bottom = top + layer.thickness
        solid = Solid(partial(_between, depth, beside, top, bottom), -high, high)
        if bend is None:
            volume = wide * float(width[1]) * layer.thickness
        else:
            volume = angle * ((bend - top) ** 2 - (bend - bottom) ** 2) * float(width[1])
        n = round(layer.density * volume)
        size = mean_radius(cells, layer.cells)
        parts.append(Part(name, n, partial(_filled, n, size, solid, volume), (Mix(name, layer.cells),), only))
        top = bottom
    return Anatomy("cortex", tuple(parts), -high, high)


def _between(
    depth: Callable[[Float], Float], beside: Callable[[Float], Float], top: float, bottom: float, points: Float
) -> Float:
    deep = depth(points)
    return np.maximum(np.maximum(top - deep, deep - bottom), beside(points))


def _filled(n: int, size: float, solid: Solid, volume: float, stream: Stream) -> Float:
    return fill(n, size, solid, stream, volume)


def _width(own: tuple[float, float] | None, room: Float | None, default: tuple[float, float]) -> Float:
    if own is not None:
        return np.array(own)
    return np.asarray(default if room is None else room[:2], dtype=np.float64)


def _size(own: tuple[float, float, float] | None, room: Float | None, default: tuple[float, float, float]) -> Float:
    if own is not None:
        return np.array(own)
    return np.asarray(default if room is None else room, dtype=np.float64)


def monolayer(cells: Monolayer, room: Float | None) -> Anatomy:
    """Return a sheet of cells, confluent or as dense as is said.

    Raises
    ------
    InputError
        If neither a width nor a box nor a number tells how large it is, or the gap leaves nothing.
    """
    size = mean_radius(cells, cells.cells)
    each = layer_area(size) if cells.density is None else 1.0 / cells.density
    free = cells.gap.x[1] - cells.gap.x[0] if cells.gap is not None else 0.0
    if cells.width is None and room is None:
        if cells.count is None:
            raise InputError("how large is the monolayer? give width, a box, or the count of its cells")
        y = (free + np.sqrt(free**2 + 4.0 * cells.count * each)) / 2.0
        width = np.array([y, y])
    else:
        width = _width(cells.width, room, (0.0, 0.0))
    high = np.array([*(width / 2.0), size])
    strip = (0.0, 0.0) if cells.gap is None else (cells.gap.x[0] - high[0], cells.gap.x[1] - high[0])
    if cells.gap is not None and (cells.gap.x[0] < 0 or cells.gap.x[1] >= width[0]):
        raise InputError(f"the gap is not inside the sheet, which goes from 0 to {width[0]:.4g} um along x")
    n = cells.count or int((width[0] - free) * width[1] / each)
    covered = n * np.pi * size**2 / ((width[0] - free) * width[1])
    most = COVERED
    if covered > most:
        raise InputError(
            f"{n} cells of radius {size:.3g} um would cover {covered:.2f} of the sheet, and discs cover at most "
            f"{most:.2f}: take at most {int(n * most / covered)} cells, or a wider sheet"
        )

    def outside(points: Float) -> NDArray[np.bool_]:
        x = points[:, 0]
        return np.asarray((x <= strip[0]) | (x >= strip[1])) if free else np.ones(len(x), np.bool_)

    def place(stream: Stream) -> Float:
        if cells.arrangement == "random":
            flat = high * [1.0, 1.0, 0.0]
            return scatter(n, OVERLAP * 2.0 * size, -flat, flat, stream, outside)
        return cover(n, size, half(2, 0.0, -high, high), stream, outside)

    part = Part("sheet", n, place, (Mix("monolayer", cells.cells),), only)
    return Anatomy("monolayer", (part,), -high, high)


def vessel_slab(cells: VesselSlab, room: Float | None) -> Anatomy:
    """Return a slab with parallel vessels: walls around free lumina, pericytes, parenchyma."""
    high = _size(cells.size, room, SLAB_SIZE) / 2.0
    wall = mean_radius(cells, cells.endothelium)
    around = 0.0 if cells.pericytes is None else mean_radius(cells, cells.pericytes.cells)
    radius = cells.vessels.diameter / 2.0
    if cells.vessels.spacing <= 2.0 * (radius + 2.0 * (wall + around)):
        raise InputError(
            f"vessels {2 * (radius + 2 * (wall + around)):.4g} um wide with their walls touch at a spacing of "
            f"{cells.vessels.spacing:g} um: widen it, or give thinner endothelium a radius"
        )
    axes = axes_of(cells, 2.0 * high)
    tubes = partial(lumina, cells.vessels.along, axes - np.delete(high, "xyz".index(cells.vessels.along)), -high, high)
    whole = block(-high, high)
    tissue = without(whole, tubes(radius + 2.0 * (wall + around)))
    volume, size = tissue.volume(), mean_radius(cells, cells.cells)
    n = int(cells.packing * volume / cell_volume(size))
    parts = [
        Part("parenchyma", n, partial(_filled, n, size, tissue, volume), (Mix("parenchyma", cells.cells),), only),
        _wall("endothelium", wall, 1.0, tubes(radius + wall), Mix("vessel wall", cells.endothelium)),
    ]
    if cells.pericytes is not None:
        tube = tubes(radius + 2.0 * wall + around)
        mix = Mix("vessel wall", cells.pericytes.cells)
        parts.append(_wall("pericytes", around, cells.pericytes.coverage, tube, mix))
    return Anatomy("slab", tuple(parts), -high, high)


def _wall(name: str, size: float, coverage: float, tubes: list[Solid], mix: Mix) -> Part:
    """Return a layer of cells on every vessel."""
    each = max(1, round(coverage * area_of(tubes[0]) / layer_area(size)))

    def place(stream: Stream) -> Float:
        turns = stream.bits(np.arange(len(tubes), dtype=np.uint64), np.array([7], np.uint64))
        return np.concatenate([cover(each, size, t, Stream(int(k))) for t, k in zip(tubes, turns, strict=True)])

    return Part(name, each * len(tubes), place, (mix,), only)


def lymphoid_patch(cells: LymphoidPatch, room: Float | None) -> Anatomy:
    """Return a piece of a lymph node: sinus at the top, follicles in a row below it, T cell zone around.

    Raises
    ------
    InputError
        If the follicles do not fit.
    """
    wide, count = cells.follicle_diameter, cells.follicles
    sinus = cells.sinus_thickness or 0.0
    pitch = wide + FOLLICLE_GAP
    default = (max(count, 1) * pitch + FOLLICLE_GAP, wide + 2 * FOLLICLE_GAP, sinus + wide + FOLLICLE_GAP + PARACORTEX)
    size = _size(cells.size, room, default)
    needed = (count * wide, 0.0, sinus + wide)  # along y a box may cut them: a section through their middles
    for axis in (0, 2):
        if count and needed[axis] > size[axis]:
            raise InputError(
                f"{count} follicles of {wide:g} um and a sinus of {sinus:g} um need {needed[axis]:g} um along "
                f"{'xyz'[axis]}, and there are {size[axis]:.4g} um: widen the box, or make them fewer or smaller"
            )
    high = size / 2.0
    middles = np.zeros((count, 3))
    middles[:, 0] = (np.arange(count) + 0.5) * size[0] / max(count, 1) - high[0]
    middles[:, 2] = high[2] - sinus - wide / 2.0 - min(FOLLICLE_GAP / 3.0, size[2] - sinus - wide)
    centre = (cells.centre_diameter or 0.0) / 2.0

    def zone(points: Float) -> Index:
        """Return 0 in the T cell zone, 1 in a mantle, 2 in a germinal centre."""
        if not count:
            return only(points)
        away = np.linalg.norm(points[:, None, :] - middles, axis=2).min(axis=1)
        return np.asarray((away <= wide / 2.0).astype(np.intp) + (away <= centre))

    shares = {"T cell zone": cells.t_zone, "mantle": cells.mantle, "germinal centre": cells.germinal_centre}
    held = list(shares)[: 1 + (count > 0) + (count > 0 and centre > 0)]
    mixes = tuple(Mix(name, _sprinkled(cells, shares[name])) for name in held)
    pulp = block(-high, high - [0.0, 0.0, sinus])
    volumes = portions(pulp, zone, len(mixes))
    each = [cell_volume(mean_radius(cells, mix.shares)) for mix in mixes]
    n = int(sum(cells.packing * v / e for v, e in zip(volumes, each, strict=True)))
    volume = float(np.prod(pulp.high - pulp.low))
    radius = float((cells.packing * volume / max(n, 1) * 3.0 / (4.0 * np.pi)) ** (1 / 3))
    parts = [Part("pulp", n, partial(_filled, n, radius, pulp, volume), mixes, zone)]
    if sinus:
        slit = block(np.array([-high[0], -high[1], high[2] - sinus]), high)
        volume, radius = float(np.prod(slit.high - slit.low)), mean_radius(cells, cells.sinus)
        m = int(cells.sinus_packing * volume / cell_volume(radius))
        parts.append(Part("sinus", m, partial(_filled, m, radius, slit, volume), (Mix("sinus", cells.sinus),), only))
    return Anatomy("patch", tuple(parts), -high, high)


def _sprinkled(cells: LymphoidPatch, shares: dict[str, float]) -> dict[str, float]:
    """Return a mixture with the stroma's cells in it."""
    if not cells.stroma:
        return shares
    own, among = sum(shares.values()), sum(cells.stroma.values())
    mixed = {t: s / own * (1.0 - cells.stroma_share) for t, s in shares.items()}
    for t, s in cells.stroma.items():
        mixed[t] = mixed.get(t, 0.0) + s / among * cells.stroma_share
    return mixed
