"""What a timeline learns of the scenario itself while it runs: its events `assimilate` by method `update`.

The trajectories that learn together differ only in what is learned, in what is varied along with it, and in their luck:
the points along every axis that sets a learned key, times the replicates. A snapshot is of what really happened, so it
is the trunk that learns; branches fork at its time or later.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twin.errors import Fault, ScenarioError
from twin.scenario.futures import TRUNK
from twin.scenario.load import ScenarioSource
from twin.scenario.overlay import Key
from twin.scenario.schema import Scenario
from twin.scenario.timeline import Assimilate, Event, event_ticks, whole_ticks
from twin.scenario.variants import ALIKE, FROM_THE_START, Positions, keys_of, load_variant, with_values
from twin.units import number_and_unit, same_unit

PROBE = 1.0137  # a value by which a learned one may be multiplied: what takes whole numbers only does not take it
_SETTLED = "an ensemble learns from one snapshot at one time: leave the event as it is"


@dataclass(frozen=True)
class Lesson:
    """One event that learns.

    index : its place in the timeline. tick : what comes after it is run with what was learned.
    axes : places, among the axes of the sweep, of those along which the ensemble lies.
    """

    index: int
    tick: int
    event: Assimilate
    axes: tuple[int, ...]


def lessons_of(scenario: Scenario) -> tuple[Lesson, ...]:
    """Return the events that learn, by time and then by their place in the timeline."""
    found = [
        Lesson(i, ticks[0], event, tuple(axes_that_set(scenario, event.parameters)))
        for i, event in updates_in(scenario.timeline)
        if (ticks := event_ticks(event, scenario.tick, scenario.n_ticks))
    ]
    return tuple(sorted(found, key=lambda lesson: (lesson.tick, lesson.index)))


def updates_in(timeline: Sequence[Event]) -> Iterator[tuple[int, Assimilate]]:
    """Yield the events that learn, each with its place."""
    for i, event in enumerate(timeline):
        if isinstance(event, Assimilate) and event.method == "update":
            yield i, event


def axes_that_set(scenario: Scenario, keys: Sequence[str]) -> Iterator[int]:
    """Yield the places of the axes of the sweep that set any of some keys."""
    for place, axis in enumerate(scenario.sweep.values()):
        if set(keys_of(axis)) & set(keys):
            yield place


def axes_of_ensembles(scenario: Scenario) -> list[str]:
    """Return the names of the axes of the sweep along which trajectories learn together."""
    names = list(scenario.sweep)
    return sorted({names[place] for lesson in lessons_of(scenario) for place in lesson.axes})


def learns_among(source: ScenarioSource, scenario: Scenario) -> str:
    """Return what, besides its own values, a trajectory of a scenario depends on: the others of its ensemble.

    "" where nothing is learned.
    """
    along = axes_of_ensembles(scenario)
    if not along:
        return ""
    axes = [source.document["sweep"][name] for name in along]
    return json.dumps([axes, scenario.replicates], ensure_ascii=False, separators=(",", ":"))


def settled_by(scenario: Scenario, branch: str) -> tuple[str, ...]:
    """Return the learned keys that a branch sets itself: what was learned ends at its fork."""
    if branch not in scenario.branches:
        return ()
    learned = {key for _, event in updates_in(scenario.timeline) for key in event.parameters}
    own = [f"{key}." for key in scenario.branches[branch].set]
    return tuple(sorted(key for key in learned if any(f"{key}.".startswith(k) or k.startswith(f"{key}.") for k in own)))


def learning_faults(source: ScenarioSource, scenario: Scenario, axes: Sequence[Positions]) -> list[Fault]:
    """Return what is wrong with the events that learn, and with branches and axes that would change them.

    axes : of the sweep, spelt out.
    """
    updates = list(updates_in(scenario.timeline))
    faults = [fault for i, event in updates for fault in _event_faults(source, scenario, axes, i, event)]
    fixed = {f"timeline.{i}" for i, _ in updates}
    for name, branch in scenario.branches.items():
        for i, _ in updates_in(branch.timeline):
            message = "what really happened is the trunk's to learn from: put it into the scenario's own timeline"
            faults.append(source.fault(("branches", name, "timeline", i), message))
        faults += [
            source.fault(("branches", name, "set", key), f"{key}: {_SETTLED}") for key in branch.set if _in(key, fixed)
        ]
    for name, axis in scenario.sweep.items():
        faults += [source.fault(("sweep", name), f"{key}: {_SETTLED}") for key in keys_of(axis) if _in(key, fixed)]
    for (i, one), (j, other) in ((a, b) for a in updates for b in updates if a[0] < b[0]):
        if _tick(scenario, one) == _tick(scenario, other):
            faults.append(
                source.fault(
                    ("timeline", j),
                    f"timeline[{i}] learns at {one.at:g} h, too: two steps would count one prediction twice; join the "
                    "files, or take one",
                )
            )
    return faults


def variant_fault(source: ScenarioSource, scenario: Scenario, own: Scenario, branch: str, fork: int) -> Fault | None:
    """Return what is wrong with a point of the sweep, or a branch that forks at a tick, as its own scenario says it."""
    place = ("sweep",) if branch == TRUNK else ("branches", branch)
    if list(updates_in(own.timeline)) != list(updates_in(scenario.timeline)):
        return source.fault(place, _SETTLED)
    late = next((lesson for lesson in lessons_of(scenario) if lesson.tick > fork), None)
    if branch == TRUNK or late is None:
        return None
    return source.fault(
        place,
        f"forks at {fork * scenario.tick:g} h, but the snapshot of timeline[{late.index}] at {late.event.at:g} h is of "
        "what really happened: fork at that time or later",
    )


def _event_faults(
    source: ScenarioSource, scenario: Scenario, axes: Sequence[Positions], i: int, event: Assimilate
) -> Iterator[Fault]:
    loc: tuple[Key, ...] = ("timeline", i)
    if not 0 < event.at < scenario.duration:
        why = "nothing has happened yet" if event.at <= 0 else "the run ends: what is learned would change nothing"
        yield source.fault((*loc, "at"), f"at {event.at:g} h {why}")
    for j, key in enumerate(event.parameters):
        why_not = _why_not(scenario, key, event) or _values_fault(source, axes, key)
        if why_not:
            yield source.fault((*loc, "parameters", j), f"{key} {why_not}")


def _why_not(scenario: Scenario, key: str, learner: Assimilate) -> str:
    """Return why nothing can be learned of a key; "" where something can."""
    root, *below = key.split(".")
    if root in (*ALIKE, *FROM_THE_START) or (root == "substances" and below[-1:] == ["initial"]):
        return "was settled when the run began: what is learned has to matter afterwards"
    if root == "timeline" and below and below[0].isdecimal() and int(below[0]) < len(scenario.timeline):
        event = scenario.timeline[int(below[0])]
        again = event.every is not None or event.when is not None
        last = scenario.duration if event.until is None else event.until
        if event.at >= learner.at:
            return "has done nothing yet by then: the snapshot says nothing of it"
        if not again or last <= learner.at:
            return "is over by then: what is learned has to matter afterwards"
    if not list(axes_that_set(scenario, [key])):
        return (
            "is the same in all trajectories, so nothing can be learned of it: give the sweep an axis with this very "
            f"key, like rate: {{key: {key}, low: …, high: …, n: 8}}"
        )
    return ""


def _values_fault(source: ScenarioSource, axes: Sequence[Positions], key: str) -> str:
    """Return what is wrong with the values of a learned key: they are numbers, in one unit, and others can be taken."""
    values = [value for axis in axes for setting in axis.settings for k, value in setting if k == key]
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    written = [number_and_unit(v) if isinstance(v, str) else None for v in values]
    units = {found[1] for found in written if found is not None}
    if not plain and (None in written or same_unit(values)[1] is None):
        return f"has values that are no numbers of one kind, like {values[0]!r}: only numbers can be learned"
    if len(units) > 1:
        return f"has values in {' and in '.join(sorted(units))}: write all of them in one unit"
    number = float(values[0]) if written[0] is None else written[0][0]
    probe = number * PROBE or PROBE
    try:
        own = load_variant(source, axes, tuple(0 for _ in axes))[0]
        with_values(own, {key: probe if plain else f"{probe:.6g} {next(iter(units))}"})
    except ScenarioError as error:
        return f"can take no values between those of the sweep ({error.faults[0].message}): it cannot be learned"
    return ""


def _tick(scenario: Scenario, event: Assimilate) -> int:
    return whole_ticks(event.at, scenario.tick, "at")


def _in(key: str, places: set[str]) -> bool:
    return ".".join(key.split(".")[:2]) in places or (key == "timeline" and bool(places))
