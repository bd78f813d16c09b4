"""Runs that are open: the last few, each opened once, however many pages look at it."""

import threading
from collections import OrderedDict
from functools import cached_property
from pathlib import Path

from aiohttp import web

from twin.errors import InputError
from twin.results import Run, Trajectory, open_run
from twin.results.layout import COMMITS, trajectory_of
from twin.results.status import status_of

MOST = 8  # runs; our choice: of each its record and its lists of commits are in memory, no cells

Version = tuple[int, int, int]  # of a file: a replaced one is another


class OpenRun:
    """A run that is open; what follows from its record alone is worked out once."""

    def __init__(self, run: Run, version: Version) -> None:
        self.run = run
        self.version = version
        self.scenes: dict[tuple[object, ...], tuple[object, str]] = {}  # of each question: when asked, the answer
        self.genes: dict[str, tuple[str, ...]] = {}  # by compartment

    @cached_property
    def parts(self) -> dict[str, tuple[Run, int]]:
        """Each trajectory by its id: the part of the run that its future is, and which replicate of it."""
        return {t.id: (part, i) for _, part in self.run.scenes() for i, t in enumerate(part.trajectories)}

    def futures(self, replicate: int) -> list[tuple[str, Trajectory]]:
        """Return the future of each branch and point, named as pictures name them, those that are the same once."""
        if not 0 <= replicate < self.run.replicates:
            raise InputError(f"there is no replicate {replicate}; this run has 0 to {self.run.replicates - 1}")
        by_id = self.run.ensemble.by_id
        return [(name, by_id[part.trajectories[replicate].id]) for name, part in self.run.scenes()]

    def standing(self) -> tuple[object, ...]:
        """Return what changes whenever there is something new to see."""
        lists = [version_of(trajectory_of(self.run.path, t.id) / COMMITS) for t in self.run.trajectories]
        return (*lists, self.is_going)

    @property
    def is_going(self) -> bool:
        """Whether somebody runs it, so that it grows by itself."""
        return status_of(self.run).is_alive and not self.run.is_complete


class Shelf:
    """The runs that were looked at last; from any thread."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Path, OpenRun] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._runs)

    def open(self, path: Path) -> OpenRun:
        """Return a run; opened anew where its record was replaced since, as by a new branch.

        Raises
        ------
        InputError
            If it is no run.
        """
        with self._lock:
            found = self._runs.get(path)
            record = path / "zarr.json"
            if found is None or not record.exists() or found.version != version_of(record):
                run = open_run(path)
                found = self._runs[path] = OpenRun(run, version_of(record))
            self._runs.move_to_end(path)
            while len(self._runs) > MOST:
                self._runs.popitem(last=False)
            return found


SHELF: web.AppKey[Shelf] = web.AppKey("shelf", Shelf)


def version_of(file: Path) -> Version:
    """Return what tells a file from the one that replaces it."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size
