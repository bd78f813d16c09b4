"""How long a question of the cell view takes: `python -m tests.bench.bench_cell`, on a quiet machine.

From the request over a real connection to the first hour of treated cells, and to the last of 24, with the untreated
twins of the 100 cells beside them; and how long what is asked at every change of the choice takes.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
from twin_web.app import application
from twin_web.site import Site

CELL = {"start": {"source": "model", "context": "CD14 Mono"}, "perturbations": [{"name": "IFNB1", "dose": "100 U/mL"}]}
HOURS, CELLS, REPEATS = 24, 100, 3


async def bench_cell(hours: int = HOURS, cells: int = CELLS) -> dict[str, float]:
    """Return seconds by what was waited for."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        async with TestClient(TestServer(application(site)), cookie_jar=CookieJar(unsafe=True)) as client:
            begun = perf_counter()
            await client.get("/", params={"token": site.token})
            while (await (await client.get("/api/cell/catalogue")).json())["status"] == "loading":
                await asyncio.sleep(0.05)
            told = {"model loaded": perf_counter() - begun}
            for name, path in (("before", "before"), ("support, first", "support"), ("support, again", "support")):
                begun = perf_counter()
                await (await client.post(f"/api/cell/{path}", json=CELL)).read()
                told[name] = perf_counter() - begun
            await asyncio.sleep(3.0)  # a user reads what supports the answer; meanwhile the model is made ready
            runs = [await _run(client, hours, cells, seed) for seed in range(1, REPEATS + 1)]
            told["first hour, first time"] = runs[0][0]
            told["first hour"] = median(first for first, _ in runs)
            told[f"{hours} h of {cells} cells and their twins"] = median(last for _, last in runs)
            return told


async def _run(client: TestClient, hours: int, cells: int, seed: int) -> tuple[float, float]:  # type: ignore[type-arg]
    """Return seconds from the request to the first hour and to the end."""
    begun, first = perf_counter(), 0.0
    async with client.post("/api/cell/simulate", json={**CELL, "hours": hours, "cells": cells, "seed": seed}) as answer:
        job = (await answer.json())["job"]
    async with client.get(f"/api/jobs/{job}/events") as stream:
        async for line in stream.content:
            event = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if event.get("kind") == "frame" and event["k"] == 1:
                first = perf_counter() - begun
            if event.get("kind") in ("done", "failed"):
                assert event["kind"] == "done", event
                break
    return first, perf_counter() - begun


if __name__ == "__main__":
    for what, seconds in asyncio.run(bench_cell()).items():
        print(f"{what:40s} {seconds:6.2f} s")
