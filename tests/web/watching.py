"""Runs that a server begins, as a page sees them: asked for, waited for, followed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from tests.web.asking import Client

PATIENCE = 300.0  # s; a worker imports torch first, and the machine may be busy

DISH = """\
name: dish
description: Cells divide and die; a poison kills more of them.
duration: {hours} h
tick: 30 min
seed: 5
world_model: {{name: none}}
compartments:
  dish:
    box: [200 um, 200 um, 40 um]
    spacing: 20 um
    cells:
      source: model
      count: 40
      composition: {{tumour: 1}}
substances:
  poison: {{diffusivity: 100 um^2/s, half_life: 6 h}}
cell_types:
  tumour: {{cycle entry: 0.02 /h, apoptosis: 0.02 /h}}
rules:
  - {{cell_type: tumour, signal: poison, response: increases, behaviour: apoptosis, saturation: 0.9 /h, half_max: 5 nM}}
processes:
  dosing:
  exchange:
  diffusion:
  rules:
  cycle: {{model: live, start: mixed}}
  death:
  volume:
observe: {{every: 1 h, cells_every: 2 h, quantities: {{tumour: count()}}}}
"""


def dish(folder: Path, hours: int = 8) -> Path:
    """Write a scenario that takes a moment, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "dish.yaml"
    file.write_text(DISH.format(hours=hours), "utf-8")
    return file


async def get(client: Client, path: str) -> tuple[int, Any]:
    """Return the status and the JSON of an answer."""
    answer = await client.get(path)
    return answer.status, await answer.json()


async def post(client: Client, path: str, body: object = None) -> tuple[int, Any]:
    """Return the status and the JSON of what a request does."""
    answer = await client.post(path, json={} if body is None else body)
    return answer.status, await answer.json()


async def until(client: Client, run: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the state of a run once something is so."""
    end = monotonic() + PATIENCE
    while monotonic() < end:
        status, state = await get(client, f"/api/runs/{run}/state")
        assert status == 200, state
        if is_so(state):
            return dict(state)
        assert state["state"] != "failed", state
        await asyncio.sleep(0.05)
    raise AssertionError(f"it never came: {state}")


async def events(client: Client, run: str, n: int) -> list[dict[str, Any]]:
    """Return the first `n` messages of a run's stream."""
    found: list[dict[str, Any]] = []
    async with client.get(f"/api/runs/{run}/events") as answer:
        async for row in answer.content:
            if row.startswith(b"data:"):
                found.append(json.loads(row.removeprefix(b"data:")))
                if len(found) == n:
                    break
    return found
