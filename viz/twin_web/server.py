"""The server, from its first answer to its end."""

import os
import socket
import sys
from collections.abc import Callable
from threading import Timer
from typing import NoReturn

from aiohttp import web

from twin_web.app import application
from twin_web.site import Site

GRACE = 3.0  # s that answers in the making have once the server is stopped; our choice
LONGEST = 8.0  # s after which it ends whatever still goes on: children end with it; our choice


def run(site: Site, listening: socket.socket, tell: Callable[[str], None]) -> NoReturn:
    """Serve until Ctrl-C or SIGTERM, then end the process; `tell` is called with the address once it answers."""
    app = application(site)
    host, port = listening.getsockname()
    address = f"http://{host}:{port}/?token={site.token}"

    async def answers(app: web.Application) -> None:
        tell(address)

    async def ends(app: web.Application) -> None:
        limit = Timer(LONGEST, _leave)
        limit.daemon = True
        limit.start()

    app.on_startup.append(answers)  # the last of them: signals are handled, and every part is ready
    app.on_shutdown.insert(0, ends)
    web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=GRACE)
    _leave()


def _leave() -> NoReturn:
    """End at once: all is stopped, and on the disk.

    The interpreter's own way out frees a gigabyte object by object, which takes seconds, and aborts where a thread is
    in the middle of a matrix product.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
