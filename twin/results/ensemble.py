"""The trajectories of a run: branches × points of a sweep × replicates, and where each stands in the readouts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from twin.errors import InputError, UnknownNameError
from twin.results.layout import BRANCH, REPLICATE
from twin.scenario.futures import TRUNK
from twin.scenario.variants import Coordinate
from twin.units import same_unit

SAME_VALUE = 1e-9  # relative; two spellings of one value
PRINTED = ".6g"  # digits of a value in words


@dataclass(frozen=True)
class Trajectory:
    """One history of the tissue.

    id : of its folder, a hash of everything that determines it.
    branch, point, replicate : what it is; `point` has a position along each axis of the sweep.
    parent : id of the trunk that it forks from, None where its past is its own.
    fork : ticks that it shares with its parent.
    places : where its readouts stand, an index for each leading dimension; several where two points are the same.
    """

    id: str
    branch: str
    point: tuple[int, ...]
    replicate: int
    parent: str | None
    fork: int
    places: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class SweepAxis:
    """One axis of the sweep; the coordinate of its own name, or one for each range of a sample."""

    name: str
    size: int
    coordinates: tuple[Coordinate, ...]


@dataclass(frozen=True)
class Ensemble:
    """All trajectories of a run.

    branches : the trunk first.
    """

    branches: tuple[str, ...]
    axes: tuple[SweepAxis, ...]
    replicates: int
    trajectories: tuple[Trajectory, ...]

    @classmethod
    def plain(cls, replicates: int) -> "Ensemble":
        """Return replicates of one scenario, called 0000, 0001, …: what a run of format 1 is."""
        made = (Trajectory(f"{i:04d}", TRUNK, (), i, None, 0, ((i,),)) for i in range(replicates))
        return cls((TRUNK,), (), replicates, tuple(made))

    @property
    def dims(self) -> tuple[str, ...]:
        """The leading dimensions of the readouts, before the time."""
        branch = (BRANCH,) if len(self.branches) > 1 else ()
        return (*branch, *(axis.name for axis in self.axes), REPLICATE)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of `dims`."""
        branch = (len(self.branches),) if len(self.branches) > 1 else ()
        return (*branch, *(axis.size for axis in self.axes), self.replicates)

    @cached_property
    def by_place(self) -> dict[tuple[int, ...], Trajectory]:
        """The trajectories by where they stand."""
        return {place: t for t in self.trajectories for place in t.places}

    @cached_property
    def by_id(self) -> dict[str, Trajectory]:
        """The trajectories by their ids."""
        return {t.id: t for t in self.trajectories}

    def find(self, replicate: int = 0, branch: str | None = None, point: Mapping[str, Any] | None = None) -> Trajectory:
        """Return one trajectory.

        Parameters
        ----------
        branch : the trunk, without one.
        point : a value for each axis of the sweep, as a number in the units of the readouts or a text; six digits are
            enough, as they are printed. Of a sample its number does. An axis of one value may be left out.

        Raises
        ------
        InputError
            If there is none, or an axis has several values and none is given; what is there is named.
        """
        if not 0 <= replicate < self.replicates:
            raise InputError(f"there is no replicate {replicate}; this run has 0 to {self.replicates - 1}")
        return self.by_place[(*self.place(branch, point), replicate)]

    def place(self, branch: str | None = None, point: Mapping[str, Any] | None = None) -> tuple[int, ...]:
        """Return where a branch at a point stands along the leading dimensions but the replicate; see `find`."""
        if branch is not None and branch not in self.branches:
            raise UnknownNameError("branch", branch, self.branches)
        place: tuple[int, ...] = (self.branches.index(branch or TRUNK),) if len(self.branches) > 1 else ()
        given = dict(point or {})
        for axis in self.axes:
            place = (*place, _position(axis, given))
        if given:
            raise UnknownNameError("axis of the sweep", next(iter(given)), [a.name for a in self.axes])
        return place

    def label(self, trajectory: Trajectory, *, replicate: bool = True) -> str:
        """Return a trajectory in words: "early, dose 10 U/mL, replicate 2"; its replicate counts from 0.

        An axis along which it stands everywhere, as a trunk does along what only branches vary, is not mentioned.
        """
        words = [trajectory.branch] if len(self.branches) > 1 else []
        for axis, position in self.standing(trajectory):
            words += [f"{c.name} {spelt(c, position)}" for c in axis.coordinates]
        if replicate and (self.replicates > 1 or not words):
            words.append(f"replicate {trajectory.replicate}")
        return ", ".join(words)

    def standing(self, trajectory: Trajectory) -> list[tuple[SweepAxis, int]]:
        """Return the axes along which a trajectory stands at one position, and at which."""
        before = int(len(self.branches) > 1)
        return [
            (axis, position)
            for i, (axis, position) in enumerate(zip(self.axes, trajectory.point, strict=True))
            if axis.size == 1 or len({place[before + i] for place in trajectory.places}) == 1
        ]

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "branches": list(self.branches),
            "axes": [asdict(axis) for axis in self.axes],
            "replicates": self.replicates,
            "trajectories": [
                [t.id, t.branch, list(t.point), t.replicate, t.parent, t.fork, [list(p) for p in t.places]]
                for t in self.trajectories
            ],
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Ensemble":
        """Return what `record` gave."""
        axes = [
            SweepAxis(
                axis["name"],
                axis["size"],
                tuple(Coordinate(c["name"], tuple(c["labels"]), c["units"], c["key"]) for c in axis["coordinates"]),
            )
            for axis in record["axes"]
        ]
        trajectories = [
            Trajectory(name, branch, tuple(point), replicate, parent, fork, tuple(tuple(p) for p in places))
            for name, branch, point, replicate, parent, fork, places in record["trajectories"]
        ]
        return cls(tuple(record["branches"]), tuple(axes), record["replicates"], tuple(trajectories))


def point_of(words: Sequence[str]) -> dict[str, Any]:
    """Return a point of a sweep from "axis=value" texts.

    Raises
    ------
    InputError
        If one of them has no "=".
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"--point {word}: write axis=value, like dose='10 U/mL'")
        try:
            found[name] = float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            found[name] = value
    return found


def spelt(coordinate: Coordinate, position: int) -> str:
    """Return one label with its unit."""
    label = coordinate.labels[position]
    if isinstance(label, str):
        return label
    number = f"{label:{PRINTED}}"
    return number if coordinate.units in ("", "1") else f"{number} {coordinate.units}"


def _position(axis: SweepAxis, given: dict[str, Any]) -> int:
    """Return the position along an axis that `given` names, taking its words out."""
    if axis.name in given and all(c.name != axis.name for c in axis.coordinates):  # a sample: by number
        number = given.pop(axis.name)
        if not (isinstance(number, int | np.integer) and 0 <= number < axis.size):
            raise InputError(f"{axis.name} has no point {number!r}; it has 0 to {axis.size - 1}")
        return int(number)
    matches = set(range(axis.size))
    asked = [c for c in axis.coordinates if c.name in given]
    for c in asked:
        matches &= set(_matching(c, given.pop(c.name)))
    if len(matches) == 1 and (asked or axis.size == 1):
        return matches.pop()
    names = " and ".join(c.name for c in axis.coordinates)
    there = "; ".join(", ".join(spelt(c, i) for c in axis.coordinates) for i in range(min(axis.size, 12))) + (
        "; …" if axis.size > 12 else ""
    )
    is_sample = all(c.name != axis.name for c in axis.coordinates)
    number = f"; or by its number, {axis.name}=0 to {axis.name}={axis.size - 1}" if is_sample else ""
    raise InputError(f"say which point of {names}: {there}{number}")


def _matching(coordinate: Coordinate, value: object) -> Sequence[int]:
    """Return the positions that a value names; where it is none, those whose value is printed so."""
    labels = coordinate.labels
    if isinstance(value, str):
        numbers, unit = same_unit([value], coordinate.units) if coordinate.units not in ("", "1") else ((), None)
        if unit is None:
            return [i for i, label in enumerate(labels) if label == value or spelt(coordinate, i) == value]
        value = numbers[0]  # of a text that is a number in that unit; what is printed is one
    if not isinstance(value, int | float | np.number):
        return []
    number = float(value)
    known = [(i, x) for i, x in enumerate(labels) if isinstance(x, float)]
    exact = [i for i, x in known if abs(x - number) <= SAME_VALUE * max(abs(x), 1e-300)]
    return exact or [i for i, x in known if f"{x:{PRINTED}}" == f"{number:{PRINTED}}"]
