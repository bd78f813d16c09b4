"""What the cell view asks the server."""

import asyncio
from collections.abc import AsyncIterator
from threading import Event
from typing import Any

import numpy as np
from aiohttp import web

from twin.errors import UnknownNameError
from twin_web.bodies import DIGITS, at_most, body, text, whole
from twin_web.cell.asked import LAST_SEED, MOST_CELLS, question, size
from twin_web.cell.catalogue import MOST_FOUND, catalogue, default, found_genes
from twin_web.cell.chart import HOURS, Atlas, Chart
from twin_web.cell.frame import cell_of, place_of
from twin_web.cell.kept import TREATED, UNTREATED, Kept
from twin_web.cell.lab import LAB, Lab, NotYet
from twin_web.cell.sentences import Language, joined, language_of, said, told
from twin_web.cell.simulation import Simulation, Simulations, culture_of, simulate, warm, what_of
from twin_web.cell.starts import Start, start_of
from twin_web.cell.support import support_of
from twin_web.site import OWNER, SITE

ROUTES = web.RouteTableDef()
SIMULATIONS: web.AppKey[Simulations] = web.AppKey("simulations", Simulations)


def add_to(app: web.Application) -> None:
    """Add what this part answers, and load its model beside the server."""
    app[LAB] = Lab(app[SITE])
    app[SIMULATIONS] = Simulations(app[SITE].inside)
    app.cleanup_ctx.append(_open)
    app.add_routes(ROUTES)


async def _open(app: web.Application) -> AsyncIterator[None]:
    app[LAB].open(lambda: _ask_first(app[LAB]))
    yield
    await asyncio.to_thread(app[LAB].close)
    app[SIMULATIONS].clear()


def _ask_first(lab: Lab) -> None:
    """Ask what the page begins with, before anybody does: the first answers come as fast as later ones."""
    ready = lab.ready()
    first = default(ready)
    start = start_of(lab, "", {"start": {"source": "model", "context": first["context"]}})
    with lab.turn:
        culture_of(lab, start, first["cells"], first["seed"])
    warm(lab, start, question(first, ready.model, start.context, start.panel.genes))


@ROUTES.get("/api/cell/catalogue")
async def tell_catalogue(request: web.Request) -> web.Response:
    """Answer with what can be asked, or that the model is being loaded."""
    lab = request.app[LAB]
    try:
        ready = lab.ready()
    except NotYet:
        return web.json_response({"status": "loading", "model": lab.site.model, "seconds": round(lab.seconds, 1)})
    return web.json_response(await asyncio.to_thread(catalogue, lab, ready))


@ROUTES.get("/api/cell/genes")
async def find_genes(request: web.Request) -> web.Response:
    """Answer with genes by a part of their symbol."""
    lab, context = request.app[LAB], request.query.get("context", "")
    ready = lab.ready()
    most = at_most(request.query.get("most", ""), MOST_FOUND, 20)
    chart = await asyncio.to_thread(lab.chart, ready.panel(context))
    mean = None if chart is None else chart.map.mean.tolist()
    found = await asyncio.to_thread(found_genes, ready, context, request.query.get("q", "")[:60], most, mean)
    if chart is not None:
        for gene in found["genes"]:
            gene["program"] = None if gene["index"] is None else int(chart.map.whose[gene["index"]])
    return web.json_response(found)


@ROUTES.get("/api/cell/map")
async def tell_map(request: web.Request) -> web.Response:
    """Answer with the map of genes of a context's panel; it is drawn where there is none."""
    return web.json_response(await asyncio.to_thread(_charted, request.app[LAB], request.query.get("context", "")))


@ROUTES.get("/api/cell/atlas")
async def tell_atlas(request: web.Request) -> web.Response:
    """Answer with the reference cells of a context's panel."""
    context, language = request.query.get("context", ""), language_of(request.query)
    return web.json_response(await asyncio.to_thread(_charted, request.app[LAB], context, language))


def _charted(lab: Lab, context: str, atlas_in: Language | None = None) -> dict[str, Any]:
    """Return the map of a context's panel, or its atlas with a note in a language."""
    shipped = lab.charts.shipped()
    if shipped is not None and context in shipped.contexts and lab.state != "failed":
        chart: Chart | None = shipped  # before the model is there; a test holds that it is of this model
    else:
        chart = lab.chart(lab.ready().panel(context))
    if chart is not None and atlas_in is None:
        return {"status": "ready", **_map_json(chart)}
    if chart is not None and chart.atlas is not None and atlas_in is not None:
        return {"status": "ready", "panel": chart.panel, **_atlas_json(chart.atlas, atlas_in)}
    ready = lab.ready()
    seconds, why = lab.charts.draw(ready.model.fingerprint, ready.panel(context).id, context)
    if why is not None:
        return {"status": "failed", "error": f"the map of {context} could not be drawn: {why}"}
    return {"status": "computing", "seconds": round(seconds, 1)}


def _map_json(chart: Chart) -> dict[str, Any]:
    m = chart.map
    programs = []
    for j, program in enumerate(m.programs):
        mine = m.whose == j
        x, y = m.x[mine], m.y[mine]
        programs.append(
            {
                "name": program.name,
                "zh": program.zh,
                "known": program.known,
                "marked": program.marked,
                "colour": j,
                "n": int(mine.sum()),
                "centre": [round(float(x.mean()), 2), round(float(y.mean()), 2)],
                "box": [int(v) for v in (x.min(), y.min(), x.max(), y.max())],
                "top": list(program.top),
            }
        )
    return {
        "panel": chart.panel,
        "side": m.side,
        "genes": list(chart.genes),
        "x": m.x.tolist(),
        "y": m.y.tolist(),
        "program": m.whose.tolist(),
        "mean": [float(f"{v:.3g}") for v in m.mean],
        "programs": programs,
    }


def _atlas_json(atlas: Atlas, language: Language) -> dict[str, Any]:
    place, types = np.round(atlas.place, 4), len(atlas.kinds)
    note = [said("atlas", n=len(place), each=int((atlas.arm == 0).sum()) // types, types=types)]
    note += [said("atlas-arm", arm=arm, first=HOURS[0], last=HOURS[-1]) for arm in atlas.arms[1:]]
    return {
        "x": place[:, 0].tolist(),
        "y": place[:, 1].tolist(),
        "type": atlas.kind.tolist(),
        "types": list(atlas.kinds),
        "treated": atlas.arm.tolist(),
        "arms": list(atlas.arms),
        "note": told(joined("parts", note), language),
    }


@ROUTES.post("/api/cell/before")
async def tell_before(request: web.Request) -> web.Response:
    """Answer with the cell before anything is done to it."""
    given, lab, owner = await body(request), request.app[LAB], request[OWNER]
    seed, cells = whole(given, "seed", 0, LAST_SEED, 1), whole(given, "cells", 1, MOST_CELLS, 100)
    follow = whole(given, "follow", 0, cells - 1, 0)
    return web.json_response(await asyncio.to_thread(_before, lab, owner, given, cells, seed, follow))


def _before(lab: Lab, owner: str, given: dict[str, Any], cells: int, seed: int, follow: int) -> dict[str, Any]:
    start = start_of(lab, owner, given)
    with lab.turn:
        culture = culture_of(lab, start, cells, seed)
    genes = start.panel.genes
    cell = cell_of(culture.counts, follow, genes)
    mean = np.asarray(culture.counts.mean(axis=0)).ravel()
    place = {gene: i for i, gene in enumerate(genes)}
    cell["top"] = [[gene, n, round(float(mean[place[gene]]), 2)] for gene, n in cell["top"]]
    return (
        cell
        | _about(start, language_of(given))
        | {"cells": cells, "place": place_of(culture.counts[[follow]], lab.chart(start.panel))}
    )


def _about(start: Start, language: Language) -> dict[str, Any]:
    return {
        "panel": start.panel.id,
        "context": start.context,
        "type": start.type,
        "species": start.species,
        "donor": start.donor,
        "source": told(start.source, language),
        "copies": start.copies,
        "note": told(joined("clauses", start.notes), language) or None,
    }


@ROUTES.post("/api/cell/support")
async def tell_support(request: web.Request) -> web.Response:
    """Answer with how far the data carry an answer."""
    given, lab, owner = await body(request), request.app[LAB], request[OWNER]
    return web.json_response(await asyncio.to_thread(_support, lab, owner, given))


def _support(lab: Lab, owner: str, given: dict[str, Any]) -> dict[str, Any]:
    start = start_of(lab, owner, given)
    asked = question(given, start.whole, start.context, start.panel.genes)
    with lab.turn:
        model = lab.focused(start.key, start.whole, start.context, tuple(asked.doses))
        support = support_of(model, start.whole, start.context, asked, language_of(given))
    lab.later(owner, lambda: warm(lab, start, asked))
    return support


@ROUTES.post("/api/cell/simulate")
async def begin(request: web.Request) -> web.Response:
    """Start a simulation, and answer with its job."""
    given, lab, owner = await body(request), request.app[LAB], request[OWNER]
    simulations, jobs = request.app[SIMULATIONS], request.app[SITE].jobs
    simulations.check_room(owner)
    start = await asyncio.to_thread(start_of, lab, owner, given)
    asked = question(given, start.whole, start.context, start.panel.genes)
    how, language = size(given, asked.hours, start.panel.genes), language_of(given)
    simulations.check_room(owner)  # again: reading the cells gave others time to begin
    stop = Event()
    job, journal = jobs.begin(owner, stop.set, kind="cell", what=told(what_of(start, asked), language))
    simulation = Simulation(owner, start, asked, how, language, Kept(simulations.folder / job, start.panel.genes), stop)
    simulations.add(job, simulation)
    lab.pool.submit(simulate, lab, simulation, journal)
    return web.json_response({"job": job})


@ROUTES.get("/api/cell/result/{job}.h5ad")
async def download(request: web.Request) -> web.StreamResponse:
    """Answer with all cells at all hours, as an AnnData file."""
    job = request.match_info["job"]
    found = request.app[SIMULATIONS].find(job, request[OWNER])
    about = {
        "what": told(found.what, "en"),
        "seed": found.size.seed,
        "model": request.app[SITE].model,
        "units": {"hour": "h"},
    }
    file = await asyncio.to_thread(found.kept.h5ad, found.start.type, about)
    name = f"twin-cell-{job}.h5ad"
    return web.FileResponse(file, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@ROUTES.get("/api/cell/result/{job}/gene")
async def tell_gene(request: web.Request) -> web.Response:
    """Answer with a gene's mean and band at every hour."""
    kept = request.app[SIMULATIONS].find(request.match_info["job"], request[OWNER]).kept
    name = request.query.get("name", "")
    if name not in kept.genes:
        raise UnknownNameError("gene of these cells", name, kept.genes)
    return web.json_response(await asyncio.to_thread(kept.gene, kept.genes.index(name)))


@ROUTES.get("/api/cell/result/{job}/cell")
async def tell_replicate(request: web.Request) -> web.Response:
    """Answer with one replicate at one hour."""
    found = request.app[SIMULATIONS].find(request.match_info["job"], request[OWNER])
    asked = {key: int(v[:DIGITS]) for key, v in request.query.items() if key in ("replicate", "hour") and v.isdecimal()}
    row = whole(asked, "replicate", 0, found.size.cells - 1, 0)
    hour = whole(asked, "hour", 0, max(len(found.kept.hours) - 1, 0), 0)
    arm = text(dict(request.query), "arm", TREATED)
    if arm not in (TREATED, UNTREATED):
        raise UnknownNameError("arm", arm, (TREATED, UNTREATED))
    return web.json_response(await asyncio.to_thread(_replicate, request.app[LAB], found, row, hour, arm))


def _replicate(lab: Lab, found: Simulation, row: int, hour: int, arm: str) -> dict[str, Any]:
    both = found.kept.at(hour)
    row += 0 if arm == TREATED else found.size.cells
    one = both[[row]]
    cell = cell_of(one, 0, found.kept.genes)
    return cell | {"place": place_of(one, lab.chart(found.start.panel)), "hour": hour, "arm": arm}
