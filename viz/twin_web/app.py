"""The server: its parts, put together."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from twin.errors import TwinError
from twin_web import cell, door, runs, tissue
from twin_web.guard import dressed, guarded
from twin_web.site import SITE, Site

logger = logging.getLogger(__name__)

BODY_LIMIT = 4  # MB of a request that is no upload; our choice

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(site: Site) -> web.Application:
    """Return the server of a site, ready to be started in a loop."""
    app = web.Application(middlewares=[told, guarded], client_max_size=BODY_LIMIT * 2**20)
    app[SITE] = site
    for part in (door, cell, tissue, runs):
        part.add_to(app)
    app.on_response_prepare.append(dressed)
    app.cleanup_ctx.append(_jobs)
    return app


async def _jobs(app: web.Application) -> AsyncIterator[None]:
    yield
    app[SITE].jobs.stop_all()


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell what went wrong as {"error": sentence}; what is ours to mend is logged, and told without its trace."""
    try:
        return await handler(request)
    except TwinError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPException as error:
        if error.status < 400 or not request.path.startswith("/api/"):
            raise
        return web.json_response({"error": error.text or error.reason}, status=error.status)
