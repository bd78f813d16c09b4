"""Who may write to a run: one command at a time, and one worker for each trajectory.

A lock is a file beside the run's data that names its owner and is touched as long as it lives. A command that died
leaves its lock behind, and the next one takes it over; so does a worker that was given up for lost with a trajectory,
and should it still be alive it finds out before it commits.
"""

import json
import os
import socket
from pathlib import Path
from threading import Event, Thread
from time import time
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import psutil

from twin.errors import InputError, RunError

LOCK, WRITER = ".lock", ".writer"
BEAT = 10.0  # s between signs of life
SILENT = 600.0  # s without one, after which a lock of another machine is taken over; our choice


class RunLock:
    """The right to write to a run, for a `with` statement.

    taken_from : whose dead lock was taken over, in words, or None.
    """

    def __init__(self, run: Path) -> None:
        self._file = run / LOCK
        self._token = uuid4().hex
        self._over = Event()
        self._thread = Thread(target=self._beat, daemon=True)
        self.taken_from: str | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises
        ------
        InputError
            If a living process holds it.
        """
        me = psutil.Process()
        mine = {
            "host": socket.gethostname(),
            "pid": me.pid,
            "began": me.create_time(),
            "token": self._token,
        }
        for _ in range(3):
            try:
                self._make(json.dumps(mine))
                break
            except FileExistsError:
                holder = holder_of(self._file.parent)
                if holder is not None and holder.is_alive:
                    raise InputError(f"{self._file.parent} is being written by {holder}: {holder.advice}") from None
                self.taken_from = str(holder) if holder is not None else None
                self._file.unlink(missing_ok=True)
            except OSError as error:
                raise InputError(f"{self._file.parent} cannot be written: {error.strerror or error}") from error
        else:
            raise InputError(f"{self._file.parent} is being taken by another process: try again")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if _read(self._file).get("token") == self._token:
            self._file.unlink(missing_ok=True)

    def _make(self, text: str) -> None:
        """Make the file whole or not at all."""
        draft = self._file.with_name(f"{LOCK}-{self._token}")
        draft.write_text(text, "utf-8")
        try:
            os.link(draft, self._file)
        finally:
            draft.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            try:
                if _read(self._file).get("token") != self._token:
                    return
                os.utime(self._file)
            except OSError:  # a full or lost disk is told by whoever writes data
                continue


class Holder:
    """Who holds the lock of a run.

    silent : s since its last sign of life.
    """

    def __init__(self, told: dict[str, Any], silent: float, file: Path) -> None:
        self.host, self.pid, self.began = str(told["host"]), int(told["pid"]), float(told["began"])
        self.silent, self._file = silent, file

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; of another machine, whether it gave a sign of life of late."""
        if not self.is_here:
            return self.silent < SILENT
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.began) < 1.0)
        except psutil.Error:
            return False

    @property
    def advice(self) -> str:
        """What to do about it while it lives."""
        if self.is_here:
            return "wait for it, or stop it; what it has committed stays"
        return (
            f"wait for it, or stop it there; its last sign of life was {self.silent:.0f} s ago, after "
            f"{SILENT:.0f} s it counts as dead (if you know that it is, remove {self._file})"
        )

    def __str__(self) -> str:
        where = "on this machine" if self.is_here else f"on {self.host}"
        return f"process {self.pid} {where}"


def holder_of(run: Path) -> Holder | None:
    """Return who holds the lock of a run, dead or alive, or None."""
    file = run / LOCK
    try:
        silent = max(0.0, time() - file.stat().st_mtime)
        return Holder(_read(file), silent, file)
    except (OSError, KeyError, ValueError, TypeError):
        return None  # nobody, or a lock that was never written whole


class WriterMark:
    """The sign that one worker writes a trajectory: the last one to leave it is the one that may commit."""

    def __init__(self, trajectory: Path) -> None:
        self._file = trajectory / WRITER
        self._token = uuid4().hex
        self._file.write_text(self._token, "utf-8")

    def check(self) -> None:
        """Go on only as the last one that came.

        Raises
        ------
        RunError
            If another worker has taken the trajectory over.
        """
        if not self._is_mine():
            raise RunError(f"{self._file.parent} was taken over by another worker: this one stops")

    def release(self) -> None:
        """Take the sign away."""
        if self._is_mine():
            self._file.unlink(missing_ok=True)

    def _is_mine(self) -> bool:
        try:
            return self._file.read_text("utf-8") == self._token
        except OSError:
            return False


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text("utf-8"))
        return told if isinstance(told, dict) else {}
    except (OSError, ValueError):
        return {}
