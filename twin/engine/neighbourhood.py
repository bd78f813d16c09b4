"""Whether a tissue that is built from spatial data keeps the neighbours that were measured."""

from collections.abc import Iterator
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.analysis.contacts import LEAST, most_apart, neighbour_enrichment
from twin.analysis.neighbours import Kind, neighbour_graph
from twin.data.peek import peek_places
from twin.engine.loop import advance
from twin.engine.seeding import place_cells, seed_body
from twin.engine.spotted import SPOT
from twin.engine.world import World
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.scenario.layout import laid_out
from twin.scenario.load import LoadedScenario
from twin.scenario.schema import MeasuredCells
from twin.scenario.spatial import Spatial
from twin.state.body import Body

Float = NDArray[np.float64]
Index = NDArray[np.intp]

GRAPHS: tuple[Kind, ...] = ("nearest", "delaunay")


@dataclass(frozen=True)
class Kept:
    """How far a built tissue lies from its data at one time, on one kind of graph.

    when : h. n : cells, or spots, that are compared.
    table : z of the data and of the tissue by two types, the farthest apart first (`twin.analysis.contacts`).
    n_types : with enough cells. shared : of the measured pairs of neighbours, the share that are neighbours here.
    """

    compartment: str
    graph: Kind
    when: float
    n: int
    n_types: int
    table: pd.DataFrame
    shared: float

    @property
    def farthest(self) -> float:
        """The largest difference of a z; 0 where no two types have enough cells."""
        return float(self.table["difference"].abs().max()) if len(self.table) else 0.0


@dataclass(frozen=True)
class _Measured:
    """What was measured of a compartment: where, and of which type; and which row each founder is of.

    position : (row, 2 or 3) in the file's own unit, or with sections stacked, µm. types : (row,). row : (founder,).
    first : the id of the first founder.
    """

    position: Float
    types: NDArray[np.str_]
    row: Index
    first: int


def neighbours_kept(loaded: LoadedScenario, world: World, ticks: int) -> Iterator[Kept]:
    """Yield how the neighbours of each tissue of spatial data differ from those measured: seeded, and `ticks` later.

    Cells that die are left out on both sides, as are those born. Where spots became cells, the middle of a spot's
    cells stands for it, under the spot's own type. What was measured in a plane is compared in it.

    Raises
    ------
    InputError
        If no compartment is made of spatial data.
    """
    homes = {name: home.cells for name, home in world.scenario.compartments.items()}
    spatial = {name: c for name, c in homes.items() if isinstance(c, MeasuredCells) and c.spatial}
    if not spatial:
        raise InputError(f"no compartment of {loaded.file} takes its places from a file: give its cells `spatial`")
    body = seed_body(world, 0)
    first, data = 0, {}
    for name in homes:
        if name in spatial:
            data[name] = _measured(loaded, world, name, spatial[name], first)
        first += body.compartments[name].cells.n
    for moment in range(2 if ticks else 1):
        for _ in range(ticks if moment else 0):
            advance(world, body, 0)
        for name, measured in data.items():
            for graph in GRAPHS:
                yield _compared(measured, body, name, graph, body.tick * world.scenario.tick)


def _measured(loaded: LoadedScenario, world: World, name: str, source: MeasuredCells, first: int) -> _Measured:
    how = source.spatial if isinstance(source.spatial, Spatial) else Spatial()
    obs, spatial = peek_places(loaded.resolve(source.file), source.where)
    layout = laid_out(how, obs, spatial, source.file)
    assert spatial is not None, "checked by the layout"
    position = layout.position if how.sections is not None else spatial[layout.keep]
    obs = obs[layout.keep]
    place = {str(label): i for i, label in enumerate(obs.index)}
    built = world.measured[name].obs
    labels = built[SPOT] if how.spots is not None else built.index
    order = place_cells(world, name, world.scenario.compartments[name], Streams(world.scenario.seed, 0, 0))[0]
    row = np.array([place[str(label)] for label in labels], np.intp)[order]  # founders are numbered in this order
    types = obs[source.cell_type].astype(str).to_numpy(dtype=object).astype(str)
    return _Measured(np.asarray(position, np.float64), types, row, first)


def _compared(data: _Measured, body: Body, name: str, graph: Kind, when: float) -> Kept:
    cells = body.compartments[name].cells
    number = cells.id.astype(np.int64) - data.first
    there = cells.alive & (number >= 0) & (number < len(data.row))
    row = data.row[number[there]]
    kept, group = np.unique(row, return_inverse=True)  # (row that is there,) of the data; one cell each, or a spot's
    total = np.zeros((len(kept), 3))
    np.add.at(total, group.ravel(), cells.position[there])
    middle = (total / np.bincount(group.ravel(), minlength=len(kept))[:, None])[:, : data.position.shape[1]]
    types = pd.DataFrame({"cell_type": data.types[kept].astype(object)}, index=kept.astype(str).astype(object))
    measured, built = (neighbour_graph(place, graph) for place in (data.position[kept], middle))
    one, other = (neighbour_enrichment(ad.AnnData(obs=types), graph=g, shuffles=0) for g in (measured, built))
    size = {str(label): int(n) for label, n in types["cell_type"].value_counts().items()}
    shared = float(measured.multiply(built).sum() / max(measured.nnz, 1))
    n_types = sum(n >= LEAST for n in size.values())
    return Kept(name, graph, when, len(kept), n_types, most_apart(one, other, size), shared)
