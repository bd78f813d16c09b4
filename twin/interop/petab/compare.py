"""A simulated problem against a table of reference simulations: which row is which, and how far they lie apart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isclose, isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.interop.petab.conditions import DURING, experiment_key
from twin.interop.petab.problem import Problem
from twin.interop.petab.tables import read_tables

Float = NDArray[np.float64]

TOLERANCE = 1e-3  # relative, of a point that holds
FLOOR = 1e-3  # of the largest |reference| of an observable: what is below is measured against this, our choice
SAME_TIME = 1e-6  # relative: times that tables round differently


@dataclass(frozen=True)
class Group:
    """What one observable does in one experiment.

    points : compared. deviation : the largest |ours − reference| ÷ max(|reference|, 0.001 · the largest |reference| of
    the observable in the whole table). time, reference, ours : where that is.
    """

    observable: str
    experiment: str
    points: int
    deviation: float
    time: float
    reference: float
    ours: float

    @property
    def holds(self) -> bool:
        """Whether every point is within the tolerance; what is no number does not hold."""
        return self.deviation <= TOLERANCE


@dataclass(frozen=True)
class Reference:
    """Reference simulations in the order of a problem's measurements. note : how rows were found, where not by name."""

    values: Float
    note: str


def reference_files(problem: Problem) -> tuple[Path, ...]:
    """Return the reference simulations of a problem: those it names, else the one beside it.

    Raises
    ------
    InputError
        If there is none, or more than one lies beside it.
    """
    if problem.simulated:
        return problem.simulated
    beside = sorted(problem.file.parent.glob("simulatedData*.tsv"))
    if len(beside) != 1:
        told = f"{len(beside)} files" if beside else "no file"
        raise InputError(f"{told} called simulatedData*.tsv beside {problem.file}: name one with --simulated")
    return (beside[0],)


def read_reference(problem: Problem, files: Sequence[Path]) -> Reference:
    """Read reference simulations and find the row of each measurement.

    Rows are matched one by one in the order of the tables where both name the same; else by what they name; else, where
    the times agree row by row and every name of one table stands for one name of the other, in their order.

    Raises
    ------
    InputError
        If a file cannot be read, or its rows are not those of the measurements.
    """
    rows = read_tables(files, ("observableId", "simulation", "time"))
    told = ", ".join(str(file) for file in files)
    if rows and not any(name in rows[0].cells for name in (*DURING, "experimentId")):
        raise InputError(f"{told} names no condition: a column {DURING[0]} or experimentId is missing")
    values = np.array([row.needed("simulation") for row in rows])
    ours = [(m.observable, m.experiment, m.time) for m in problem.measurements]
    theirs = [(row.text("observableId"), experiment_key(row), row.needed("time")) for row in rows]
    if len(ours) != len(theirs):
        raise InputError(f"{told} has {len(theirs)} simulations, {problem.file} {len(ours)} measurements")
    times = all(_same(a[2], b[2]) for a, b in zip(ours, theirs, strict=True))
    if times and all(a[:2] == b[:2] for a, b in zip(ours, theirs, strict=True)):
        return Reference(values, "")
    if Counter(map(_rounded, ours)) == Counter(map(_rounded, theirs)):
        return Reference(values[_places(ours, theirs)], "")
    renamed = (
        _renamed([a[0] for a in ours], [b[0] for b in theirs]),
        _renamed([a[1] for a in ours], [b[1] for b in theirs]),
    )
    if times and None not in renamed:
        written = ", ".join(f"{b} for {a}" for part in renamed for a, b in (part or {}).items() if a != b)
        return Reference(values, f"rows are taken in their order: the reference writes {written}")
    missing = Counter(map(_rounded, theirs)) - Counter(map(_rounded, ours))
    row = next(row for row, key in zip(rows, theirs, strict=True) if _rounded(key) in missing)
    raise InputError(
        f"{row.place}: {row.text('observableId')!r} in {experiment_key(row)!r} at {row.text('time')} was not measured"
    )


def compare(problem: Problem, simulated: Float, reference: Float) -> tuple[Group, ...]:
    """Return the deviations of each observable in each experiment, in the order of the measurements.

    Parameters
    ----------
    simulated, reference : (measurement,).
    """
    largest: dict[str, float] = {}
    for row, value in zip(problem.measurements, reference, strict=True):
        largest[row.observable] = max(largest.get(row.observable, 0.0), abs(float(value)))
    groups: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for row, value, ours in zip(problem.measurements, reference, simulated, strict=True):
        scale = max(abs(float(value)), FLOOR * largest[row.observable])
        far = abs(float(ours) - float(value))
        deviation = inf if isnan(far) else far / scale if scale else (inf if far else 0.0)
        point = (deviation, row.time, float(value), float(ours))
        groups.setdefault((row.observable, row.experiment), []).append(point)
    return tuple(Group(*key, len(points), *max(points)) for key, points in groups.items())


def _same(a: float, b: float) -> bool:
    return a == b or isclose(a, b, rel_tol=SAME_TIME, abs_tol=0.0)


def _rounded(key: tuple[str, str, float]) -> tuple[str, str, str]:
    return key[0], key[1], f"{key[2]:.6g}"


def _places(ours: Sequence[tuple[str, str, float]], theirs: Sequence[tuple[str, str, float]]) -> list[int]:
    """Return the place of each of ours among theirs; the k-th of several alike is the k-th."""
    waiting: dict[tuple[str, str, str], list[int]] = {}
    for place, key in enumerate(theirs):
        waiting.setdefault(_rounded(key), []).append(place)
    return [waiting[_rounded(key)].pop(0) for key in ours]


def _renamed(ours: Sequence[str], theirs: Sequence[str]) -> Mapping[str, str] | None:
    """Return what stands for each name, or None where one name stands for two."""
    pairs = list(dict.fromkeys(zip(ours, theirs, strict=True)))
    names = dict(pairs)
    return names if len(names) == len(pairs) == len(set(names.values())) else None
