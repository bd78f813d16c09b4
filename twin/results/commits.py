"""The list of what is finished: one file a trajectory, replaced whole, the store's commit point."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twin.errors import InputError
from twin.results.layout import COMMITS, save_json


@dataclass(frozen=True)
class Frame:
    """One kept instant: where its rows stand in the cell groups of its commit.

    time : h.
    rows : compartment → (first row, row after the last).
    """

    tick: int
    time: float
    rows: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Commit:
    """All that became final at once.

    name : of the groups that it wrote.
    tick : ticks done.
    state : file that holds the full state at `tick`.
    frames : the kept instants, in order.
    lineage : compartments with births or deaths.
    fields : compartments with concentrations.
    readouts : places along the readouts' time axis.
    log : what happened: events that a condition let happen, snapshots that were assimilated, what was learned of them,
    an early end.
    """

    name: str
    tick: int
    state: str
    frames: tuple[Frame, ...]
    lineage: tuple[str, ...]
    fields: tuple[str, ...]
    readouts: tuple[int, ...]
    log: tuple[dict[str, Any], ...] = ()


class Commits:
    """The commits of many trajectories: a list is read again only where it was replaced since."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, int, int], list[Commit]]] = {}

    def of(self, trajectory: Path) -> list[Commit]:
        """Return the commits of a trajectory, oldest first; not to be modified. Raises as `load_commits` does."""
        try:
            found = (trajectory / COMMITS).stat()
        except OSError:
            return load_commits(trajectory)  # which says what is wrong
        version = (found.st_ino, found.st_mtime_ns, found.st_size)  # each is a file of its own: see save_json
        known = self._read.get(trajectory)
        if known is None or known[0] != version:
            known = self._read[trajectory] = version, load_commits(trajectory)
        return known[1]


def load_commits(trajectory: Path) -> list[Commit]:
    """Return the commits of a trajectory, oldest first.

    Raises
    ------
    InputError
        If the list is missing or damaged.
    """
    file = trajectory / COMMITS
    try:
        entries = json.loads(file.read_text("utf-8"))
        return [_commit(entry) for entry in entries]
    except FileNotFoundError:
        raise InputError(f"{file} is missing: this run was never fully created, run it anew") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} cannot be read ({error}): restore it, or run anew") from error


def stopped_by(commits: Sequence[Commit]) -> str | None:
    """Return why a trajectory ended before its time; None where it did not."""
    return stop_in([entry for commit in commits for entry in commit.log])


def stop_in(log: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why what is logged ended early; None where it did not."""
    return next((str(entry["why"]) for entry in reversed(log) if entry["what"] == "stop"), None)


def save_commits(trajectory: Path, commits: list[Commit]) -> None:
    """Replace the list in one step; it is on the disk when this returns."""
    save_json(trajectory / COMMITS, [asdict(commit) for commit in commits], indent=1)


def _commit(entry: dict[str, object]) -> Commit:
    frames = entry.pop("frames")
    assert isinstance(frames, list)
    read = tuple(
        Frame(int(f["tick"]), float(f["time"]), {k: (int(a), int(b)) for k, (a, b) in f["rows"].items()})
        for f in frames
    )
    lists = {key: tuple(entry.pop(key, ())) for key in ("lineage", "fields", "readouts", "log")}  # type: ignore[arg-type, var-annotated]  # JSON; checked by the caller's except
    return Commit(frames=read, **lists, **entry)  # type: ignore[arg-type]  # as above
