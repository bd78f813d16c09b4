"""What the page asks of uploaded cells: to send, list, look at, and delete them."""

import asyncio
from typing import Any

from aiohttp import web

from twin.errors import InputError
from twin_web.bodies import body
from twin_web.runs.axis import KNOWN
from twin_web.runs.find import find_upload
from twin_web.runs.receive import accepted, delete_upload, receive, told_limits, told_of, uploads_of
from twin_web.runs.upload import save_upload
from twin_web.runs.work import begin
from twin_web.site import OWNER, SITE

ROUTES = web.RouteTableDef()
TURN: web.AppKey[asyncio.Semaphore] = web.AppKey("check_turn", asyncio.Semaphore)


@ROUTES.get("/api/uploads")
async def uploads(request: web.Request) -> web.Response:
    """Answer with the uploads of whoever asks, and with what may be sent."""
    site, owner = request.app[SITE], request[OWNER]
    found = await asyncio.to_thread(uploads_of, site, owner)
    limits = await asyncio.to_thread(told_limits, site, owner)
    return web.json_response({"uploads": [told_of(upload) for upload in found], "limits": limits})


@ROUTES.post("/api/uploads")
async def send(request: web.Request) -> web.Response:
    """Take a file, and answer with the job that checks it."""
    site, owner = request.app[SITE], request[OWNER]
    sent = await receive(site, owner, request)
    known, turn = request.app[KNOWN], request.app[TURN]

    async def check(journal: Any) -> dict[str, Any]:
        try:
            axis = await known.axis()
        except BaseException:
            sent.path.unlink(missing_ok=True)
            raise
        return await accepted(site, owner, sent, axis, turn, journal)

    return web.json_response({"job": begin(site, owner, check, what="upload")})


@ROUTES.get("/api/uploads/{upload}")
async def upload(request: web.Request) -> web.Response:
    """Answer with what was found in one upload."""
    found = find_upload(request.app[SITE], request[OWNER], request.match_info["upload"])
    return web.json_response(told_of(found))


@ROUTES.post("/api/uploads/{upload}")
async def choose(request: web.Request) -> web.Response:
    """Take the column that names the types."""
    found = find_upload(request.app[SITE], request[OWNER], request.match_info["upload"])
    chosen = (await body(request)).get("types_column")
    columns = [column.name for column in found.columns]
    if chosen not in columns:
        raise InputError(
            f"types_column: {str(chosen)[:60]!r} is no column of words; there are {', '.join(columns[:12])}"
        )
    changed = found.model_copy(update={"types_column": chosen})
    await asyncio.to_thread(save_upload, changed)
    return web.json_response(told_of(changed))


@ROUTES.delete("/api/uploads/{upload}")
async def delete(request: web.Request) -> web.Response:
    """Take an upload away; runs keep the cells that they began with."""
    found = find_upload(request.app[SITE], request[OWNER], request.match_info["upload"])
    await asyncio.to_thread(delete_upload, found)
    return web.json_response({})
