"""What the 3-D viewer asks the server: its document, what there is to see, and the pieces of it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from aiohttp import web
from twin_viz.source import compartment_of

from twin.errors import InputError
from twin_web.bodies import DIGITS, at_most
from twin_web.runs.find import find_run
from twin_web.site import OWNER, SITE
from twin_web.viewer.document import document, viewer_script, viewer_style
from twin_web.viewer.pieces import frame_piece, paint_piece, volume_piece
from twin_web.viewer.scene import genes_of, scene, search, tag_of, version
from twin_web.viewer.shelf import SHELF, OpenRun, Shelf

ROUTES = web.RouteTableDef()
T = TypeVar("T")
FOR_EVER = "private, max-age=31536000, immutable"  # a year; what is committed does not change
ASK = "private, no-cache"  # it may be kept, and is asked for again
MOST_FOUND, FOUND = 50, 12  # genes that a search answers with: at most, and unless it says how many
LONGEST = 200  # characters of a name that is looked for


def add_to(app: web.Application) -> None:
    """Add what this part answers."""
    app[SHELF] = Shelf()
    app.add_routes(ROUTES)


@ROUTES.get("/tissue/viewer")
async def page(request: web.Request) -> web.Response:
    """Answer with the document."""
    return web.Response(text=document(), content_type="text/html", headers={"Cache-Control": ASK})


@ROUTES.get("/tissue/viewer/viewer.js")
async def its_script(request: web.Request) -> web.Response:
    """Answer with its script."""
    return _text(request, viewer_script(), "text/javascript")


@ROUTES.get("/tissue/viewer/viewer.css")
async def its_style(request: web.Request) -> web.Response:
    """Answer with its style sheet."""
    return _text(request, viewer_style(), "text/css")


@ROUTES.get("/api/runs/{run}/scene")
async def see(request: web.Request) -> web.Response:
    """Answer with what there is to see; 304 while that is what the page has."""
    name, query = request.match_info["run"], request.query
    futures = [one for one in query.get("futures", "").split(",") if one]
    replicate = query.get("replicate", "0")
    if not replicate.isdecimal() or len(replicate) > DIGITS:
        raise InputError(f"replicate: {replicate[:LONGEST]!r} is no number of a replicate")
    text = await _of_run(request, lambda run: scene(run, name, query.get("compartment"), int(replicate), futures))
    return _text(request, text, "application/json")


@ROUTES.get("/api/runs/{run}/frames/{trajectory}/{compartment}/{tick}")
async def frames(request: web.Request) -> web.Response:
    """Answer with the cells of one kept time."""
    return await _piece(request, frame_piece)


@ROUTES.get("/api/runs/{run}/volumes/{trajectory}/{compartment}/{tick}")
async def volumes(request: web.Request) -> web.Response:
    """Answer with the concentrations of one kept time."""
    return await _piece(request, volume_piece)


@ROUTES.get("/api/runs/{run}/paints/{trajectory}/{compartment}/{tick}")
async def paints(request: web.Request) -> web.Response:
    """Answer with a gene or program of the cells of one kept time."""
    name = request.query.get("name", "")[:LONGEST]
    return await _piece(request, partial(paint_piece, name=name))


@ROUTES.get("/api/runs/{run}/genes")
async def genes(request: web.Request) -> web.Response:
    """Answer with genes and programs of the run that a text begins or is part of."""
    query = request.query
    most = at_most(query.get("n", ""), MOST_FOUND, FOUND)

    def found(opened: OpenRun) -> dict[str, object]:
        where = compartment_of(opened.run, query.get("compartment"))
        programs = list(opened.run.scenario.get("observe", {}).get("programs", {}))
        return search(genes_of(opened, where), programs, query.get("q", "")[:LONGEST], most)

    return web.json_response(await _of_run(request, found))


async def _of_run(request: web.Request, answer: Callable[[OpenRun], T]) -> T:
    """Return what a run answers, in a thread of its own: reading it may take a while."""
    path = find_run(request.app[SITE], request[OWNER], request.match_info["run"])
    shelf = request.app[SHELF]
    return await asyncio.to_thread(lambda: answer(shelf.open(path)))


async def _piece(request: web.Request, made: Callable[..., bytes]) -> web.Response:
    """Answer with a piece of the kept time that the address names; for ever, where the address is that of its file."""
    owner, compartment, tick = (request.match_info[part] for part in ("trajectory", "compartment", "tick"))

    def found(opened: OpenRun) -> tuple[bytes, str]:
        part, replicate = opened.parts.get(owner, (None, 0))
        where = compartment_of(opened.run, compartment)
        kept = part.kept(replicate, where) if part is not None else []
        one = next((kept for kept in kept if str(kept.tick) == tick), None)
        if part is None or one is None:
            raise InputError(f"no cells of {compartment} were kept at tick {tick} of {owner}: ask for the scene again")
        return made(part, one.time, replicate, where), version(one)

    body, now = await _of_run(request, found)
    lasting = FOR_EVER if request.query.get("v") == now else ASK
    return web.Response(body=body, content_type="application/octet-stream", headers={"Cache-Control": lasting})


def _text(request: web.Request, text: str, kind: str) -> web.Response:
    """Answer with a text, or with nothing where the page has it already."""
    tag = tag_of(text)
    headers = {"Cache-Control": ASK, "ETag": f'"{tag}"'}
    if any(known.value == tag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(text=text, content_type=kind, headers=headers)
