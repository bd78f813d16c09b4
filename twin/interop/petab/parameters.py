"""Nominal parameters: in the place of the table's, another table's; and how they differ from the model's own."""

from collections.abc import Sequence
from dataclasses import replace
from math import isclose, isnan
from pathlib import Path

from twin.errors import UnknownNameError
from twin.interop.petab.problem import Parameter, Problem
from twin.interop.petab.tables import read_tables
from twin.interop.sbml import load_model

SAME = 1e-6  # relative: values that two files round differently


def parameters_of(files: Sequence[Path]) -> dict[str, Parameter]:
    """Return the rows of parameter tables, by their ids. The nominal value is linear, whatever the scale."""
    found: dict[str, Parameter] = {}
    for row in read_tables(files, ("parameterId",), "parameterId"):
        name = row.text("parameterId")
        found[name] = Parameter(name, row.number("nominalValue"), row.place)
    return found


def with_parameters(problem: Problem, file: Path) -> Problem:
    """Return a problem with the nominal values of another parameter table; what that leaves out keeps its own.

    Raises
    ------
    InputError
        If the table cannot be read, or names a parameter that the problem does not have.
    """
    new = parameters_of((file,))
    for parameter in new.values():
        if parameter.id not in problem.parameters:
            raise UnknownNameError("parameter", parameter.id, problem.parameters, f"{parameter.place}: ")
    return replace(problem, parameters={**problem.parameters, **new})


def other_values(problem: Problem) -> list[str]:
    """Return the parameters whose nominal value is not the one that the model's file has."""
    model = load_model(problem.model)
    pairs = [(p, model.quantities[p.id].value) for p in problem.parameters.values() if p.id in model.parameters]
    return [p.id for p, own in pairs if not (isnan(p.nominal) or isnan(own) or isclose(p.nominal, own, rel_tol=SAME))]
