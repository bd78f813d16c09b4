"""The Body at the start: cells made and placed, fields filled, graphs empty."""

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.counts import onto_axis
from twin.engine.places import packed_places
from twin.engine.world import CODED, UNKNOWN, World, composed
from twin.errors import InputError
from twin.kernels.blocks import Crew
from twin.kernels.curve import curve_order
from twin.kernels.random import Streams
from twin.model.contract import Condition
from twin.process import ALONE
from twin.scenario.schema import CellSource, Compartment, MeasuredCells, TableCells
from twin.scenario.watched import FOUNDER
from twin.state.body import Body
from twin.state.body import Compartment as Tissue
from twin.state.cells import Cells, Column
from twin.state.expression import Chunk, Expression, pack
from twin.state.fields import Grid
from twin.state.locality import LEAST_ORDERED

Float = NDArray[np.float64]

DEFAULT_RADIUS = 5.0  # µm; our choice, between a lymphocyte (4) and a monocyte (6)
MOST_TRIED = 64  # replicates whose places are tried before a run; our choice


def seed_body(world: World, replicate: int, crew: Crew = ALONE) -> Body:
    """Return the state at tick 0; two replicates differ in every random number, but hold the same measured cells.

    crew : threads that share the chunks; the result does not depend on them.

    Raises
    ------
    InputError
        If cells do not fit into their box or their region.
    """
    streams = Streams(world.scenario.seed, replicate, 0)
    network: nx.DiGraph[str] = nx.DiGraph()
    compartments: dict[str, Tissue] = {}
    first_id = 0
    for name, document in world.scenario.compartments.items():
        tissue = _seed_tissue(world, name, document, streams, first_id, crew)
        compartments[name] = tissue
        network.add_node(name, organ=document.organ)
        first_id += tissue.cells.n
    return Body(compartments, network)


def grid_of(compartment: Compartment) -> Grid:
    """Return the grid that covers a compartment's box with whole voxels."""
    nx_, ny, nz = (max(1, round(edge / compartment.spacing)) for edge in compartment.box)
    return Grid((nz, ny, nx_), compartment.spacing)


def check_places(world: World) -> None:
    """Try the places of every replicate's cells, up to `MOST_TRIED` where luck has a say.

    Raises
    ------
    InputError
        As `place_cells`.
    """
    for name, document in world.scenario.compartments.items():
        tried = min(world.scenario.replicates, MOST_TRIED) if document.cells.place else 1
        for replicate in range(tried):
            place_cells(world, name, document, Streams(world.scenario.seed, replicate, 0))


def place_cells(
    world: World, name: str, document: Compartment, streams: Streams
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float, Float]:
    """Return who stands where in a compartment, before anybody has a transcriptome.

    Returns
    -------
    order : (cell,) the cells' rows in their source. code : (cell,) types. radius : (cell,) µm. position : (cell, 3) µm.

    Raises
    ------
    InputError
        If the cells do not fit into the box or a region.
    """
    grid = grid_of(document)
    source = document.cells
    types = world.names[name]["cell_type"]
    if isinstance(source, MeasuredCells):
        code = _codes(world.measured[name].column("cell_type", source.cell_type), types)
    elif isinstance(source, TableCells):
        code = _codes(world.placed[name].cell_type, types)
    else:
        code = np.repeat(np.arange(len(types)), composed(name, document, types, world.model))
    radius = _radii(source, code, types)
    if isinstance(source, MeasuredCells) and source.spatial:
        position = _measured_places(world, name, source, grid)
    elif isinstance(source, TableCells):  # inside the box: checked when the scenario was
        position = world.placed[name].position - np.asarray(source.origin)
    else:
        position = packed_places(name, source, code, radius, types, grid, streams)
    # rows run along the longest edge of the box: neighbours in space are neighbours in memory
    order = np.argsort(position[:, int(np.argmax(grid.size))], kind="stable")
    return order, code[order], radius[order], position[order]


def _seed_tissue(world: World, name: str, document: Compartment, streams: Streams, first_id: int, crew: Crew) -> Tissue:
    grid, source = grid_of(document), document.cells
    order, code, radius, position = place_cells(world, name, document, streams)
    n = len(code)
    if n >= LEAST_ORDERED:
        along = curve_order(position)  # ids stay those of the order along the box
        order, code, radius, position = order[along], code[along], radius[along], position[along]
    else:
        along = np.arange(n)
    ids = (first_id + along).astype(np.uint64)
    n_pert, genes = len(world.perturbations), len(world.model.genes)
    spread = np.exp(source.ec50_spread * streams.stream("ec50").normal(ids, 1)[:, 0])
    coded = {what: np.zeros(n, np.int16) for what in CODED[1:]}
    if isinstance(source, MeasuredCells):
        raw, _ = onto_axis(world.measured[name], world.model.genes)
        depth = np.maximum(np.asarray(raw.sum(axis=1), dtype=np.float64).ravel()[order], 1.0)
        for what in CODED[1:]:
            if world.names[name][what] != (UNKNOWN,):
                coded[what] = _codes(world.measured[name].column(what), world.names[name][what])[order].astype(np.int16)
    else:
        depth = world.model.depths(world.context[name][code], ids, streams)
    condition = Condition(
        ids,
        world.context[name][code],
        depth,
        np.zeros((n, n_pert)),
        np.full((n, n_pert), np.nan),
        spread,
    )
    expression = Expression(genes, world.scenario.execution.chunk)

    def made(rows: slice) -> tuple[Chunk, NDArray[np.float32]]:
        some = condition.rows(rows)
        if isinstance(source, MeasuredCells):
            counts = raw[order[rows]]
            return pack(counts), world.model.encode(counts, some)
        counts, latent = world.model.sample(some, streams)
        return pack(counts), latent

    z = np.zeros((n, world.model.latent_size), np.float32)
    spread_over = crew if world.model.shares_threads else ALONE
    pieces = slices(n, expression.chunk_size)
    for rows, (chunk, latent) in zip(pieces, spread_over.in_order(made, pieces), strict=True):
        expression.chunks.append(chunk)  # chunk by chunk: all counts at once would be three times as large
        z[rows] = latent
    groups: nx.DiGraph[int] = nx.DiGraph()
    groups.add_node(0, name=document.organ, kind="organ")
    groups.add_node(1, name=name, kind="tissue")
    groups.add_edge(0, 1)
    cells = Cells(
        id=ids,
        parent=ids.copy(),
        birth=np.zeros(n, np.int64),
        position=position,
        radius=radius,
        cell_type=code.astype(np.int16),
        donor=coded["donor"],
        species=coded["species"],
        technology=coded["technology"],
        group=np.ones(n, np.int32),
        alive=np.ones(n, np.bool_),
        depth=depth,
        z=z,
        dose=condition.dose,
        time_since=condition.time_since,
        ec50_factor=spread,
        clamp=sp.csr_array((n, genes), dtype=np.float64),
        names=world.names[name],
        columns=world.columns,
        extra={column.name: made_column(column, ids) for column in world.columns},
    )
    fields = np.broadcast_to(world.substances.initial[:, None, None, None], (len(world.substances.names), *grid.shape))
    return Tissue(
        name,
        cells,
        expression,
        grid,
        fields.copy(),
        sp.csr_array((n, n), dtype=np.float64),
        groups,
    )


def slices(n: int, size: int) -> list[slice]:
    """Return the rows of each chunk of `size` cells, of `n` cells."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _codes(values: NDArray[np.str_], categories: tuple[str, ...]) -> NDArray[np.intp]:
    place = {category: i for i, category in enumerate(categories)}
    return np.array([place[str(v)] for v in values], dtype=np.intp)


def made_column(column: Column, ids: NDArray[np.uint64]) -> Float:
    """Return a column of cells that come from nowhere, (cell,) or (cell, width): each is a founder of its own."""
    if column.name == FOUNDER:
        return ids.astype(np.float64)
    return np.full((len(ids), column.width) if column.width else len(ids), column.initial)


def _radii(source: CellSource, code: NDArray[np.intp], types: tuple[str, ...]) -> Float:
    default = source.radius.get("default", DEFAULT_RADIUS)
    return np.array([source.radius.get(t, default) for t in types], dtype=np.float64)[code]


def _measured_places(world: World, name: str, source: MeasuredCells, grid: Grid) -> Float:
    data = world.measured[name]
    if data.spatial is None:
        raise InputError(
            f"compartments.{name}.cells.spatial: {data.source} has no obsm['spatial']; leave `spatial` out to "
            "have the cells packed into the box"
        )
    width = data.spatial.shape[1] if data.spatial.ndim == 2 else 0
    if width not in (2, 3):
        raise InputError(
            f"compartments.{name}.cells.spatial: obsm['spatial'] of {data.source} has the shape {data.spatial.shape}; "
            "it must have 2 or 3 columns, x, y and z in um"
        )
    lost = ~np.isfinite(data.spatial).all(axis=1)
    if lost.any():
        raise InputError(
            f"compartments.{name}.cells.spatial: {int(lost.sum())} cells of {data.source} have a place that is not "
            f"finite, the first is {data.obs.index[int(np.argmax(lost))]}; leave them out of the file"
        )
    position = np.zeros((data.n_cells, 3))
    position[:, :width] = data.spatial
    if width == 2:
        position[:, 2] = grid.size[2] / 2
    low, high = np.asarray(grid.origin), np.asarray(grid.origin) + grid.size
    outside = ((position < low) | (position > high)).any(axis=1)
    if outside.any():
        first = position[outside][0]
        raise InputError(
            f"compartments.{name}.box: {int(outside.sum())} cells of {data.source} lie outside it, the first at "
            f"({first[0]:g}, {first[1]:g}, {first[2]:g}) um; the box ends at ({high[0]:g}, {high[1]:g}, {high[2]:g}) um"
        )
    return position
