"""What the tissue view asks the server: scenarios, checks, runs that begin, are followed, steered and branched."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from twin.errors import InputError, TwinError
from twin.scenario.futures import TRUNK
from twin_web.bodies import body
from twin_web.site import OWNER, SITE
from twin_web.stream import streamed
from twin_web.tissue import before, beginning, branching, catalogue, details
from twin_web.tissue.asked import read_asked, read_future
from twin_web.tissue.checking import faults_told, first_sentence, plan_told, planned
from twin_web.tissue.composing import compose
from twin_web.tissue.keeper import KEEPER, Keeper
from twin_web.tissue.lines import lines_of
from twin_web.tissue.standing import BEING_REPLACED, Standings

ROUTES = web.RouteTableDef()
STANDINGS: web.AppKey[Standings] = web.AppKey("standings", Standings)

LEAST = 0.2  # s between two messages of one stream; our choice
LOOKS = 1.0  # s between two looks at a store that others may write
MOST_GENES = 50

Told = dict[str, Any]


def add_to(app: web.Application) -> None:
    """Add what this part answers, and who keeps the runs that it begins."""
    app[KEEPER] = Keeper(app[SITE])
    app[STANDINGS] = Standings(app[KEEPER])
    app.add_routes(ROUTES)
    app.on_shutdown.append(_close)


async def _close(app: web.Application) -> None:
    await app[KEEPER].close()


@ROUTES.get("/api/scenarios")
async def scenarios(request: web.Request) -> web.Response:
    """Answer with the scenarios that a run may begin as; a worker gets ready meanwhile."""
    site = request.app[SITE]
    request.app[KEEPER].warm()
    found = await asyncio.to_thread(lambda: [details.summary(known) for known in catalogue.everything(site)])
    chosen = catalogue.OPENED if site.opened.kind == "scenario" else catalogue.DEMO
    return web.json_response({"scenarios": found, "chosen": chosen})


@ROUTES.get("/api/scenarios/{id}")
async def scenario(request: web.Request) -> web.Response:
    """Answer with all that the timeline editor needs of a scenario."""
    request.app[KEEPER].warm()
    return web.json_response(await asyncio.to_thread(_details, request, request.match_info["id"]))


@ROUTES.get("/api/runs/{run}/scenario")
async def scenario_of_run(request: web.Request) -> web.Response:
    """Answer with the scenario of a run, as of one that may begin."""
    name = f"{catalogue.OF_RUN}{request.match_info['run']}"
    return web.json_response(await asyncio.to_thread(_details, request, name))


@ROUTES.get("/api/scenarios/{id}/genes")
async def genes(request: web.Request) -> web.Response:
    """Answer with genes that can be knocked out, by a part of their names."""
    asked, count = request.query.get("q", "")[:40], request.query.get("n", "20")
    most = min(MOST_GENES, int(count)) if count.isascii() and count.isdecimal() else MOST_GENES
    found = await asyncio.to_thread(lambda: details.genes_like(_known(request), asked, most))
    return web.json_response({"genes": found})


@ROUTES.get("/api/scenarios/{id}/picture")
async def picture(request: web.Request) -> web.StreamResponse:
    """Answer with the picture of a scenario."""
    found = await asyncio.to_thread(_known, request)
    if found.picture is None:
        raise web.HTTPNotFound(text=f"{found.id} has no picture")
    return web.FileResponse(found.picture)


@ROUTES.post("/api/scenarios/{id}/before")
async def picture_before(request: web.Request) -> web.Response:
    """Answer with the run of one instant that shows the cells before, made where it is not there yet."""
    given, site = await body(request), request.app[SITE]
    known = await asyncio.to_thread(_known, request)
    try:
        asked = read_asked(given)
        store, file = await asyncio.to_thread(before.place_of, site, request[OWNER], known, asked)
        if not (store / "zarr.json").is_file():
            await request.app[KEEPER].seed(file, store)
    except TwinError as error:
        return _refused(faults_told(error))
    types = await asyncio.to_thread(request.app[STANDINGS].types_at_start, store)
    return web.json_response({"run": store.name, "ready": True, "cells": sum(t["n"] for t in types), "types": types})


@ROUTES.post("/api/scenarios/{id}/check")
async def check(request: web.Request) -> web.Response:
    """Answer with the plan of what is asked, or with all that is wrong with it; nothing is written."""
    given, workers = await body(request), request.app[KEEPER].workers
    known = await asyncio.to_thread(_known, request)

    def answer() -> Told:
        try:
            asked = read_asked(given)
            composed = compose(request.app[SITE], request[OWNER], known, asked)
            return {"faults": [], "plan": plan_told(composed, planned(composed.source), workers)}
        except TwinError as error:
            return {"faults": faults_told(error, _with_timeline(known, given)), "plan": None}

    return web.json_response(await asyncio.to_thread(answer))


@ROUTES.post("/api/runs")
async def begin(request: web.Request) -> web.Response:
    """Begin a run, and answer with its name."""
    given, site, owner = await body(request), request.app[SITE], request[OWNER]
    name = given.get("scenario")
    if not isinstance(name, str):
        raise InputError("scenario: which one? give its id, like ifnb_lymphoid_patch")
    known = await asyncio.to_thread(catalogue.known, site, owner, name)
    try:
        asked = read_asked(given)
        made = await asyncio.to_thread(beginning.write, site, owner, known, asked)
    except TwinError as error:
        return _refused(faults_told(error, _with_timeline(known, given)))
    try:
        request.app[KEEPER].begin(made.name, made.file, made.out)
    except InputError:
        await asyncio.to_thread(beginning.forget, site, made.name)
        raise
    return web.json_response({"run": made.name}, status=201)


@ROUTES.get("/api/runs/{run}/state")
async def state(request: web.Request) -> web.Response:
    """Answer with where a run is."""
    return web.json_response(await asyncio.to_thread(_state, request))


@ROUTES.get("/api/runs/{run}/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Stream where a run is, whenever that has changed, for as long as the page listens."""
    await asyncio.to_thread(_path, request)  # what is not there is told before the stream begins
    return await streamed(request, _pictures(request))


@ROUTES.get("/api/runs/{run}/lines")
async def lines(request: web.Request) -> web.Response:
    """Answer with the readouts of a run that are one number at a time."""

    def answer() -> Told:
        path = _path(request)  # of another's own run nothing is told, that it goes on neither
        try:
            return lines_of(request.app[STANDINGS].run(path))
        except BEING_REPLACED:
            if request.app[KEEPER].state(request.match_info["run"]) is None:
                raise
            return {"times": [], "lines": []}  # it has not begun, or gets a branch

    return web.json_response(await asyncio.to_thread(answer))


@ROUTES.post("/api/runs/{run}/pause")
async def pause(request: web.Request) -> web.Response:
    """Halt a run."""
    await asyncio.to_thread(_path, request)
    request.app[KEEPER].pause(request.match_info["run"])
    return web.json_response(await asyncio.to_thread(_state, request))


@ROUTES.post("/api/runs/{run}/resume")
async def resume(request: web.Request) -> web.Response:
    """Let a run go on: where it was halted, or from its last commit."""
    keeper, run = request.app[KEEPER], request.match_info["run"]
    path = await asyncio.to_thread(_path, request)
    if not keeper.resume(run):
        told = await asyncio.to_thread(_state, request)
        if "resume" not in told["can"]:
            raise web.HTTPConflict(text=f"{run} is {told['state']}: there is nothing to go on with")
        file = await asyncio.to_thread(beginning.scenario_again, request.app[SITE], request[OWNER], run, path)
        keeper.begin(run, file, path)
    return web.json_response(await asyncio.to_thread(_state, request))


@ROUTES.post("/api/runs/{run}/stop")
async def stop(request: web.Request) -> web.Response:
    """Stop a run; what is committed stays."""
    keeper, run = request.app[KEEPER], request.match_info["run"]
    await asyncio.to_thread(_path, request)
    if keeper.state(run) is None:
        raise web.HTTPConflict(text=f"{run} is not run by this server: stop it where it was begun")
    await keeper.stop(run)
    return web.json_response(await asyncio.to_thread(_state, request))


@ROUTES.post("/api/runs/{run}/branch")
async def branch(request: web.Request) -> web.Response:
    """Give a run a branch: both futures go on."""
    given, site, owner = await body(request), request.app[SITE], request[OWNER]
    run, dry = request.match_info["run"], given.get("dry") is True
    path = await asyncio.to_thread(_path, request)
    known = await asyncio.to_thread(catalogue.known, site, owner, f"{catalogue.OF_RUN}{run}")
    keeper, standings = request.app[KEEPER], request.app[STANDINGS]
    try:
        name, future = read_future(given)
        made = await branching.branch(site, keeper, standings, known, path, name, future, dry=dry)
    except TwinError as error:
        faults = [_of_branch(fault, given) for fault in faults_told(error, known.source.document)]
        return web.json_response({"faults": faults, "at": None}) if dry else _refused(faults)
    if dry:
        return web.json_response({"faults": [], "at": made["at"]})
    return web.json_response({**await asyncio.to_thread(_state, request), "branch": made})


async def _pictures(request: web.Request) -> AsyncIterator[tuple[int, str]]:
    """Yield (number, where the run is), the first at once; numbers rise from server to server: none comes twice."""
    keeper, last = request.app[KEEPER], ""
    while not keeper.is_closing:
        try:
            told = await asyncio.to_thread(_state, request)
        except InputError as error:  # it was deleted
            yield time.time_ns() // 1_000_000, json.dumps({"kind": "failed", "error": str(error)})
            return
        text = json.dumps({key: value for key, value in told.items() if key != "seconds_run"})
        if text != last:
            last = text
            yield time.time_ns() // 1_000_000, json.dumps(told, allow_nan=False)
        await asyncio.sleep(LEAST)
        await keeper.news(LOOKS)


def _path(request: web.Request) -> Path:
    """Return the store of the run that a request names, also of one that waits to begin."""
    return beginning.waiting_or_there(request.app[SITE], request[OWNER], request.match_info["run"])


def _state(request: web.Request) -> Told:
    path = _path(request)
    told = request.app[STANDINGS].told(request.match_info["run"], path)
    told["types"] = request.app[STANDINGS].types_at_start(path) if told["frames"] else []
    try:
        done = details.written(catalogue.known(request.app[SITE], request[OWNER], told["scenario"]))
    except TwinError:
        done = {}  # a run of long ago, whose scenario says what is not said any more
    told["timeline"] = done.get(TRUNK, [])
    told["branches"] = [
        {**branch, "timeline": done.get(branch["branch"], []) if branch["branch"] != TRUNK else []}
        for branch in told["branches"]
    ]
    return told


def _details(request: web.Request, name: str) -> Told:
    known = catalogue.known(request.app[SITE], request[OWNER], name)
    upload = request.query.get("upload")
    return beginning.details_with(request.app[SITE], request[OWNER], known, upload)


def _known(request: web.Request) -> catalogue.Known:
    return catalogue.known(request.app[SITE], request[OWNER], request.match_info["id"])


def _with_timeline(known: catalogue.Known, given: Told) -> Told:
    """Return a document that has the timeline which is asked for, to tell a branch's items from the others."""
    timeline = given.get("timeline")
    return {"timeline": timeline if isinstance(timeline, list) else known.source.document.get("timeline")}


def _of_branch(fault: Told, given: Told) -> Told:
    """Return a fault of a branch that is asked for by itself: its timeline is the one that the page shows."""
    name = given.get("name")
    if fault["branch"] != name or not isinstance(name, str):
        return fault
    return {**fault, "where": fault["where"].removeprefix(f"branches.{name}.")}


def _refused(faults: list[Told]) -> web.Response:
    return web.json_response({"error": first_sentence(faults), "faults": faults}, status=400)
