"""Where a run is: what its store holds, and what this server's worker says beside it."""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

from twin.errors import InputError
from twin.results import Run, Trajectory
from twin.results.layout import COMMITS, trajectory_of
from twin.results.status import Status, status_of
from twin_web.tissue.keeper import Keeper, Live
from twin_web.tissue.lines import lines_of, newest_of, scenes_of
from twin_web.viewer.shelf import Shelf, Version, version_of

# What a reader meets that comes while readouts are replaced by those that have room for a branch: none, or others.
BEING_REPLACED = (InputError, OSError, KeyError, ValueError)
MOST = 32  # runs whose standing is remembered; our choice


@dataclass(frozen=True)
class Held:
    """What a store holds, worked out when it changed. seen : by what a change is noticed."""

    seen: tuple[object, ...]
    told: dict[str, Any]


class Standings:
    """Where runs are, from any thread; a store is read again only where it has changed."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper, self._shelf = keeper, Shelf()
        self._held: OrderedDict[Path, Held] = OrderedDict()
        self._types: OrderedDict[tuple[Path, Version | None], list[dict[str, Any]]] = OrderedDict()
        self._lock = Lock()

    def run(self, path: Path) -> Run:
        """Return a run, opened once.

        Raises
        ------
        InputError
            If it is no run, or has not begun.
        """
        return self._shelf.open(path).run

    def told(self, name: str, path: Path) -> dict[str, Any]:
        """Return where a run is, all of it: a page that comes at any time needs no more."""
        live, over = self._keeper.live.get(name), self._keeper.over.get(name)
        base: dict[str, Any] = {"kind": "run", "run": name, "scenario": f"run-{name}"}
        held: dict[str, Any] = {"name": name, "hours": None, "tick": None, "branches": [], "frames": 0}
        held |= {"committed": None, "readouts": [], "hour": 0.0, "cells": None}
        try:
            run = self.run(path)
        except InputError:
            status = None
        else:
            status = status_of(run)
            held = self._of_store(path, run, status) or held
        state = live.state if live is not None else _state_of(status, over.outcome if over is not None else None)
        told = base | held | {"state": state, "ours": live is not None}
        told |= self._going(name, live, told)
        message: str | None = None
        errors: tuple[str, ...] = ()
        if state == "failed":
            message = over.message if over is not None else None
            message = message or (_first_error(status) if status is not None else None)
            errors = over.errors if over is not None else ()
        return told | {
            "message": message,
            "errors": list(errors),
            "can": _can(state, live, has_store=status is not None, committed=told["committed"]),
        }

    def types_at_start(self, path: Path) -> list[dict[str, Any]]:
        """Return how many cells of each type a run begins with, the most numerous first; [] where none are kept yet."""
        record = path / "zarr.json"  # a run that was deleted, and begun anew under its name, is another one
        key = path, version_of(record) if record.is_file() else None
        with self._lock:
            if key in self._types:
                return self._types[key]
        count: Counter[str] = Counter()
        try:
            run = self.run(path)
            for home in run.compartments:
                count.update(str(t) for t in run.cells(0.0, compartment=home, counts=False).obs["cell_type"])
        except InputError:
            return []
        found = [{"name": name, "n": n} for name, n in count.most_common()]
        with self._lock:
            self._types[key] = found
            while len(self._types) > MOST:
                self._types.popitem(last=False)
        return found

    def _of_store(self, path: Path, run: Run, status: Status) -> dict[str, Any] | None:
        """Return what a store holds, or held a moment ago: while a branch is added its readouts are replaced."""
        lists = [version_of(trajectory_of(path, t.id) / COMMITS) for t in run.trajectories]
        states = tuple(s.state for s in status.standings)
        seen = (version_of(path / "zarr.json"), *lists, *states)
        with self._lock:
            held = self._held.get(path)
        if held is None or held.seen != seen:
            try:
                held = Held(seen, _held(run, status))
            except BEING_REPLACED:
                if not status.is_alive:
                    raise
                return None if held is None else dict(held.told)
            with self._lock:
                self._held[path] = held
                while len(self._held) > MOST:
                    self._held.popitem(last=False)
        return dict(held.told)

    def _going(self, name: str, live: Live | None, told: dict[str, Any]) -> dict[str, Any]:
        """Return what the worker of a run says: where it is between two commits, how fast, how much is left."""
        nothing: dict[str, Any] = {
            "ticks_per_second": None,
            "seconds_left": None,
            "seconds_run": None,
            "place": 0,
            "branching": None,
            "processes": 0,
        }
        if live is None:
            return nothing
        said = nothing | {"place": self._keeper.place(name), "branching": live.branching, "processes": live.processes}
        if live.began:
            said["seconds_run"] = round(monotonic() - live.began, 1)
        branches = [dict(branch) for branch in told["branches"]]
        tick, n_ticks = told["tick"], live.n_ticks
        if not branches or not n_ticks or tick is None:
            return said
        for branch in branches:
            here = live.ticks.get(branch["id"])
            if here is not None:
                branch["hour"] = max(branch["hour"], round(here.tick * tick, 9))
                branch["cells"] = here.n_cells
        said |= {"branches": branches, "hour": max(branch["hour"] for branch in branches)}
        said["cells"] = next((branch["cells"] for branch in branches if branch["cells"] is not None), None)
        rates = [here.rate for here in live.ticks.values() if here.rate > 0]
        if rates and live.state == "running":
            together = sum(sorted(rates)[-live.processes :])
            left = sum(told["n_ticks"] - b["hour"] / tick for b in branches if b["hour"] < told["hours"])
            said["ticks_per_second"] = round(together, 3)
            said["seconds_left"] = round(left * told["replicates"] / together, 1)
        return said


def _held(run: Run, status: Status) -> dict[str, Any]:
    n_ticks, tick = int(run.attrs["n_ticks"]), float(run.attrs["tick"])
    states = {s.trajectory.id: s for s in status.standings}
    by_id = run.ensemble.by_id
    branches: list[dict[str, Any]] = []
    for label, part in scenes_of(run):
        own = by_id[part.trajectories[0].id]
        frames = [float(t) for t in part.times()]
        kept = states[own.id].ticks * tick
        branches.append(
            {
                "id": own.id,
                "name": label,
                "branch": own.branch,
                "hour": round(kept, 9),
                "kept": round(kept, 9),
                "fork": round(own.fork * tick, 9),
                "parent": own.parent,
                "state": states[own.id].state,
                "frames": frames,
                "cells": None,
            }
        )
    lines = lines_of(run, by_type=False)
    counts = {r["branch"]: r["value"] for r in newest_of(lines) if r["name"] == "cells"}
    for branch in branches:
        value = counts.get(branch["name"])
        branch["cells"] = None if value is None else round(value)
    return {
        "name": run.attrs.get("name", run.path.name),
        "hours": round(n_ticks * tick, 9),
        "tick": tick,
        "n_ticks": n_ticks,
        "replicates": run.replicates,
        "branches": branches,
        "frames": sum(len(branch["frames"]) for branch in branches),
        "committed": round(committed(run) * tick, 9),
        "readouts": newest_of(lines),
        "hour": max((branch["hour"] for branch in branches), default=0.0),
        "cells": branches[0]["cells"] if branches else None,
        "stopped_early": [f"{branch}: {why}" for branch, why in _endings(run)],
    }


def trunks(run: Run) -> list[Trajectory]:
    """Return the trajectories from which a branch may fork: every replicate and point of the scenario itself."""
    return [t for t in run.trajectories if t.parent is None]


def committed(run: Run) -> int:
    """Return the tick up to which everything that a branch may fork from is committed."""
    return min((run.ticks_of(t) for t in trunks(run)), default=0)


def _endings(run: Run) -> list[tuple[str, str]]:
    found = [(run.ensemble.label(t), run.why_stopped(t)) for t in run.trajectories]
    return [(label, why) for label, why in found if why is not None]


def _state_of(status: Status | None, outcome: str | None) -> str:
    """Return the state of a run that this server does not run."""
    if status is None:
        return outcome if outcome in ("failed", "stopped") else "stopped"
    if status.count("done") == len(status.standings):
        return "done"
    if status.is_alive:
        return "running"
    return "failed" if outcome == "failed" or status.count("failed") else "stopped"


def _first_error(status: Status) -> str | None:
    return next((s.error for s in status.standings if s.error is not None), None)


def _can(state: str, live: Live | None, *, has_store: bool, committed: float | None) -> list[str]:
    """Return what may be asked of a run now."""
    ours = live is not None
    can = ["pause"] if ours and state in ("preparing", "running") else []
    can += ["resume"] if state in ("paused", "stopped", "failed") else []
    can += ["stop"] if ours and state in ("waiting", "preparing", "running", "paused") else []
    idle = not ours and state in ("done", "stopped", "failed")
    settled = live is None or live.branching is None
    ready = has_store and committed is not None and (committed > 0 or idle)
    can += ["branch"] if ready and settled and (idle or (ours and state in ("running", "paused"))) else []
    return can
