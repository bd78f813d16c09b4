"""Work that may crash, swell or take long, in a process of its own that tells JSON lines.

A child gets one JSON document by its standard input and tells events, a line each. It and all that it starts are one
group of processes, so that whoever stops it stops all of it; where the server dies, its input ends, and so does it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from threading import Thread
from typing import Any, NoReturn

from twin.errors import InputError, TwinError

LINE = 2**24  # bytes of one event; our choice: a comparison of all genes has some MB
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
CALM = 5  # added to a child's niceness: what moves on the screen comes first

Event = dict[str, Any]


async def told_by(module: str, document: Event, patience: float) -> AsyncIterator[Event]:
    """Run `python -m module` with a document and yield what it tells, to its end; whoever goes before ends it.

    Parameters
    ----------
    patience : s of silence after which it is given up.

    Raises
    ------
    InputError
        With the sentence that it failed with; or saying how it ended, where it crashed.
    """
    environment = os.environ | dict.fromkeys(THREADS, "1")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LINE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdin is not None, "it was asked for"
    assert process.stdout is not None, "it was asked for"
    try:
        with suppress(ConnectionError):  # a child that ends at once is told of below
            process.stdin.write(json.dumps(document).encode() + b"\n")
            await process.stdin.drain()
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), patience)
            except TimeoutError:
                raise InputError(f"it took longer than {patience:g} s without a word, and was given up") from None
            if not line:
                break
            event: Event = json.loads(line)
            if event["kind"] == "failed":
                raise InputError(event["error"])
            yield event
        code = await process.wait()
        if code:
            raise InputError(_ended(code))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return "it was ended by the system: it needed too much memory or time"
    if code == -signal.SIGXCPU:
        return "it took too long to work on, and was given up"
    return f"it ended in a crash ({signal.Signals(-code).name if code < 0 else f'code {code}'})"


def tell(kind: str, **what: Any) -> None:
    """Tell an event, in a child."""
    sys.stdout.write(json.dumps({"kind": kind, **what}, allow_nan=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def child(work: Callable[[Event], None]) -> NoReturn:
    """Do a child's work on the document that it is given; a TwinError is told as the sentence that it failed with."""
    document = json.loads(sys.stdin.readline())
    os.nice(CALM)
    Thread(target=_end_with_the_server, daemon=True).start()
    try:
        work(document)
    except TwinError as error:
        tell("failed", error=str(error))
    sys.stdout.flush()
    os._exit(0)  # what VTK leaves behind may crash at an orderly end, when all is written


def _end_with_the_server() -> None:
    """End, and all that was started, when the server does: its end of the pipe closes then."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)
