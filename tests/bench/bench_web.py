"""How fast the page answers, measured through the page itself in the system's Chromium.

`python -m tests.bench.bench_web` prints: the server's start; what 200 loads of the page leave in its memory; a cell
from the click to its first and last frame; tissues of 20,000 and 100,000 cells, drawn by software OpenGL.
`python -m tests.bench.bench_web load cell tissue` measures only those that are named.
"""

import sys
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

from tests.browsing import SWITCHES, chromium
from tests.web.serving import Server, served
from tests.web.tissues import Writer
from tests.web.viewing import load_seconds, playing, turning

Rates = Iterator[tuple[str, float]]

LOADS, WARM = 200, 30  # loads that count, and those before: what is imported and kept at first use is there then
QUESTIONS = ("/", "/api/site", "/api/cell/catalogue", "/api/scenarios", "/api/runs")
PAGE = Path(twin_web.__file__).parent / "page"
ANIMATED, LOADED, HOURS = 20_000, 100_000, 6  # cells; kept times
PLAYED = 4.0  # s that a tissue is turned, and plays
PATIENCE = 300.0  # s


def bench_load() -> Rates:
    """Yield what loads of the page cost: every file of it, and what it asks for first."""
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
    yield "the page, from the command to its address: s", start
    yield f"the page, a load of {len(paths) + len(QUESTIONS)} answers: s", took / LOADS
    yield f"the page, memory of the server: MiB gained in {LOADS} loads", after - before


def bench_cell() -> Rates:
    """Yield seconds of the cell view: until it is ready, from the click to the first frame, and to the last."""
    with TemporaryDirectory() as folder, served(Path(folder) / "runs") as server, _page() as page:
        begun = perf_counter()
        page.goto(f"{server.url}#/cell?hours=24&cells=100")
        page.wait_for_selector("body[data-view=cell][data-state=ready] #start:enabled")
        yield "a cell, the view is ready at the first visit: s", perf_counter() - begun
        for visit in ("the first time", "again"):
            begun = perf_counter()
            page.click("#start")
            page.wait_for_selector("body[data-first-frame-ms]")
            yield f"a cell, click to first frame, {visit}: s", perf_counter() - begun
            page.wait_for_selector("body[data-state=done]")
            yield f"a cell, 24 h of 100 replicates, {visit}: s", perf_counter() - begun


def bench_tissue_view() -> Rates:
    """Yield frames a second of a tissue that plays, and seconds until a large one is drawn."""
    with TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        runs.mkdir()
        for n in (ANIMATED, LOADED):
            Writer(runs / f"n{n}", n, n_ticks=HOURS).write(range(HOURS + 1))
        with served(runs) as server, _page() as page:
            page.goto(f"{server.url}#/runs")  # the pass; and the server has imported what it needs
            for n in (ANIMATED, LOADED):
                page.goto(f"{server.base}/tissue/viewer?run=n{n}&hour=0")
                yield f"a tissue of {n:,} cells, until it is drawn: s", load_seconds(page)
                yield f"a tissue of {n:,} cells, turned: frames/s", turning(page, PLAYED)
                yield f"a tissue of {n:,} cells, playing and turned: frames/s", playing(page, PLAYED)


@contextmanager
def _page() -> Iterator[Page]:
    """Give a page of the system's Chromium, which draws in software."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
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
    """Return every number of the page; without a browser, of its server alone."""
    if chromium() is None:
        print("no chromium is installed: of the page, only its server is measured", flush=True)
        return dict(bench_load())
    return {name: value for measure in MEASURES.values() for name, value in measure()}


if __name__ == "__main__":
    for wanted in sys.argv[1:] or MEASURES:
        for what, value in MEASURES[wanted]():
            print(f"{what:<70}  {value:>10.3g}", flush=True)
