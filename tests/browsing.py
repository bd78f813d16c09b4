"""The system's Chromium, for tests that look at pages and for the bench of the page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

REQUIRED = "TWIN_BROWSER_REQUIRED"  # set where a missing browser is a failure and not a skip
# OpenGL in software, as root, and nothing that a browser asks the network for of its own accord.
SWITCHES = [
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium() -> str | None:
    """Return where the browser is, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launched() -> Iterator[Browser]:
    """Run the browser; playwright keeps a loop of its own meanwhile, beside which no other runs."""
    found = chromium()
    if found is None and os.environ.get(REQUIRED):
        pytest.fail(f"no chromium is installed, and {REQUIRED} is set: apt-get install chromium")
    if found is None:
        pytest.skip("no chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=SWITCHES)
        yield browser
        browser.close()
