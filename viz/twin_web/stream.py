"""Events to a page, one after the other, for as long as it listens."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

PING = (
    2.0  # s between signs of life: so long a reader that has gone is not noticed; a page gives up after 20 s of silence
)


async def streamed(request: web.Request, events: AsyncIterator[tuple[int, str]]) -> web.StreamResponse:
    """Send (number, event) as they come, and return once there are no more or the reader has gone.

    A job that is silent for an hour keeps no reader that left: pings find out, and nothing waits for an event any more.
    """
    async with sse_response(request, ping_interval=PING) as stream:
        pouring = asyncio.ensure_future(_pour(stream, events))
        gone = asyncio.ensure_future(stream.wait())
        try:
            await asyncio.wait((pouring, gone), return_when=asyncio.FIRST_COMPLETED)
            if pouring.done():
                pouring.result()  # a fault of who tells the events is not lost
        finally:
            for task in (pouring, gone):
                task.cancel()
            await asyncio.wait((pouring, gone))
    return stream


async def _pour(stream: EventSourceResponse, events: AsyncIterator[tuple[int, str]]) -> None:
    try:
        async for number, text in events:
            await stream.send(text, id=str(number))
    except (ConnectionResetError, TimeoutError):
        return  # the reader has gone: whoever comes next is told the same again


def seen(request: web.Request) -> int:
    """Return the number of the event from which on a page wants them: the one after the last it has seen."""
    last = request.headers.get("Last-Event-ID", request.query.get("after", ""))
    return int(last) + 1 if last.isascii() and last.isdecimal() and len(last) < 10 else 0
