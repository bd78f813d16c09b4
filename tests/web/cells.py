"""The cell view's server and a browser that asks it, one question after another."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
from twin_web.app import application
from twin_web.guard import WHO
from twin_web.site import Site

from tests.web.asking import Client

START = {"source": "model", "context": "CD14 Mono"}
IFN = [{"name": "IFNB1", "dose": "100 U/mL"}]
PATIENCE = 120.0  # s; a loaded machine


@dataclass
class Asker:
    """A browser: what it asks is answered before the next question."""

    runner: asyncio.Runner
    client: Client
    site: Site

    def ask(self, method: str, path: str, status: int = 200, **given: Any) -> dict[str, Any]:
        """Return the JSON of an answer, which must have this status."""
        code, _, raw = self.raw(method, path, **given)
        told: dict[str, Any] = json.loads(raw)
        assert code == status, told
        return told

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        """Return what is got."""
        return self.ask("GET", path, status)

    def post(self, what: str, status: int = 200, **given: Any) -> dict[str, Any]:
        """Return the answer to a question of the cell view; of the default cell, unless another start is given."""
        return self.ask("POST", f"/api/cell/{what}", status, json={"start": START, **given})

    def refused(self, what: str, **given: Any) -> str:
        """Return in which words a question is refused."""
        return str(self.post(what, 400, **given)["error"])

    def raw(self, method: str, path: str, **given: Any) -> tuple[int, str, bytes]:
        """Return status, disposition and bytes of an answer."""

        async def go() -> tuple[int, str, bytes]:
            async with self.client.request(method, path, **given) as answer:
                return answer.status, answer.headers.get("Content-Disposition", ""), await answer.read()

        return self.runner.run(go())

    def events(self, job: str, most: int | None = None) -> list[dict[str, Any]]:
        """Return the events of a job to its last, or the first few."""

        async def go() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            async with self.client.get(f"/api/jobs/{job}/events") as answer:
                async for line in answer.content:
                    if line.startswith(b"data:"):
                        found.append(json.loads(line.removeprefix(b"data:")))
                        if found[-1]["kind"] in ("done", "failed", "stopped") or len(found) == most:
                            return found
            return found

        return self.runner.run(asyncio.wait_for(go(), PATIENCE))

    def simulate(self, **given: Any) -> list[dict[str, Any]]:
        """Return all events of a simulation."""
        return self.events(self.post("simulate", **given)["job"])

    def ready(self) -> dict[str, Any]:
        """Return the catalogue, once the model is there."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            told = self.get("/api/cell/catalogue")
            if told["status"] != "loading":
                return told
            self.runner.run(asyncio.sleep(0.2))
        raise AssertionError("the model is not there")

    @property
    def owner(self) -> str:
        """The name that the server knows this browser by."""
        cookies = {cookie.key: cookie.value for cookie in self.client.session.cookie_jar}
        return cookies[WHO]

    @contextmanager
    def another(self) -> Iterator["Asker"]:
        """Give a second browser of the same server."""
        client = self.runner.run(_open(self.client.server, self.site))
        yield Asker(self.runner, client, self.site)
        self.runner.run(client.session.close())


async def _open(server: Any, site: Site) -> Client:
    client = TestClient(server, cookie_jar=CookieJar(unsafe=True))
    if not server.started:
        await client.start_server()
    await client.get("/", params={"token": site.token})
    return client


@contextmanager
def asker(folder: Path, model: str = "default") -> Iterator[Asker]:
    """Serve a site and give a browser of it."""
    with asyncio.Runner() as runner:
        site = Site(folder, model=model)

        async def begin() -> Client:
            return await _open(TestServer(application(site)), site)

        client = runner.run(begin())
        try:
            yield Asker(runner, client, site)
        finally:
            runner.run(client.close())
