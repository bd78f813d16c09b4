"""The cell view in a real browser: a cell is asked, and what is drawn and told moves as it should."""

import io
import re
from collections.abc import Callable
from typing import Any

import anndata as ad
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect

from tests.web.serving import Server, Visit

pytestmark = pytest.mark.browser

Pixels = NDArray[np.int64]
Visits = Callable[..., Visit]

PROGRAM = "Interferon response"
LONG_ENOUGH = re.compile(r"^([2-9]|\d\d)\b")  # hours on the stamp
SHORT = "#/cell?hours=6&cells=20"  # of the shipped question, IFN-beta on monocytes: enough to see them answer
GLOW = 60  # of 255: brighter than any place without a count


def picture(shown: Visit, which: str) -> Pixels:
    """Return what is seen of a cell, (row, column, RGB), once the pointer is elsewhere."""
    shown.page.mouse.move(2, 2)
    taken = shown.page.locator(f"#{which}-picture").screenshot()
    return np.asarray(PIL.Image.open(io.BytesIO(taken)).convert("RGB"), dtype=np.int64)


def territory(shown: Visit, program: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels of a picture belong to the genes of a program, (row, column)."""
    told: dict[str, Any] = shown.page.evaluate("async () => (await fetch('/api/cell/map?context=CD14%20Mono')).json()")
    (wanted,) = (i for i, one in enumerate(told["programs"]) if one["name"] == program)
    inside = np.zeros((told["side"], told["side"]), bool)
    own = np.asarray(told["program"]) == wanted
    inside[np.asarray(told["y"])[own], np.asarray(told["x"])[own]] = True
    rows, columns = (np.arange(n) * told["side"] // n for n in shape[:2])
    return np.asarray(inside[np.ix_(rows, columns)])


def lit(pixels: Pixels) -> NDArray[np.bool_]:
    return np.asarray(pixels.max(axis=2) > GLOW)


def fold(shown: Visit, gene: str) -> float:
    """Return the log2 fold change that the table of the right panel tells of a gene."""
    told = shown.page.locator(f'#movers tr[data-name="{gene}"] td').first.inner_text()
    return float(told.replace("\u2212", "-"))


def run(shown: Visit) -> None:
    shown.page.click("#start")
    shown.wait("done", "failed")
    assert shown.page.get_attribute("body", "data-state") == "done"


def check_counts(shown: Visit, before: Pixels) -> None:
    """Interferon genes shine, and others do as before."""
    after = picture(shown, "after")
    assert after.shape == before.shape
    own = territory(shown, PROGRAM, after.shape)
    gained = lit(after)[own].sum() / max(lit(before)[own].sum(), 1)
    elsewhere = lit(after)[~own].sum() / lit(before)[~own].sum()
    assert gained > 1.3 * elsewhere
    assert 0.5 < elsewhere < 2.0


def check_changes(shown: Visit) -> None:
    """What there is more of than in the untreated twin is orange, and most of it is interferon's."""
    counts = picture(shown, "after")
    shown.page.click("#show-change")
    changes = picture(shown, "after")
    own = territory(shown, PROGRAM, changes.shape)
    red, blue = changes[..., 0], changes[..., 2]
    orange = (red > 120) & (red > 1.4 * blue)
    assert orange[own].mean() > 3 * orange[~own].mean()
    assert np.abs(counts - changes).max(axis=2).mean() > 4
    assert shown.page.get_attribute("#show-change", "aria-pressed") == "true"
    shown.page.click("#show-counts")


def check_programs_and_way(shown: Visit) -> None:
    told = shown.page.locator(f'#programs tr[data-name="{PROGRAM}"] td').nth(2).inner_text()
    assert float(told.replace("\u2212", "-")) > 0.5
    assert float(re.findall(r"([\d.]+) apart", shown.page.inner_text("#path-told"))[0]) > 0.01
    taken = shown.page.locator("#path .atlas").screenshot()
    atlas = np.asarray(PIL.Image.open(io.BytesIO(taken)).convert("RGB"), dtype=np.int64)
    assert (atlas.max(axis=2) - atlas.min(axis=2) > 40).sum() > 1500  # cells in the colours of their types


def test_interferon_lights_up_its_program_and_the_slider_winds_it_back(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT)
    before = picture(shown, "before")
    assert 800 < lit(before).sum() < 0.6 * before.shape[0] * before.shape[1]
    run(shown)
    check_counts(shown, before)
    assert fold(shown, "ISG15") > 2.0
    assert re.search(r"ISG15|IFIT|IFI6|CXCL10|CCL8", shown.page.inner_text("#summary-sentence"))
    assert (
        float(shown.page.get_attribute("body", "data-first-frame-ms") or "nan") > 0
    )  # how long it took: a bench reads it
    check_changes(shown)
    check_programs_and_way(shown)
    shown.page.locator("#time").fill("0")
    expect(shown.page.locator("#stamp")).to_have_text(re.compile(r"^0\b"))
    apart = np.abs(picture(shown, "after") - before).max(axis=2) > 24
    assert apart.sum() < 30  # of some 160,000


@pytest.mark.slow
def test_a_gene_is_found_told_and_charted(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT)
    page = shown.page
    page.click("#gene-search")
    page.keyboard.type("ISG15")
    page.wait_for_selector("#gene-search-list [role=option]")
    page.keyboard.press("Enter")
    assert re.match(r"ISG15 · counts: \d+ · ", page.inner_text("#before-picture-readout"))
    run(shown)
    page.locator('#movers tr[data-name="ISG15"] button').click()
    chart = page.wait_for_selector('svg.band-chart[data-gene="ISG15"]')
    assert chart is not None
    label = chart.get_attribute("aria-label") or ""
    treated, untreated = (
        float(n) for n in re.findall(r"6 h: ([\d.,]+) .*untreated ([\d.,]+)", label.replace("\u00a0", " "))[0]
    )
    assert treated > 4 * untreated
    page.click("#band-search")
    page.keyboard.type("MALAT1")
    page.wait_for_selector("#band-search-list [role=option]")
    page.keyboard.press("Enter")
    page.wait_for_selector('svg.band-chart[data-gene="MALAT1"]')  # no watched gene: the server is asked for it
    assert "→" in page.inner_text("#after-picture-readout")


def test_a_knock_out_is_a_row_with_its_own_support(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT)
    page = shown.page
    page.wait_for_selector("#support-sentence")
    alone = page.inner_text("#support")
    page.click("#add-knockout")
    page.keyboard.type("STAT1")
    page.wait_for_selector("#rows .change[data-kind=knockout] [role=option]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#rows .change[data-kind=knockout] .mark")
    assert page.inner_text("#support") != alone
    assert "STAT1" in page.evaluate("location.hash")
    assert page.locator("#rows .change").count() == 2


def test_a_wrong_dose_is_refused_in_words(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT)
    shown.expected.append(r"status of 400")
    shown.page.wait_for_selector("#support-sentence")
    shown.page.locator("#rows .dose-box").fill("100 bananas")
    told = shown.page.wait_for_selector("#support-fault")
    assert told is not None
    assert "bananas" in told.inner_text()
    shown.page.click("#start")
    shown.wait("failed")
    assert "bananas" in shown.page.inner_text("#status")
    shown.page.locator("#rows .dose-box").fill("10 U/mL")
    shown.page.wait_for_selector("#support-sentence")


@pytest.mark.slow
def test_it_is_stopped_and_begun_again(server: Server, visit: Visits) -> None:
    shown = visit(server, "#/cell?hours=72&cells=100")
    shown.page.click("#start")
    expect(shown.page.locator("#stamp")).to_have_text(LONG_ENOUGH)
    shown.page.click("#stop")
    shown.wait("done")
    assert re.match(r"Stopped at \d+", shown.page.inner_text("#status"))
    assert int(shown.page.locator("#time").input_value()) < 72
    shown.page.locator("#hours").fill("3")
    shown.page.locator("#cells").fill("10")
    run(shown)
    assert shown.page.inner_text("#stamp").startswith("3")


@pytest.mark.slow
def test_a_start_before_the_cell_is_there_is_kept(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT, state=None)
    shown.page.click("#preset-lps")  # another panel, whose map is drawn now; the first cell is still on its way
    shown.page.click("#start")
    assert (
        shown.page.inner_text("#status")
        == "The cell is being made ready: the simulation starts by itself as soon as it is there."
    )
    shown.page.wait_for_selector("body[data-state=done]", timeout=240_000)
    assert fold(shown, "CCL5") > 2.0


@pytest.mark.slow
def test_a_page_that_is_reloaded_finds_its_simulation_again(server: Server, visit: Visits) -> None:
    shown = visit(server, "#/cell?hours=24&cells=60")
    shown.page.click("#start")
    expect(shown.page.locator("#stamp")).to_have_text(LONG_ENOUGH)
    shown.page.reload()
    shown.wait("done")
    assert shown.page.inner_text("#stamp").startswith("24")
    assert fold(shown, "ISG15") > 2.0


@pytest.mark.slow
def test_it_is_asked_and_read_by_keys_alone(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT)
    page = shown.page
    page.evaluate("document.querySelector('#view').focus()")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "context":
            break
    page.keyboard.type("B")
    page.wait_for_selector("#context-list [role=option][aria-selected=true]")
    page.keyboard.press("Enter")
    expect(page.locator("#fact-type")).to_have_text("B")
    shown.wait("ready")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "start":
            break
    page.keyboard.press("Enter")
    shown.wait("done")
    page.evaluate("document.querySelector('#stamp').scrollIntoView()")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "after-picture":
            break
    told = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
        told.append(page.inner_text("#after-picture-readout"))
    assert len(set(told)) == 3
    page.keyboard.press("Enter")
    gene = told[-1].split(" ")[0]
    page.wait_for_selector(f'figure[data-gene="{gene}"]')


@pytest.mark.slow
def test_the_cells_are_taken_home_and_brought_back(server: Server, visit: Visits, tmp_path: Any) -> None:
    shown = visit(server, "#/cell?hours=2&cells=5")
    run(shown)
    with shown.page.expect_download() as waiting:
        shown.page.click("#download")
    waiting.value.save_as(tmp_path / "cells.h5ad")
    cells = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert set(cells.obs["arm"]) == {"treated", "untreated"}
    assert sorted(set(cells.obs["hour"])) == [0, 1, 2]
    at = f"{server.base}/api/uploads?name=cells.h5ad"
    headers = {"Content-Type": "application/octet-stream", "Origin": server.base}
    sent = shown.context.request.post(at, data=(tmp_path / "cells.h5ad").read_bytes(), headers=headers)
    told = shown.context.request.get(f"{server.base}/api/jobs/{sent.json()['job']}/events", timeout=120_000).text()
    found = re.search(r'"upload":\{"id":"(\w+)"', told)
    assert found is not None, told
    shown.go(f"#/cell?upload={found[1]}&hours=2&cells=5", state=None)
    expect(shown.page.locator("#from")).to_be_visible()
    expect(shown.page.locator("#origin")).to_contain_text("cells.h5ad")
    expect(shown.page.locator("#file-type option")).to_have_count(1)
    run(shown)
    assert shown.page.inner_text("#fact-type") == "CD14 Mono"


@pytest.mark.parametrize(
    ("width", "height", "language", "scheme"), [(1280, 800, "en-US", "light"), (800, 1100, "zh-CN", "dark")]
)
def test_it_fits_and_speaks(server: Server, visit: Visits, width: int, height: int, language: str, scheme: str) -> None:
    shown = visit(server, "#/cell?hours=2&cells=5", width=width, height=height, language=language, scheme=scheme)
    page = shown.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.inner_text("#start") == {"en-US": "Start simulation", "zh-CN": "开始模拟"}[language]
    page.wait_for_selector("#support-sentence")
    for of in ("#origin", "#support-sentence", "#support .warning, #support-sentence", "#path > .hint:last-child"):
        told = page.locator(of).last.inner_text()  # by the server, in the language of the page
        assert bool(re.search("[\u4e00-\u9fff]", told)) == (language == "zh-CN"), told
    if width == 1280:
        for of in ("#before-picture", "#after-picture", "#start", "#support", "#time"):
            box = page.locator(of).bounding_box()
            assert box is not None, of
            assert box["y"] + box["height"] <= height, of
    run(shown)
    page.wait_for_selector("#movers")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert lit(picture(shown, "after")).sum() > 800


@pytest.mark.slow
def test_another_cell_is_another(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT)
    one = picture(shown, "before")
    shown.page.click("#another")
    expect(shown.page).to_have_url(re.compile(r"seed=2"))
    shown.wait("ready")
    assert (np.abs(picture(shown, "before") - one).max(axis=2) > 60).sum() > 500


@pytest.mark.slow
def test_nothing_moves_for_who_wants_no_motion(server: Server, visit: Visits) -> None:
    shown = visit(server, SHORT, reduced_motion="reduce")
    run(shown)
    assert fold(shown, "ISG15") > 2.0
