"""A PEtab problem as its files say it: parameters, observables, experiments and what was measured of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from twin.interop.petab.formula import Formula


@dataclass(frozen=True)
class Parameter:
    """A row of the parameter table. nominal : linear, whatever scale it is estimated in; nan where none is given."""

    id: str
    nominal: float
    place: str


@dataclass(frozen=True)
class Observable:
    """What is looked at. formula : of ids of the model, of parameters, and of placeholders that measurements fill.

    placeholders : their names, in the order of the measurements' entries. The table's transformation is of the noise:
    measurements and simulations are linear.
    """

    id: str
    formula: Formula
    placeholders: tuple[str, ...]
    place: str


@dataclass(frozen=True)
class Change:
    """One value that a period sets.

    target : an id of the model. value : None leaves a species as it is, and gives anything else its own value back.
    """

    target: str
    value: Formula | None
    place: str


@dataclass(frozen=True)
class Period:
    """A stretch of an experiment.

    start : in the model's time; −inf is the steady state before all. name : of its conditions, for people.
    """

    start: float
    changes: tuple[Change, ...]
    name: str


@dataclass(frozen=True)
class Experiment:
    """What is done to the model, in the order of time. Measurements count from time 0."""

    id: str
    periods: tuple[Period, ...]


@dataclass(frozen=True)
class Measurement:
    """One measured number.

    time : in the model's; inf is the steady state. fillings : of the observable's placeholders.
    """

    observable: str
    experiment: str
    time: float
    value: float
    fillings: tuple[Formula, ...]
    place: str


@dataclass(frozen=True)
class Problem:
    """A problem: one model, and all that the tables say of it.

    simulated : files of reference simulations that it names.
    """

    file: Path
    model: Path
    parameters: Mapping[str, Parameter]
    observables: Mapping[str, Observable]
    experiments: Mapping[str, Experiment]
    measurements: tuple[Measurement, ...]
    simulated: tuple[Path, ...] = ()
