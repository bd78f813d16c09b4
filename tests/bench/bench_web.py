"""How fast the page answers, measured through the page itself in the system's Chromium.

`python -m tests.bench.bench_web` prints: the server's start; what 200 loads of the page leave in its memory; a cell
from the click to its first and last frame; tissues of 20,000 and 100,000 cells, drawn by software OpenGL.
`python -m tests.bench.bench_web load cell tissue` measures only those that are named.
"""

import shutil
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

import psutil
import twin_web
from playwright.sync_api import Page, sync_playwright

from tests.web.serving import SWITCHES, Server, served
from tests.web.tissues import Writer

LOADS, WARM = 200, 30  # loads that count, and those before: what is imported and kept at first use is there then
QUESTIONS = ("/", "/api/site", "/api/cell/catalogue", "/api/scenarios", "/api/runs")
PAGE = Path(twin_web.__file__).parent / "page"
ANIMATED, LOADED, HOURS = 20_000, 100_000, 6  # cells; kept times
PLAYED = 8.0  # s that a tissue plays
PATIENCE = 300.0  # s


def bench_load() -> dict[str, float]:
    """Return what loads of the page cost: every file of it, and what it asks for first."""
    paths = [f"/page/{file.relative_to(PAGE)}" for file in sorted(PAGE.rglob("*")) if file.is_file()]
    with TemporaryDirectory() as folder:
        begun = perf_counter()
        with served(Path(folder) / "runs") as server:
            start = perf_counter() - begun
            process = psutil.Process(server.process.pid)
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
            opener.open(server.url).close()
            _until_ready(opener, server)
            _load(opener, server, paths, WARM)
            before = _held(process)
            begun = perf_counter()
            _load(opener, server, paths, LOADS)
            took = perf_counter() - begun
            after = _held(process)
    print(f"memory of the server: {before:.1f} MiB after {WARM} loads, {after:.1f} after {WARM + LOADS}", flush=True)
    return {
        "the page, from the command to its address: s": start,
        f"the page, a load of {len(paths) + len(QUESTIONS)} answers: s": took / LOADS,
        f"the page, memory of the server: MiB gained in {LOADS} loads": after - before,
    }


def bench_cell() -> dict[str, float]:
    """Return seconds of the cell view: until it is ready, from the click to the first frame, and to the last."""
    rates = {}
    with TemporaryDirectory() as folder, served(Path(folder) / "runs") as server, _page() as page:
        begun = perf_counter()
        page.goto(f"{server.url}#/cell?hours=24&cells=100")
        page.wait_for_selector("body[data-view=cell][data-state=ready] #start:enabled")
        rates["a cell, the view is ready at the first visit: s"] = perf_counter() - begun
        for visit in ("the first time", "again"):
            begun = perf_counter()
            page.click("#start")
            page.wait_for_selector("body[data-first-frame-ms]")
            rates[f"a cell, click to first frame, {visit}: s"] = perf_counter() - begun
            page.wait_for_selector("body[data-state=done]")
            rates[f"a cell, 24 h of 100 replicates, {visit}: s"] = perf_counter() - begun
    return rates


def bench_tissue_view() -> dict[str, float]:
    """Return frames a second of a tissue that plays, and seconds until a large one is drawn."""
    rates = {}
    with TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        runs.mkdir()
        for n in (ANIMATED, LOADED):
            Writer(runs / f"n{n}", n, n_ticks=HOURS).write(range(HOURS + 1))
        with served(runs) as server, _page() as page:
            page.goto(f"{server.url}#/runs")  # the pass; and the server has imported what it needs
            for n in (ANIMATED, LOADED):
                begun = perf_counter()
                page.goto(f"{server.base}/tissue/viewer?{urllib.parse.urlencode({'run': f'n{n}', 'hour': 0})}")
                page.wait_for_selector("body[data-state=still], body[data-state=moving]")
                rates[f"a tissue of {n:,} cells, until it is drawn: s"] = perf_counter() - begun
                page.wait_for_selector("body[data-state=still][data-loaded=all]")
                page.select_option("#speed", "4")
                page.locator("#scene").focus()
                page.keyboard.press(" ")
                page.wait_for_selector("body[data-frames-per-second]")
                rates[f"a tissue of {n:,} cells, playing: frames/s"] = _played(page)
            begun = perf_counter()
            page.goto(f"{server.base}/#/tissue/n{LOADED}")
            for name in ("before", "after"):
                page.frame_locator(f"iframe#{name}").locator("body[data-state=still]").wait_for()
            rates[f"the tissue view of {LOADED:,} cells, before and after: s"] = perf_counter() - begun
    return rates


def _played(page: Page) -> float:
    """Return the frames a second that are drawn while a tissue plays, anew from the start whenever it ends."""
    told = []
    end = perf_counter() + PLAYED
    while perf_counter() < end:
        page.wait_for_timeout(500)
        if page.locator("#play[aria-label=Play]").count():
            page.keyboard.press(" ")
        told.append(float(page.get_attribute("body", "data-frames-per-second") or "nan"))
    return sorted(told)[len(told) // 2]


@contextmanager
def _page() -> Iterator[Page]:
    """Give a page of the system's Chromium, which draws in software."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found is not None, "no chromium is installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=SWITCHES)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(1000 * PATIENCE)
        yield page
        browser.close()


def _load(opener: urllib.request.OpenerDirector, server: Server, paths: list[str], n: int) -> None:
    for _ in range(n):
        for path in (*QUESTIONS, *paths):
            with opener.open(f"{server.base}{path}", timeout=PATIENCE) as answer:
                answer.read()


def _until_ready(opener: urllib.request.OpenerDirector, server: Server) -> None:
    """Wait until the model is loaded: its memory is no leak."""
    end = perf_counter() + PATIENCE
    while perf_counter() < end:
        with opener.open(f"{server.base}/api/cell/catalogue", timeout=PATIENCE) as answer:
            if b'"ready"' in answer.read():
                return
        sleep(0.5)
    raise TimeoutError("the model was never ready")


def _held(process: psutil.Process) -> float:
    """Return the memory of the server alone, MiB, once it rests."""
    sleep(2.0)
    return float(process.memory_info().rss) / 2**20


MEASURES = {"load": bench_load, "cell": bench_cell, "tissue": bench_tissue_view}


def bench_web() -> dict[str, float]:
    """Return every number of the page."""
    return {name: value for measure in MEASURES.values() for name, value in measure().items()}


if __name__ == "__main__":
    for wanted in sys.argv[1:] or MEASURES:
        for what, value in MEASURES[wanted]().items():
            print(f"{what:<70}  {value:>10.3g}", flush=True)
