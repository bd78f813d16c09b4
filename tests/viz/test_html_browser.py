"""The page of a run in a real browser: what is looked at is pixels and words, not that nothing complained."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from twin_viz.coloring import column
from twin_viz.export.html.document import write_html
from twin_viz.palette import CATEGORIES

from tests.browsing import launched
from tests.viz.branched_run import branched_run
from tests.viz.fake_run import FakeRun
from tests.viz.test_html import HOSTILE, Named
from twin.results import Run

pytestmark = pytest.mark.browser
LIGHT, DARK = (255, 255, 255), (18, 21, 26)  # the ground of the page
STILL = "body[data-loaded=all][data-state=still]"

BLOCK = 6  # px

Pixels = NDArray[np.int64]  # (row, column, channel)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@dataclass
class Shown:
    """A page that is open, and what it asked for."""

    page: Page
    requests: list[str]

    def settle(self) -> None:
        self.page.wait_for_selector(STILL)

    def pixels(self) -> Pixels:
        """Return what is seen of the tissue, once nothing moves."""
        self.settle()
        taken = self.page.locator("#holder").screenshot()
        return np.asarray(PIL.Image.open(io.BytesIO(taken)).convert("RGB"), dtype=np.int64)

    def go_to(self, t: int) -> None:
        self.page.locator("#time").fill(str(t))

    def at(self, x: float, y: float) -> None:
        """Click at a place of the picture, in shares of it."""
        box = self.page.locator("#scene").bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def told(self, name: str) -> str:
        """Return the value that the panel tells of the picked cell."""
        return self.page.locator(f'#picked td[data-of="{name}"]').inner_text()

    def captions(self) -> list[str]:
        return self.page.locator(".caption").all_inner_texts()


Open = Callable[..., Shown]


@pytest.fixture
def shown(browser: Browser) -> Iterator[Open]:
    """Open a page; when the test ends it must not have complained, nor asked for anything but itself."""
    opened: list[tuple[Any, Path, list[str], list[str]]] = []

    def go(file: Path, width: int = 1080, height: int = 640, script: str = "", **options: Any) -> Shown:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        requests: list[str] = []
        complaints: list[str] = []
        context.on("request", lambda request: requests.append(request.url))
        context.on("console", lambda message: complaints.append(message.text))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("dialog", lambda dialog: complaints.append(dialog.message))
        if script:
            context.add_init_script(script)
        opened.append((context, file, requests, complaints))
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(file.as_uri())
        page.wait_for_selector(f"{STILL}, body[data-state=failed]")
        return Shown(page, requests)

    yield go
    for context, file, requests, complaints in opened:
        context.close()
        assert requests == [file.as_uri()]
        assert complaints == []


@pytest.fixture(scope="module")
def patch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of the small known run."""
    return write_html(FakeRun(), tmp_path_factory.mktemp("page") / "patch.html", ["ISG15", "interferon"])


@pytest.fixture(scope="module")
def branched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return branched_run(tmp_path_factory.mktemp("run") / "run")


def near(pixels: Pixels, color: str | tuple[int, int, int], within: int = 60) -> NDArray[np.bool_]:
    """Say where a picture has a colour, as spheres are shaded: the same hue, up to half as light."""
    rgb = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) if isinstance(color, str) else color
    light = pixels.max(axis=2, keepdims=True) / max(max(rgb), 1)
    return np.asarray((np.abs(pixels - np.array(rgb) * light).sum(axis=2) < within) & (light[..., 0] > 0.5))


def drawn(pixels: Pixels, ground: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(pixels - np.array(ground)).sum(axis=2) > 40)


def changed(before: Pixels, after: Pixels) -> int:
    """Return how many blocks of pixels differ: edges are drawn finer or not, as the machine is fast."""

    def blocks(pixels: Pixels) -> NDArray[np.float64]:
        rows, columns = (n // BLOCK for n in pixels.shape[:2])
        whole = pixels[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)
        return np.asarray(whole.mean(axis=(1, 3)))

    return int((np.abs(blocks(before) - blocks(after)).sum(axis=2) > 40).sum())


def test_spheres_have_the_colours_of_their_types_and_a_click_hides_one(patch: Path, shown: Open) -> None:
    page = shown(patch)
    page.page.select_option("#paint", label="cell type")
    before = page.pixels()
    assert all(near(before, color).sum() > 150 for color in CATEGORIES[:3])
    page.page.locator("#legend .chip", has_text="CD4 T cells").click()
    after = page.pixels()
    assert near(after, CATEGORIES[2]).sum() < 0.1 * near(before, CATEGORIES[2]).sum()
    assert near(after, CATEGORIES[0]).sum() > 0.8 * near(before, CATEGORIES[0]).sum()
    cells = FakeRun().cells(24.0)
    left = int((cells.obs["cell_type"] != "CD4 T cells").sum())
    assert f"{left} of 600 cells shown" in page.captions()[0]
    page.page.locator("#legend .chip", has_text="CD4 T cells").click()
    assert changed(before, page.pixels()) < 8


def test_the_slider_moves_time_and_colours_with_it(patch: Path, shown: Open) -> None:
    page = shown(patch)
    after = page.pixels()
    assert page.page.locator("#stamp").inner_text() == "24 h"
    assert "beyond the assay: extrapolated" in page.captions()[0]
    page.go_to(0)
    before = page.pixels()
    assert page.page.locator("#stamp").inner_text() == "0 h"
    assert "extrapolated" not in page.captions()[0]
    assert changed(before, after) > 150
    dark = "#b5207a"  # much of the gene
    assert near(before, dark).sum() < 0.2 * near(after, dark).sum()
    left, right = np.split(near(after, dark), 2, axis=1)
    assert left.sum() > 1.3 * right.sum()  # the releasing cells are at the left
    page.page.select_option("#paint", label="cell type")
    assert changed(before, page.pixels()) > 150


def test_keys_step_play_turn_and_zoom(patch: Path, shown: Open) -> None:
    page = shown(patch)
    page.page.keyboard.press("ArrowLeft")
    page.page.wait_for_selector("#stamp:text-is('12 h')")
    before = page.pixels()
    page.page.keyboard.press("+")
    larger = page.pixels()
    assert drawn(larger, LIGHT).sum() > 1.15 * drawn(before, LIGHT).sum()
    page.page.keyboard.press("0")
    page.page.keyboard.press("Shift+ArrowUp")
    assert changed(before, page.pixels()) > 150
    page.page.locator("#scene").dblclick(position={"x": 10, "y": 10})
    assert changed(before, page.pixels()) < 8
    page.page.select_option("#speed", "16")
    page.page.locator("#scene").focus()
    page.page.keyboard.press(" ")
    page.page.wait_for_selector("#stamp:text-is('24 h')")
    page.page.wait_for_selector("#play[aria-label=Play]")
    page.page.keyboard.press(" ")  # from the end it begins anew
    page.page.wait_for_selector("#stamp:text-is('6 h')")


def test_a_cut_takes_away_the_cells_beyond_it(patch: Path, shown: Open) -> None:
    page = shown(patch)
    whole = page.pixels()
    page.page.select_option("#cut-axis", label="across x")
    page.page.select_option("#cut-side", "above")
    page.page.locator("#cut-at").fill("250")
    at = float(re.findall(r"[\d.]+", page.page.locator("#cut-place").inner_text())[0])
    half = page.pixels()
    kept = int((FakeRun().cells(24.0).obsm["spatial"][:, 0] >= at).sum())
    shown_now = int(page.page.locator(".caption").get_attribute("data-shown") or 0)
    assert abs(shown_now - kept) <= 1  # the place is told to four digits
    left, right = np.split(near(half, "#b5207a"), 2, axis=1)
    assert left.sum() < 0.05 * right.sum()
    assert right.sum() > 0.9 * np.split(near(whole, "#b5207a"), 2, axis=1)[1].sum()
    page.page.locator("#cut-on").uncheck()
    assert changed(whole, page.pixels()) < 8


def test_a_slice_shows_the_substance_among_the_cells(patch: Path, shown: Open) -> None:
    page = shown(patch)
    before = page.pixels()
    page.page.locator("#slice-on").check()
    page.page.locator("#slice-cut").click()
    sliced = page.pixels()
    assert "IFN-beta (nM), logarithmic" in page.page.locator("#field-bar").inner_text()
    much, little = near(sliced, "#253494"), near(sliced, "#c7e9b4")
    assert much.sum() > 500 + near(before, "#253494").sum()
    assert little.sum() > 500 + near(before, "#c7e9b4").sum()
    columns = np.arange(sliced.shape[1])
    assert (much.sum(axis=0) * columns).sum() / much.sum() < (little.sum(axis=0) * columns).sum() / little.sum()


def test_a_clicked_cell_tells_its_numbers_and_is_followed(branched: Run, tmp_path: Path, shown: Open) -> None:
    page = shown(write_html(branched, tmp_path / "page.html", ["GENE0"], "tissue", branch="trunk"))
    spheres = drawn(page.pixels(), LIGHT)
    body = spheres[60:-60, 60:-60]  # no caption, no scale bar
    inner = np.argwhere(body[8:-8, 8:-8] & body[16:, 8:-8] & body[:-16, 8:-8] & body[8:-8, 16:] & body[8:-8, :-16]) + 68
    row, across = inner[len(inner) // 2]
    page.at(across / spheres.shape[1], row / spheres.shape[0])
    page.page.wait_for_selector("#picked td")
    who = re.match(r"cell (\d+) · (.+)", page.page.locator("#picked .who").inner_text())
    assert who is not None
    time = float(branched.times()[-1])
    cells = branched.cells(time, compartment="tissue")
    (i,) = np.flatnonzero(cells.obs_names == who[1])
    assert who[2] == cells.obs["cell_type"].iloc[i]
    assert float(page.told("radius")) == pytest.approx(cells.obs["radius"].iloc[i], rel=1e-3)
    place = [float(v) for v in page.told("place").split(", ")]
    assert place == pytest.approx(cells.obsm["spatial"][i].tolist(), abs=0.06)
    assert page.told("alive") == ("yes" if cells.obs["alive"].iloc[i] else "no")
    assert float(page.told("GENE0")) == pytest.approx(column(cells, "GENE0", {})[1].iloc[i], rel=2e-3)
    lived = sum(who[1] in branched.cells(float(t), compartment="tissue").obs_names for t in branched.times())
    page.settle()
    assert page.page.locator("#picked circle").count() == lived
    page.page.locator("#release").click()
    assert "Click a cell" in page.page.locator("#picked").inner_text()


def test_futures_stand_side_by_side_alike_until_they_fork(branched: Run, tmp_path: Path, shown: Open) -> None:
    page = shown(write_html(branched, tmp_path / "page.html", ["GENE0"], "tissue"))
    names = [caption.split("\n")[0] for caption in page.captions()]
    assert names == ["trunk", "treated"]
    for t, is_alike in ((0, True), (4, False)):
        page.go_to(t)
        picture = page.pixels()[60:-60]
        left, right = picture[:, : picture.shape[1] // 2], picture[:, -(picture.shape[1] // 2) :]
        assert min(drawn(left, LIGHT).sum(), drawn(right, LIGHT).sum()) > 3000
        apart = changed(left[:, 90:-90], right[:, 90:-90])  # what is written at the sides is not the same
        assert apart < 8 if is_alike else apart > 100


@pytest.mark.parametrize(
    ("width", "scheme", "ground"), [(800, "dark", DARK), (1280, "light", LIGHT), (1920, "dark", DARK)]
)
def test_it_fits_the_window_in_light_and_dark(
    patch: Path, shown: Open, width: int, scheme: str, ground: tuple[int, int, int]
) -> None:
    page = shown(patch, width=width, height=900, color_scheme=scheme)
    picture = page.pixels()
    assert tuple(picture[picture.shape[0] // 2, 2]) == ground
    across = np.flatnonzero(drawn(picture, ground).any(axis=0))
    assert across[-1] - across[0] > 0.7 * picture.shape[1]
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    page.page.locator("#theme").click()
    other = page.pixels()
    assert tuple(other[other.shape[0] // 2, 2]) == (LIGHT if ground == DARK else DARK)


def test_names_are_shown_as_they_are(tmp_path: Path, shown: Open) -> None:
    page = shown(write_html(Named(), tmp_path / "page.html"))
    assert page.page.locator("#title").inner_text() == f"{HOSTILE}: {HOSTILE}"
    assert page.page.locator("#legend .chip", has_text=HOSTILE).count() == 1
    assert page.page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("HTMLCanvasElement.prototype.getContext = () => null", "WebGL2, which this browser does not offer"),
        ("delete window.DecompressionStream", "cannot unpack the page's data"),
    ],
)
def test_a_browser_that_cannot_show_it_says_why(patch: Path, shown: Open, script: str, told: str) -> None:
    page = shown(patch, script=script)
    assert told in page.page.locator("#message").inner_text()
    assert not page.page.locator("#scene").is_visible()


def test_a_page_that_was_cut_short_says_so(patch: Path, tmp_path: Path, shown: Open) -> None:
    text = patch.read_text("utf-8")
    at = text.index('id="piece-0">') + 400
    broken = tmp_path / "broken.html"
    broken.write_text(text[:at] + text[at + 40 :], "utf-8")
    page = shown(broken)
    assert "damaged or was cut short" in page.page.locator("#message").inner_text()
