"""A body of six cells that is known in every number, and the world that it lives in."""

from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp

from twin.conformance.trial import CONTEXTS, GENES, UniformModel, make_scenario
from twin.engine.world import World, substances_of
from twin.state.body import Body, Compartment
from twin.state.cells import Cells, Column
from twin.state.expression import Expression
from twin.state.fields import Grid

COLUMNS = (Column("damage", "1"), Column("cycle_phase", "1"), Column("founder", "1"))
TYPES = np.array([0, 0, 0, 1, 1, 1], np.int16)  # T cells, Monocytes
RADIUS = np.array([4.0, 5.0, 6.0, 8.0, 9.0, 10.0])
ALIVE = np.array([True, True, True, True, True, False])
EDGES = ((0, 1), (1, 3), (2, 3), (3, 4), (4, 5))  # the last with a dead body
COUNTS = np.array(
    [[1, 0, 0, 9, 0], [1, 0, 0, 0, 9], [0, 0, 0, 10, 0], [5, 0, 0, 5, 0], [10, 0, 0, 0, 0], [1, 1, 1, 1, 1]]
)


def small_world(**sections: Any) -> World:
    scenario = make_scenario(**sections)
    names = {"cell_type": CONTEXTS, "donor": ("d",), "species": ("s",), "technology": ("t",)}
    home = next(iter(scenario.compartments))
    return World(
        scenario,
        dict.fromkeys(scenario.compartments, UniformModel()),
        (),
        substances_of(scenario),
        {home: names},
        {home: np.arange(3, dtype=np.intp)},
        {},
        COLUMNS,
    )


def small_body(world: World, tick: int = 0) -> Body:
    n, home = len(TYPES), next(iter(world.scenario.compartments))
    touch = sp.csr_array((np.ones(len(EDGES)), tuple(zip(*EDGES, strict=True))), shape=(n, n))
    cells = Cells(
        id=np.arange(n, dtype=np.uint64),
        parent=np.arange(n, dtype=np.uint64),
        birth=np.array([0, 0, 0, 0, 0, 2]),
        position=np.arange(18, dtype=np.float64).reshape(n, 3),
        radius=RADIUS.copy(),
        cell_type=TYPES.copy(),
        donor=np.zeros(n, np.int16),
        species=np.zeros(n, np.int16),
        technology=np.zeros(n, np.int16),
        group=np.ones(n, np.int32),
        alive=ALIVE.copy(),
        depth=np.full(n, 10.0),
        z=np.zeros((n, 2), np.float32),
        dose=np.arange(12, dtype=np.float64).reshape(n, 2),
        time_since=np.full((n, 2), np.nan),
        ec50_factor=np.ones(n),
        clamp=sp.csr_array((n, len(GENES))),
        names=world.names[home],
        columns=COLUMNS,
        extra={
            "damage": np.arange(n, dtype=np.float64),
            "cycle_phase": np.array([0.0, 1, 1, 2, 2, 2]),
            "founder": np.array([0.0, 0, 0, 3, 4, 4]),
        },
    )
    grid = Grid((3, 4, 5), 10.0)
    x = np.broadcast_to(grid.centres(0)[None, None, :], grid.shape)
    field = np.stack([np.asarray(x, np.float64) for _ in world.substances.names])
    groups: nx.DiGraph[int] = nx.DiGraph()
    groups.add_node(1, name=home, kind="tissue")
    counts = sp.csr_array(COUNTS.astype(np.int32))
    tissue = Compartment(
        home, cells, Expression.from_counts(counts, 4), grid, field, sp.csr_array(touch + touch.T), groups
    )
    network: nx.DiGraph[str] = nx.DiGraph()
    network.add_node(home)
    return Body({home: tissue}, network, tick)
