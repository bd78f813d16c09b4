"""SBML models inside cells, stepped with the tissue around them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    BEHAVIOUR,
    CLAMP,
    CONCENTRATION,
    DEPTH,
    DOSE,
    EC50_FACTOR,
    LATENT,
    POSITION,
    RADIUS,
    SINK,
    SOURCE,
    TIME_SINCE,
    Add,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Update,
    View,
)
from twin.scenario.intracellular import MODEL_UNIT, dose_of, doses_of
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin.state.stores import Store
from twin_sbml.checks import assumptions_of, faults_of
from twin_sbml.hearing import inputs_of, knocked_share
from twin_sbml.program import Program, programs_of
from twin_sbml.shared import heard_of, step_types, stores_of
from twin_sbml.stepping import step_cells
from twin_sbml.swapping import Swap, shares_of
from twin_sbml.telling import Told

Float = NDArray[np.float64]


class Sbml(Process):
    """Each living cell of a type carries an SBML model, stepped by CVODE and tied to its surroundings.

    A step: the tissue's signals are set in the model and held; the cell's share of a field goes in; the model is
    integrated; what it has left goes back to the field. Fields and models take turns (Lie splitting), so that the
    whole is first order in the length of a step. Daughters inherit their mother's concentrations and parameters; the
    dead are not stepped. Nothing is kept outside the cells' columns: the solver begins anew at every step.
    """

    class Config(ProcessConfig):
        """The models stand under `intracellular`."""

    reads: ClassVar[tuple[Port, ...]] = (ALIVE, Port("cell_type", ("cell",), "1"), Port("id", ("cell",), "1"))
    phase: ClassVar[Phase] = Phase.SOURCES

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        self._put_together: tuple[Scenario, tuple[Program, ...]] | None = None

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return what the models hear, and their own columns."""
        if not scenario.intracellular:
            return ()
        heard = (POSITION, RADIUS, CONCENTRATION, LATENT, DEPTH, DOSE, TIME_SINCE, EC50_FACTOR, CLAMP)
        return (*heard, *_own_ports(scenario))

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the models' columns, and what they are tied to."""
        out = [model.outputs for model in scenario.intracellular.values()]
        tied: tuple[Port, ...] = (
            (CONCENTRATION,) if any(model.exchange for model in scenario.intracellular.values()) else ()
        )
        tied += (SOURCE,) if any(o.release for o in out) else ()
        tied += (SINK,) if any(o.uptake for o in out) else ()
        tied += (BEHAVIOUR,) if any(o.behaviours for o in out) else ()
        doses = (Port(dose_of(name), ("cell",), "nM") for name in doses_of(scenario))
        return (*tied, *doses, *heard_of(scenario), *_own_ports(scenario))

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the models' columns."""
        return _own_ports(scenario)

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return a column a quantity of each model that runs in every cell by itself."""
        return tuple(_columns(scenario))

    @classmethod
    def stores_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Store, ...]:
        """Return a store a quantity of each model that all cells of a type share."""
        return stores_of(scenario)

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what is wrong with the models and their ties."""
        return list(faults_of(scenario, model))

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what is taken for granted of each model, and by what it is solved."""
        return list(assumptions_of(scenario))

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return the models `dt` hours on, and what they do to their surroundings."""
        programs = self._programs(view.scenario)
        if not programs:
            return
        told = Told(view, programs)
        fields = view["concentration"].copy()  # (substance, z, y, x) nM, as far as models have changed it
        for program in programs:
            if program.document.per == "cell":
                yield from _step_cells(
                    program, replace(view, arrays={**view.arrays, "concentration": fields}), dt, told
                )
            else:
                yield from step_types(program, view, dt, told)
        if any(program.document.exchange for program in programs):
            yield Add(CONCENTRATION, fields - view["concentration"])
        yield from told.rates()

    def _programs(self, scenario: Scenario) -> tuple[Program, ...]:
        """Return the models put together, once a scenario."""
        if self._put_together is None or self._put_together[0] is not scenario:
            self._put_together = scenario, programs_of(scenario)
        return self._put_together[1]


def _step_cells(program: Program, view: View, dt: float, told: Told) -> Iterator[Update]:
    """Yield the columns of one model's cells after a step; `view`'s concentrations are changed."""
    rows = np.flatnonzero(view["alive"] & view.type_is(program.document.cell_types))
    shares = shares_of(view, rows)
    factors = _spread(program, view, rows)
    states = np.stack([view[program.columns[symbol]][rows] for symbol in program.states], axis=1)  # (row, state)
    for symbol, (factor, drawn) in factors.items():
        if symbol in program.states:
            states[drawn, program.states.index(symbol)] *= factor[drawn]
    states = _knocked(program, view, rows, states)
    inputs = inputs_of(program, view, rows, {symbol: f for symbol, (f, _) in factors.items()}, shares.volume)
    swap = Swap(program, view, shares, view["concentration"])
    done = step_cells(program, inputs, swap.before(states, dt), view.ids[rows], view.time, dt, view.crew)
    after = swap.after(done.states, dt)
    values = {symbol: after[:, k] for k, symbol in enumerate(program.states)}
    values |= {symbol: done.seen[:, k] for k, symbol in enumerate(program.seen)}
    told.add(program, rows, values, done.flows)
    yield from (_put(view, column, rows, values[symbol]) for symbol, column in program.columns.items())
    yield from (_put(view, column, rows, factors[symbol][0]) for symbol, column in program.spreads.items())
    share = knocked_share(program, view, rows)
    yield from (_put(view, column, rows, share[gene]) for gene, column in program.knocked.items())


def _spread(program: Program, view: View, rows: NDArray[np.intp]) -> dict[str, tuple[Float, NDArray[np.bool_]]]:
    """Return each cell's factor on a quantity that is spread, and whether it is drawn only now, two (row,) by id.

    It is log-normal with the median 1, and a hash of the cell's id: whenever a cell comes in, it is its own.
    """
    found = {}
    for symbol, column in program.spreads.items():
        held = view[column][rows]
        stream = replace(view.streams, tick=0).stream(f"sbml {program.name} {symbol}")
        factor = np.exp(program.document.spread[symbol] * stream.normal(view.ids[rows], 1)[:, 0])
        found[symbol] = np.where(held > 0, held, factor), held == 0
    return found


def _knocked(program: Program, view: View, rows: NDArray[np.intp], states: Float) -> Float:
    """Return states with species brought down, once, to what a knock-out that has come leaves of them."""
    share = knocked_share(program, view, rows)
    for gene, column in program.knocked.items():
        before = view[column][rows]
        factor = np.where(share[gene] < before, share[gene] / np.where(before > 0, before, 1.0), 1.0)
        for symbol in set(program.document.knock_out[gene]) & set(program.states):
            states[:, program.states.index(symbol)] *= factor
    return states


def _put(view: View, column: str, rows: NDArray[np.intp], values: Float) -> Set:
    """Return a column with other values in some rows."""
    whole = np.array(view[column], dtype=np.float64)
    whole[rows] = values
    return Set(Port(column, ("cell",), MODEL_UNIT), whole)


def _columns(scenario: Scenario) -> Iterator[Column]:
    for program in programs_of(scenario):
        if program.document.per == "cell":
            yield from (Column(c, MODEL_UNIT, initial=program.start[s]) for s, c in program.columns.items())
            yield from (Column(c, MODEL_UNIT, initial=0.0) for c in program.spreads.values())
            yield from (Column(c, MODEL_UNIT, initial=1.0) for c in program.knocked.values())


def _own_ports(scenario: Scenario) -> tuple[Port, ...]:
    return tuple(Port(column.name, ("cell",), column.units) for column in _columns(scenario))
