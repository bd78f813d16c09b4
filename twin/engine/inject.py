"""Cells put into a tissue while it runs: the event `inject` of a timeline."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.engine.conditions import released_at
from twin.engine.seeding import made_column
from twin.engine.travel import MARGIN, arrive
from twin.engine.variation import drawn_of
from twin.engine.world import INJECTED, World
from twin.errors import RunError
from twin.kernels.random import Stream, Streams, hash_words
from twin.kernels.region import inside
from twin.model.contract import Condition
from twin.scenario.region import Region
from twin.scenario.timeline import InjectCells, is_due
from twin.state.body import Body, Compartment
from twin.state.cells import Cells
from twin.state.expression import Expression
from twin.state.fields import Grid
from twin.state.groups import newcomers

Float = NDArray[np.float64]

MOST_ROUNDS = 1000  # of drawing places until all lie in a region; our choice: it is met 1 in 1000 times at least


def inject_due(world: World, body: Body, replicate: int) -> None:
    """Put in the cells of every `inject` that happens at the start of the present tick, in the order of the timeline.

    Raises
    ------
    RunError
        If the place that they are to be put into is empty.
    """
    scenario, released = world.scenario, released_at(body)
    for index, event in enumerate(scenario.timeline):
        if not isinstance(event, InjectCells):
            continue
        for home in body.compartments.values():
            tick = body.tick - drawn_of(world, home.name, replicate).delay
            if is_due(event, index, tick, scenario.tick, scenario.n_ticks, released):
                known = event.cell_type in home.cells.names["cell_type"]
                if event.compartment in (None, home.name) and known:
                    _inject(world, home, event, index, Streams(scenario.seed, replicate, body.tick))


def _inject(world: World, home: Compartment, event: InjectCells, index: int, streams: Streams) -> None:
    """Append new cells: ids hashed from (event, compartment, tick), everything else as of a founder."""
    n, source = event.count, world.scenario.compartments[home.name].cells
    key = hash_words("injected", index, home.name, streams.tick)
    ids = Stream(key).bits(np.arange(n, dtype=np.uint64), np.zeros(n, np.uint64))
    kind = world.names[home.name]["cell_type"].index(event.cell_type)
    context = np.full(n, world.context[home.name][kind], dtype=np.intp)
    model = world.models[home.name]
    n_pert = len(model.perturbations)
    spread = np.exp(source.ec50_spread * streams.stream("ec50").normal(ids, 1)[:, 0])
    donors = home.cells.names["donor"]
    donor = np.full(n, donors.index(INJECTED) if INJECTED in donors else 0, np.int16)
    drawn = drawn_of(world, home.name, streams.replicate)
    depth = drawn.depth_of(model.depths(context, ids, streams), donor)
    own = drawn.of_cells(donor, np.full(n, kind, np.int16))
    condition = Condition(ids, context, depth, np.zeros((n, n_pert)), np.full((n, n_pert), np.nan), spread, **own)
    counts, z = model.sample(condition, streams)
    radius = event.radius or source.radius_of(event.cell_type)
    position = _places(event.place or Region(), home.grid, ids, streams)
    new = Cells(
        id=ids,
        parent=ids.copy(),
        birth=np.full(n, streams.tick, np.int64),
        position=position,
        radius=np.full(n, radius),
        cell_type=np.full(n, kind, np.int16),
        donor=donor,
        species=np.zeros(n, np.int16),
        technology=np.zeros(n, np.int16),
        group=newcomers(home.groups, home.cells.group, home.cells.position, position),
        alive=np.ones(n, np.bool_),
        depth=depth,
        z=z,
        dose=condition.dose,
        time_since=condition.time_since,
        ec50_factor=spread,
        clamp=sp.csr_array((n, home.cells.clamp.shape[1]), dtype=np.float64),
        names=home.cells.names,
        columns=home.cells.columns,
        extra={column.name: made_column(column, ids) for column in home.cells.columns},
    )
    arrive(world, home, new, Expression.from_counts(counts, home.expression.chunk_size))
    for cell in ids:
        home.lineage.record(int(cell), int(cell), streams.tick, "injected")


def _places(place: Region, grid: Grid, ids: NDArray[np.uint64], streams: Streams) -> Float:
    """Return a random place in a part of the box for each cell, (cell, 3) µm."""
    low, high, ball = place.limits()
    if ball is not None:
        centre, radius, _ = ball
        low, high = tuple(c - radius for c in centre), tuple(c + radius for c in centre)
    bottom = np.maximum(np.asarray(low), 0.0)
    top = np.minimum(np.asarray(high), grid.size - MARGIN)
    out = np.empty((len(ids), 3))
    left = np.arange(len(ids))
    for turn in range(MOST_ROUNDS):
        drawn = bottom + streams.stream("injected place", turn).uniform(ids[left], 3) * np.maximum(top - bottom, 0.0)
        good = inside(drawn, (0.0,) * 3, tuple(grid.size), ball)
        out[left[good]] = drawn[good]
        left = left[~good]
        if not len(left):
            return np.asarray(out + np.asarray(grid.origin))
    raise RunError("the place of an injection holds no point of the box: widen it")
