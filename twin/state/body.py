"""A trajectory's whole state: a Body of named compartments.

What stands here is exactly what a checkpoint holds; nothing that matters hides in a process.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.state.cells import Cells
from twin.state.expression import Expression
from twin.state.fields import Grid
from twin.state.stores import Store

Float = NDArray[np.float64]


@dataclass
class Lineage:
    """Births and deaths since the last commit, one entry an event, in the order they happened."""

    id: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    tick: list[int] = field(default_factory=list)
    event: list[str] = field(default_factory=list)

    def record(self, cell: int, parent: int, tick: int, event: str) -> None:
        """Note one event: "birth" or "death: <cause>"."""
        self.id.append(cell)
        self.parent.append(parent)
        self.tick.append(tick)
        self.event.append(event)


@dataclass
class Compartment:
    """One tissue, organoid or pool.

    concentration : (substance, z, y, x) nM.
    contacts : (cell, cell) CSR, 1 where two cells touch; rebuilt by mechanics.
    groups : tree of groups, cell ⊂ niche ⊂ organoid ⊂ organ; `cells.group` names a node by number.
    rates : port → process → contribution; the last one of each process holds until it speaks again.
    well_mixed : whether it is a pool: one voxel, whose cells have no places.
    """

    name: str
    cells: Cells
    expression: Expression
    grid: Grid
    concentration: Float
    contacts: sp.csr_array
    groups: "nx.DiGraph[int]"
    rates: dict[str, dict[str, Float]] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    well_mixed: bool = False


def reindexed(value: Float, rows: NDArray[np.intp]) -> Float:
    """Return a rate's contribution for other rows of cells; a field's, (substance, z, y, x), is left alone."""
    return value if value.ndim == 4 else value[rows]


@dataclass
class Body:
    """All compartments of one trajectory and the organ network that ties them.

    tick : ticks done since the start; time is `tick` × the scenario's tick, never a sum of floats.
    network : its nodes are the compartments.
    watched : per condition of the scenario what is to be remembered of it, plain values that JSON holds; under "stop"
        why the trajectory ended, if it did before its time.
    log : what happened since the last commit, in order: plain values with "tick", "time" (h) and "what".
    stores : what processes keep of the whole trajectory, by name, each with its values.
    """

    compartments: dict[str, Compartment]
    network: "nx.DiGraph[str]"
    tick: int = 0
    watched: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    stores: dict[str, Float] = field(default_factory=dict)

    def keep(self, declared: Iterable[Store]) -> None:
        """Make room for these stores and no others; what is kept in the same shape stays."""
        old = self.stores
        self.stores = {
            store.name: old[store.name] if store.name in old and old[store.name].shape == store.shape else store.fresh()
            for store in declared
        }

    @property
    def stopped(self) -> bool:
        """Whether a condition of the scenario has ended the trajectory."""
        return "stop" in self.watched

    @property
    def n_cells(self) -> int:
        """How many cells all compartments hold."""
        return sum(c.cells.n for c in self.compartments.values())
