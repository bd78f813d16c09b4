"""Who is put where in a box: an even packing, the regions of some types in it, and balls of cells."""

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.ball import Ball, pack_ball
from twin.kernels.packing import choose_sites, pack_box
from twin.kernels.random import Stream, Streams
from twin.scenario import region as parts
from twin.scenario.region import Region
from twin.scenario.sources import CellSource
from twin.state.fields import Grid

Float = NDArray[np.float64]

GROWTH = 1.1  # of the number of sites tried, until enough lie outside the balls; our choice


def packed_places(
    name: str,
    source: CellSource,
    code: NDArray[np.intp],
    radius: Float,
    types: tuple[str, ...],
    grid: Grid,
    streams: Streams,
) -> Float:
    """Return a place for every cell of a compartment: balls first, then blocks, then all the others.

    Cells of types that name the same ball share it and mix; no other cell is put into a ball.

    Parameters
    ----------
    name : of the compartment.
    code : (cell,) types. radius : (cell,) µm.

    Returns
    -------
    (cell, 3) µm.

    Raises
    ------
    InputError
        If the cells do not fit into the box, a block or a ball.
    """
    where = f"compartments.{name}.cells.place"
    low = np.asarray(grid.origin)
    high = low + grid.size
    position = np.empty((len(code), 3))
    shared: dict[parts.Ball, list[int]] = {}
    for t, region in source.place.items():
        if region.ball is not None and t in types:
            shared.setdefault(region.ball, []).append(types.index(t))
    balls = []
    for ball, members in shared.items():
        inhabitants = ", ".join(types[t] for t in members)
        cells = np.flatnonzero(np.isin(code, members))
        balls.append(Ball(low + np.array(ball.centre), ball.radius, ball.inner or 0.0, low, high))
        try:
            position[cells] = pack_ball(
                len(cells), radius[cells], balls[-1], streams.stream(f"places of {inhabitants} in {name}")
            )
        except InputError as error:
            raise InputError(f"{where}.{types[members[0]]}.ball: {error}") from error
    rest = np.flatnonzero(~np.isin(code, [t for members in shared.values() for t in members]))
    try:
        sites, share = _sites(radius[rest], low, high, balls, streams.stream(f"places in {name}"))
    except InputError as error:
        raise InputError(f"compartments.{name}: {error}") from error
    blocks = {t: region for t, region in source.place.items() if region.ball is None}
    position[rest] = _assign(sites, code[rest], types, blocks, share * float(np.prod(grid.size)), where)
    return position


def _sites(radius: Float, low: Float, high: Float, balls: list[Ball], stream: Stream) -> tuple[Float, float]:
    """Return one site a cell, evenly over what the balls leave of the box, and the share of it that they leave."""
    n = len(radius)
    if not balls or not n:
        return pack_box(n, radius, low, high, stream), 1.0
    mean = float(radius.mean())
    tried = n
    while True:
        try:
            sites = pack_box(tried, mean, low, high, stream)
        except InputError as error:
            raise InputError(
                f"{n} cells do not fit into what the balls leave of the box: take fewer cells or a larger box"
            ) from error
        outside = sites[~np.any([_touches(ball, sites, mean) for ball in balls], axis=0)]
        if len(outside) >= n:
            return outside[:n], len(outside) / tried
        tried = int(GROWTH * tried) + 1


def _touches(ball: Ball, points: Float, radius: float) -> NDArray[np.bool_]:
    """Return which points are nearer to a ball than a cell's radius."""
    away = np.linalg.norm(points - ball.centre, axis=1)
    return np.asarray((away < ball.radius + radius) & (away > ball.inner - radius))


def _assign(
    sites: Float, code: NDArray[np.intp], types: tuple[str, ...], place: dict[str, Region], volume: float, where: str
) -> Float:
    """Give each cell a site: first the types that have a region of their own, then the others.

    Where too few sites fall into a region, which is the packing's luck, those up to one spacing off it are taken.
    """
    if not len(sites):
        return sites
    position = np.empty_like(sites)
    free = np.ones(len(sites), dtype=np.bool_)
    spacing = (np.sqrt(2.0) * volume / len(sites)) ** (1 / 3)  # µm, of a close packing this dense
    regional = [types.index(t) for t in place if t in types]
    for t in regional:
        cells = np.flatnonzero(code == t)
        if not len(cells):
            continue
        low, high = _corners(place[types[t]])
        try:
            near = choose_sites(sites, (low - spacing, high + spacing))
        except InputError as error:
            raise InputError(f"{where}.{types[t]}: {error}") from error
        near = near[free[near]]
        off = np.linalg.norm(np.maximum(np.maximum(low - sites[near], sites[near] - high), 0.0), axis=1)  # µm
        nearest = near[np.argsort(off, kind="stable")][: len(cells)]
        room = int((off <= spacing).sum())
        if room < len(cells):
            raise InputError(
                f"{where}.{types[t]}: {len(cells)} cells do not fit, there is room for {room}; widen the region"
            )
        position[cells] = sites[nearest]
        free[nearest] = False
    rest = np.flatnonzero(~np.isin(code, regional))
    position[rest] = sites[np.flatnonzero(free)]
    return position


def _corners(region: Region) -> tuple[Float, Float]:
    spans = [span if span is not None else (-np.inf, np.inf) for span in (region.x, region.y, region.z)]
    return np.array([s[0] for s in spans]), np.array([s[1] for s in spans])
