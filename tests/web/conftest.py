"""Fixtures of the tests of the page: a browser, a server, and pages that may not complain."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, ViewportSize

from tests.browsing import launched
from tests.web.serving import Address, Server, Visit, served

PATIENCE = 30_000  # ms


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium; for one file alone."""
    with launched() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`twin serve` with nothing to begin with; one for all tests of a file."""
    with served(tmp_path_factory.mktemp("served") / "runs") as started:
        yield started


Visits = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visits]:
    """Open a page of a server; when the test ends it must not have complained, nor asked anybody else for anything.

    at : a place like "#/cell"; None: the door. context : of another visit, whose cookies this one has, too.
    """
    opened: list[Visit] = []
    made: list[BrowserContext] = []

    def go(
        server: Address,
        at: str | None = None,
        *,
        state: str | None = "ready",
        width: int = 1280,
        height: int = 800,
        language: str = "en-US",
        scheme: Literal["light", "dark"] = "light",
        context: BrowserContext | None = None,
        **options: Any,
    ) -> Visit:
        if context is None:
            viewport = ViewportSize(width=width, height=height)
            context = browser.new_context(viewport=viewport, locale=language, color_scheme=scheme, **options)
            made.append(context)
        shown = Visit(context.new_page(), context, server)
        opened.append(shown)
        shown.page.set_default_timeout(PATIENCE)
        shown.page.on("request", lambda request: shown.requests.append(request.url))
        shown.page.on("console", lambda message: _hear(shown, message))
        shown.page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        shown.page.on("dialog", lambda dialog: shown.complaints.append(dialog.message))
        shown.page.goto(server.url + (at or ""))
        if state is not None:
            shown.wait(state)
        return shown

    yield go
    for context in made:
        context.close()
    for shown in opened:
        assert shown.strangers() == []
        assert shown.unexpected() == []


def _hear(shown: Visit, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        shown.complaints.append(f"{message.text} ({message.location.get('url', '')})")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of runs for one test."""
    return tmp_path / "runs"
