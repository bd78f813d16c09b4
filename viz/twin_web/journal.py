"""What a job has told so far, kept, so that a page that lost its connection goes on where it was."""

import asyncio
import json
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.errors import InputError

LAST = ("done", "failed", "stopped")
MOST_TOLD = 8  # MB of one job; our choice: an hour of the cell view tells some 20 kB
MOST_JOBS = 32  # ended ones that are kept, to be read again; our choice
FORGOTTEN = "it was begun before the server was, or is long over: start it again"


class Journal:
    """Events of one job, in order; each a JSON object with a `kind`. Its last is "done", "failed" or "stopped".

    Told from any thread, read in the server's loop by as many pages as like. Of a job that tells more than `most`
    bytes the oldest events go: a page that comes later begins with the oldest that is left.
    """

    def __init__(self, most: int = MOST_TOLD * 2**20) -> None:
        self.is_over = False
        self._events: deque[str] = deque()
        self._gone = 0  # events that are no longer kept
        self._size = 0  # characters, of JSON in ASCII
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def tell(self, kind: str, **what: Any) -> None:
        """Add an event; from any thread. What is told once the server has stopped is heard by nobody."""
        text = json.dumps({"kind": kind, **what}, allow_nan=False, separators=(",", ":"))
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, text, kind in LAST)

    def _add(self, text: str, last: bool) -> None:
        if self.is_over:
            return
        self._events.append(text)
        self._size += len(text)
        while self._size > self._most and len(self._events) > 1:
            self._size -= len(self._events.popleft())
            self._gone += 1
        self.is_over = last
        self._wake()

    def end(self) -> None:
        """Let go who waits for news: there will be none."""
        self.is_over = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def since(self, first: int) -> AsyncIterator[tuple[int, str]]:
        """Yield (number, event) from number `first` on, or the oldest that is kept, as they come, to the last."""
        while True:
            news = self._news
            first = max(first, self._gone)
            while first < self._gone + len(self._events):
                yield first, self._events[first - self._gone]
                first = max(first + 1, self._gone)
            if self.is_over:
                return
            await news.wait()


@dataclass
class Job:
    """Something that goes on: whose it is, what it told, and what stops it."""

    owner: str
    journal: Journal
    stop: Callable[[], None]
    about: Mapping[str, Any] = field(default_factory=dict)


class Jobs:
    """The jobs of a server by their ids; the oldest that are over are forgotten."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def begin(self, owner: str, stop: Callable[[], None], **about: Any) -> tuple[str, Journal]:
        """Return the id and the journal of a new job."""
        over = [name for name, job in self._jobs.items() if job.journal.is_over]
        for name in over[: max(0, len(over) - MOST_JOBS)]:
            del self._jobs[name]
        name, journal = secrets.token_hex(8), Journal()
        self._jobs[name] = Job(owner, journal, stop, about)
        return name, journal

    def find(self, name: str, owner: str) -> Job:
        """Return a job of an owner.

        Raises
        ------
        InputError
            If there is none, or it is another's.
        """
        job = self._jobs.get(name)
        if job is None or job.owner != owner:
            raise InputError(f"there is no job {name[:32]!r}: {FORGOTTEN}")
        return job

    def end(self) -> None:
        """Stop what still goes on, and let go who listens."""
        for job in self._jobs.values():
            if not job.journal.is_over:
                job.stop()
                job.journal.end()
