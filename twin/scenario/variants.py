"""The scenarios that one scenario stands for: each point of its sweep, and each branch of each point."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from twin.errors import Fault, InputError
from twin.kernels.random import hash_words
from twin.scenario.futures import TRUNK, Axis, Range
from twin.scenario.load import LoadedScenario, ScenarioSource
from twin.scenario.overlay import Mark, Marked, put
from twin.scenario.schema import Scenario
from twin.scenario.timeline import whole_ticks
from twin.units import round12, same_unit

Point = tuple[int, ...]  # a position along each axis of the sweep

MOST_TRAJECTORIES = 100_000  # our choice: as many as replicates; above it an axis was mistyped
ALIKE = ("name", "description", "duration", "tick", "replicates", "sweep", "observe", "execution")
# what a branch cannot change at its fork
FROM_THE_START = ("seed", "world_model", "compartments", "variation", "branches")
MADE_OF = tuple(("intracellular", [key]) for key in ("file", "cell_types", "per", "initial", "spread"))  # nor this
FORECAST = "what all trajectories share cannot be varied: leave it out"
INSTEAD = {
    "duration": "all trajectories have the same times: take the longest, or end some early with stop_when",
    "tick": "all trajectories have the same clock: run the scenario again with --set tick=… and compare the two",
    "observe": "all trajectories have the same readouts: ask for all that any of them needs",
    "execution": "it changes no result: leave it out",
}


@dataclass(frozen=True)
class Coordinate:
    """The labels along an axis: numbers in `units` ("1" for pure ones), or texts.

    key : what is set, as the scenario writes it.
    """

    name: str
    labels: tuple[float, ...] | tuple[str, ...]
    units: str
    key: str


@dataclass(frozen=True)
class Positions:
    """An axis of a sweep, spelt out.

    coordinates : one that is called as the axis is, or one for each range of a sample.
    settings : for each position (key, value) pairs.
    """

    name: str
    coordinates: tuple[Coordinate, ...]
    settings: tuple[tuple[tuple[str, Any], ...], ...]


def axes_of(source: ScenarioSource, scenario: Scenario) -> tuple[Positions, ...]:
    """Return the axes of the sweep, spelt out.

    Raises
    ------
    ScenarioError
        With everything that is wrong with them.
    """
    faults: list[Fault] = []
    axes = []
    n = prod(axis.size for axis in scenario.sweep.values()) * scenario.replicates * (1 + len(scenario.branches))
    if n > MOST_TRAJECTORIES:
        parts = [f"{axis.size:,} ({name})" for name, axis in scenario.sweep.items()]
        parts += [f"{scenario.replicates:,} replicates"] if scenario.replicates > 1 else []
        parts += [f"{1 + len(scenario.branches)} branches"] if scenario.branches else []
        faults.append(
            source.fault(
                ("sweep",) if scenario.sweep else ("branches",),
                f"{' × '.join(parts)} are {n:,} trajectories, at most {MOST_TRAJECTORIES:,} are run: take fewer "
                "values, or sample: sobol",
            )
        )
        raise source.error(faults)
    for name, axis in scenario.sweep.items():
        try:
            axes.append(_positions(name, axis, source.document["sweep"][name]))
        except ValueError as error:
            faults.append(source.fault(("sweep", name), str(error)))
    if faults:
        raise source.error(faults)
    return tuple(axes)


def points_of(axes: Sequence[Positions]) -> Iterator[Point]:
    """Yield every point of the sweep, the last axis fastest; one empty point without a sweep."""
    yield from product(*(range(len(axis.settings)) for axis in axes))


def variant(
    source: ScenarioSource, axes: Sequence[Positions], point: Point, branch: str = TRUNK
) -> tuple[ScenarioSource, float | None]:
    """Return the document of one branch at one point, and when it forks from the trunk at that point (h).

    The document has neither branches nor a sweep left; each value that was set keeps the mark of where that is said.

    Raises
    ------
    ScenarioError
        If a value cannot be put where it should be.
    """
    marked = Marked(deepcopy(source.document), dict(source.marked.marks))
    faults: list[Fault] = []
    for axis, position in zip(axes, point, strict=True):
        mark = _mark(source, "sweep", axis.name)
        for key, value in axis.settings[position]:
            _put(source, marked, key, value, mark, ("sweep", axis.name), faults)
    branches = marked.tree.pop("branches", None) or {}
    marked.tree.pop("sweep", None)
    fork: float | None = None
    if branch != TRUNK:
        fork = _branch_off(source, marked, branch, branches[branch], faults)
    if faults:
        raise source.error(faults)
    allowed = source.allow_outside
    return ScenarioSource(source.file, source.folder, marked, source.typed, allowed, source.unread), fork


def load_variant(
    loaded: ScenarioSource, axes: Sequence[Positions], point: Point, branch: str = TRUNK
) -> tuple[LoadedScenario, int]:
    """Return one branch at one point, checked, and the tick at which it forks (0: it has no past to share).

    Raises
    ------
    ScenarioError
        With everything that is wrong with it.
    """
    source, fork = variant(loaded, axes, point, branch)
    scenario, faults = source.validate()
    if scenario is None:
        raise loaded.error(faults)
    own = LoadedScenario.of(source, scenario)
    if fork is None:
        return own, 0
    try:
        tick = whole_ticks(fork, scenario.tick, "at")
    except ValueError as error:
        raise loaded.error([loaded.fault(("branches", branch, "at"), str(error).removeprefix("at: "))]) from error
    if tick >= scenario.n_ticks:
        message = f"forks at {fork:g} h, but the run ends at {scenario.duration:g} h"
        raise loaded.error([loaded.fault(("branches", branch, "at"), message)])
    return own, tick


def with_values(loaded: LoadedScenario, values: Mapping[str, Any]) -> LoadedScenario:
    """Return a scenario with other values at some dotted keys, checked.

    Raises
    ------
    ScenarioError
        With everything that is wrong with it then.
    """
    if not values:
        return loaded
    marked = Marked(deepcopy(loaded.document), dict(loaded.marked.marks))
    for key, value in values.items():
        put(marked, key, value, {}, Mark(None, "learned, "))
    source = ScenarioSource(loaded.file, loaded.folder, marked, loaded.typed, loaded.allow_outside, loaded.unread)
    scenario, faults = source.validate()
    if scenario is None:
        raise source.error(faults)
    return LoadedScenario.of(source, scenario)


def name_faults(source: ScenarioSource, scenario: Scenario, taken: Sequence[str]) -> list[Fault]:
    """Return what is wrong with the names of branches and axes, and with the keys that they set.

    taken : names of dimensions and readouts, which no axis can have.
    """
    faults = []
    for name, branch in scenario.branches.items():
        if name == TRUNK or not _is_word(name):
            why = "is what the scenario itself is called" if name == TRUNK else "is no plain word"
            faults.append(source.fault(("branches", name), f"{name!r} {why}: take another name"))
        for key in branch.set:
            root, _, rest = key.partition(".")
            if root in (*ALIKE, *FROM_THE_START) or (root, rest.split(".")[1:2]) in MADE_OF:
                settled = "was settled when the past began: sweep over it instead"
                why = INSTEAD.get(root, FORECAST) if root in ALIKE else settled
                faults.append(source.fault(("branches", name, "set", key), why))
    seen: dict[str, str] = {}
    for name, axis in scenario.sweep.items():
        for word in (name, *(axis.over or ())):
            if word in taken or not _is_word(word) or word in seen:
                why = "is taken" if word in taken or word in seen else "is no plain word"
                faults.append(source.fault(("sweep", name), f"the name {word!r} {why}: take another one"))
            seen[word] = name
        for key in keys_of(axis):
            if key.split(".")[0] in ALIKE:
                why = INSTEAD.get(key.split(".")[0], FORECAST)
                faults.append(source.fault(("sweep", name, "key"), f"{key}: {why}"))
    return faults


def _is_word(name: str) -> bool:
    return name.replace("-", "_").isidentifier()


def keys_of(axis: Axis | Range) -> tuple[str, ...]:
    """Return the keys that an axis sets."""
    if isinstance(axis, Axis) and axis.over is not None:
        return tuple(key for part in axis.over.values() for key in keys_of(part))
    key = axis.key
    return () if key is None else (key,) if isinstance(key, str) else key


def _positions(name: str, axis: Axis, written: Mapping[str, Any]) -> Positions:
    if axis.over is not None:
        assert axis.n is not None
        unit = _draw(axis, axis.n, len(axis.over))  # (point, range)
        parts = [(inner, keys_of(part), _spread(part, unit[:, i])) for i, (inner, part) in enumerate(axis.over.items())]
    elif axis.values is not None:
        parts = [(name, keys_of(axis), list(written["values"]))]
    else:
        assert axis.n is not None
        steps = np.linspace(0, 1, axis.n) if axis.n > 1 else np.zeros(1)
        ends = Range(key=axis.key or "", low=axis.low or 0.0, high=axis.high or 0.0, scale=axis.scale or "linear")
        parts = [(name, keys_of(axis), _spread(ends, steps))]
    settings = tuple(
        tuple((key, values[i]) for _, keys, values in parts for key in keys) for i in range(len(parts[0][2]))
    )
    return Positions(name, tuple(_coordinate(n, keys, values) for n, keys, values in parts), settings)


def _coordinate(name: str, keys: Sequence[str], values: Sequence[Any]) -> Coordinate:
    key = ", ".join(keys)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return _unique(Coordinate(name, tuple(float(v) for v in values), "1", key))
    numbers, unit = same_unit(values)
    if unit is not None:
        return _unique(Coordinate(name, numbers, unit, key))
    return _unique(Coordinate(name, tuple(v if isinstance(v, str) else repr(v) for v in values), "", key))


def _unique(coordinate: Coordinate) -> Coordinate:
    seen: set[object] = set()
    for label in coordinate.labels:
        if label in seen:
            raise ValueError(f"has the value {label} twice")
        seen.add(label)
    return coordinate


def _spread(ends: Range, share: NDArray[np.float64]) -> list[Any]:
    """Return values between two bounds, `share` (0 to 1) of the way, spelt as the lower bound is."""
    numbers, unit = same_unit([ends.low, ends.high])
    if unit is None:
        if isinstance(ends.low, str) or isinstance(ends.high, str):
            raise ValueError(f"low: {ends.low} and high: {ends.high} need numbers, of the same kind")
        numbers = (float(ends.low), float(ends.high))
    low, high = numbers
    if not low < high and len(share) > 1:
        raise ValueError(f"low: {ends.low} is not below high: {ends.high}")
    if ends.scale == "log":
        if low <= 0:
            raise ValueError(f"low: {ends.low} is not above 0, as a log scale needs")
        found = np.exp(np.log(low) + share * (np.log(high) - np.log(low)))
    else:
        found = low + share * (high - low)
    rounded = [round12(float(v)) for v in found]
    if unit is not None:
        return [f"{v:.12g} {unit}" for v in rounded]
    return [int(v) if v.is_integer() else v for v in rounded]


def _draw(axis: Axis, n: int, width: int) -> NDArray[np.float64]:
    """Return n points of the unit cube, (point, range); the first points of a Sobol sequence stay when n grows."""
    key = hash_words(axis.seed, "sweep", *(axis.over or ()))
    if axis.sample == "sobol":  # shifted as a whole (Cranley and Patterson 1976): no point lies in the corner
        shift = np.random.default_rng(key).random(width)
        sobol = qmc.Sobol(width, scramble=False)
        return np.asarray((sobol.random_base2(int(np.ceil(np.log2(max(n, 1)))))[:n] + shift) % 1.0)
    luck = np.random.default_rng(key)
    strata = np.stack([luck.permutation(n) for _ in range(width)], axis=1)
    return np.asarray((strata + luck.random((n, width))) / n)


def _mark(source: ScenarioSource, *path: str) -> Mark:
    found = next(
        (source.marked.marks[path[:k]] for k in range(len(path), 0, -1) if path[:k] in source.marked.marks), Mark(None)
    )
    return Mark(found.line, f"{found.place}{'.'.join(path)}, ")


def _put(
    source: ScenarioSource,
    marked: Marked,
    key: str,
    value: Any,
    mark: Mark,
    place: tuple[str, ...],
    faults: list[Fault],
) -> None:
    try:
        put(marked, key, deepcopy(value), {}, mark)
    except InputError as error:
        faults.append(source.fault(place, str(error)))


def _branch_off(
    source: ScenarioSource, marked: Marked, name: str, branch: Mapping[str, Any], faults: list[Fault]
) -> float | None:
    """Apply a branch to the document of its trunk and return when it forks, h; None where that is not said well."""
    for key, value in (branch.get("set") or {}).items():
        _put(source, marked, key, value, _mark(source, "branches", name, "set", key), ("branches", name, "set"), faults)
    events = list(branch.get("timeline") or ())
    if events:
        own = marked.tree.get("timeline")
        kept = list(own) if isinstance(own, list) else []
        marked.tree["timeline"] = [*kept, *events]
        for i in range(len(events)):
            mark = _mark(source, "branches", name, "timeline")
            found = source.marked.marks.get(("branches", name, "timeline", i), Mark(mark.line))
            marked.marks[("timeline", len(kept) + i)] = Mark(found.line, f"{found.place}branches.{name}, ")
    at = branch.get("at")
    starts = [at] if at is not None else [e.get("at") for e in events if isinstance(e, dict)]
    hours, _ = same_unit([t for t in starts if t is not None], "hour")
    if not hours:
        faults.append(source.fault(("branches", name), "says not when it forks: give at, like at: 6 h"))
        return None
    return min(hours)
