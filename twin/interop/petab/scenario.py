"""A PEtab problem becomes a scenario: cells of one type that run its model, each experiment a point of a sweep."""

import re
from collections.abc import Mapping, Sequence
from math import isclose, isfinite
from pathlib import Path
from typing import Any

from twin.errors import InputError
from twin.interop.imported import Imported
from twin.interop.petab.problem import Experiment, Period
from twin.interop.petab.read import load_problems
from twin.interop.petab.simulate import Bench
from twin.interop.report import Report
from twin.interop.sbml.written import Course, with_values
from twin.units import quantity, round12

NAME, CELL = "model", "cell"  # of the model and of the cell type in the scenario
MOST_TICKS = 1000  # of a scenario whose times are multiples of a tick; else as few readouts, our choice
COARSE = 240  # ticks where no tick fits the times, our choice
WHOLE = 1e-9  # of a tick: how far a time may lie from a multiple, as the timeline has it
PRECISION = 1e-9  # of the plugin's solver: the reference simulations of problems are as good


def import_petab(file: Path, stem: str, time_unit: str | None = None) -> Imported:
    """Return the scenario of a problem, with an SBML file an experiment that goes beside it.

    Each file has the nominal parameters and what the experiment begins with written in: after a pre-equilibration the
    steady state. Parameters that later periods change are piecewise rules of it.

    Parameters
    ----------
    file : the problem's YAML.
    stem : what the files beside the scenario begin with.
    time_unit : of the model's time, like min; without it, as the model's file states.

    Raises
    ------
    MissingExtraError
        If libRoadRunner is not installed.
    InputError
        If a file is at fault, the unit of time is not known, or an experiment changes species in its midst.
    """
    problems = load_problems(file)
    if len(problems) > 1:
        raise InputError(f"{file} lists {len(problems)} problems: import the files of one at a time")
    (problem,) = problems
    bench, report = Bench(problem), Report(file.stem, "PEtab")
    unit = _seconds(bench, time_unit)
    measured = {row.experiment for row in problem.measurements}
    experiments = [e for e in problem.experiments.values() if e.id in measured]
    names = _file_names(stem, experiments)
    texts = {names[e.id]: _written(bench, e, report) for e in experiments}
    times = sorted({round12(row.time * unit) for row in problem.measurements if isfinite(row.time)})
    report.carried("nominal parameters", "written into the model's files")
    document = _document(bench, list(texts), times, report)
    if time_unit is not None:
        document["intracellular"][NAME]["time_unit"] = time_unit
    if not all(isfinite(row.time) for row in problem.measurements):
        report.left_out("measurements of the steady state", "a scenario ends at a time: run it for longer")
    for observable in problem.observables.values():
        report.left_out(f"observable {observable.id}", f"the states are observed: it is {observable.formula.text}")
    return Imported(document, texts, report)


def _seconds(bench: Bench, time_unit: str | None) -> float:
    """Return the seconds in the model's unit of time."""
    if time_unit is None:
        if bench.model.time_hours is None:
            raise InputError(f"{bench.model.file} states no unit of time: give --time-unit, like min")
        return round12(bench.model.time_hours * 3600)
    try:
        return quantity(f"1 {time_unit}", "second", "a unit of time", "min")
    except ValueError as error:
        raise InputError(f"--time-unit {time_unit}: {error}") from error


def _file_names(stem: str, experiments: Sequence[Experiment]) -> dict[str, str]:
    """Return the name of the file of each experiment, by its id."""
    names: dict[str, str] = {}
    for experiment in experiments:
        word = re.sub(r"[^\w.-]+", "_", experiment.id).strip("_") or "alone"
        taken = f"{stem}_{word}.xml" in names.values()
        names[experiment.id] = f"{stem}_{word}_{len(names)}.xml" if taken else f"{stem}_{word}.xml"
    return names


def _written(bench: Bench, experiment: Experiment, report: Report) -> str:
    """Return the model of one experiment as the text of a file."""
    periods = bench.begin(experiment)
    if periods[0].start != 0:
        raise InputError(f"{bench.problem.file}: experiment {experiment.id!r} begins at {periods[0].start:g}, not at 0")
    ids = [q.id for q in bench.model.quantities.values() if q.settable]
    values = dict(zip(ids, bench.model.get(ids).tolist(), strict=True))
    courses = _courses(bench, experiment, periods, values)
    told = [f"steady state of {experiment.periods[0].name!r}"] if experiment.periods[0].start < 0 else []
    told += [f"values of {period.name!r} from {period.start:g} on" for period in periods if period.changes]
    report.carried(f"experiment {experiment.id}", ", ".join(told) or "the model as it is, with nominal parameters")
    return with_values(bench.problem.model, values, courses)


def _courses(
    bench: Bench, experiment: Experiment, periods: Sequence[Period], values: Mapping[str, float]
) -> Mapping[str, Course]:
    """Return what later periods change, as (start, value) pairs by parameter.

    Raises
    ------
    InputError
        If one changes a species or a compartment, or by what the state is then.
    """
    courses: dict[str, list[tuple[float, float]]] = {}
    now = {q.id: values[q.id] for q in bench.model.quantities.values() if q.kind == "parameter" and not q.set_by}
    for period in periods[1:]:
        for change in period.changes:
            kind = bench.model.quantities[change.target].kind
            moving = sorted((change.value.names if change.value else frozenset()) - {*now, *bench.nominal})
            if kind != "parameter" or moving:
                what = f"is a {kind}" if kind != "parameter" else f"hangs on {moving[0]!r}, which moves"
                told = "a scenario can change parameters alone in the midst of a run"
                raise InputError(f"{change.place}: {change.target!r} {what}: {told} (experiment {experiment.id!r})")
        for name, value in bench.values_of(period, now | bench.nominal).items():
            courses.setdefault(name, [(periods[0].start, now[name])]).append((period.start, value))
            now[name] = value
    return courses


def _document(bench: Bench, files: Sequence[str], seconds: Sequence[float], report: Report) -> dict[str, Any]:
    """Return the scenario. seconds : when something was measured, rising."""
    name = bench.problem.file.stem
    observe: dict[str, Any]
    tick, fits = _tick([second for second in seconds if second > 0])
    if fits:
        observe = {"at": [_text(second) for second in seconds]}
        report.carried("times of measurements", f"each is a multiple of the tick, {_text(tick)}")
    else:
        observe = {"every": _text(tick)}
        report.approximated("times of measurements", f"no tick fits them all: readouts come every {_text(tick)}")
    duration = _text(tick * round(max(*seconds, tick) / tick))
    document: dict[str, Any] = {
        "name": name[:80],
        "description": f"Imported from the PEtab problem {name}.",
        "duration": duration,
        "tick": _text(tick),
        "world_model": {"name": "none"},
        "compartments": {
            "well": {
                "box": ["20 um"] * 3,
                "spacing": "20 um",
                "cells": {"source": "model", "count": 1, "composition": {CELL: 1.0}},
            }
        },
        "intracellular": {NAME: {"file": files[0], "cell_types": [CELL], "precision": PRECISION}},
        "processes": {"sbml": {}},
        "observe": {
            **observe,
            "cells_every": duration,
            "columns": [f"sbml_{NAME}_{symbol}" for symbol in bench.model.state_ids],
        },
        "execution": {"commit_every": duration},
    }
    if len(files) > 1:
        document["sweep"] = {"experiment": {"key": f"intracellular.{NAME}.file", "values": list(files)}}
    return document


def _tick(seconds: Sequence[float]) -> tuple[float, bool]:
    """Return the longest tick, s, of which all times are multiples, and True; or a part of the last, and False."""
    last = max(seconds, default=3600.0)
    for count in range(1, MOST_TICKS + 1):
        tick = round12(last / count)
        if all(abs(second / tick - round(second / tick)) < WHOLE for second in seconds):
            return tick, True
    return round12(last / COARSE), False


def _text(seconds: float) -> str:
    """Return a time with a unit that makes it short."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size and isclose(seconds / size, round(seconds / size), rel_tol=1e-12):
            return f"{round(seconds / size)} {unit}"
    return f"{seconds:.12g} s"
