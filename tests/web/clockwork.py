"""A server that does nothing but tick, and a line to it that can be cut: what becomes of a page meanwhile."""

import asyncio
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aiohttp import web
from twin_web.app import application
from twin_web.site import OWNER, SITE, Site

from tests.web.serving import Address


async def begin(request: web.Request) -> web.Response:
    """Begin a job that ticks `n` times, every so many seconds, and is done."""
    n, every = int(request.query["n"]), float(request.query["every"])

    def stop() -> None:
        task.cancel()

    name, journal = request.app[SITE].jobs.begin(request[OWNER], stop)

    async def tick() -> None:
        for i in range(n):
            journal.tell("tick", i=i)
            await asyncio.sleep(every)
        journal.tell("done", n=n)

    task = asyncio.ensure_future(tick())
    return web.json_response({"job": name})


@contextmanager
def ticking(folder: Path, port: int = 0) -> Iterator[Address]:
    """Serve the page, and `POST /api/clock?n=…&every=…`, from a thread of its own."""
    site = Site(folder)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = socket.create_server(("127.0.0.1", port))

    async def start() -> web.AppRunner:
        app = application(site)
        app.add_routes([web.post("/api/clock", begin)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        return runner

    try:
        runner = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        yield Address(listening.getsockname()[1], site.token)
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
        listening.close()


class Line:
    """A port that hands everything on to another one, until it is cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._ends: dict[socket.socket, socket.socket] = {}
        self._waiting = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._waiting.register(self._listening, selectors.EVENT_READ)
        self._is_cut = self._is_closed = False
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        with self._lock:
            if not self._is_cut:
                self._waiting.unregister(self._listening)
                self._listening.close()
            self._is_cut = True
            for end in list(self._ends):
                self._hang_up(end)

    def mend(self) -> None:
        """Listen again, at the same port."""
        with self._lock:
            self._listening = socket.create_server(("127.0.0.1", self.port))
            self._waiting.register(self._listening, selectors.EVENT_READ)
            self._is_cut = False

    def close(self) -> None:
        """Cut it for good."""
        self.cut()
        self._is_closed = True
        self._thread.join(10)
        self._waiting.close()

    def _carry(self) -> None:
        while not self._is_closed:
            ready = self._waiting.select(0.05)
            with self._lock:
                for key, _ in ready:
                    end = key.fileobj
                    assert isinstance(end, socket.socket)
                    if end is self._listening:
                        self._take(end)
                    elif end in self._ends:
                        self._pass_on(end)

    def _take(self, listening: socket.socket) -> None:
        near, _ = listening.accept()
        far = socket.create_connection(("127.0.0.1", self._to))
        for end, other in ((near, far), (far, near)):
            self._ends[end] = other
            self._waiting.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        heard = b""
        with suppress(OSError):
            heard = end.recv(1 << 16)
            self._ends[end].sendall(heard)
        if not heard:
            self._hang_up(end)

    def _hang_up(self, end: socket.socket) -> None:
        other = self._ends.pop(end, None)
        if other is not None:
            self._ends.pop(other, None)
            for side in (end, other):
                self._waiting.unregister(side)
                side.close()


@contextmanager
def line_to(server: Address) -> Iterator[tuple[Address, Line]]:
    """Lay a line to a server; what is reached through it has an address of its own."""
    line = Line(server.port)
    try:
        yield Address(line.port, server.token), line
    finally:
        line.close()
