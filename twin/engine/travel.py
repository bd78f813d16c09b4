"""Cells that come into a compartment: from another one, or from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.engine.view import rate_ports
from twin.engine.world import World
from twin.errors import RunError
from twin.kernels.random import Streams
from twin.process import Move, Port
from twin.state.body import Body, Compartment, reindexed
from twin.state.cells import Cells
from twin.state.expression import Expression
from twin.state.fields import Grid
from twin.state.groups import newcomers

Float = NDArray[np.float64]

MARGIN = 1e-6  # µm from the upper faces; our choice, as where daughters are placed


@dataclass(frozen=True)
class Leaving:
    """Cells that a process has told to go, by their ids, since rows change at the end of a tick.

    ids : (cell,). position : (cell, 3) µm in the target, or None. tally : as of the `Move`.
    """

    process: str
    source: str
    target: str
    ids: NDArray[np.uint64]
    position: Float | None
    tally: tuple[str, int] | None = None


def leaving(body: Body, process: str, move: Move) -> Leaving:
    """Return what a process's move comes to.

    Raises
    ------
    RunError
        If it names a compartment that is not there, rows that are no cells, or places that do not fit.
    """
    for name in (move.source, move.target):
        if name not in body.compartments:
            raise RunError(f"plugin {process!r} moves cells by a compartment {name!r}, which is not there")
    home, rows = body.compartments[move.source], np.asarray(move.rows, dtype=np.intp)
    if len(rows) and (rows.min() < 0 or rows.max() >= home.cells.n):
        raise RunError(
            f"plugin {process!r} moves rows {rows.min()} to {rows.max()}; {home.name} has {home.cells.n} cells"
        )
    if len(np.unique(rows)) < len(rows):
        raise RunError(f"plugin {process!r} moves a cell of {home.name} twice at a time")
    if move.position is not None and np.shape(move.position) != (len(rows), 3):
        raise RunError(f"plugin {process!r} moves {len(rows)} cells to places of the shape {np.shape(move.position)}")
    grid = body.compartments[move.target].grid
    if move.position is not None and len(rows):
        inside = (move.position >= np.asarray(grid.origin)) & (move.position <= np.asarray(grid.origin) + grid.size)
        if not inside.all():  # NaN is nowhere
            raise RunError(f"plugin {process!r} moves cells to places that are not in the box of {move.target}")
    if move.tally is not None and not 0 <= move.tally[1] < body.stores.get(move.tally[0], np.empty(0)).size:
        raise RunError(f"plugin {process!r} counts who moves in {move.tally[0]}[{move.tally[1]}], which is no store's")
    return Leaving(process, move.source, move.target, home.cells.id[rows], move.position, move.tally)


def carry_over(world: World, body: Body, moves: Sequence[Leaving], streams: Streams) -> None:
    """Let cells change their compartments, in the order told; who has gone, divided or died since stays away.

    A cell keeps all that it is, its counts among it; whom it touches is new.

    Raises
    ------
    RunError
        If the cells of one compartment cannot be cells of the other.
    """
    for move in moves:
        source, target = body.compartments[move.source], body.compartments[move.target]
        here = {int(i): row for row, i in enumerate(source.cells.id)}
        told = [k for k, i in enumerate(move.ids) if int(i) in here and source.cells.alive[here[int(i)]]]
        if not told or source is target:
            continue
        if world.models[source.name] is not world.models[target.name]:
            raise RunError(
                f"plugin {move.process!r} moves cells from {source.name} to {target.name}, whose cells are of another "
                "world model"
            )
        if any({*words} - {*target.cells.names[what]} for what, words in source.cells.names.items()):
            raise RunError(
                f"plugin {move.process!r} moves cells from {source.name} to {target.name}, which do not know each "
                "other's cell types and donors: name the way under organs.traffic"
            )
        ids = move.ids[told]
        rows = np.array([here[int(i)] for i in ids], dtype=np.intp)
        counts = source.expression.rows(rows, source.cells.id)
        new = _as_in(target, source.cells.take(rows))
        new.position = anywhere(target.grid, ids, streams) if move.position is None else move.position[told]
        new.group = newcomers(target.groups, target.cells.group, target.cells.position, new.position)
        for i, parent in zip(new.id, new.parent, strict=True):
            source.lineage.record(int(i), int(parent), streams.tick, f"left for {target.name}")
            target.lineage.record(int(i), int(parent), streams.tick, f"came from {source.name}")
        _leave(source, rows)
        arrive(world, target, new, Expression.from_counts(counts, target.expression.chunk_size))
        if move.tally is not None:
            store, place = move.tally
            tallied = body.stores[store].copy()
            tallied.flat[place] += len(rows)
            body.stores[store] = tallied


def _as_in(target: Compartment, cells: Cells) -> Cells:
    """Return cells coded by the categories of a compartment, which knows all of theirs."""
    names = target.cells.names
    place = {what: np.array([names[what].index(word) for word in words]) for what, words in cells.names.items()}
    coded = {what: there[getattr(cells, what)].astype(np.int16) for what, there in place.items()}
    return replace(cells, names=names, **coded)


def arrive(world: World, home: Compartment, new: Cells, expression: Expression) -> None:
    """Append cells to a compartment, with neutral rates and touching nobody."""
    before, n = home.cells.n, new.n
    home.cells = home.cells.append(new)
    home.expression = home.expression.rebuild(np.arange(before, dtype=np.intp), [expression])
    apart = sp.block_diag([home.contacts, sp.csr_array((n, n), dtype=home.contacts.dtype)], format="csr")
    home.contacts = sp.csr_array(apart, dtype=home.contacts.dtype)
    ports = rate_ports(world)
    home.rates = {
        name: {process: _longer(value, n, ports[name]) for process, value in by.items()}
        for name, by in home.rates.items()
    }


def anywhere(grid: Grid, ids: NDArray[np.uint64], streams: Streams) -> Float:
    """Return a random place in the box for each cell, (cell, 3) µm."""
    drawn = streams.stream("place of arrival").uniform(ids, 3) * np.maximum(grid.size - MARGIN, 0.0)
    return np.asarray(drawn + np.asarray(grid.origin))


def _leave(home: Compartment, rows: NDArray[np.intp]) -> None:
    stay = np.setdiff1d(np.arange(home.cells.n, dtype=np.intp), rows)
    home.expression = home.expression.rebuild(stay)
    home.cells = home.cells.take(stay)
    home.contacts = sp.csr_array(home.contacts.tocsr()[stay][:, stay])
    home.rates = {port: {p: reindexed(value, stay) for p, value in by.items()} for port, by in home.rates.items()}


def _longer(value: Float, n: int, port: Port) -> Float:
    """Return a rate's contribution with neutral rows for `n` new cells; a field's is left alone."""
    if port.dims[0] != "cell":
        return value
    neutral = np.full((n, *value.shape[1:]), 0.0 if port.combine == "add" else 1.0)
    return np.concatenate([value, neutral])
