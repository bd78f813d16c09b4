"""A server in the test's own loop, and a client that may come in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import CookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from twin_web.app import application
from twin_web.site import Site

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def asking(site: Site, *routes: web.RouteDef, known: bool = True) -> AsyncIterator[Client]:
    """Serve a site and give a client of it.

    routes : of the test itself, beside those of the page. known : whether the client has shown the token already.
    """
    app = application(site)
    app.add_routes(routes)
    async with TestClient(TestServer(app), cookie_jar=CookieJar(unsafe=True)) as client:
        if known:
            await client.get("/", params={"token": site.token})
        yield client
