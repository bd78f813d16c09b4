"""A PEtab problem from its YAML file: version 1 with its conditions, version 2 with its experiments."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from twin.errors import InputError, UnknownNameError
from twin.interop.petab.conditions import conditions_of, experiment_key, experiments_of
from twin.interop.petab.formula import Formula, parse
from twin.interop.petab.parameters import parameters_of
from twin.interop.petab.problem import Experiment, Measurement, Observable, Problem
from twin.interop.petab.tables import Row, read_tables


def load_problems(file: Path) -> tuple[Problem, ...]:
    """Read the problems of a PEtab file; version 2 holds one, version 1 as many as it lists.

    Raises
    ------
    InputError
        If a file cannot be read, is no PEtab, or names what is not there.
    """
    document = _mapping(file)
    version = str(document.get("format_version", "")).split(".")[0]
    if version == "1":
        parts = document.get("problems")
        if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
            raise InputError(f"{file} lists no problem: 'problems' holds at least one, with its files")
        return tuple(_problem(file, {**part, "parameter_files": document.get("parameter_file")}, 1) for part in parts)
    if version == "2":
        return (_problem(file, document, 2),)
    raise InputError(
        f"{file} says format_version {document.get('format_version')!r}: versions 1 and 2 of PEtab are read"
    )


def formula_of(row: Row, column: str, text: str | None = None) -> Formula:
    """Parse the formula in a column, or `text` of it.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return parse(row.text(column) if text is None else text)
    except ValueError as error:
        raise InputError(f"{row.place}, {column}: {error}") from error


def _mapping(file: Path) -> Mapping[str, Any]:
    try:
        document = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or "format_version" not in document:
        raise InputError(f"{file} is no PEtab problem: it holds no format_version")
    return document


def _problem(file: Path, part: Mapping[str, Any], version: int) -> Problem:
    model = _model(file, part)
    rows = read_tables(
        _files(file, part, "observable_files", needed=True), ("observableId", "observableFormula"), "observableId"
    )
    observables = {row.text("observableId"): _observable(row, version) for row in rows}
    measured = read_tables(
        _files(file, part, "measurement_files", needed=True),
        ("observableId", "measurement", "time", "simulationConditionId" if version == 1 else "experimentId"),
    )
    if not measured:
        raise InputError(f"{file}: the measurement table is empty, so that there is nothing to simulate")
    conditions = conditions_of(_files(file, part, "condition_files"), version)
    experiments = experiments_of(_files(file, part, "experiment_files"), conditions, measured, version)
    return Problem(
        file=file,
        model=model,
        parameters=parameters_of(_files(file, part, "parameter_files")),
        observables=observables,
        experiments=experiments,
        measurements=tuple(_measurement(row, observables, experiments) for row in measured),
        simulated=_files(file, part, "simulation_files"),
    )


def _files(file: Path, part: Mapping[str, Any], key: str, *, needed: bool = False) -> tuple[Path, ...]:
    given = part.get(key) or ()
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{file}: {key} is no list of file names")
    if needed and not names:
        raise InputError(f"{file}: {key} is missing, it names at least one file")
    return tuple(file.parent / name for name in names)


def _model(file: Path, part: Mapping[str, Any]) -> Path:
    given = part.get("sbml_files")
    if given is None and isinstance(part.get("model_files"), dict):
        models = part["model_files"]
        for name, model in models.items():
            language = model.get("language") if isinstance(model, dict) else None
            if language != "sbml" or not isinstance(model.get("location"), str):
                raise InputError(f"{file}: model {name!r} is in {language!r}, models in 'sbml' are read")
        given = [model["location"] for model in models.values()]
    names = _files(file, {"sbml_files": given}, "sbml_files", needed=True)
    if len(names) > 1:
        raise InputError(f"{file} names {len(names)} models in one problem, at most one is read")
    return names[0]


def _observable(row: Row, version: int) -> Observable:
    formula = formula_of(row, "observableFormula")
    name = row.text("observableId")
    placeholders = row.listed("observablePlaceholders")
    if version == 1:
        count = 0
        while f"observableParameter{count + 1}_{name}" in formula.names:
            count += 1
        placeholders = tuple(f"observableParameter{n + 1}_{name}" for n in range(count))
    return Observable(name, formula, placeholders, row.place)


def _measurement(row: Row, observables: Mapping[str, Observable], experiments: Mapping[str, Experiment]) -> Measurement:
    name = row.text("observableId")
    if name not in observables:
        raise UnknownNameError("observable", name, observables, f"{row.place}: ")
    fillings = tuple(formula_of(row, "observableParameters", text) for text in row.listed("observableParameters"))
    wanted = observables[name].placeholders
    if len(fillings) != len(wanted):
        raise InputError(f"{row.place}: observableParameters has {len(fillings)} entries, {name!r} takes {len(wanted)}")
    experiment = experiment_key(row)
    if experiment not in experiments:
        raise UnknownNameError("experiment", experiment, experiments, f"{row.place}: ")
    time = row.needed("time")
    if time < 0:
        raise InputError(f"{row.place}: time is {time:g}, measurements are not before 0")
    return Measurement(name, experiment, time, row.number("measurement"), fillings, row.place)
