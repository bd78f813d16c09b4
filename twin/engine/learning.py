"""What an ensemble learns from a snapshot while it runs, and what each of its trajectories goes on with.

A trajectory that has reached the time of a snapshot commits; its part of the evidence is in its log. When all of its
ensemble are there, one task applies Bayes' rule to it (`twin.kernels.emulate`) and leaves `RUN/updates/<name>.json`;
what comes after that tick is run with the values that stand there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from twin.assimilation.members import Member, setting_of
from twin.assimilation.snapshot import Snapshot
from twin.assimilation.update import Learned, Update, updated
from twin.assimilation.weights import Features
from twin.engine.identity import ID_DIGITS, hash_of
from twin.engine.plan import compile_plan
from twin.errors import InputError, RunError
from twin.kernels.ensemble import LEAST_MEMBERS
from twin.kernels.random import hash_words
from twin.results import Trajectory
from twin.results.commits import load_commits
from twin.results.layout import save_json, trajectory_of, update_of
from twin.scenario.futures import TRUNK
from twin.scenario.learning import Lesson, lessons_of
from twin.scenario.load import LoadedScenario
from twin.scenario.schema import Scenario
from twin.scenario.timeline import Assimilate
from twin.scenario.variants import with_values
from twin.units import round12

HALVINGS = 6  # of a step that ends at what the scenario refuses, before the member stays where it was; our choice

Values = dict[str, str | float]


@dataclass(frozen=True)
class Step:
    """A lesson as one trajectory has it.

    name : of the file. learner : id of the trajectory whose values are taken: its own, or its trunk's.
    """

    index: int
    tick: int
    name: str
    learner: str


@dataclass(frozen=True)
class Group:
    """The trajectories that learn one lesson together, by their ids."""

    lesson: Lesson
    name: str
    members: tuple[Trajectory, ...]


@dataclass(frozen=True)
class Known:
    """Values by dotted key that hold from a tick on: what the trajectory learned, and what its trunk had before."""

    own: Mapping[str, str | float]
    past: Mapping[str, str | float]


NOTHING = Known({}, {})


def groups_of(trajectories: Iterable[Trajectory], scenario: Scenario) -> tuple[Group, ...]:
    """Return all ensembles of all lessons, in the order in which they learn; it is trunks that do."""
    trunks = sorted((t for t in trajectories if t.branch == TRUNK), key=lambda t: t.id)
    found = []
    for lesson in lessons_of(scenario):
        together: dict[tuple[int, ...], list[Trajectory]] = {}
        for t in trunks:
            others = tuple(position for place, position in enumerate(t.point) if place not in lesson.axes)
            together.setdefault(others, []).append(t)
        for members in together.values():
            text = " ".join([str(lesson.index), *(t.id for t in members)])
            found.append(Group(lesson, sha256(text.encode()).hexdigest()[:ID_DIGITS], tuple(members)))
    return tuple(found)


def steps_of(groups: Iterable[Group]) -> dict[str, tuple[Step, ...]]:
    """Return the lessons of each trajectory that has some of its own, by id."""
    found: dict[str, tuple[Step, ...]] = {}
    for group in groups:
        for t in group.members:
            step = Step(group.lesson.index, group.lesson.tick, group.name, t.id)
            found[t.id] = (*found.get(t.id, ()), step)
    return found


def known_at(out: Path, steps: Sequence[Step], trajectory: Trajectory, tick: int) -> Known:
    """Return what has been learned before a tick begins.

    Raises
    ------
    RunError
        If what was learned is missing or damaged.
    """
    own: Values = {}
    past: Values = {}
    for step in steps:
        if step.tick <= tick:
            values = _read(update_of(out, step.name))["values"].get(step.learner, {})
            (own if step.learner == trajectory.id else past).update(values)
    return Known(own, past)


def entries_at(out: Path, steps: Sequence[Step], trajectory: Trajectory, tick: int, tick_hours: float) -> list[Any]:
    """Return what a trajectory's log says of the lessons of its own at a tick: old and new values."""
    found = []
    for step in steps:
        if step.tick == tick and step.learner == trajectory.id:
            document = _read(update_of(out, step.name))
            if not document["values"].get(trajectory.id):  # it learned nothing
                continue
            new, old = document["values"][trajectory.id], document["old_values"][trajectory.id]
            found.append(
                {
                    "tick": tick,
                    "time": round12(tick * tick_hours),
                    "what": "learned",
                    "event": step.index,
                    "file": document["file"],
                    "update": step.name,
                    "parameters": {key: [old[key], new[key]] for key in new},
                }
            )
    return found


def evidence(seen: Features, log_likelihood: float) -> dict[str, Any]:
    """Return features as plain values; rounded, as the last bits of a sum may hang on how it was made."""
    return {
        "features": {
            "names": list(seen.names),
            **{key: [_rounded(x) for x in getattr(seen, key)] for key in ("value", "spread", "error")},
            "counts": dict(seen.counts),
        },
        "log_likelihood": float(f"{log_likelihood:.9g}"),
    }


def learn(out: Path, group: Group, scenarios: Sequence[LoadedScenario], snapshot: Snapshot, seed: int) -> None:
    """Make the step of an ensemble that has come to a snapshot, and leave what it learned; once.

    Where too few of it are still going they go on as they are, and what is left says so.

    Parameters
    ----------
    scenarios : of each member as it has been run so far.
    """
    file = update_of(out, group.name)
    event, index = group.lesson.event, group.lesson.index
    where = f"timeline[{index}] at {event.at:g} h"
    entries = {t.id: _entry(out, t, index) for t in group.members}
    there = [(t, own) for t, own in zip(group.members, scenarios, strict=True) if entries[t.id] is not None]
    document: dict[str, Any] = {
        "event": index,
        "file": event.file,
        "sha256": hash_of(Path(snapshot.source)),
        "tick": group.lesson.tick,
        "time": round12(event.at),
        "members": [t.id for t, _ in there],
        "left_out": [t.id for t in group.members if entries[t.id] is None],
    }
    nothing: dict[str, Values] = {"old_values": {}, "values": {}}
    if len(there) < LEAST_MEMBERS:
        why = f"{len(there)} of {len(group.members)} trajectories are still going, {LEAST_MEMBERS} are needed"
        document |= {"why_not": why, **nothing}
    else:
        try:
            document |= _learned(there, entries, event, snapshot, where, hash_words(seed, "lesson", index))
        except InputError as error:  # no cells left that could be compared
            document |= {"why_not": str(error), **nothing}
    file.parent.mkdir(exist_ok=True)
    save_json(file, document, indent=1)


def _learned(
    there: Sequence[tuple[Trajectory, LoadedScenario]],
    entries: Mapping[str, Any],
    event: Assimilate,
    snapshot: Snapshot,
    where: str,
    seed: int,
) -> dict[str, Any]:
    seen = [_features(entries[t.id]) for t, _ in there]
    wanted = {kind for f in seen for kind, n in f.counts.items() if n}
    if not wanted:
        raise InputError("no cell is left of the types that are compared")
    members = [
        Member(
            t.id,
            t.replicate,
            tuple(setting_of(own.document, key, where) for key in event.parameters),
            _only(f, wanted),
            float(entries[t.id]["log_likelihood"]),
        )
        for (t, own), f in zip(there, seen, strict=True)
    ]
    found = updated(snapshot, members, event.parameters, "emulator", seed)
    values, shortened = _values(there, found)
    return {
        "method": found.method,
        "cell_types": sorted(wanted),
        "energy": _energy([entries[t.id] for t, _ in there]),
        "composition_distance": _rounded(float(np.mean([entries[t.id]["composition_distance"] for t, _ in there]))),
        "parameters": [_told(learned) for learned in found.parameters],
        "effective": _rounded(found.effective),
        "tested": None if found.tested is None else {k: _rounded(v) for k, v in asdict(found.tested).items()},
        "held_back": shortened,
        "old_values": {
            t.id: {learned.path: m.settings[i].text(m.settings[i].value) for i, learned in enumerate(found.parameters)}
            for (t, _), m in zip(there, members, strict=True)
        },
        "values": values,
    }


def _values(
    there: Sequence[tuple[Trajectory, LoadedScenario]], found: Update
) -> tuple[dict[str, Values], dict[str, float]]:
    """Return the new values of each member, and which share of its step those went that could not go all of it."""
    values: dict[str, Values] = {}
    shortened: dict[str, float] = {}
    for i, (t, own) in enumerate(there):
        share = 1.0
        for _ in range(HALVINGS):
            values[t.id] = {learned.path: _moved(learned, i, share) for learned in found.parameters}
            if _is_accepted(own, values[t.id]):
                break
            share /= 2
        else:
            share = 0.0
            values[t.id] = {}
        if share < 1:
            shortened[t.id] = share
    return values, shortened


def _moved(learned: Learned, member: int, share: float) -> str | float:
    """Return a member's value some part of its step on, along the scale on which it is learned."""
    old, new = learned.priors[member], learned.members[member]
    if learned.log:
        value = float(np.exp(np.log(old) + share * (np.log(new) - np.log(old))))
    else:
        value = float(old + share * (new - old))
    return learned.setting.text(value)


def _is_accepted(own: LoadedScenario, values: Mapping[str, Any]) -> bool:
    try:
        compile_plan(with_values(own, values))
    except InputError:
        return False
    return True


def _energy(entries: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the energy distance of each cell type from the snapshot's, before anything was learned: a mean over all.

    A type that a member had too few cells of counts in none.
    """
    found: dict[str, list[float]] = {}
    for entry in entries:
        for record in entry["before"]:
            if record["energy"] is not None:
                found.setdefault(record["cell_type"], []).append(record["energy"])
    return {kind: _rounded(float(np.mean(values))) for kind, values in sorted(found.items())}


def _entry(out: Path, t: Trajectory, index: int) -> Any:
    """Return what a trajectory put down of itself when it came to the snapshot; None where it never did."""
    for commit in load_commits(trajectory_of(out, t.id)):
        for entry in commit.log:
            if entry["what"] == "assimilate" and entry["event"] == index:
                return entry
    return None


def _features(entry: Mapping[str, Any]) -> Features:
    f = entry["features"]
    value, spread, error = (np.array(f[key], dtype=np.float64) for key in ("value", "spread", "error"))
    return Features(tuple(f["names"]), value, spread, error, f["counts"])


def _only(f: Features, kinds: set[str]) -> Features:
    """Return features without those of kinds that no member has."""
    keep = np.array([name.rpartition(" ")[0] in kinds for name in f.names], dtype=np.bool_)
    names = tuple(name for name, kept in zip(f.names, keep, strict=True) if kept)
    return Features(
        names, f.value[keep], f.spread[keep], f.error[keep], {k: n for k, n in f.counts.items() if k in kinds}
    )


def _told(learned: Learned) -> dict[str, Any]:
    return {
        "key": learned.path,
        "unit": learned.setting.unit,
        "log": learned.log,
        "before": [_rounded(x) for x in learned.before],
        "after": [_rounded(x) for x in learned.after],
    }


def _rounded(x: float) -> float:
    return float(f"{x:.6g}")


def _read(file: Path) -> Any:
    try:
        return _parsed(file, file.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read ({error}): delete it, and resume; it is made again") from error


@lru_cache(maxsize=64)
def _parsed(file: Path, modified: int) -> Any:
    return json.loads(file.read_text("utf-8"))
