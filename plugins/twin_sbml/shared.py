"""Models that all cells of a type in a compartment share: one state, under the mean of what they notice."""

from collections.abc import Iterator

import numpy as np

from twin.process import Keep, Port, Rate, View
from twin.scenario.intracellular import MODEL_UNIT, SBML, column_of, signal_of
from twin.scenario.schema import Scenario
from twin.state.stores import Store
from twin_sbml.hearing import inputs_of
from twin_sbml.program import Program, programs_of
from twin_sbml.stepping import step_cells
from twin_sbml.swapping import shares_of
from twin_sbml.telling import Told


def stores_of(scenario: Scenario) -> tuple[Store, ...]:
    """Return a store (compartment, type) of each quantity that such a model shows."""
    places = ("compartment", tuple(scenario.compartments))
    return tuple(
        Store(
            column,
            MODEL_UNIT,
            (places, (f"type_of_{program.name}", program.document.cell_types)),
            program.start[symbol],
            about=f"{symbol} of {program.name}",
        )
        for program in programs_of(scenario)
        if program.document.per == "type"
        for symbol, column in program.columns.items()
    )


def heard_of(scenario: Scenario) -> tuple[Port, ...]:
    """Return the rates by which rules read such models; those of single cells are columns."""
    pairs = dict.fromkeys(signal_of(rule.signal) for rule in scenario.rules if rule.signal.startswith(SBML))
    found = ((m, s) for m, s in pairs if m in scenario.intracellular and scenario.intracellular[m].per == "type")
    return tuple(Port(column_of(model, symbol), ("cell",), MODEL_UNIT) for model, symbol in found)


def step_types(program: Program, view: View, dt: float, told: Told) -> Iterator[Keep | Rate]:
    """Yield the stores of a model after a step in this compartment, and what rules read of it.

    A type without a living cell here stays as it was.
    """
    place = list(view.scenario.compartments).index(view.compartment)
    kept = {symbol: view.stores[column].copy() for symbol, column in program.columns.items()}  # (compartment, type)
    heard = {port.name: np.zeros(view.n_cells) for port in heard_of(view.scenario)}
    for k, name in enumerate(program.document.cell_types):
        rows = np.flatnonzero(view["alive"] & view.type_is([name]))
        if not len(rows):
            continue
        inputs = inputs_of(program, view, rows, {}, shares_of(view, rows).volume).mean(axis=0, keepdims=True)
        states = np.array([[kept[symbol][place, k] for symbol in program.states]])  # (1, state)
        done = step_cells(program, inputs, states, view.ids[rows[:1]], view.time, dt, view.crew)
        values = dict(zip((*program.states, *program.seen), np.hstack([done.states, done.seen])[0], strict=True))
        told.add(program, rows, {s: np.full(len(rows), v) for s, v in values.items()}, done.flows)
        for symbol, column in program.columns.items():
            kept[symbol][place, k] = values[symbol]
            if column in heard:
                heard[column][rows] = values[symbol]
    yield from (Keep(program.columns[symbol], value) for symbol, value in kept.items())
    own = set(program.columns.values())
    yield from (Rate(Port(name, ("cell",), MODEL_UNIT), value) for name, value in heard.items() if name in own)
