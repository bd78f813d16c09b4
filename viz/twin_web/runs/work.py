"""Jobs that are coroutines: begun for a browser, told in their journal, stopped by a word."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from twin.errors import TwinError
from twin_web.journal import Journal
from twin_web.site import Site

Told = dict[str, Any]

logger = logging.getLogger(__name__)


def begin(site: Site, owner: str, work: Callable[[Journal], Awaitable[Told]], **about: Any) -> str:
    """Begin a job in the server's loop and return its id; what the work returns is told as "done".

    A TwinError is told as "failed" with its sentence; stopped, the work is cancelled, and takes away what it made.
    """
    loop = asyncio.get_running_loop()
    task: asyncio.Task[None] | None = None

    def stop() -> None:
        assert task is not None, "begun below, before the loop turns"
        loop.call_soon_threadsafe(task.cancel)

    name, journal = site.jobs.begin(owner, stop, **about)
    task = asyncio.create_task(_done(work, journal))
    task.add_done_callback(lambda done: _end(done, journal))
    return name


async def _done(work: Callable[[Journal], Awaitable[Told]], journal: Journal) -> None:
    try:
        journal.tell("done", **await work(journal))
    except TwinError as error:
        journal.tell("failed", error=str(error))


def _end(task: "asyncio.Task[None]", journal: Journal) -> None:
    """Tell how a job ended that has not told it itself; "stopped" is nothing new to one that is over."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a job failed", exc_info=error)
        journal.tell("failed", error="something went wrong that is ours to mend: the server's log has it")
    journal.tell("stopped")
