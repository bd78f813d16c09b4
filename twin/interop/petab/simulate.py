"""What a PEtab problem's model gives at its nominal parameters, for each measurement."""

from collections.abc import Iterator, Mapping
from math import inf, isnan

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError, UnknownNameError
from twin.interop.petab.formula import Formula
from twin.interop.petab.problem import Change, Experiment, Measurement, Period, Problem
from twin.interop.sbml import load_model

Float = NDArray[np.float64]

# Of the integrator, our choice: a model that explodes before it settles (Crauste 2017) is 3e-3 off at 1e-9, 2e-5 here.
RELATIVE, ABSOLUTE = 1e-12, 1e-16


class Bench:
    """A problem's model with the parameter table's values in it, ready to be put through experiments.

    Everything that the problem names is looked up at the beginning: targets of conditions, names in formulas.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model = load_model(problem.model, relative=RELATIVE, absolute=ABSOLUTE)
        self.nominal = {p.id: p.nominal for p in problem.parameters.values() if not isnan(p.nominal)}
        self.base = {name: value for name, value in self.nominal.items() if name in self.model.quantities}
        self._check()

    def run(self, experiment: Experiment, times: Float, ids: tuple[str, ...]) -> Float:
        """Put the model through an experiment and return its quantities: (time, id).

        Parameters
        ----------
        times : where to look, in the model's time; inf is the steady state at the end.
        ids : quantities of the model, or `time`.

        Raises
        ------
        InputError
            If the model cannot be integrated, or something is measured before the experiment begins.
        """
        found = np.full((len(times), len(ids)), np.nan)
        periods = self.begin(experiment)
        if times.size and times.min() < periods[0].start:
            told = f"begins at {periods[0].start:g}, a measurement of it is at {times.min():g}"
            raise InputError(f"{self.problem.file}: experiment {experiment.id!r} {told}")
        ends = [*(period.start for period in periods[1:]), inf]
        for period, end in zip(periods, ends, strict=True):
            if period is not periods[0]:
                self._switch(period)
            inside = (times >= period.start) & ((times < end) if end < inf else np.isfinite(times))
            stops = times[inside] if end == inf else np.append(times[inside], end)
            values = self.model.simulate(stops, ids, period.start)
            found[inside] = values[: int(inside.sum())]
        if np.any(np.isposinf(times)):
            self.model.settle()
            found[np.isposinf(times)] = self.model.get(ids)
        return found

    def begin(self, experiment: Experiment) -> tuple[Period, ...]:
        """Bring the model to where an experiment begins to count, and return the periods from there on."""
        first, *later = experiment.periods
        self.model.reset(self.base | self._initial(first))
        if first.start > -inf:
            return experiment.periods
        self.model.settle()
        if not later:
            return (Period(0.0, (), first.name),)
        self._switch(later[0])
        return tuple(later)

    def _initial(self, period: Period) -> dict[str, float]:
        """Return the values that an experiment begins with; a formula sees those of the model's file."""
        known = {q.id: q.value for q in self.model.quantities.values()} | self.nominal
        return {c.target: self._worth(c, known) for c in period.changes if c.value is not None}

    def _switch(self, period: Period) -> None:
        """Set a later period's values, all of them as of the moment before."""
        ids = tuple(self.model.quantities)
        known = dict(zip(ids, self.model.get(ids).tolist(), strict=True)) | self.nominal
        new = self.values_of(period, known)
        self.model.set(list(new), list(new.values()))

    def values_of(self, period: Period, known: Mapping[str, float]) -> dict[str, float]:
        """Return the values that a later period sets. known : what its formulas may name."""
        new: dict[str, float] = {}
        for change in period.changes:
            quantity = self.model.quantities[change.target]
            if change.value is not None:
                new[change.target] = self._worth(change, known)
            elif quantity.kind != "species":
                new[change.target] = self.base.get(change.target, quantity.value)
        return new

    def _worth(self, change: Change, known: Mapping[str, float]) -> float:
        assert change.value is not None
        return float(change.value.evaluate(known))

    def _check(self) -> None:
        for experiment in self.problem.experiments.values():
            for change in (change for period in experiment.periods for change in period.changes):
                if change.target not in self.model.quantities:
                    where = f"{change.place}: in {self.model.file} "
                    raise UnknownNameError("parameter, species or compartment", change.target, self._targets(), where)
                if change.value is not None:
                    self._check_names(change.value, change.place, ())
        for observable in self.problem.observables.values():
            self._check_names(observable.formula, observable.place, observable.placeholders)

    def _targets(self) -> list[str]:
        return [q.id for q in self.model.quantities.values() if q.settable]

    def _check_names(self, formula: Formula, place: str, placeholders: tuple[str, ...]) -> None:
        known = {*self.model.quantities, *self.problem.parameters, *placeholders, "time"}
        for name in sorted(formula.names - known):
            raise UnknownNameError("parameter or quantity of the model", name, known, f"{place}: ")
        for name in sorted(formula.names & {*self.problem.parameters} - {*self.nominal, *self.model.quantities}):
            parameter = self.problem.parameters[name]
            raise InputError(f"{parameter.place}: parameter {name!r} has no nominalValue, and {place} needs one")


def simulate(problem: Problem) -> Float:
    """Simulate a problem at its nominal parameters: (measurement,), linear, in the order of its measurements.

    Raises
    ------
    MissingExtraError
        If libRoadRunner is not installed.
    InputError
        If a file is at fault, or the model cannot be integrated.
    """
    bench = Bench(problem)
    found = np.full(len(problem.measurements), np.nan)
    for experiment, places in _by_experiment(problem):
        rows = [problem.measurements[place] for place in places]
        read = {name for row in rows for name in _reads(problem, row)}
        ids = tuple(sorted(name for name in read if name in bench.model.quantities))
        values = bench.run(experiment, np.array([row.time for row in rows]), ids)
        for place, row, line in zip(places, rows, values, strict=True):
            known = bench.nominal | dict(zip(ids, line.tolist(), strict=True)) | {"time": row.time}
            observable = problem.observables[row.observable]
            fillings = (float(filling.evaluate(known)) for filling in row.fillings)
            filled = dict(zip(observable.placeholders, fillings, strict=True))
            found[place] = float(observable.formula.evaluate(known | filled))
    return found


def _reads(problem: Problem, row: Measurement) -> frozenset[str]:
    return problem.observables[row.observable].formula.names.union(*(filling.names for filling in row.fillings))


def _by_experiment(problem: Problem) -> Iterator[tuple[Experiment, list[int]]]:
    places: dict[str, list[int]] = {}
    for place, row in enumerate(problem.measurements):
        places.setdefault(row.experiment, []).append(place)
    for name, group in places.items():
        yield problem.experiments[name], group
