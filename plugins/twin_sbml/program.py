"""A model of the scenario put together: which of its quantities are state, which the tissue sets, which it reads."""

from dataclasses import dataclass

from twin.errors import InputError
from twin.scenario.intracellular import Intracellular, column_of, knocked_of, spread_of
from twin.scenario.schema import Scenario
from twin_sbml.solvers import Description, described, values_at_start


@dataclass(frozen=True)
class Program:
    """One model of the scenario, ready to be stepped.

    name : in the scenario. overrides : values other than the file's. start : every quantity at the start, by id.
    hours : h in the model's unit of time.
    inputs : ids that are set before each step; states come after them.
    flowing, seen : ids that are read at both ends of a step, and at its end beside the states.
    """

    name: str
    document: Intracellular
    description: Description
    overrides: dict[str, float]
    start: dict[str, float]
    hours: float
    inputs: tuple[str, ...]
    flowing: tuple[str, ...]
    seen: tuple[str, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Ids of a cell's state, in the order of its columns."""
        return self.description.states

    @property
    def kept(self) -> tuple[str, ...]:
        """Ids of what a cell shows: its state and what the scenario asks for beside it."""
        asked = (symbol for symbol in self.document.outputs.columns if symbol in self.description.quantities)
        return tuple(dict.fromkeys((*self.states, *asked)))

    @property
    def columns(self) -> dict[str, str]:
        """The column of each of `kept`, by id."""
        return {symbol: column_of(self.name, symbol) for symbol in self.kept}

    @property
    def spreads(self) -> dict[str, str]:
        """The column of each cell's factor on a parameter or an initial value, by id."""
        known = self.description.quantities
        return {symbol: spread_of(self.name, symbol) for symbol in self.document.spread if symbol in known}

    @property
    def knocked(self) -> dict[str, str]:
        """The column of the share that species were brought down to, by gene, where it counts for a species."""
        found = self.document.knock_out.items()
        return {gene: knocked_of(self.name, gene) for gene, ids in found if set(ids) & set(self.states)}

    def nanomolar(self, symbol: str) -> float | None:
        """Return how many nM one unit of a quantity is; None where neither scenario nor file says."""
        return self.document.concentration_unit or self.description.nanomolar(symbol)


def programs_of(scenario: Scenario) -> tuple[Program, ...]:
    """Return the models of a scenario, but for those that cannot be run: `checks` says why.

    Raises
    ------
    MissingExtraError
        If there is a model and libRoadRunner is not installed.
    """
    made = (program_of(name, model) for name, model in scenario.intracellular.items())
    return tuple(program for program in made if program is not None)


def program_of(name: str, model: Intracellular) -> Program | None:
    """Return one model of a scenario, or None where it cannot be run."""
    source = (model.file, model.text, model.precision)
    overrides = {**model.parameters, **model.initial}
    try:
        description = described(*source)
        start = values_at_start(*source, tuple(overrides.items()))
    except InputError:
        return None
    known, states, out = description.quantities, description.states, model.outputs
    touched = (*model.inputs, *model.spread, *(symbol for ids in model.knock_out.values() for symbol in ids))
    told = (*(o.of for o in out.behaviours.values()), *(o.of for o in out.doses.values()), *out.columns)
    return Program(
        name,
        model,
        description,
        overrides,
        start,
        model.time_unit or description.time_hours or 1.0,  # without one nothing runs: `checks` tells
        tuple(dict.fromkeys(s for s in touched if s in known and s not in states)),
        tuple(dict.fromkeys(o.of for o in (*out.release.values(), *out.uptake.values()) if o.of in known)),
        tuple(dict.fromkeys(s for s in told if s in known and s not in states)),
    )
