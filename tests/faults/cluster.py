"""A scheduler and two workers in processes of their own, to be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import psutil

PATIENCE = 600.0  # s; a machine may be busy


class DoomedCluster:
    """For a `with` statement; `file` is the scheduler's file."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.file = folder / "scheduler.json"
        self.folder, self.n = folder, workers

    def __enter__(self) -> Self:
        here = ("--host", "127.0.0.1", "--scheduler-file", str(self.file), "--no-dashboard")
        self.scheduler = self._start("scheduler", *here, "--port", "0")
        wait_for(self.file.exists)
        self.nannies = [
            self._start("worker", *here, "--nthreads", "1", "--memory-limit", "0", "--name", str(i))
            for i in range(self.n)
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in [*self.nannies, self.scheduler]:
            for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
                child.kill()
            process.kill()
            process.wait()
        self.file.unlink(missing_ok=True)

    def workers(self) -> list[int]:
        """Return the ids of the processes that compute; each is watched by one that starts it again."""
        found = [child for nanny in self.nannies for child in psutil.Process(nanny.pid).children(recursive=True)]
        return sorted(p.pid for p in found if "resource_tracker" not in " ".join(p.cmdline()))

    def _start(self, what: str, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "dask", what, *words],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def environment() -> dict[str, str]:
    """Return the environment of a process that finds what we find."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "COLUMNS": "200"}


@contextmanager
def started_run(file: Path, out: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """Give the command in a process of its own, which does not outlive what is inside."""
    with subprocess.Popen(
        [sys.executable, "-m", "twin", "run", str(file), "--out", str(out), "--quiet", *words],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def commits_of(run: Path) -> int:
    """Return how many commits a run has, all its trajectories together."""
    count = 0
    for file in run.glob("trajectories/*/commits.json"):
        count += len(json.loads(file.read_text()))
    return count


def wait_for(happened: object, process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait until something has happened, or the process that it is expected of has ended."""
    began = monotonic()
    assert callable(happened)
    while not happened() and (process is None or process.poll() is None):
        assert monotonic() - began < PATIENCE
        sleep(0.02)


def kill(pid: int) -> None:
    """Kill a process as a machine that loses its power does."""
    os.kill(pid, signal.SIGKILL)
