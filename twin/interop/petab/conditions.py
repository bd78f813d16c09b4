"""Conditions and the order they come in: PEtab 1 pairs two of them, PEtab 2 lists periods. Both become experiments."""

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

from twin.errors import InputError, UnknownNameError
from twin.interop.petab.formula import parse
from twin.interop.petab.problem import Change, Experiment, Period
from twin.interop.petab.tables import ABSENT, Row, read_table, read_tables

Named = Mapping[str, tuple[Change, ...]]

IDS = ("conditionId", "conditionName")  # the columns of a wide table that set nothing
BEFORE = ("preequilibrationConditionId", "preequilibrationCondition")  # the second name is an older one
DURING = ("simulationConditionId", "simulationCondition")


def conditions_of(files: Sequence[Path], version: int) -> Named:
    """Return what each condition sets, by its id: a column a target in version 1, a row a target in version 2.

    Raises
    ------
    InputError
        If a table cannot be read, or a value is neither a number nor a formula.
    """
    found: dict[str, tuple[Change, ...]] = {}
    for file in files:
        if version == 1:
            table = read_table(file, ("conditionId",), "conditionId")
            targets = [name for name in table.columns if name and name not in IDS]
            for row in table.rows:
                name = row.text("conditionId")
                if name in found:
                    raise InputError(f"{row.place}: conditionId {name!r} is there already, in another table")
                found[name] = tuple(_change(row, target, target) for target in targets)
        else:
            for row in read_table(file, ("conditionId", "targetId", "targetValue")).rows:
                change = _change(row, row.text("targetId"), "targetValue")
                if change.value is None:
                    raise InputError(f"{row.place}: targetValue is empty, a number or a formula should stand there")
                before = found.get(row.text("conditionId"), ())
                if any(change.target == other.target for other in before):
                    raise InputError(f"{row.place}: {change.target!r} is set twice in {row.text('conditionId')!r}")
                found[row.text("conditionId")] = (*before, change)
    return found


def experiments_of(
    files: Sequence[Path], conditions: Named, measured: Sequence[Row], version: int
) -> Mapping[str, Experiment]:
    """Return the experiments: of version 1 the pairs of conditions that were measured, of version 2 the table's.

    Raises
    ------
    UnknownNameError
        If a condition is not there.
    InputError
        If periods are not in the order of time.
    """
    return _paired(conditions, measured) if version == 1 else _listed(files, conditions, measured)


def experiment_key(row: Row) -> str:
    """Return what the experiment of a row of measurements or simulations is called."""
    if "experimentId" in row.cells:
        return row.text("experimentId", "(none)")
    before, during = (next((row.text(c) for c in names if row.text(c)), "") for names in (BEFORE, DURING))
    return f"{before} → {during}" if before else during


def _change(row: Row, target: str, column: str) -> Change:
    text = row.text(column)
    place = f"{row.place}, {column}"
    if text.lower() in ABSENT:
        return Change(target, None, place)
    try:
        return Change(target, parse(text), place)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from error


def _paired(conditions: Named, measured: Sequence[Row]) -> dict[str, Experiment]:
    found: dict[str, Experiment] = {}
    for row in measured:
        key = experiment_key(row)
        if key in found:
            continue
        before, during = row.text(BEFORE[0]), row.text(DURING[0])
        for name in (before, during):
            if name not in conditions and (name or name is during):
                raise UnknownNameError("condition", name, conditions, f"{row.place}: ")
        periods = [Period(-inf, conditions[before], before)] if before else []
        found[key] = Experiment(key, (*periods, Period(0.0, conditions[during], during)))
    return found


def _listed(files: Sequence[Path], conditions: Named, measured: Sequence[Row]) -> dict[str, Experiment]:
    periods: dict[str, dict[float, list[str]]] = {}
    for row in read_tables(files, ("experimentId", "time", "conditionId")):
        name, start = row.text("conditionId"), row.needed("time")
        if name and name not in conditions:
            raise UnknownNameError("condition", name, conditions, f"{row.place}: ")
        if start < 0 and start != -inf:
            raise InputError(f"{row.place}: time is {start:g}: an experiment begins at 0, or at -inf in a steady state")
        periods.setdefault(row.text("experimentId"), {}).setdefault(start, []).extend([name] if name else [])
    found = {
        key: Experiment(key, tuple(_period(start, names, conditions) for start, names in sorted(parts.items())))
        for key, parts in periods.items()
    }
    if any(experiment_key(row) == "(none)" for row in measured):
        found["(none)"] = Experiment("(none)", (Period(0.0, (), ""),))
    return found


def _period(start: float, names: Sequence[str], conditions: Named) -> Period:
    return Period(start, tuple(change for name in names for change in conditions[name]), " + ".join(names))
