"""Two branches of a run against each other, replicate by replicate: the numbers that a power analysis starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin.results.layout import REPLICATE, TIME
from twin.scenario.futures import TRUNK
from twin.units import quantity

Float = NDArray[np.float64]
Point = Mapping[str, Any] | None

SAME_TIME = 1e-6  # h; two spellings of one time
LABELLED = {"gene": "gene_mean", "program": "program_score", "column": "column_mean"}  # axis: whose values it names
RESPONSE, CELL_TYPE = "response_by_type", "cell_type"


@dataclass(frozen=True)
class Contrast:
    """One number of two branches.

    name : of the readout, with what it is of. units : "1" for a pure number. time : h.
    first, second : (replicate,).
    """

    name: str
    units: str
    time: float
    first: Float
    second: Float


def sides_of(branches: Sequence[str], text: str | None) -> tuple[str, str]:
    """Return the two branches that are compared; without a text the only one and the trunk.

    Raises
    ------
    InputError
        If there is no such branch, or several and none is named.
    """
    others = [name for name in branches if name != TRUNK]
    if text is None:
        if not others:
            raise InputError(
                "there is nothing to compare: the scenario has no branches; add one under 'branches', like treated"
            )
        if len(others) > 1:
            raise InputError(f"say which with --contrast, like {others[0]}:{TRUNK}; there are {', '.join(branches)}")
        return others[0], TRUNK
    first, colon, second = text.partition(":")
    if not colon:
        second = TRUNK
    for name in (first, second):
        if name not in branches:
            raise UnknownNameError("branch", name, branches, "--contrast: ")
    if first == second:
        raise InputError(f"--contrast {text}: both sides are {first}; name two branches, like {first}:{TRUNK}")
    return first, second


def check_begun(run: Run) -> None:
    """Refuse a run of which nothing is known yet.

    Raises
    ------
    InputError
        If no trajectory has committed a tick.
    """
    if not any(run.ticks_of(trajectory) for trajectory in run.trajectories):
        raise InputError(f"nothing is known of {run.path} yet: wait for its first commit")


def readouts_in(run: Run, names: Sequence[str], cell_types: Sequence[str]) -> list[str]:
    """Return what is compared: the readouts by name, or the response, in each of some types of cell.

    Raises
    ------
    InputError
        If none is named and the scenario observes no response.
    """
    data = run.readouts
    if not names and RESPONSE not in data:
        known = ", ".join([*map(str, data.data_vars)][:8])
        raise InputError(f"say what is measured with --readout; there are {known}, and genes and programs by name")
    chosen = list(names) or [RESPONSE]
    return [f"{name}:{t}" for name in chosen for t in cell_types] if cell_types else chosen


def contrasts_of(
    run: Run, names: Sequence[str], sides: tuple[str, str], time: float | str | None = None, point: Point = None
) -> list[Contrast]:
    """Return the numbers of two branches at one time, a contrast a readout.

    A readout that is told by cell type, of which none is named, gives one for each type that has cells in all
    replicates of both branches.

    Parameters
    ----------
    names : a readout, or an observed gene, program, column or quantity; with parts as "NAME:PART:PART", in any order,
        like "program_score:interferon:CD14 Mono".
    time : without it the last.
    point : a value for each axis of a sweep.

    Raises
    ------
    InputError
        If there is no such readout, part or time, a part is left open, or a replicate has no number.
    """
    both = [run.at(side, point).readouts for side in sides]
    found = []
    for name in names:
        first, second = (_values(data, name) for data in both)
        hour = _hour(first, time)
        first, second = (values.sel({TIME: hour}).load() for values in (first, second))
        units = str(first.attrs.get("units", "1"))
        if CELL_TYPE in first.dims:
            everywhere = first.notnull().all(REPLICATE) & second.notnull().all(REPLICATE)
            for cell_type in first[CELL_TYPE].values[everywhere.values]:
                a, b = (values.sel({CELL_TYPE: cell_type}).values for values in (first, second))
                found.append(Contrast(f"{name}:{cell_type}", units, hour, a, b))
            continue
        found.append(Contrast(name, units, hour, first.values, second.values))
    if not found:
        raise InputError(f"{', '.join(names)}: no type of cell has a number in all replicates of both branches")
    for one in found:
        lacking = np.flatnonzero(~(np.isfinite(one.first) & np.isfinite(one.second)))
        if len(lacking):
            raise InputError(
                f"{one.name} has no number in replicate {lacking[0]} at {one.time:g} h (it is not finished, or there "
                "is no such cell): resume the run, or take another readout or time"
            )
    return found


def independent(run: Run, numbers: Sequence[Contrast]) -> tuple[list[Contrast], str]:
    """Return numbers that are independent of each other, and of what each is: replicates of one donor are averaged."""
    table, declared = run.variation, run.scenario.get("variation") or {}
    if declared.get("donors") is None or "donor" not in table:
        return list(numbers), "replicates that differ by the luck of their cells alone"
    if declared.get("replicate_is") == "technical":
        return list(numbers), "technical replicates of the same donors, which tell nothing of other donors"
    whose = table.groupby("replicate")["donor"].apply(lambda names: " + ".join(sorted(set(names))))
    donors = [str(whose[i]) for i in range(run.replicates)]
    if len(set(donors)) == len(donors):
        return list(numbers), "donors"
    return [by_donor(one, donors) for one in numbers], f"donors, each the mean of its replicates ({len(donors)} in all)"


def by_donor(contrast: Contrast, donors: Sequence[str]) -> Contrast:
    """Return a contrast with one number a donor, the mean of its replicates: those of one donor are not independent.

    donors : (replicate,) whose each replicate is.
    """
    places: dict[str, list[int]] = {}
    for i, donor in enumerate(donors):
        places.setdefault(donor, []).append(i)
    first, second = (
        np.array([side[rows].mean() for rows in places.values()]) for side in (contrast.first, contrast.second)
    )
    return replace(contrast, first=first, second=second)


def _values(data: xr.Dataset, name: str) -> xr.DataArray:
    """Return a readout, (replicate, time), or with a cell type left open (replicate, time, cell_type)."""
    words = name.split(":")
    home = next((LABELLED[a] for a in LABELLED if LABELLED[a] in data and words[0] in _labels(data, a)), None)
    if words[0] not in data and home is not None:  # a gene, program or column by its own name
        words.insert(0, home)
    if words[0] not in data:
        known = [str(v) for v in data.data_vars]
        known += [label for axis, h in LABELLED.items() if h in data for label in _labels(data, axis)]
        raise UnknownNameError("readout", words[0], known)
    values = data[words.pop(0)]
    for word in words:
        axes = [str(d) for d in values.dims if d not in (REPLICATE, TIME)]
        at = next((a for a in axes if word in _labels(data, a)), None)
        if at is None:
            raise UnknownNameError(f"part of {name}", word, [label for a in axes for label in _labels(data, a)])
        values = values.isel({at: _labels(data, at).index(word)})
    for axis in (str(d) for d in values.dims if d not in (REPLICATE, TIME, CELL_TYPE)):
        labels = _labels(data, axis)
        if len(labels) > 1:
            raise InputError(f"{name} is told by {axis}: say of which, like '{name}:{labels[0]}'")
        values = values.isel({axis: 0})
    return values


def _labels(data: xr.Dataset, axis: str) -> list[str]:
    values = data[axis].values if axis in data.coords else ()
    return [f"{float(v):g}" if isinstance(v, float | np.floating) else str(v) for v in values]


def _hour(values: xr.DataArray, time: float | str | None) -> float:
    hours = np.asarray(values[TIME].values, dtype=np.float64)
    if time is None:
        return float(hours[-1])
    try:
        wanted = quantity(time, "hour", "a time", "6 h") if isinstance(time, str) else float(time)
    except ValueError as error:
        raise InputError(f"--time: {error}") from None
    near = hours[np.argsort(np.abs(hours - wanted), kind="stable")]
    if abs(near[0] - wanted) > SAME_TIME:
        shown = " and ".join(f"{t:g} h" for t in sorted(near[:2]))
        raise InputError(f"--time {time}: nothing was observed then; the nearest times are {shown}")
    return float(near[0])
