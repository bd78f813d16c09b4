"""The page itself, its files, what it begins with, and the events of jobs."""

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from aiohttp import web
from aiohttp_sse import sse_response

from twin_web.site import OWNER, SITE

ROUTES = web.RouteTableDef()
PAGE = Path(str(files("twin_web").joinpath("page")))


def add_to(app: web.Application) -> None:
    """Add what this part answers."""
    app.add_routes(ROUTES)
    app.router.add_static("/page", PAGE)


@ROUTES.get("/")
async def index(request: web.Request) -> web.StreamResponse:
    """Answer with the page."""
    return web.FileResponse(PAGE / "index.html")


@ROUTES.get("/api/site")
async def about(request: web.Request) -> web.Response:
    """Answer with what the page begins with."""
    site = request.app[SITE]
    opened = {"kind": site.opened.kind, "path": site.opened.path}
    return web.json_response(
        {"twin": version("twin"), "opened": opened, "model": site.model, "upload_limit_mb": site.upload_limit}
    )


@ROUTES.get("/api/jobs/{job}/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Stream the events of a job from the one after Last-Event-ID on, to its last."""
    job = request.app[SITE].jobs.find(request.match_info["job"], request[OWNER])
    seen = request.headers.get("Last-Event-ID", request.query.get("after", ""))
    first = int(seen) + 1 if seen.isdecimal() else 0
    async with sse_response(request) as stream:
        async for number, text in job.journal.since(first):
            await stream.send(text, id=str(number))
    return stream


@ROUTES.delete("/api/jobs/{job}")
async def stop(request: web.Request) -> web.Response:
    """Stop a job."""
    request.app[SITE].jobs.find(request.match_info["job"], request[OWNER]).stop()
    return web.json_response({})
