"""The server: its parts, put together."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from twin.errors import TwinError
from twin_web import cell, door, runs, tissue, viewer
from twin_web.guard import guarded, headers_of
from twin_web.site import SITE, Site

BODY_LIMIT = 4  # MB of a request that is no upload; our choice
PACKED = 32  # kB of JSON from which on it is sent compressed: a map of genes through `ssh -L`; our choice

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(site: Site) -> web.Application:
    """Return the server of a site, ready to be started in a loop."""
    app = web.Application(middlewares=[told, guarded], client_max_size=BODY_LIMIT * 2**20)
    app[SITE] = site
    app.on_response_prepare.append(dressed)
    app.on_shutdown.append(_end_jobs)  # before the open streams are waited for: they end with their jobs
    for part in (door, cell, tissue, runs, viewer):
        part.add_to(app)
    return app


async def _end_jobs(app: web.Application) -> None:
    app[SITE].jobs.end()


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell what a user can mend as {"error": sentence}, with its status; and pack what is large."""
    try:
        answer = await handler(request)
    except TwinError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPException as error:
        if error.status < 400 or not request.path.startswith("/api/"):
            raise
        return web.json_response({"error": error.text or error.reason}, status=error.status)
    is_json = isinstance(answer, web.Response) and answer.content_type == "application/json"
    if is_json and (answer.content_length or 0) > PACKED * 2**10:
        answer.enable_compression()
    return answer


async def dressed(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers that keep a page to itself; aiohttp's own, to a mistake of ours, too."""
    for name, value in headers_of(request.path).items():
        response.headers.setdefault(name, value)
