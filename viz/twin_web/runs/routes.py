"""What the runs view asks the server of runs: to list, look at, delete, write, and compare them."""

import asyncio
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from twin_web.bodies import body
from twin_web.journal import Journal
from twin_web.runs import upload_routes
from twin_web.runs.axis import KNOWN, Known
from twin_web.runs.child import told_by
from twin_web.runs.chosen import Compared, Wanted, checked
from twin_web.runs.details import details_of
from twin_web.runs.downloads import DOWNLOADS, Downloads
from twin_web.runs.find import check_name, find_run, is_visible, scenario_file
from twin_web.runs.receive import forget_drafts
from twin_web.runs.remove import check_deletable, delete_run
from twin_web.runs.rows import Row, Rows
from twin_web.runs.work import Told, begin
from twin_web.site import OWNER, SITE
from twin_web.tissue.keeper import KEEPER

ROUTES = web.RouteTableDef()
ROWS: web.AppKey[Rows] = web.AppKey("rows", Rows)
COMPARING: web.AppKey[asyncio.Semaphore] = web.AppKey("comparing", asyncio.Semaphore)
PATIENCE = 300.0  # s of silence of a comparison; our choice


def add_to(app: web.Application) -> None:
    """Add what this part answers."""
    app.add_routes(ROUTES)
    app.add_routes(upload_routes.ROUTES)
    site = app[SITE]
    app[KNOWN], app[ROWS], app[DOWNLOADS] = Known(site), Rows(site), Downloads(site)
    app[upload_routes.TURN], app[COMPARING] = asyncio.Semaphore(1), asyncio.Semaphore(1)
    forget_drafts(site)


@ROUTES.get("/api/runs")
async def runs(request: web.Request) -> web.Response:
    """Answer with the runs that whoever asks may see, the newest first."""
    found = await asyncio.to_thread(request.app[ROWS].of, request[OWNER])
    return web.json_response({"runs": [_told(request, row) for row in found], "folder": str(request.app[SITE].folder)})


@ROUTES.get("/api/runs/{run}")
async def run(request: web.Request) -> web.Response:
    """Answer with all that is known of one run."""
    site, owner, name = request.app[SITE], request[OWNER], request.match_info["run"]
    path = find_run(site, owner, name)
    row = await asyncio.to_thread(request.app[ROWS].one, owner, path)
    more = await asyncio.to_thread(details_of, path, scenario_file(site, owner, name))
    return web.json_response({**_told(request, row), **more})


@ROUTES.delete("/api/runs/{run}")
async def delete(request: web.Request) -> web.Response:
    """Take a run away for good."""
    site, owner, name = request.app[SITE], request[OWNER], check_name(request.match_info["run"])
    begun = site.folder / name  # there is no store yet of a run that was only just begun
    unwritten = not begun.exists() and (site.inside / f"{name}.json").exists() and is_visible(site, owner, name)
    path = begun if unwritten else find_run(site, owner, name)
    check_deletable(site, owner, path)
    if request.app[KEEPER].state(name) is not None:
        raise web.HTTPConflict(text=f"{name} is running: stop it first")
    await asyncio.to_thread(delete_run, site, name)
    return web.json_response({})


@ROUTES.post("/api/runs/{run}/downloads")
async def write(request: web.Request) -> web.Response:
    """Begin to write a run as a file, and answer with the job."""
    site, owner = request.app[SITE], request[OWNER]
    path = find_run(site, owner, request.match_info["run"])
    wanted = checked(Wanted, await body(request))
    downloads = request.app[DOWNLOADS]

    async def work(journal: Journal) -> Told:
        return await downloads.write(owner, path, wanted, journal)

    return web.json_response({"job": begin(site, owner, work, what="download", run=path.name, form=wanted.kind)})


@ROUTES.get("/api/downloads/{file}")
async def fetch(request: web.Request) -> web.StreamResponse:
    """Answer with a file that is ready."""
    return request.app[DOWNLOADS].answer(request[OWNER], request.match_info["file"])


@ROUTES.post("/api/compare")
async def compare(request: web.Request) -> web.Response:
    """Begin to hold two sides against each other, and answer with the job."""
    site, owner = request.app[SITE], request[OWNER]
    wanted = checked(Compared, await body(request))
    paths = [str(find_run(site, owner, side.run)) for side in wanted.sides]
    document = {"paths": paths, "asked": wanted.model_dump(mode="json")}
    turn = request.app[COMPARING]

    async def work(journal: Journal) -> Told:
        found: Told = {}
        journal.tell("waiting")
        async with turn:
            async for event in told_by("twin_web.runs.compare", document, PATIENCE):
                if event["kind"] == "step":
                    journal.tell("step", step=event["step"])
                else:
                    found = {key: value for key, value in event.items() if key != "kind"}
        return found

    return web.json_response({"job": begin(site, owner, work, what="compare")})


def _told(request: web.Request, row: Row) -> dict[str, Any]:
    """Return what a page is told of a row; of a run that this server runs, what its keeper knows of it."""
    state = request.app[KEEPER].state(row.name)
    return asdict(row if state is None else replace(row, state=state, can_delete=False))
