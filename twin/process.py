"""The contract of a plugin: Process, Port, View, ProcessConfig and the four kinds of update.

A process never mutates. It reads the state through a `View`, and returns updates that the engine
applies:

* `Add`: increments, summed (fields, positions);
* `Rate`: a contribution to a named rate; contributions of all processes add (hazards, sources)
  or multiply (modifiers), so that their order does not matter;
* `Set`: a new value; one process at most sets a port, checked at load;
* `Structure`: births, deaths, changes of type, applied at the end of the tick in the order of ids.

Beside these stand `Keep`, a new value of what it keeps of the whole trajectory (`twin.state.stores.Store`), and, of a
process that steps all compartments together (`BodyProcess`), `At` and `Move`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, Literal

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from twin.kernels.blocks import Crew
from twin.kernels.random import Streams
from twin.model.contract import Condition, WorldModel
from twin.scenario.behaviours import NO_BEHAVIOURS, Behaviours
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin.state.expression import Expression
from twin.state.fields import Grid, Substances
from twin.state.stores import Store
from twin.state.variation import ALIKE, Drawn
from twin.units import PositiveHours

Float = NDArray[np.float64]

ALONE = Crew(1)


class Phase(IntEnum):
    """When in a tick a process runs."""

    TIMELINE = 0  # what the experimenter does
    SOURCES = 1  # what cells give to and take from their surroundings
    FIELDS = 2
    TRANSPORT = 3  # between compartments: what cells notice of a field is what the blood has left of it
    EXPOSURE = 4  # what the cells notice of it
    TRANSITION = 5  # the cell world model
    PHENOTYPE = 6  # cycle, death, rules
    MECHANICS = 7


@dataclass(frozen=True)
class Port:
    """A named part of the state with its axes and unit ("1" for a pure number).

    Cell ports have "cell" as their first axis; a rate's port is named where it is read and written.
    `combine` says how several processes' rates join.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    combine: Literal["add", "multiply"] = "add"


# The ports of the core; a plugin's own columns are ports too (`Process.columns`).
POSITION = Port("position", ("cell", "axis"), "um")
RADIUS = Port("radius", ("cell",), "um")
ALIVE = Port("alive", ("cell",), "1")
DEPTH = Port("depth", ("cell",), "count")
EXPRESSION = Port("expression", ("cell", "gene"), "count")
LATENT = Port("z", ("cell", "latent"), "1")
DOSE = Port("dose", ("cell", "perturbation"), "nM")
TIME_SINCE = Port("time_since", ("cell", "perturbation"), "h")
EC50_FACTOR = Port("ec50_factor", ("cell",), "1")
CLAMP = Port("clamp", ("cell", "gene"), "1")
CONTACTS = Port("contacts", ("cell", "cell"), "1")
CONCENTRATION = Port("concentration", ("substance", "z", "y", "x"), "nM")
SOURCE = Port("source", ("substance", "z", "y", "x"), "nM/h")  # a rate: what is released
SINK = Port("sink", ("substance", "z", "y", "x"), "1/h")  # a rate: first-order removal
BEHAVIOUR = Port("behaviour", ("cell", "behaviour"), "1")  # a rate: how far rules shift a behaviour from its base
APOPTOSIS = Port("apoptosis", ("cell",), "1/h")  # rates: hazards that processes add to a cell's own
NECROSIS = Port("necrosis", ("cell",), "1/h")
PROLIFERATION = Port("proliferation", ("cell",), "1", combine="multiply")  # a rate: factor on how fast a cell cycles
GROWTH = Port("growth", ("cell",), "1")  # a rate: by how many of its own volumes a cell grows; 1 to double
# Without a contribution those that add are 0 and those that multiply are 1.
CORE_RATES = (SOURCE, SINK, BEHAVIOUR, APOPTOSIS, NECROSIS, PROLIFERATION, GROWTH)
CORE_PORTS = (
    POSITION,
    RADIUS,
    ALIVE,
    DEPTH,
    EXPRESSION,
    LATENT,
    DOSE,
    TIME_SINCE,
    EC50_FACTOR,
    CLAMP,
    CONTACTS,
    CONCENTRATION,
    Port("cell_type", ("cell",), "1"),
    Port("id", ("cell",), "1"),
    Port("birth", ("cell",), "tick"),
    Port("group", ("cell",), "1"),
)


@dataclass(frozen=True)
class Add:
    """Increment a port by `value` (full shape of the port)."""

    port: Port
    value: Float


@dataclass(frozen=True)
class Rate:
    """Contribute `value` (full shape) to a rate; it holds until this process gives a new one."""

    port: Port
    value: Float


@dataclass(frozen=True)
class Set:
    """Give a port a new value.

    With `rows` (a slice of cells) only those rows are set, at once: this is how a transition
    replaces the counts chunk by chunk, without a second copy of the population.
    """

    port: Port
    value: Any  # an array of the port's shape; CSR for expression, clamp and contacts
    rows: slice | None = None


@dataclass(frozen=True)
class Structure:
    """Births, deaths and changes of type, at the end of the tick.

    divide : (event,) rows of cells that divide in two.
    axis : (event, 3) unit vectors along which the daughters part; None: random.
    die : (event,) rows of cells that are removed, with `cause`.
    retype : (event,) rows whose type becomes `to_type` (event,) codes.
    """

    divide: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    axis: Float | None = None
    die: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    cause: str = "removed"
    retype: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    to_type: NDArray[np.int16] = field(default_factory=lambda: np.empty(0, np.int16))


@dataclass(frozen=True)
class Keep:
    """Give a store of this process a new value (its full shape)."""

    store: str
    value: Float


Update = Add | Rate | Set | Structure | Keep


@dataclass(frozen=True)
class At:
    """What a process of the whole body gives for one compartment."""

    compartment: str
    update: Update


@dataclass(frozen=True)
class Move:
    """Living cells leave for another compartment, at the end of the tick; who dies or divides in it stays.

    A cell takes all that it is with it but whom it touches.

    rows : (event,) rows of the source.
    position : (event, 3) µm in the target; None: anywhere in it.
    tally : a store, and the place in it (of the flattened values) that counts those who really go.
    """

    source: str
    rows: NDArray[np.intp]
    target: str
    position: Float | None = None
    tally: tuple[str, int] | None = None


BodyUpdate = At | Move | Keep


class ProcessConfig(BaseModel):
    """What a scenario may set of a process; frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: PositiveHours | None = Field(
        None, description="Time between two steps, a multiple of the tick. Without it: every tick."
    )


@dataclass(frozen=True)
class View:
    """What a process sees of one compartment: read-only, at the start of its step.

    time : h since the run began, at the start of the step.
    tick : the integer clock.
    names : categories of the coded columns (`names["cell_type"][code]`).
    perturbations : columns of `dose` and `time_since`.
    context : (type,) index of each cell type among the model's contexts.
    crew : threads for work that falls into pieces; no result may depend on how many there are.
    released : places in the timeline of the events whose condition (`when`) lets them happen now.
    stores : what processes keep of the whole trajectory, by name.
    groups : the compartment's tree of groups; `group` of a cell names a node.
    well_mixed : whether the compartment is a pool without places.
    replicate : which one this trajectory is.
    drawn : what its donors, batch and operator are like.
    """

    compartment: str
    time: float
    tick: int
    grid: Grid
    substances: Substances
    scenario: Scenario
    model: WorldModel
    streams: Streams
    names: Mapping[str, tuple[str, ...]]
    perturbations: tuple[str, ...]
    context: NDArray[np.intp]
    arrays: Mapping[str, NDArray[Any]]
    rates: Mapping[str, Float]
    expression: Expression
    clamp: sp.csr_array
    contacts: sp.csr_array
    behaviours: Behaviours = NO_BEHAVIOURS
    crew: Crew = ALONE
    released: frozenset[int] = frozenset()
    stores: Mapping[str, Float] = field(default_factory=dict)
    groups: "nx.DiGraph[int]" = field(default_factory=nx.DiGraph)
    well_mixed: bool = False
    replicate: int = 0
    drawn: Drawn = ALIKE

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a port's array by its name; a rate is the join of all contributions."""
        if name in self.arrays:
            return self.arrays[name]
        return self.rates[name]

    @property
    def n_cells(self) -> int:
        """How many cells the compartment holds."""
        return len(self.arrays["id"])

    @property
    def ids(self) -> NDArray[np.uint64]:
        """Ids of the cells, (cell,)."""
        return self.arrays["id"]

    @property
    def spacing(self) -> float:
        """Edge of a voxel, µm."""
        return self.grid.spacing

    def genes_of(self, names: Iterable[str]) -> list[int] | None:
        """Return the places of genes on the axis of this compartment's model; None where it lacks one of them."""
        wanted, axis = tuple(names), self.model.genes
        return [axis.index(name) for name in wanted] if all(name in axis for name in wanted) else None

    def condition(self, rows: NDArray[np.intp] | None = None) -> Condition:
        """Return what cells (all, or some rows) are and what is done to them, as the world model asks it."""
        whole = Condition(
            ids=self.ids,
            context=self.context[self.arrays["cell_type"]],
            depth=self.arrays["depth"],
            dose=self.arrays["dose"],
            time_since=self.arrays["time_since"],
            ec50_factor=self.arrays["ec50_factor"],
            clamp=self.clamp if self.clamp.nnz else None,
            **self.drawn.of_cells(self.arrays["donor"], self.arrays["cell_type"]),
        )
        return whole if rows is None else whole.rows(rows)

    def behaviour(self, word: str, default: float | None = None) -> Float:
        """Return how much of a behaviour each cell does, (cell,), in inner units (h, µm, nM, amol).

        The base value of its type, and what rules shift it by where this process reads the rate `behaviour`. Dead
        cells have it too: who steps them says what of it they still do.

        word : of PhysiCell's dictionary (`twin.scenario.behaviours`).
        default : of types of which the scenario says nothing; None: the dictionary's.
        """
        by_type = self.behaviours.base(word, self.names["cell_type"], default)
        base = np.asarray(by_type[self.arrays["cell_type"]], dtype=np.float64)
        shift = self.rates.get(BEHAVIOUR.name)
        if shift is None or word not in self.behaviours.ruled:
            return base
        return np.asarray(base + shift[:, self.behaviours.ruled.index(word)], dtype=np.float64)

    def type_is(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Return which cells are of one of these types, (cell,)."""
        wanted = [i for i, name in enumerate(self.names["cell_type"]) if name in set(names)]
        return np.isin(self.arrays["cell_type"], wanted)


class Process(ABC):
    """One mechanism. Subclasses are final; `Config` is what a scenario may set.

    reads, writes : ports; the engine checks at load that what is read is there.
    sets : those of `writes` that the process gives as `Set`; one process at most sets a port.
    delayed : those of `reads` that may be as the last tick left them: they put nobody in order. So two mechanisms that
        feed each other are no circle, but one of them is a tick late.
    columns : per-cell columns that the process brings into the state.
    stores : what it keeps of the whole trajectory.
    phase : when in a tick it runs.
    in_pools : whether it steps well-mixed pools too, whose cells have no places.
    acts_on : behaviours that it carries out, as patterns of the dictionary ("{substance} uptake"); a scenario that
        gives or rules one which no process carries out is refused.
    interval : h between its steps; None: every tick. The scenario may set it (`ProcessConfig.interval`).
    """

    class Config(ProcessConfig):
        """Nothing to set."""

    reads: ClassVar[tuple[Port, ...]] = ()
    writes: ClassVar[tuple[Port, ...]] = ()
    sets: ClassVar[tuple[Port, ...]] = ()
    delayed: ClassVar[tuple[Port, ...]] = ()
    columns: ClassVar[tuple[Column, ...]] = ()
    stores: ClassVar[tuple[Store, ...]] = ()
    in_pools: ClassVar[bool] = True
    acts_on: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[Phase]
    interval: float | None = None

    def __init__(self, config: ProcessConfig) -> None:
        self.config = config
        if config.interval is not None:
            self.interval = config.interval

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return ports that it reads in this scenario, beside `reads` (a rule's signal, say)."""
        return ()

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return ports that it writes in this scenario, beside `writes`."""
        return ()

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return those of `writes_for` that it sets."""
        return ()

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return columns that it brings in this scenario, beside `columns` (one a substance, say)."""
        return ()

    @classmethod
    def stores_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Store, ...]:
        """Return stores that it keeps in this scenario, beside `stores` (one a drug, say)."""
        return ()

    @classmethod
    def made_for(cls, config: ProcessConfig, scenario: Scenario) -> "Process":
        """Return the process of a scenario, whose `reads`, `writes`, `sets`, `columns` and `stores` are all of them."""
        process = cls(config)
        for kind in ("reads", "writes", "sets", "columns", "stores"):
            more = getattr(cls, f"{kind}_for")(config, scenario)
            setattr(process, kind, tuple(dict.fromkeys((*getattr(cls, kind), *more))))
        return process

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what is wrong with this scenario for this process, a sentence each."""
        return []

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what this process takes for granted, a sentence each, for the run's record."""
        return []

    @abstractmethod
    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return the updates of the next `dt` hours."""


class BodyProcess(Process):
    """A mechanism between compartments, or of the whole body: it steps all of them together."""

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return what it changes in a body of one compartment."""
        given = self.step_body({view.compartment: view}, dt)
        return [update.update if isinstance(update, At) else update for update in given if not isinstance(update, Move)]

    @abstractmethod
    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        """Return the updates of the next `dt` hours; `views` are the compartments, in the scenario's order."""
