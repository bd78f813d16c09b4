"""How far a run is: each of its trajectories, who writes it, and what went wrong."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from twin.results.ensemble import Trajectory
from twin.results.layout import trajectory_of
from twin.results.lock import WRITER, Holder, holder_of
from twin.results.read import Run

ERRORS = ".errors.json"  # id → what ended a trajectory, of the last command that wrote the run

State = Literal["done", "running", "waiting", "stopped", "failed"]


@dataclass(frozen=True)
class Standing:
    """Where one trajectory is.

    ticks : committed, those of its past among them.
    state : done; running (a worker has it); waiting (its turn will come); stopped (nobody runs it); failed.
    error : what ended it.
    """

    trajectory: Trajectory
    ticks: int
    state: State
    error: str | None


@dataclass(frozen=True)
class Status:
    """Where a run is.

    holder : who holds the right to write it, dead or alive; None where nobody does.
    """

    run: Run
    holder: Holder | None
    standings: tuple[Standing, ...]

    @property
    def is_alive(self) -> bool:
        """Whether a command is running it."""
        return self.holder is not None and self.holder.is_alive

    def count(self, state: State) -> int:
        """Return how many trajectories are in a state."""
        return sum(1 for s in self.standings if s.state == state)


def status_of(run: Run) -> Status:
    """Return where a run is; it may be going on."""
    holder = holder_of(run.path)
    alive = holder is not None and holder.is_alive
    errors = _errors(run.path)
    n_ticks = int(run.attrs["n_ticks"])
    standings = []
    for trajectory in run.trajectories:
        ticks = run.ticks_of(trajectory)
        error = errors.get(trajectory.id)
        state: State = "stopped"
        if ticks >= n_ticks or run.why_stopped(trajectory) is not None:
            state, error = "done", None
        elif error is not None:
            state = "failed"
        elif alive:
            state = "running" if (trajectory_of(run.path, trajectory.id) / WRITER).exists() else "waiting"
        standings.append(Standing(trajectory, max(ticks, trajectory.fork if ticks else 0), state, error))
    return Status(run, holder, tuple(standings))


def _errors(run: Path) -> dict[str, str]:
    try:
        told = json.loads((run / ERRORS).read_text("utf-8"))
        return {str(k): str(v) for k, v in told.items()}
    except (OSError, ValueError, AttributeError):
        return {}
