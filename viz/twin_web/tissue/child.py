"""The server's end of a worker: it is begun, told what to do, listened to, halted, and never left behind."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from twin.errors import RunError

LONGEST = 4  # MB of one line that a worker tells; our choice, the faults of a large sweep have some kB
LAST_LINES = 30  # of what it wrote to its errors
CALM = 5  # niceness: the page, and the cell that somebody asks beside it, come first
PATIENCE = 8.0  # s between asking a worker to stop and ending it
LOST = "the run's process ended by itself ({why}): most likely for want of memory; go on with fewer cells, or try again"
# A halted process gives no sign of life, and is alive: Dask must not give it up for lost.
ENVIRONMENT = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "None",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "24h",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1h",
    "OMP_NUM_THREADS": "1",
}

Told = dict[str, Any]


class Child:
    """One worker, and all that it starts: a group of processes of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.is_halted = False
        self._errors = asyncio.create_task(self._read_errors())

    @classmethod
    async def begin(cls) -> "Child":
        """Start a worker; it imports what it needs while it waits for its work."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "twin_web.tissue.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST * 2**20,
            # of this session: a halted group whose parent dies is woken up and told to hang up by the system
            process_group=0,
            env={**os.environ, **ENVIRONMENT},
        )
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, CALM)
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process, which leads its group."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def work(self, work: Told) -> AsyncIterator[Told]:
        """Give it its work, and yield what it tells, to the last.

        Raises
        ------
        RunError
            If it ended without a word.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(ConnectionError):
            self._process.stdin.write(json.dumps(work).encode() + b"\n")
            await self._process.stdin.drain()
        async for line in self._process.stdout:
            told: Told = json.loads(line)
            yield told
            if told["kind"] in ("done", "stopped", "failed"):
                break
        else:
            code = await self._process.wait()
            why = signal.Signals(-code).name if code < 0 else f"code {code}"
            raise RunError(LOST.format(why=why))

    def halt(self) -> None:
        """Let it stand still, at once."""
        self._send(signal.SIGSTOP)
        self.is_halted = True

    def go_on(self) -> None:
        """Let it go on where it stood."""
        self._send(signal.SIGCONT)
        self.is_halted = False

    async def stop(self) -> None:
        """Ask it to stop, as Ctrl-C does; end it where it does not."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        self.go_on()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), PATIENCE)
        await self.end()

    async def end(self) -> None:
        """End it and whatever it started, and wait until they are gone."""
        self._send(signal.SIGKILL)
        await self._process.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._errors, 1.0)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # all of them have ended
            os.killpg(self._process.pid, number)

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with suppress(ValueError):  # a line without an end
            async for line in self._process.stderr:
                self.last_lines.append(line.decode(errors="replace").rstrip())
