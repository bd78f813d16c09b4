"""The list of runs: a row each, read cheaply and once, and what is no run told in its row."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from twin.errors import TwinError
from twin.results import Run, open_run
from twin.results.commits import load_commits
from twin.results.layout import COMMITS, RECORD, TRAJECTORIES, trajectory_of
from twin.results.lock import LOCK
from twin.results.status import ERRORS, Status, status_of
from twin_web.runs.find import check_name, is_visible, opened_run, read_note
from twin_web.site import Site

PICTURES = "-pictures"  # how the folder ends that `twin run` lays beside a run
MOST_FILES = 200_000  # whose sizes are added; our choice
ORDER = ("running", "failed", "stopped", "waiting", "done")  # a run is the first of these that any trajectory is

# What reading raises over a folder that makes no sense.
_BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)

Version = tuple[tuple[int, int, int], ...]  # of the files that change when a run goes on


@dataclass(frozen=True)
class Row:
    """What the list says of a run.

    ok : whether it can be opened; else `error` says what is wrong. state : of the whole run; "foreign" of a folder that
    is none. progress : 0 to 1.
    hours : of a trajectory; hours_done : of the one that is least far. cells : at the last kept time of the first
    trajectory. points : of the sweep. size : bytes on the disk. made : ISO 8601, where the page knows it; changed : s
    since 1970. mine : whether whoever asks began it. inside : whether it lies in the folder of runs.
    """

    name: str
    ok: bool = True
    error: str | None = None
    title: str = ""
    description: str = ""
    state: str = "stopped"
    progress: float = 0.0
    hours_done: float = 0.0
    hours: float = 0.0
    cells: int | None = None
    branches: int = 1
    replicates: int = 1
    points: int = 1
    trajectories: int = 1
    size: int = 0
    made: str = ""
    changed: float = 0.0
    private: bool = False
    mine: bool = False
    opened: bool = False
    inside: bool = True
    can_delete: bool = False


class Rows:
    """The rows of a server's runs; one is read again only where its run has changed, or is being written."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known: dict[Path, tuple[Version, Row]] = {}

    def of(self, owner: str) -> list[Row]:
        """Return the rows that an owner may see, the newest first."""
        rows = [self._row(owner, path) for path in self._paths(owner)]
        rows += [self._begun(owner, name) for name in self._unwritten(owner, {row.name for row in rows})]
        return sorted(rows, key=lambda row: (row.changed, row.name), reverse=True)

    def one(self, owner: str, path: Path) -> Row:
        """Return the row of one run."""
        return self._row(owner, path)

    def _paths(self, owner: str) -> Iterator[Path]:
        opened = opened_run(self._site)
        if opened is not None:
            yield opened
        try:
            entries = sorted(os.scandir(self._site.folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            path = self._site.folder / entry.name
            if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
                continue
            if entry.name.endswith(PICTURES) and not (path / "zarr.json").exists():
                continue
            if opened is not None and entry.name == opened.name:
                continue  # it is the opened one, or hidden by its name
            if _is_named(entry.name) and is_visible(self._site, owner, entry.name):
                yield path

    def _unwritten(self, owner: str, there: set[str]) -> Iterator[str]:
        """Yield the runs that were begun and have not written anything yet."""
        for note in self._site.inside.glob("*.json"):
            name = note.stem
            begun = name not in there and _is_named(name) and (self._site.folder / f"{name}.yaml").is_file()
            if begun and is_visible(self._site, owner, name):
                yield name

    def _row(self, owner: str, path: Path) -> Row:
        version = _version(path)
        known = self._known.get(path)
        if known is not None and known[0] == version:
            row = known[1]
        else:
            row, settled = _read(path)
            row = replace(row, size=size_of(path))
            if settled:
                self._known[path] = version, row
        changed = max((time for _, time, _ in version), default=0) / 1e9
        inside = path.parent == self._site.folder
        note = read_note(self._site, path.name) if inside else None
        mine = note is not None and note.owner == owner
        return replace(
            row,
            changed=changed,
            inside=inside,
            opened=path == opened_run(self._site),
            mine=mine,
            private=note is not None and note.private,
            made=note.made if note is not None else "",
            can_delete=row.state not in ("running", "foreign") and note is not None and (mine or not note.owner),
        )

    def _begun(self, owner: str, name: str) -> Row:
        note = read_note(self._site, name)
        changed = _stat(self._site.folder / f"{name}.yaml")[1] / 1e9
        told = "nothing is written of it yet: it is being prepared, or it ended before its first commit"
        mine = note.owner == owner
        row = Row(name, ok=False, error=told, state="waiting", made=note.made, changed=changed)
        return replace(row, private=note.private, mine=mine, can_delete=mine or not note.owner)


def state_of(status: Status) -> str:
    """Return the state of a whole run."""
    return next((state for state in ORDER if status.count(state)), "done")  # type: ignore[arg-type]


def progress_of(status: Status) -> float:
    """Return how much of a run is done, 0 to 1; what ended early is done."""
    n = int(status.run.attrs["n_ticks"])
    shares = [1.0 if s.state == "done" else min(1.0, s.ticks / n) for s in status.standings]
    return sum(shares) / max(1, len(shares))


def size_of(path: Path) -> int:
    """Return how many bytes a folder takes; of more than `MOST_FILES` files those of the first."""
    total, n, waiting = 0, 0, [str(path)]
    while waiting and n < MOST_FILES:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    n += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def is_store(path: Path) -> bool:
    """Whether a folder is a run store, whole or not: whatever else it is stays as it is."""
    try:
        return RECORD in json.loads((path / "zarr.json").read_text("utf-8"))["attributes"]
    except _BROKEN:
        return False


def _read(path: Path) -> tuple[Row, bool]:
    """Return the row of a run, and whether it stays so until its files change."""
    try:
        status = status_of(open_run(path))
        return _of(status, path.name), status.holder is None
    except TwinError as error:
        told = str(error).replace(f"{path.parent}/", "")
        return Row(path.name, ok=False, error=told, state="failed" if is_store(path) else "foreign"), True
    except _BROKEN as error:
        told = (
            f"{path.name} is no run that can be read ({type(error).__name__}): delete it, or bring it back from a copy"
        )
        return Row(path.name, ok=False, error=told, state="failed" if is_store(path) else "foreign"), True


def _of(status: Status, name: str) -> Row:
    run, attrs = status.run, status.run.attrs
    tick, n = float(attrs["tick"]), int(attrs["n_ticks"])
    state = state_of(status)
    least = min((n if s.state == "done" else s.ticks for s in status.standings), default=0)
    return Row(
        name,
        title=str(run.scenario.get("name", name)),
        description=str(run.scenario.get("description", "")),
        state=state,
        progress=progress_of(status),
        hours_done=least * tick,
        hours=n * tick,
        cells=_cells(run),
        branches=len(run.branches),
        replicates=run.replicates,
        points=max(1, len(run.ensemble.by_place) // max(1, len(run.branches) * run.replicates)),
        trajectories=len(run.trajectories),
    )


def _cells(run: Run) -> int | None:
    """Return how many cells the first trajectory had when they were last kept; None before."""
    for commit in reversed(load_commits(trajectory_of(run.path, run.trajectories[0].id))):
        if commit.frames:
            return sum(last - first for first, last in commit.frames[-1].rows.values())
    return None


def _version(path: Path) -> Version:
    try:
        with os.scandir(path / TRAJECTORIES) as entries:
            homes = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        homes = []
    files = [path, path / "zarr.json", path / ERRORS, path / LOCK, *(Path(home) / COMMITS for home in homes)]
    return tuple(_stat(file) for file in files)


def _stat(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _is_named(name: str) -> bool:
    try:
        check_name(name)
    except TwinError:
        return False
    return True
