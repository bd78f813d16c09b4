"""What is written while a run goes: readouts of every compartment at chosen times."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from twin.data.counts import onto_axis
from twin.engine.apply import joined_rate
from twin.engine.built import file_source
from twin.engine.measure import Moment, all_types, groups_of
from twin.engine.observe_groups import GAIN, GROUP, SPAN, Tally, group_labels, group_readouts
from twin.engine.world import World
from twin.kernels.random import Streams
from twin.model.contract import Condition
from twin.process import SINK
from twin.results import Readout, ReadoutLayout
from twin.scenario.measures import unit_text
from twin.scenario.network import NM_UM3_PER_NMOL, network_of
from twin.scenario.timeline import whole_ticks
from twin.scenario.watched import known_names
from twin.state.body import Body, Compartment

Float = NDArray[np.float64]

REFERENCE_CELLS = 128  # cells a type from which control and full response are measured; our choice


@dataclass(frozen=True)
class References:
    """Program score of each cell type untreated and at the full trained dose, per compartment (context,)."""

    control: dict[str, Float]
    full: dict[str, Float]


def observed_ticks(world: World) -> list[int]:
    """Return the ticks after which readouts are taken; 0 is the start, the last is the end."""
    observe, tick, last = world.scenario.observe, world.scenario.tick, world.scenario.n_ticks
    ticks = {0, last} | {whole_ticks(at, tick, "at") for at in observe.at}
    if observe.regular:
        ticks |= set(range(0, last + 1, whole_ticks(observe.every, tick, "every")))
    return sorted(ticks)


def kept_ticks(world: World) -> set[int]:
    """Return the ticks after which whole cells are kept; the start and the end always."""
    observe = world.scenario.observe
    step = whole_ticks(observe.cells_every or observe.every, world.scenario.tick, "cells_every")
    return {*range(0, world.scenario.n_ticks + 1, step), world.scenario.n_ticks}


def layout_of(world: World) -> ReadoutLayout:
    """Return which readouts the scenario asks for, and their axes."""
    observe = world.scenario.observe
    coords: dict[str, list[str] | Float] = {
        "compartment": list(world.scenario.compartments),
        "cell_type": list(all_types(world)),
    }
    of_type = ("compartment", "cell_type")
    variables = [
        Readout("n_cells", of_type, "1", "number of living cells"),
        Readout("n_dead", of_type, "1", "number of dead bodies"),
        Readout("library_size", of_type, "count", "mean library size"),
        Readout("support", of_type, "1", "how much of what is asked of the model was seen in training"),
    ]
    if observe.genes:
        coords["gene"] = list(observe.genes)
        variables.append(Readout("gene_mean", (*of_type, "gene"), "counts per 10,000", "mean expression"))
    if observe.columns:
        coords["column"] = list(observe.columns)
        variables.append(Readout("column_mean", (*of_type, "column"), "as the column", "mean of living cells"))
    if observe.programs:
        coords["program"] = list(observe.programs)
        variables.append(Readout("program_score", (*of_type, "program"), "1", "mean log1p(CP10k) of a program"))
    if observe.response is not None:
        variables.append(Readout("response_by_type", of_type, "1", "response: 0 = control, 1 = full trained dose"))
    if world.substances.names:
        coords["substance"] = list(world.substances.names)
        of_substance = ("compartment", "substance")
        variables.append(Readout("concentration_mean", of_substance, "nM", "mean concentration"))
        variables.append(Readout("sink_mean", of_substance, "1/h", "mean first-order uptake by the cells"))
    if observe.distance is not None:
        edges = np.asarray(observe.distance.edges)
        coords["distance"] = (edges[1:] + edges[:-1]) / 2
        at = ("compartment", "distance")
        variables.append(Readout("n_by_distance", at, "1", "number of living cells"))
        if observe.response is not None:
            variables.append(Readout("response_by_distance", at, "1", "response: 0 = control, 1 = full trained dose"))
        if world.perturbations:
            coords["perturbation"] = list(world.perturbations)
            variables.append(Readout("dose_by_distance", (*at, "perturbation"), "nM", "mean dose at the receptor"))
        if world.substances.names:
            variables.append(
                Readout("concentration_by_distance", (*at, "substance"), "nM", "mean concentration at the cells")
            )
    if world.scenario.organs is not None and world.substances.names:
        variables.append(Readout("substance_amount", ("compartment", "substance"), "nmol", "amount in the whole organ"))
    for store in world.stores:
        if store.observed:
            for dim, labels in store.coords:
                coords.setdefault(dim, list(labels))
            variables.append(Readout(store.name, store.dims, store.units, store.about or store.name))
    if observe.by_group:
        coords[GROUP] = group_labels(world)
        variables += group_readouts(world)
    columns = {column.name: column.units for column in world.columns}
    known = known_names(world.scenario, None, None, None, columns)
    for name, text in observe.quantities.items():
        kind = known.kind_of(text)
        if kind.by:
            coords.setdefault(kind.by, list(groups_of(world, kind.by)))
        variables.append(Readout(name, (kind.by,) if kind.by else (), unit_text(kind.unit), text))
    times = np.array(observed_ticks(world)) * world.scenario.tick
    return ReadoutLayout(times=times, coords=coords, variables=tuple(variables))


def references_of(world: World) -> References | None:
    """Draw each type untreated and at the full trained dose, with the same luck, and score the program.

    The program's score depends on how deeply a cell is read: where a compartment's cells were measured, depths are
    drawn from its own cells of the type, elsewhere from the model's law.
    """
    response = world.scenario.observe.response
    if response is None:
        return None
    control: dict[str, Float] = {}
    full: dict[str, Float] = {}
    for name, contexts in world.context.items():
        model, genes = world.models[name], _program(world, name, response.program)
        known = world.perturbations_of(name)
        if genes is None or response.perturbation not in known:  # cells of another world model
            control[name] = full[name] = np.full(len(model.contexts), np.nan)
            continue
        column = known.index(response.perturbation)
        reference = model.perturbations[column].reference
        dose = reference if np.isfinite(reference) else 1.0
        used = np.unique(contexts)
        context = np.repeat(used, REFERENCE_CELLS).astype(np.intp)
        ids = np.arange(len(context), dtype=np.uint64)
        streams = Streams(world.scenario.seed, 0, -1)
        depth = _own_depths(world, name, context, ids, streams)
        for arm, into in ((0, control), (1, full)):
            doses = np.zeros((len(ids), len(known)))
            doses[:, column] = arm * dose
            condition = Condition(ids, context, depth, doses, np.full(doses.shape, np.nan), np.ones(len(ids)))
            counts, _ = model.sample(condition, streams)
            total = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
            cells = np.log1p(1e4 * counts[:, genes].toarray() / total[:, None]).mean(axis=1)
            into[name] = np.full(len(model.contexts), np.nan)
            for c in used:
                into[name][c] = cells[context == c].mean()
    return References(control, full)


def _own_depths(world: World, name: str, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
    """Return depths for reference cells of a compartment, (cell,), by the law of its own cells."""
    source = file_source(world.scenario.compartments[name])
    if source is None:
        return world.models[name].depths(context, ids, streams)
    data = world.measured[name]
    counts, _ = onto_axis(data, world.models[name].genes)
    total = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)  # as the cells are seeded
    types = data.column("cell_type", source.cell_type)
    luck = streams.stream("reference depth").uniform(ids, 1)[:, 0]
    depth = np.empty(len(ids))
    for t, c in zip(world.names[name]["cell_type"], world.context[name], strict=True):
        mine, own = context == c, total[types == t]
        depth[mine] = own[(luck[mine] * len(own)).astype(np.intp)]
    return depth


def observe_body(world: World, body: Body, references: References | None, moment: Moment) -> dict[str, Float]:
    """Return every readout of the layout at this moment, which must be ready for the scenario's quantities."""
    layout = layout_of(world)
    out = {v.name: np.full(layout.shape(v), np.nan) for v in layout.variables}
    tally = Tally(world) if world.scenario.observe.by_group else None
    for place, name in enumerate(world.scenario.compartments):
        _observe_tissue(world, body.compartments[name], references, place, out, tally)
    if tally is not None:
        tally.write(out)
    if "substance_amount" in out:
        volume = network_of(world.scenario).volume  # (compartment,)
        out["substance_amount"] = out["concentration_mean"] * volume[:, None] / NM_UM3_PER_NMOL
    for store in world.stores:
        if store.observed:
            out[store.name] = body.stores[store.name]
    for name, text in world.scenario.observe.quantities.items():
        out[name] = moment.number(text)
    return out


def _program(world: World, compartment: str, name: str) -> list[int] | None:
    """Return the places of a program's genes in a compartment's model; None where it lacks one of them."""
    axis, genes = world.models[compartment].genes, world.scenario.observe.programs[name]
    return [axis.index(gene) for gene in genes] if all(gene in axis for gene in genes) else None


def _observe_tissue(
    world: World,
    home: Compartment,
    references: References | None,
    place: int,
    out: dict[str, Float],
    tally: Tally | None,
) -> None:
    observe, cells = world.scenario.observe, home.cells
    types = all_types(world)
    axis = world.models[home.name].genes
    genes = {k: axis.index(g) for k, g in enumerate(observe.genes) if g in axis}  # those of other models stay NaN
    programs = {name: _program(world, home.name, name) for name in observe.programs}
    wanted = sorted({*genes.values(), *(g for program in programs.values() for g in program or ())})
    column = {g: i for i, g in enumerate(wanted)}
    total = np.zeros(cells.n)
    per_10k = np.zeros((cells.n, len(wanted)))
    for rows in home.expression.slices():
        counts = home.expression.counts(rows, cells.id)
        total[rows] = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        per_10k[rows] = counts[:, wanted].toarray()
    per_10k *= (1e4 / np.maximum(total, 1.0))[:, None]
    scores = {
        name: np.full(cells.n, np.nan) if gs is None else np.log1p(per_10k[:, [column[g] for g in gs]]).mean(axis=1)
        for name, gs in programs.items()
    }
    if len(world.substances.names):
        out["concentration_mean"][place] = home.concentration.mean(axis=(1, 2, 3))
        sink = joined_rate(home, SINK, home.concentration.shape)
        out["sink_mean"][place] = sink.mean(axis=(1, 2, 3))
    context = world.context[home.name][cells.cell_type]
    condition = Condition(cells.id, context, cells.depth, cells.dose, cells.time_since, cells.ec50_factor)
    support = world.models[home.name].support(condition)
    names = cells.type_names()
    columns = cells.arrays() if observe.columns else {}
    gain = span = np.zeros(cells.n)
    if references is not None and observe.response is not None:
        gain = scores[observe.response.program] - references.control[home.name][context]
        span = (references.full[home.name] - references.control[home.name])[context]
    for i, t in enumerate(types):
        mine = (names == t) & cells.alive
        out["n_cells"][place, i] = mine.sum()
        out["n_dead"][place, i] = ((names == t) & ~cells.alive).sum()
        if not mine.any():
            continue
        out["library_size"][place, i] = total[mine].mean()
        out["support"][place, i] = support[mine].mean()
        for k, name in enumerate(observe.columns):
            out["column_mean"][place, i, k] = columns[name][mine].mean()
        for k, g in genes.items():
            out["gene_mean"][place, i, k] = per_10k[mine, column[g]].mean()
        for k, name in enumerate(programs):
            out["program_score"][place, i, k] = scores[name][mine].mean()
        if "response_by_type" in out:
            out["response_by_type"][place, i] = _ratio(gain[mine], span[mine])
    if observe.distance is not None:
        _observe_distance(world, home, gain, span, place, out)
    if tally is not None:
        of_genes = np.full((cells.n, len(observe.genes)), np.nan)
        of_genes[:, list(genes)] = per_10k[:, [column[g] for g in genes.values()]]
        voxel = home.grid.voxel_of(cells.position)
        numbers = {
            "library_size_by_group": total,
            "gene_mean_by_group": of_genes,
            "column_mean_by_group": _side_by_side([columns[name] for name in observe.columns], cells.n),
            "program_score_by_group": _side_by_side(list(scores.values()), cells.n),
            "concentration_by_group": home.concentration.reshape(-1, prod(home.grid.shape))[:, voxel].T,
            GAIN: gain,
            SPAN: span,
        }
        tally.add(home, numbers)


def _side_by_side(columns: Sequence[NDArray[Any]], n: int) -> Float:
    """Return columns (cell,) as one array, (cell, column)."""
    return np.stack([np.asarray(c, np.float64) for c in columns], axis=1) if columns else np.empty((n, 0))


def _observe_distance(
    world: World, home: Compartment, gain: Float, span: Float, place: int, out: dict[str, Float]
) -> None:
    distance = world.scenario.observe.distance
    assert distance is not None
    cells = home.cells
    away = distance_from(home, distance.source)
    voxel = home.grid.voxel_of(cells.position)
    for b, (low, high) in enumerate(zip(distance.edges, distance.edges[1:], strict=False)):
        mine = (away >= low) & (away < high) & cells.alive
        out["n_by_distance"][place, b] = mine.sum()
        if not mine.any():
            continue
        if "response_by_distance" in out:
            out["response_by_distance"][place, b] = _ratio(gain[mine], span[mine])
        if "dose_by_distance" in out:
            for column, name in enumerate(world.perturbations_of(home.name)):
                out["dose_by_distance"][place, b, world.perturbations.index(name)] = cells.dose[mine, column].mean()
        for s in range(len(world.substances.names)):
            out["concentration_by_distance"][place, b, s] = home.concentration[s].ravel()[voxel[mine]].mean()


def _ratio(gain: Float, span: Float) -> float:
    whole = float(span.sum())
    return float(gain.sum()) / whole if abs(whole) > 1e-12 else float("nan")


def distance_from(home: Compartment, source: str) -> Float:
    """Return each cell's distance from the nearest living cell of a type, or from a wall, (cell,) µm.

    Without a cell of that type every distance is infinite.
    """
    position = home.cells.position
    if source[:2] in ("x_", "y_", "z_"):
        axis = "xyz".index(source[0])
        low = home.grid.origin[axis]
        along = position[:, axis] - low
        return np.asarray(along if source.endswith("low") else home.grid.size[axis] - along)
    mine = (home.cells.type_names() == source) & home.cells.alive
    if not mine.any():
        return np.full(home.cells.n, np.inf)
    return np.asarray(cKDTree(position[mine]).query(position)[0])
