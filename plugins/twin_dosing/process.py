"""The timeline: substances added and washed out, genes knocked out, cells removed.

Cells are injected, and snapshots assimilated, by the engine itself: a process cannot make cells of nothing.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import unknown_name
from twin.kernels.region import inside
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    CLAMP,
    CONCENTRATION,
    POSITION,
    Add,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Structure,
    Update,
    View,
)
from twin.scenario.region import Region
from twin.scenario.schema import Scenario
from twin.scenario.timeline import (
    AddSubstance,
    Event,
    KnockOut,
    RemoveCells,
    WashOut,
    event_ticks,
    is_due,
)

Float = NDArray[np.float64]


class Dosing(Process):
    """Carry out the events of the timeline that are due, at the start of a tick, in their order.

    A share of the cells is chosen cell by cell, by a number that hangs on the event, the tick and
    the cell's id: no other event and no other cell changes who is hit.
    """

    class Config(ProcessConfig):
        """Nothing to set: events stand under `timeline`."""

    reads: ClassVar[tuple[Port, ...]] = (
        CONCENTRATION,
        CLAMP,
        ALIVE,
        POSITION,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    phase: ClassVar[Phase] = Phase.TIMELINE

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the clamp, where a gene is knocked out."""
        return (CLAMP,) if any(isinstance(event, KnockOut) for event in scenario.timeline) else ()

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the same: a clamp is set."""
        return cls.writes_for(config, scenario)

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which events can never happen or name what is not there."""
        faults = []
        for i, event in enumerate(scenario.timeline):
            found = [*time_faults(event, scenario), *_name_faults(event, scenario, model)]
            faults += [f"timeline[{i}]{fault}" for fault in found]
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what the experimenter's hand is taken to do at once."""
        if not any(isinstance(event, AddSubstance | WashOut) for event in scenario.timeline):
            return []
        return ["added substances are mixed in at once and everywhere; a wash-out is complete"]

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return what the events due at the start of this tick change."""
        concentration = view["concentration"].copy()  # (substance, z, y, x), nM
        clamp, removed = view.clamp, np.zeros(view.n_cells, dtype=bool)
        due = list(due_events(view))
        for index, event in due:
            match event:
                case AddSubstance():
                    concentration[view.substances.index(event.substance)] += _nanomolar(view, event)
                case WashOut(substance=None):
                    concentration[:] = 0.0
                case WashOut(substance=str() as name):
                    concentration[view.substances.index(name)] = 0.0
                case KnockOut():
                    hit = _chosen(view, index, event.cell_types, event.fraction)
                    for gene in view.genes_of([event.gene]) or ():  # of another world model it may not be there
                        clamp = clamp_gene(clamp, hit, gene, event.residual)
                case RemoveCells():
                    hit = _chosen(view, index, event.cell_types, event.fraction)
                    removed[hit if event.place is None else hit[_inside(view, hit, event.place)]] = True
        updates: list[Update] = []
        if any(isinstance(event, AddSubstance | WashOut) for _, event in due):
            updates.append(Add(CONCENTRATION, concentration - view["concentration"]))
        if any(isinstance(event, KnockOut) for _, event in due):
            updates.append(Set(CLAMP, clamp))
        if removed.any():
            updates.append(Structure(die=np.flatnonzero(removed), cause="removed by the timeline"))
        return updates


def due_events(view: View) -> Iterator[tuple[int, Event]]:
    """Yield (place in the timeline, event) for what happens now in this compartment."""
    scenario = view.scenario
    for index, event in enumerate(scenario.timeline):
        here = event.compartment is None or event.compartment == view.compartment
        if here and is_due(event, index, view.tick - view.drawn.delay, scenario.tick, scenario.n_ticks, view.released):
            yield index, event


def clamp_gene(clamp: sp.csr_array, rows: NDArray[np.intp], gene: int, residual: float) -> sp.csr_array:
    """Return the clamp with one gene of some cells multiplied by `residual`.

    Parameters
    ----------
    clamp : (cell, gene) factors; stored 0 = knocked out, absent = free. Not modified.
    rows : (hit,) the cells.
    """
    free = np.ones(clamp.shape[0])
    stored = clamp.tocoo()
    same = stored.col == gene
    free[stored.row[same]] = stored.data[same]
    free[rows] *= residual
    touched = np.union1d(stored.row[same], rows)
    row = np.concatenate([stored.row[~same], touched])
    column = np.concatenate([stored.col[~same], np.full(len(touched), gene)])
    data = np.concatenate([stored.data[~same], free[touched]])
    new = sp.csr_array((data, (row, column)), shape=clamp.shape)  # keeps the stored zeros
    new.sort_indices()
    return new


def _chosen(view: View, index: int, cell_types: tuple[str, ...], fraction: float) -> NDArray[np.intp]:
    """Return the rows of the living cells (of these types, if any are given) that an event hits."""
    wanted = view["alive"].copy()
    if cell_types:
        wanted &= view.type_is(cell_types)
    luck = view.streams.stream(f"timeline event {index}").uniform(view.ids, 1)[:, 0]
    return np.flatnonzero(wanted & (luck < fraction))


def _inside(view: View, rows: NDArray[np.intp], place: Region) -> NDArray[np.bool_]:
    """Return which of these cells stand in a part of the box, (row,)."""
    low, high, ball = place.limits()
    return inside(view["position"][rows] - np.asarray(view.grid.origin), low, high, ball)


def _nanomolar(view: View, event: AddSubstance) -> float:
    """Return what is really added, with the operator's error."""
    return view.drawn.dose * view.scenario.substances[event.substance].nanomolar(event.dose, event.substance)


def time_faults(event: Event, scenario: Scenario) -> list[str]:
    """Return what is wrong with an event's times; each begins with the key below the event."""
    try:
        ticks = event_ticks(event, scenario.tick, scenario.n_ticks)
    except ValueError as error:
        return [f".{error}"]
    if not ticks and event.when is not None:
        return [f".at: {event.at:g} h is after the last look: the run ends at {scenario.duration:g} h"]
    if not ticks:
        return [f".at: {event.at:g} h never comes: the run ends at {scenario.duration:g} h"]
    return []


def _name_faults(event: Event, scenario: Scenario, model: WorldModel) -> list[str]:
    """Return what an event names that is not there; each begins with the key below the event."""
    faults = []
    if event.compartment is not None and event.compartment not in scenario.compartments:
        message = unknown_name("compartment", event.compartment, scenario.compartments)
        faults.append(f".compartment: {message}")
    if isinstance(event, AddSubstance | WashOut) and event.substance is not None:
        substance = scenario.substances.get(event.substance)
        if substance is None:
            message = unknown_name("substance", event.substance, scenario.substances)
            faults.append(f".substance: {message}")
        elif isinstance(event, AddSubstance):
            try:
                substance.nanomolar(event.dose, event.substance)
            except ValueError as error:
                faults.append(f".dose: {error}")
    if isinstance(event, KnockOut) and event.gene not in model.genes:
        faults.append(f".gene: {unknown_name('gene of the world model', event.gene, model.genes)}")
    return faults
