"""The Body at the start: cells made and placed, fields filled, graphs empty."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.counts import onto_axis
from twin.engine.built import drawn_rows, file_source, standing
from twin.engine.grouping import groups_at_start, tree_at_start
from twin.engine.places import packed_places
from twin.engine.variation import donors_of, drawn_of, sown
from twin.engine.world import CODED, World
from twin.errors import InputError
from twin.kernels.blocks import Crew
from twin.kernels.curve import curve_order
from twin.kernels.random import Streams
from twin.model.contract import Condition
from twin.process import ALONE
from twin.scenario.builders import Built
from twin.scenario.layout import centred, radii_of
from twin.scenario.network import network_graph
from twin.scenario.schema import Compartment, MeasuredCells, TableCells
from twin.scenario.sources import CellSource
from twin.scenario.spatial import Spatial
from twin.scenario.watched import FOUNDER
from twin.state.body import Body
from twin.state.body import Compartment as Tissue
from twin.state.cells import Cells, Column
from twin.state.expression import Chunk, Expression, pack
from twin.state.fields import Grid
from twin.state.locality import LEAST_ORDERED

Float = NDArray[np.float64]

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
    compartments: dict[str, Tissue] = {}
    first_id = 0
    for name, document in world.scenario.compartments.items():
        tissue = _seed_tissue(world, name, document, streams, first_id, crew)
        compartments[name] = tissue
        first_id += tissue.cells.n
    body = Body(compartments, network_graph(world.scenario))
    body.keep(world.stores)
    return body


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
    elif isinstance(source, Built):
        code = standing(name, document, types, streams).code
    else:
        code, _ = sown(world, name, document, streams.replicate)
    radius = _radii(source, code, types)
    if isinstance(source, MeasuredCells) and source.spatial:
        position = _measured_places(world, name, source, grid)
        if isinstance(source.spatial, Spatial):
            radius = _measured_radii(world, name, source.spatial, position, radius)
    elif isinstance(source, TableCells):  # inside the box: checked when the scenario was
        position = world.placed[name].position - np.asarray(source.origin)
    elif isinstance(source, Built):
        position = standing(name, document, types, streams).position
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
    model = world.models[name]
    n_pert, genes = len(model.perturbations), len(model.genes)
    spread = np.exp(source.ec50_spread * streams.stream("ec50").normal(ids, 1)[:, 0])
    coded = {what: np.zeros(n, np.int16) for what in CODED[1:]}
    rows_of = order  # (cell,) of the file, where there is one
    if isinstance(source, Built) and name in world.measured:
        rows_of = _drawn_for(world, name, document, code, ids, streams)
    if name in world.measured:
        raw, _ = onto_axis(world.measured[name], model.genes)
        depth = np.maximum(np.asarray(raw.sum(axis=1), dtype=np.float64).ravel()[rows_of], 1.0)
        for what in CODED[1:]:
            told = what == "species" and document.species is not None
            told |= what == "donor" and world.declares_donors(name)
            if world.measured[name].find_column(what) is not None and not told:
                codes = _codes(world.measured[name].column(what), world.names[name][what])
                coded[what] = codes[rows_of].astype(np.int16)
    else:
        depth = model.depths(world.context[name][code], ids, streams)
    drawn = drawn_of(world, name, streams.replicate)
    if world.declares_donors(name):
        coded["donor"] = donors_of(world, name, document, streams.replicate, n)[order].astype(np.int16)
    depth = drawn.depth_of(depth, coded["donor"])
    if drawn.ec50 is not None:
        spread = spread * drawn.ec50[coded["donor"]]
    condition = Condition(
        ids,
        world.context[name][code],
        depth,
        np.zeros((n, n_pert)),
        np.full((n, n_pert), np.nan),
        spread,
        **drawn.of_cells(coded["donor"], code),
    )
    expression = Expression(genes, world.scenario.execution.chunk)

    def made(rows: slice) -> tuple[Chunk, NDArray[np.float32]]:
        some = condition.rows(rows)
        if name in world.measured:
            counts = raw[rows_of[rows]]
            return pack(counts), model.encode(counts, some)
        counts, latent = model.sample(some, streams)
        return pack(counts), latent

    z = np.zeros((n, model.latent_size), np.float32)
    spread_over = crew if model.shares_threads else ALONE
    pieces = slices(n, expression.chunk_size)
    for rows, (chunk, latent) in zip(pieces, spread_over.in_order(made, pieces), strict=True):
        expression.chunks.append(chunk)  # chunk by chunk: all counts at once would be three times as large
        z[rows] = latent
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
        group=groups_at_start(world, name, document, order, streams),
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
        tree_at_start(world, name, document),
        well_mixed=document.well_mixed,
    )


def _drawn_for(
    world: World, name: str, document: Compartment, code: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams
) -> NDArray[np.intp]:
    """Return the measured cell whose transcriptome each built cell takes, (cell,)."""
    source = file_source(document)
    assert source is not None
    own = world.measured[name].column("cell_type", source.cell_type)
    return drawn_rows(own, np.asarray(world.names[name]["cell_type"])[code], ids, streams)


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
    return np.array([source.radius_of(t) for t in types], dtype=np.float64)[code]


def _measured_radii(world: World, name: str, how: Spatial, position: Float, by_type: Float) -> Float:
    data = world.measured[name]
    try:
        return radii_of(how, data.obs, position, by_type, data.source)
    except InputError as error:
        raise InputError(f"compartments.{name}.cells.spatial: {error}") from error


def _measured_places(world: World, name: str, source: MeasuredCells, grid: Grid) -> Float:
    """Return where the file says that the cells stand: as it does, or the tissue in the middle of the box."""
    data = world.measured[name]
    assert data.spatial is not None
    low, high = np.asarray(grid.origin), np.asarray(grid.origin) + grid.size
    if isinstance(source.spatial, Spatial):
        position = centred(data.spatial, low, high)
    else:
        position = data.spatial.copy()
        if not position[:, 2].any():  # a section without a third axis
            position[:, 2] = grid.size[2] / 2
    outside = ((position < low) | (position > high)).any(axis=1)
    if outside.any():
        first = position[outside][0]
        raise InputError(
            f"compartments.{name}.box: {int(outside.sum())} cells of {data.source} lie outside it, the first at "
            f"({first[0]:g}, {first[1]:g}, {first[2]:g}) um; the box ends at ({high[0]:g}, {high[1]:g}, {high[2]:g}) um"
        )
    return position
