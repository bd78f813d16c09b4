"""The server, from its first answer to its end."""

import socket
from collections.abc import Callable

from aiohttp import web

from twin_web.app import application
from twin_web.site import Site

GRACE = 3.0  # s that answers in the making have once the server is stopped; our choice


def run(site: Site, listening: socket.socket, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; `tell` is called with the address once the server answers."""
    app = application(site)
    host, port = listening.getsockname()
    address = f"http://{host}:{port}/?token={site.token}"

    async def answers(app: web.Application) -> None:
        tell(address)

    app.on_startup.append(answers)  # the last of them: signals are handled, and every part is ready
    web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=GRACE)
