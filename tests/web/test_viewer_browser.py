"""The viewer in a real browser: what is looked at is pixels and numbers, while a run grows under it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Frame, Page
from twin_viz.coloring import column
from twin_viz.palette import CATEGORIES

from tests.web.conftest import Visits
from tests.web.serving import Server, Visit, served
from tests.web.tissues import GENES, TYPES, Writer
from tests.web.viewing import Pixels, picture, settle, told, turning
from twin.results import open_run

pytestmark = pytest.mark.browser
N = 400
GROUND = (255, 255, 255)
DARK = (18, 21, 26)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a folder in which a finished run lies, and one with two futures."""
    folder = tmp_path_factory.mktemp("viewer") / "runs"
    folder.mkdir()
    Writer(folder / "known", N).write(range(9))
    branched = Writer(folder / "branched", N)
    branched.write(range(6))
    branched.fork(2)
    branched.write(range(3, 6), future=1)
    with served(folder) as started:
        yield started


@pytest.fixture
def view(visit: Visits, server: Server) -> "View":
    return View(visit, server)


class View:
    """Opens viewers, alone or as two frames of a page."""

    def __init__(self, visit: Visits, server: Server) -> None:
        self.visit, self.server = visit, server

    def __call__(self, run: str, query: str = "", **options: object) -> Visit:
        shown = self.visit(self.server, state=None, **options)
        shown.page.goto(f"{self.server.base}/tissue/viewer?run={run}{query}")
        return shown

    def beside(self, before: str, after: str) -> tuple[Visit, Frame, Frame]:
        """Return a page of two frames, one of which is small; it keeps what they tell in `heard`."""
        shown = self.visit(self.server, state=None)
        shown.expected.append("favicon")
        shown.page.goto(f"{self.server.base}/tissue/viewer/viewer.css")  # a document of the same server, and empty
        shown.page.evaluate(
            """(addresses) => {
              window.heard = [];
              addresses.forEach((address, i) => {
                const frame = document.createElement("iframe");
                Object.assign(frame, { src: address, name: ["before", "after"][i], width: [300, 720][i], height: 560 });
                document.body.append(frame);
                window.addEventListener("message", ({ data, source }) => {
                  if (source === frame.contentWindow) window.heard.push({ from: frame.name, ...data });
                });
              });
              window.show = (name, what) => frames[name].postMessage({ twin: "viewer", show: what }, location.origin);
            }""",
            [f"/tissue/viewer?run={query}" for query in (before, after)],
        )
        left, right = (shown.page.query_selector(f"iframe[name={name}]") for name in ("before", "after"))
        assert left is not None
        assert right is not None
        before_frame, after_frame = left.content_frame(), right.content_frame()
        assert before_frame is not None
        assert after_frame is not None
        return shown, before_frame, after_frame


def near(pixels: Pixels, color: str, within: int = 60) -> NDArray[np.bool_]:
    """Say where a picture has a colour, as spheres are shaded: the same hue, up to half as light."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    light = pixels.max(axis=2, keepdims=True) / rgb.max()
    return np.asarray((np.abs(pixels - rgb * light).sum(axis=2) < within) & (light[..., 0] > 0.5))


def changed(before: Pixels, after: Pixels, block: int = 6) -> int:
    """Return how many blocks of pixels differ."""

    def blocks(pixels: Pixels) -> NDArray[np.float64]:
        rows, columns = (n // block for n in pixels.shape[:2])
        whole = pixels[: rows * block, : columns * block].reshape(rows, block, columns, block, 3)
        return np.asarray(whole.mean(axis=(1, 3)))

    return int((np.abs(blocks(before) - blocks(after)).sum(axis=2) > 40).sum())


def panels(page: Page) -> tuple[Pixels, Pixels]:
    """Return what is seen of two futures, beside or below each other, without what is written about them."""
    pixels = picture(page)
    where = "(caption) => [caption.offsetTop, caption.offsetLeft]"
    (top, left), (below, aside) = (page.locator(".caption").nth(i).evaluate(where) for i in (0, 1))
    height, width = (below - top) or pixels.shape[0], (aside - left) or pixels.shape[1]
    inner = (slice(50, height - 50), slice(90, width - 90))
    return pixels[top:, left:][inner], pixels[below:, aside:][inner]


def choose_gene(page: Page | Frame, text: str) -> None:
    page.locator("#find").fill(text)
    page.wait_for_selector("#found [role=option]")
    page.locator("#find").press("Enter")


def said(page: Page, key: str) -> list[dict[str, Any]]:
    """Return what the frames have told their page so far of one kind."""
    found: list[dict[str, Any]] = page.evaluate("(key) => heard.filter((told) => key in told)", key)
    return found


def heard(page: Page, key: str) -> list[dict[str, Any]]:
    """Return the same once there is something; the page lets nobody evaluate, so that it is asked again and again."""
    for _ in range(200):
        found = said(page, key)
        if found:
            return found
        page.wait_for_timeout(100)
    raise AssertionError(f"no frame has told its page {key}")


def test_spheres_of_each_type_are_there_and_told(view: View, server: Server) -> None:
    page = view("known", "&color=cell_type").page
    pixels = picture(page)
    assert all(near(pixels, color).sum() > 80 for color in CATEGORIES[: len(TYPES)])
    cells = open_run(server.folder / "known").cells(8.0)
    living = cells.obs["cell_type"][cells.obs["alive"]].value_counts()
    for name in TYPES:
        chip = page.locator("#legend .chip").filter(has=page.locator(f"b:text-is('{name}')"))
        assert chip.locator("em").inner_text() == f"{living[name]:,}"
    assert f"{N} cells" in page.locator(".caption").inner_text()
    assert (told(page, "hour"), told(page, "hours"), told(page, "going")) == ("8", "9", "false")


def test_any_gene_is_found_and_recolours_the_tissue_from_hour_to_hour(view: View) -> None:
    page = view("known").page
    types = picture(page)
    choose_gene(page, "gene0")
    page.wait_for_selector("body[data-color=GENE0]")
    late = picture(page)
    assert changed(types, late) > 150
    much = "#b5207a"
    assert near(late, much).sum() > 150
    assert "GENE0, log(1 + counts per 10,000)" in page.locator("#bar").inner_text()
    page.locator("#time").fill("2")
    early = picture(page)
    assert near(early, much).sum() < 0.1 * near(late, much).sum()  # it is turned on after the third hour
    lines = page.locator("#curves path.curve")
    assert lines.count() == len(TYPES)


def test_the_search_is_used_by_keys_alone_and_says_what_it_finds(view: View) -> None:
    page = view("known").page
    settle(page)
    field = page.locator("#find")
    assert field.get_attribute("placeholder") == f"Colour by any of {len(GENES)} genes"
    field.press_sequentially("ene19")
    page.wait_for_selector("#found [role=option]")
    assert field.get_attribute("aria-expanded") == "true"
    names = page.locator("#found [role=option]").all_inner_texts()
    assert names[:2] == ["GENE19", "GENE190"]
    field.press("ArrowDown")
    assert page.locator("#found [aria-selected=true]").inner_text() == "GENE190"
    field.press("Escape")
    assert not page.locator("#found").is_visible()
    field.fill("no such gene")
    page.wait_for_selector("#find-told:text-is('no gene of this run is called so')")
    field.fill("interf")
    page.wait_for_selector("#found [role=option]")
    field.press("Enter")
    page.wait_for_selector("body[data-color=interferon]")
    settle(page)
    assert page.locator("#paint").evaluate("(menu) => menu.selectedOptions[0].textContent") == "interferon"


def test_a_clicked_cell_tells_the_numbers_of_the_run_and_is_opened(view: View, server: Server) -> None:
    shown, _, after = view.beside("known&compact=1&hour=0", "known&color=ISG15")
    pixels = picture(after)
    body = np.abs(pixels - np.array(GROUND)).sum(axis=2)[60:-60, 60:-60] > 40
    inner = np.argwhere(body[8:-8, 8:-8] & body[16:, 8:-8] & body[:-16, 8:-8] & body[8:-8, 16:] & body[8:-8, :-16]) + 68
    row, across = (int(v) for v in inner[len(inner) // 2])
    after.locator("#scene").click(position={"x": across, "y": row})
    after.wait_for_selector("#picked td")
    who = after.locator("#picked .who").inner_text().split(" ")[1]
    cells = open_run(server.folder / "known").cells(8.0)
    (i,) = np.flatnonzero(cells.obs_names == who)
    isg15 = float(after.locator('#picked td[data-of="ISG15"]').inner_text())
    assert isg15 == pytest.approx(column(cells, "ISG15", {})[1].iloc[i], rel=2e-3, abs=1e-3)
    place = [float(v) for v in after.locator('#picked td[data-of="place"]').inner_text().split(", ")]
    assert place == pytest.approx(cells.obsm["spatial"][i].tolist(), abs=0.06)
    after.locator("#open").click()
    told_of = heard(shown.page, "opened")[0]["opened"]
    expected = {"run": "known", "time": 8, "compartment": "tissue", "replicate": 0, "cell": who, "future": "aa"}
    assert expected.items() <= told_of.items()
    assert told_of["cell_type"] == cells.obs["cell_type"].iloc[i]
    assert told_of["branch"] == "trunk"
    assert heard(shown.page, "picked")[0]["picked"] == told_of


def test_a_growing_run_streams_in_and_the_newest_hour_is_followed(view: View, server: Server) -> None:
    writer = Writer(server.folder / "growing", N)
    page = view("growing", "&color=cell_type").page
    page.wait_for_selector("#message:text('No cells are kept yet')")
    writer.write([0])
    page.wait_for_selector("body[data-hour='0']")
    first = picture(page)
    choose_gene(page, "isg15")
    grey = picture(page)
    writer.write([1, 2, 3])
    page.wait_for_selector("body[data-hour='3'][data-hours='4']")
    grown = picture(page)
    assert changed(first, grey) > 150
    assert near(grown, "#b5207a").sum() > 100 + near(grey, "#b5207a").sum()
    assert page.locator("#stamp").inner_text() == "3 h"
    page.locator("#time").fill("1")  # somebody holds an hour
    page.wait_for_selector("body[data-hour='1']")
    writer.write([4, 5])
    page.wait_for_selector("body[data-hours='6']")
    settle(page)
    assert told(page, "hour") == "1"
    assert page.locator("#time").get_attribute("max") == "5"
    page.locator("#time").fill("5")
    page.wait_for_selector("body[data-hour='5']")
    writer.write([6])
    page.wait_for_selector("body[data-hour='6']")


def test_a_future_that_is_branched_off_while_one_looks_stands_beside_the_other(view: View, server: Server) -> None:
    writer = Writer(server.folder / "forked", N)
    writer.write(range(4))
    page = view("forked", "&color=cell_type").page
    settle(page)
    assert page.locator(".caption").count() == 1
    writer.fork(2)
    page.wait_for_selector("body[data-futures='2'][data-hour='2']")  # the newest that both have
    writer.write([3], future=1)
    page.wait_for_selector("body[data-hour='3']")
    page.wait_for_selector(f".caption:nth-child(2):has-text('{N} cells')")
    names = [caption.split("\n")[0] for caption in page.locator(".caption").all_inner_texts()]
    assert names == ["trunk", "treated"]
    trunk, treated = panels(page)
    blue = CATEGORIES[0]  # B cells: half of the treated were made such
    assert near(treated, blue).sum() > 1.5 * near(trunk, blue).sum() > 0
    page.locator("#time").fill("1")
    page.wait_for_selector("body[data-hour='1']")
    trunk, treated = panels(page)
    assert changed(trunk, treated) < 8  # one past


def test_before_and_after_differ_share_their_scale_and_turn_together(view: View) -> None:
    shown, before, after = view.beside("known&compact=1&hour=0&color=ISG15", "known&color=ISG15")
    late, early = picture(after), picture(before)
    assert not before.locator("aside").is_visible()
    assert not before.locator("#clock").is_visible()
    assert "0 h" in before.locator(".caption").inner_text()
    assert near(late, "#b5207a").sum() > 150
    assert near(early, "#b5207a").sum() < 10  # on the scale of before alone, what is little would be much
    shown.page.evaluate("show('after', { camera: { azimuth: 1.2, elevation: 0.2, zoom: 1.1, focus: [90, 45, 20] } })")
    turned = picture(after)
    assert changed(late, turned) > 150
    assert not said(shown.page, "camera")  # no echo
    after.locator("#scene").focus()
    after.locator("#scene").press("Shift+ArrowLeft")
    heard(shown.page, "camera")
    shown.page.evaluate("show('before', { camera: heard.find(({ camera }) => camera).camera })")
    assert changed(early, picture(before)) > 40


def test_the_page_around_it_steers_time_colour_cut_field_language_and_theme(view: View) -> None:
    shown, _, after = view.beside("known&compact=1&hour=0", "branched&hour=0")
    start = picture(after)
    settle(after)
    ready = [told for told in said(shown.page, "ready") if told["from"] == "after"]
    assert ready[-1]["ready"]["cells"] == 2 * N
    shown.page.evaluate("show('after', { hour: 4.8, color: 'ISG15', futures: ['bb'] })")
    after.wait_for_selector("body[data-hour='5'][data-color=ISG15][data-futures='1']")
    alone = picture(after)
    assert changed(start, alone) > 150
    shown.page.evaluate("show('after', { cut: { axis: 'x', at: 80, keep: 'below' } })")
    cut = picture(after)
    assert changed(alone, cut) > 100
    assert 0 < int(after.locator(".caption").get_attribute("data-shown") or 0) < N
    shown.page.evaluate("show('after', { field: { substance: 'IFNB1', axis: 'y' } })")
    after.wait_for_selector("#field-bar:has-text('IFNB1 (nM), logarithmic')")
    sliced = picture(after)
    assert near(sliced, "#253494").sum() > 200 + near(cut, "#253494").sum()
    shown.page.evaluate("show('after', { theme: 'dark', language: 'zh' })")
    dark = picture(after)
    assert tuple(dark[dark.shape[0] // 2, 2]) == DARK
    assert after.locator("#stamp").inner_text() == "5 小时"
    assert "个细胞" in after.locator(".caption").inner_text()
    shown.page.evaluate("show('after', { hour: 'newest', color: 'no such gene' })")
    settle(after)
    assert told(after, "color") == "ISG15"


@pytest.mark.parametrize(
    ("query", "said"), [("nobody", "there is no run 'nobody'"), ("known&compartment=x", "no compartment")]
)
def test_what_cannot_be_shown_is_said_in_its_place(view: View, query: str, said: str) -> None:
    shown = view(query)
    shown.expected.append("400")
    shown.page.wait_for_selector("body[data-state=failed]")
    assert said in shown.page.locator("#message").inner_text()


def test_every_text_is_there_in_both_languages(view: View) -> None:
    page = view("known", language="zh-CN").page
    settle(page)
    body = page.locator("body").inner_text()
    assert "任意基因" in body
    assert "着色" in body
    page.locator("#language").click()
    assert "Any gene" in page.locator("body").inner_text()
    page.locator("#language").click()
    assert body == page.locator("body").inner_text()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"


@pytest.mark.parametrize("width", [300, 800])
def test_it_fits_a_narrow_frame(view: View, width: int) -> None:
    query = "&compact=1&hour=0" if width == 300 else ""
    page = view("known", query, width=width, height=700).page
    pixels = picture(page)
    across = np.flatnonzero((np.abs(pixels - np.array(GROUND)).sum(axis=2) > 40).any(axis=0))
    assert across[-1] - across[0] > 0.6 * pixels.shape[1]
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
def test_a_hundred_thousand_cells_are_drawn_and_turned(view: View, server: Server) -> None:
    Writer(server.folder / "large", 100_000).write([0])
    page = view("large", "&color=cell_type").page
    before = picture(page)
    assert told(page, "cells") == "100000"
    assert sum(int(near(before, color).sum()) for color in CATEGORIES[: len(TYPES)]) > 0.05 * before[..., 0].size
    assert turning(page, 1.0) > 0  # how fast is the bench's to say
    assert changed(before, picture(page)) > 100
