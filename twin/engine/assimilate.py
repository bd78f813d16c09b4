"""Snapshots assimilated: the event `assimilate` of a timeline, when its tick has been reached."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.assimilation.discrepancy import Discrepancy, composition_distance, discrepancies, total
from twin.assimilation.snapshot import Snapshot, shared_types
from twin.assimilation.transport import matched
from twin.assimilation.weights import features, log_likelihood
from twin.engine.learning import evidence
from twin.engine.world import World
from twin.errors import InputError, RunError
from twin.kernels.random import Stream, Streams
from twin.model.contract import Condition
from twin.scenario.timeline import Assimilate, event_ticks
from twin.state.body import Body, Compartment
from twin.units import round12

WHAT = "assimilate"  # of entries in the log of a run


def assimilate_due(world: World, body: Body, replicate: int) -> None:
    """Hold a body against the snapshots of its time, correct it as they ask for, and put both in its log.

    Raises
    ------
    RunError
        If a type that is to be compared has died out, or none is left that both have.
    """
    scenario = world.scenario
    for index, event in enumerate(scenario.timeline):
        if isinstance(event, Assimilate) and body.tick in event_ticks(event, scenario.tick, scenario.n_ticks):
            home = body.compartments[event.compartment or next(iter(body.compartments))]
            streams = Streams(scenario.seed, replicate, body.tick)
            time = round12(body.tick * scenario.tick)
            try:
                entry = _assimilated(world, home, event, index, streams)
            except InputError as error:
                raise RunError(f"timeline[{index}] at {time:g} h in {home.name}: {error}") from error
            body.log.append({"tick": body.tick, "time": time, "what": WHAT, **entry})


def _assimilated(world: World, home: Compartment, event: Assimilate, index: int, streams: Streams) -> dict[str, object]:
    snapshot = world.snapshots[index]
    alive = home.cells.alive
    present = sorted(set(map(str, home.cells.type_names()[alive])))
    if event.method == "update":  # of an ensemble one member may have lost a type
        kinds = shared_types(snapshot, world.names[home.name]["cell_type"], event.cell_types)
        wanted = tuple(kind for kind in kinds if kind in present)
    else:
        kinds = wanted = shared_types(snapshot, present, event.cell_types)
    before = _compared(home, snapshot, wanted)
    entry: dict[str, object] = {
        "event": index,
        "file": event.file,
        "method": event.method,
        "compartment": home.name,
        "left_out": sorted({*present, *map(str, snapshot.types)} - set(wanted)),
        "before": [d.record() for d in before],
        "composition_distance": float(f"{composition_distance(before):.6g}"),
    }
    if event.method in ("reweight", "update"):
        points = np.concatenate([p for _, p in _points(home, snapshot)]) if home.cells.n else np.empty((0, 1))
        found = features(snapshot, points[alive], home.cells.type_names()[alive], kinds)
        told = evidence(found, log_likelihood(snapshot, found, kinds))
        entry |= told if event.method == "update" else {"log_likelihood": told["log_likelihood"]}
    if event.method == "reseed":
        entry["moved"] = _reseed(world, home, event, snapshot, wanted, streams)
        after = _compared(home, snapshot, wanted)
        entry["after"] = [d.record() for d in after]
        entry["energy"] = [float(f"{total(ds):.6g}") for ds in (before, after)]
    return entry


def _compared(home: Compartment, snapshot: Snapshot, wanted: tuple[str, ...]) -> list[Discrepancy]:
    cells = home.cells
    alive = np.flatnonzero(cells.alive)
    counts = home.expression.to_counts(cells.id)[alive]
    return discrepancies(snapshot, counts, cells.type_names()[alive], cells.id[alive], wanted)


def _points(home: Compartment, snapshot: Snapshot) -> list[tuple[slice, NDArray[np.float64]]]:
    """Return the cells of each chunk as points of the snapshot's space."""
    parts = ((rows, home.expression.counts(rows, home.cells.id)) for rows in home.expression.slices())
    return [(rows, snapshot.space.project(counts)) for rows, counts in parts]


def _reseed(
    world: World, home: Compartment, event: Assimilate, snapshot: Snapshot, wanted: tuple[str, ...], streams: Streams
) -> int:
    """Give living cells the counts of the measured cells that transport moves them to; return how many were moved.

    Ids, places, lineage, doses, clamps and the counts of genes that were not measured stay; z and depth become those of
    the new counts. A knocked-out gene stays knocked out.
    """
    cells = home.cells
    points = np.concatenate([p for _, p in _points(home, snapshot)])
    partner = np.full(cells.n, -1, dtype=np.intp)
    types = cells.type_names()
    luck = streams.stream(f"timeline event {event.file}")
    chosen = luck.uniform_at(cells.id, np.full(cells.n, 3, np.uint64)) < event.share
    for name in wanted:
        mine = np.flatnonzero((types == name) & cells.alive & chosen)
        theirs = snapshot.rows(name, test=False)
        if len(mine) and len(theirs):
            own = Stream(streams.stream(f"transport {name}").key)
            partner[mine] = theirs[matched(points[mine], snapshot.points[theirs], cells.id[mine], own)]
    for rows in home.expression.slices():
        moved = np.flatnonzero(partner[rows] >= 0) + rows.start
        if not len(moved):
            continue
        old = home.expression.counts(rows, cells.id)
        new = _moved(old, moved - rows.start, snapshot, partner[moved], cells.clamp[rows])
        home.expression.replace(rows, new)
        now = new[moved - rows.start]
        cells.depth[moved] = np.maximum(np.asarray(now.sum(axis=1), dtype=np.float64).ravel(), 1.0)
        condition = Condition(
            cells.id[moved],
            world.context[home.name][cells.cell_type[moved]],
            cells.depth[moved],
            cells.dose[moved],
            cells.time_since[moved],
            cells.ec50_factor[moved],
            cells.clamp[moved] if cells.clamp.nnz else None,
        )
        cells.z[moved] = world.models[home.name].encode(now, condition)
    return int((partner >= 0).sum())


def _moved(
    counts: sp.csr_array,
    rows: NDArray[np.intp],
    snapshot: Snapshot,
    partner: NDArray[np.intp],
    clamp: sp.csr_array,
) -> sp.csr_array:
    """Return the counts of a chunk, some rows of which have become measured cells, (cell, gene) CSR int32."""
    shape = counts.shape
    is_moved = np.zeros(shape[0], dtype=np.bool_)
    is_moved[rows] = True
    kept = counts.copy()
    owner = np.repeat(np.arange(shape[0]), np.diff(kept.indptr))
    kept.data[is_moved[owner] & snapshot.measured[kept.indices]] = 0
    taken = snapshot.counts[partner].tocoo()
    added = sp.csr_array((taken.data, (rows[taken.row], taken.col)), shape=shape, dtype=np.int32)
    new = sp.csr_array(kept + added, dtype=np.int32)
    out = clamp.tocoo()
    none = (out.data == 0.0) & is_moved[out.row]
    off = sp.csr_array((np.ones(int(none.sum()), np.int32), (out.row[none], out.col[none])), shape=shape)
    new = sp.csr_array(new - new.multiply(off), dtype=np.int32)
    new.eliminate_zeros()
    new.sort_indices()
    return new
