"""The page itself, its files, what it begins with, and the events of jobs."""

import asyncio
import os
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from aiohttp import web

from twin import registry
from twin_web.site import OWNER, SITE
from twin_web.stream import seen, streamed

ROUTES = web.RouteTableDef()
PAGE = Path(str(files("twin_web").joinpath("page")))
EXTRAS = {"umap": "umap", "sbml": "roadrunner"}  # what the page can do with it, and the package that it needs


def add_to(app: web.Application) -> None:
    """Add what this part answers."""
    app.add_routes(ROUTES)
    app.router.add_static("/page", PAGE)


@ROUTES.get("/")
async def index(request: web.Request) -> web.StreamResponse:
    """Answer with the page."""
    return web.FileResponse(PAGE / "index.html")


@ROUTES.get("/api/ping")
async def ping(request: web.Request) -> web.Response:
    """Answer that the server is there, and that it knows who asks."""
    return web.json_response({})


@ROUTES.get("/api/site")
async def about(request: web.Request) -> web.Response:
    """Answer with what the page begins with."""
    site = request.app[SITE]
    return web.json_response(
        {
            "twin": version("twin"),
            "opened": {"kind": site.opened.kind, "name": site.opened.name, "path": site.opened.path},
            "model": site.model,
            "models": [entry.name for entry in registry.entries(registry.MODELS)],
            "runs": str(site.folder),
            "upload_limit_mb": site.upload_limit,
            "extras": {what: find_spec(package) is not None for what, package in EXTRAS.items()},
        }
    )


@ROUTES.get("/api/machine")
async def machine(request: web.Request) -> web.Response:
    """Answer with what this machine has: asked for apart, since torch is imported for it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return web.json_response({"cores": cores, "gpu": await asyncio.to_thread(_gpu)})


@cache
def _gpu() -> str | None:
    """Return the name of the GPU that models and tissues are computed on, if there is one."""
    import torch  # three seconds that the page does not wait for

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


@ROUTES.get("/api/jobs/{job}/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Stream the events of a job from the one after Last-Event-ID on, to its last."""
    job = request.app[SITE].jobs.find(request.match_info["job"], request[OWNER])
    return await streamed(request, job.journal.since(seen(request)))


@ROUTES.delete("/api/jobs/{job}")
async def stop(request: web.Request) -> web.Response:
    """Stop a job."""
    request.app[SITE].jobs.find(request.match_info["job"], request[OWNER]).stop()
    return web.json_response({})
