"""Along which doses a run differs: an axis of its sweep, or branches that are alike but for a dose."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin.results.ensemble import Ensemble, SweepAxis
from twin.scenario.futures import TRUNK
from twin.units import same_unit
from twin_viz.camera import Float
from twin_viz.plots.scene import Point

DOSE_KEYS = ("dose", "initial", "rate")  # last word of a key that sets how much of a substance there is
NO_DOSES = "the run has no doses to compare: give its scenario a sweep over one, or branches that differ in a dose"


@dataclass(frozen=True)
class DoseAxis:
    """Doses of a run.

    run : whole. label, unit : of the doses; the unit "" where they have none.
    doses : (dose,) ≥ 0, ascending as the run has them; where the trunk is the undosed future, 0 comes first.
    branches : of each dose. places : of each dose along the swept axis; None where the branches are the doses.
    swept : name of the axis of the sweep. title : which branch, in words, "" where there is but one.
    is_dose : whether these are doses; an axis that is asked for by its name may be anything above 0.
    """

    run: Run
    label: str
    unit: str
    doses: Float
    branches: tuple[str, ...]
    places: tuple[int, ...] | None
    swept: str | None
    title: str
    is_dose: bool = True

    def placed(self, values: xr.DataArray, point: Point) -> xr.DataArray:
        """Return values (dose, other axes, replicate) of these doses, at `point` along the axes that it names.

        Raises
        ------
        InputError
            If the point names no axis, the doses' own, or no value.
        """
        given = dict(point or {})
        if self.swept in given:
            raise InputError(f"--point {self.swept}=…: the doses are its values; leave it out")
        for axis in self.run.ensemble.axes:
            if axis.name == self.swept or not ({axis.name, *(c.name for c in axis.coordinates)} & given.keys()):
                continue
            mine = {k: given.pop(k) for k in (axis.name, *(c.name for c in axis.coordinates)) if k in given}
            values = values.isel({axis.name: Ensemble((TRUNK,), (axis,), 1, ()).place(None, mine)[-1]}, drop=True)
        if given:
            raise UnknownNameError("axis of the sweep", next(iter(given)), [a.name for a in self.run.ensemble.axes])
        parts = []
        for i, branch in enumerate(self.branches):
            part = values.sel(branch=branch, drop=True) if "branch" in values.dims else values
            if self.swept is not None and self.places is not None:
                part = part.isel({self.swept: self.places[i]}, drop=True)
            parts.append(part)
        joined: xr.DataArray = xr.concat(parts, "dose", coords="minimal", compat="override", join="override")
        return joined

    def place_name(self, values: xr.DataArray, others: Sequence[str]) -> str:
        """Return where along the other axes of the sweep one curve stands: "start 1 h"."""
        words = []
        for axis in self.run.ensemble.axes:
            if axis.name in others:
                for c in axis.coordinates:
                    value = values[c.name].item()
                    text = f"{value:.4g}" if isinstance(value, float) else str(value)
                    words.append(f"{c.name} {text}" + ("" if c.units in ("", "1") else f" {c.units}"))
        return ", ".join(words)


def dose_axis(run: Run, over: str | None = None, branch: str | None = None) -> DoseAxis:
    """Return the doses of a run.

    Parameters
    ----------
    over : the axis of the sweep, of any numbers; without it the one whose key ends with a dose; where there is none,
        the branches that are alike but for a dose.
    branch : of which the doses are; without it the branch that the axis varies, or the trunk.

    Raises
    ------
    InputError
        If there are none, or the axis is none of numbers.
    """
    if branch is not None and branch not in run.branches:
        raise UnknownNameError("branch", branch, run.branches)
    axes = run.ensemble.axes
    if over is not None and over not in [a.name for a in axes]:
        if not axes:
            raise InputError(f"--over {over}: the run has no sweep; {NO_DOSES.partition(': ')[2]}")
        raise UnknownNameError("axis of the sweep", over, [a.name for a in axes])
    able = [a for a in axes if len(a.coordinates) == 1 and all(isinstance(x, float) for x in a.coordinates[0].labels)]
    if over is not None:
        if over not in [a.name for a in able]:
            raise InputError(f"--over {over}: its values are words, or several numbers change along it")
        return _of_axis(run, next(a for a in able if a.name == over), branch)
    doses = [a for a in able if _sets_a_dose(run, a)]
    if len(doses) == 1:
        return _of_axis(run, doses[0], branch)
    if doses:
        raise InputError(f"say which axis the doses are, with --over: {', '.join(a.name for a in doses)}")
    found = _of_branches(run)
    if found is None:
        other = f"; or name what is swept, with --over: {', '.join(a.name for a in able)}" if able else ""
        raise InputError(NO_DOSES + other)
    return found


def _sets_a_dose(run: Run, axis: SweepAxis) -> bool:
    """Say whether an axis sets how much of a substance there is; a rate may be of anything."""
    words = axis.coordinates[0].key.split(".")
    last = words[-1].split(" ")[-1]
    if last != "rate":
        return last in DOSE_KEYS
    section = _walked(run.scenario, words[:-1])
    return words[0] == "substances" or (isinstance(section, Mapping) and "substance" in section)


def _of_axis(run: Run, axis: SweepAxis, branch: str | None) -> DoseAxis:
    coordinate = axis.coordinates[0]
    numbers = np.array(coordinate.labels, dtype=np.float64)
    if (numbers < 0).any():
        raise InputError(f"--over {axis.name}: it has values below 0, which have no place on an axis of doses")
    words = coordinate.key.split(".")
    own = words[1] if words[0] == "branches" and len(words) > 1 else TRUNK
    chosen = branch or own
    order = np.argsort(numbers, kind="stable")
    doses, places, branches = numbers[order], tuple(int(i) for i in order), [chosen] * len(order)
    if chosen == own != TRUNK and numbers.min() > 0 and _is_one_dose(run, own, words):
        doses, places, branches = np.r_[0.0, doses], (0, *places), [TRUNK, *branches]
    event = _walked(run.scenario, words[:-1])
    substance = event.get("substance") if isinstance(event, Mapping) else None
    label = axis.name if axis.name in words[-1:] else f"{axis.name}, {coordinate.key}"
    label = f"{words[-1]} of {substance}" if substance and words[-1] in DOSE_KEYS else label
    unit = "" if coordinate.units in ("", "1") else coordinate.units
    return DoseAxis(
        run,
        label,
        unit,
        doses,
        tuple(branches),
        places,
        axis.name,
        chosen if len(run.branches) > 1 else "",
        _sets_a_dose(run, axis),
    )


def _is_one_dose(run: Run, branch: str, words: Sequence[str]) -> bool:
    """Say whether a branch is its trunk but for one dose, so that the trunk is what no dose does."""
    about = run.scenario.get("branches", {}).get(branch, {})
    return words[-1] == "dose" and not about.get("set") and len(about.get("timeline", ())) == 1


def _of_branches(run: Run) -> DoseAxis | None:
    """Return the largest group of branches that are alike but for one dose, None where there is none."""
    groups: dict[str, list[tuple[str, object, str]]] = {}
    for name, about in run.scenario.get("branches", {}).items():
        timeline = [dict(event) for event in about.get("timeline", ())]
        dosed = [event for event in timeline if "dose" in event]
        if len(dosed) == 1:
            dose, substance = dosed[0].pop("dose"), str(dosed[0].get("substance", ""))
            alike = json.dumps([about.get("set"), timeline], sort_keys=True, default=str)
            groups.setdefault(alike, []).append((name, dose, substance))
    best = max(groups.values(), key=len, default=[])
    numbers, unit = same_unit([dose for _, dose, _ in best])
    if len(set(numbers)) < 2 or unit is None:
        return None
    order = np.argsort(numbers, kind="stable")
    doses, branches = np.array(numbers)[order], [best[i][0] for i in order]
    about = run.scenario["branches"][best[0][0]]
    if doses[0] > 0 and not about.get("set") and len(about["timeline"]) == 1:
        doses, branches = np.r_[0.0, doses], [TRUNK, *branches]
    return DoseAxis(run, f"dose of {best[0][2]}", unit, doses, tuple(branches), None, None, "")


def _walked(document: Any, words: Sequence[str]) -> Any:
    """Return what stands at a dotted key of a scenario; None where there is nothing."""
    for word in words:
        if isinstance(document, list | tuple) and word.isdigit() and int(word) < len(document):
            document = document[int(word)]
        elif isinstance(document, Mapping) and word in document:
            document = document[word]
        else:
            return None
    return document
