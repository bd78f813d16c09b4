"""What a timeline learns of the scenario itself while it runs: its events `assimilate` by method `update`.

The trajectories that learn together are those of one branch that differ only in what is learned, in what is varied
along with it, and in their luck: the points along every axis that sets a learned key, times the replicates.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from twin.errors import Fault
from twin.kernels.ensemble import LEAST_MEMBERS
from twin.scenario.futures import Axis
from twin.scenario.load import ScenarioSource
from twin.scenario.overlay import Key
from twin.scenario.schema import Scenario
from twin.scenario.timeline import Assimilate, Event, event_ticks
from twin.scenario.variants import ALIKE, FROM_THE_START, keys_of


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
        for i, event in _updates(scenario.timeline)
        if (ticks := event_ticks(event, scenario.tick, scenario.n_ticks))
    ]
    return tuple(sorted(found, key=lambda lesson: (lesson.tick, lesson.index)))


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


def settled_by(scenario: Scenario, branch: str, fork: int) -> tuple[str, ...]:
    """Return the keys, learned before a branch forks at a tick, that it sets itself: what was learned ends there."""
    if branch not in scenario.branches:
        return ()
    learned = {key for lesson in lessons_of(scenario) if lesson.tick <= fork for key in lesson.event.parameters}
    own = [f"{key}." for key in scenario.branches[branch].set]
    return tuple(sorted(key for key in learned if any(f"{key}.".startswith(k) or k.startswith(f"{key}.") for k in own)))


def learning_faults(source: ScenarioSource, scenario: Scenario) -> list[Fault]:
    """Return what is wrong with the events that learn, and with branches and axes that would change them."""
    faults = [fault for i, event in _updates(scenario.timeline) for fault in _event_faults(source, scenario, i, event)]
    fixed = {f"timeline.{i}" for i, _ in _updates(scenario.timeline)}
    for name, branch in scenario.branches.items():
        for i, _ in _updates(branch.timeline):
            message = "an update is of all futures: put it into the scenario's own timeline, before or after the fork"
            faults.append(source.fault(("branches", name, "timeline", i), message))
        faults += [
            source.fault(("branches", name, "set", key), f"{key}: {_SETTLED}") for key in branch.set if _in(key, fixed)
        ]
    for name, axis in scenario.sweep.items():
        faults += [source.fault(("sweep", name), f"{key}: {_SETTLED}") for key in keys_of(axis) if _in(key, fixed)]
    return faults


_SETTLED = "an ensemble learns from one snapshot at one time: leave the event as it is"


def _in(key: str, places: set[str]) -> bool:
    return ".".join(key.split(".")[:2]) in places or key == "timeline"


def _updates(timeline: Sequence[Event]) -> Iterator[tuple[int, Assimilate]]:
    for i, event in enumerate(timeline):
        if isinstance(event, Assimilate) and event.method == "update":
            yield i, event


def _event_faults(source: ScenarioSource, scenario: Scenario, i: int, event: Assimilate) -> Iterator[Fault]:
    loc: tuple[Key, ...] = ("timeline", i)
    if event.at >= scenario.duration:
        yield source.fault(
            (*loc, "at"), f"at {event.at:g} h the run ends: nothing is left to be run with what is learned"
        )
    for j, key in enumerate(event.parameters):
        root, *below = key.split(".")
        if root in (*ALIKE, *FROM_THE_START) or (root == "timeline" and _is_over(scenario, below, event)):
            why = "is over by then" if root == "timeline" else "was settled when the run began"
            yield source.fault((*loc, "parameters", j), f"{key} {why}: what is learned has to matter afterwards")
        elif not list(axes_that_set(scenario, [key])):
            yield source.fault(
                (*loc, "parameters", j),
                f"{key} is the same in all trajectories, so nothing can be learned of it: give the sweep an axis that "
                f"sets it, like rate: {{key: {key}, low: …, high: …, n: 8}}",
            )
    members = _size(list(scenario.sweep.values()), set(axes_that_set(scenario, event.parameters))) * scenario.replicates
    if members < LEAST_MEMBERS:
        yield source.fault(
            (*loc, "method"),
            f"{members} trajectories learn together, {LEAST_MEMBERS} are needed: take more values or replicates",
        )


def _is_over(scenario: Scenario, below: Sequence[str], learner: Assimilate) -> bool:
    """Say whether an event of the timeline, `below` its place and key, happens at no time after a snapshot's."""
    if not below or not below[0].isdecimal() or int(below[0]) >= len(scenario.timeline):
        return False
    event = scenario.timeline[int(below[0])]
    last = event.until if event.until is not None else scenario.duration
    return (event.at if event.every is None and event.when is None else last) < learner.at


def _size(axes: Sequence[Axis], places: set[int]) -> int:
    return prod(axis.size for place, axis in enumerate(axes) if place in places)
