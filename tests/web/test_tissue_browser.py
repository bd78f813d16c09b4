"""The tissue view in a real browser: a tissue is asked what if, and its pictures and numbers answer."""

import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from playwright.sync_api import FrameLocator, Locator, Page

from tests.web.sent_files import write
from tests.web.serving import Server, Visit, served
from tests.web.tissue_scenario import culture

pytestmark = pytest.mark.browser

Visits = Callable[..., Visit]
Bench = Callable[..., Visit]
Pixels = NDArray[np.int64]  # (row, column, channel)

EDITOR = "#/tissue/new/opened"
BLOCK = 6  # px
CHECKED = "body[data-checked=right]"
PATIENCE = 180_000  # ms, for what is computed meanwhile on a busy machine


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`twin serve SCENARIO` with a small culture; one for all tests of the file."""
    folder = tmp_path_factory.mktemp("lab")
    with served(folder / "runs", culture(folder)) as started:
        yield started


@pytest.fixture
def bench(lab: Server, visit: Visits) -> Bench:
    """Open the editor of the small culture, as it is written."""

    def go(**options: Any) -> Visit:
        shown = visit(lab, EDITOR, **options)
        shown.page.set_default_timeout(PATIENCE)
        shown.page.wait_for_selector(CHECKED)
        return shown

    return go


def lane(page: Page, name: str) -> Locator:
    """Return the button of an item of the timeline by what a screen reader says of it."""
    return page.get_by_role("button", name=re.compile(f"^{re.escape(name)}"))


def add_interferon(page: Page, dose: str = "100", hour: str = "1") -> None:
    """Add interferon beta by the form, and wait until it is found to be right."""
    page.get_by_test_id("add-add").click()
    page.get_by_label("Dose", exact=True).fill(dose)
    page.get_by_label("At (h)", exact=True).fill(hour)
    page.wait_for_selector(CHECKED)


def start(shown: Visit, name: str) -> None:
    """Start the simulation under a name, and wait until its page is there."""
    page = shown.page
    page.get_by_label("Name of the run").fill(name)
    page.wait_for_selector("#start:not(:disabled)")
    page.click("#start")
    page.wait_for_url(re.compile(f"#/tissue/{name}"))
    page.wait_for_selector("body[data-run]")


def run_state(page: Page, *states: str) -> None:
    page.wait_for_selector(", ".join(f"body[data-run={state}]" for state in states), timeout=PATIENCE)


def viewer(page: Page, which: str) -> FrameLocator:
    """Return a viewer, once nothing moves in it."""
    frame = page.frame_locator(f"iframe#{which}")
    frame.locator("body[data-state=still]").wait_for(timeout=PATIENCE)
    return frame


def pixels(page: Page, which: str) -> Pixels:
    """Return what is seen of the cells in a viewer."""
    taken = viewer(page, which).locator("#scene").screenshot()
    return np.asarray(PIL.Image.open(io.BytesIO(taken)).convert("RGB"), dtype=np.int64)


def drawn(picture: Pixels) -> NDArray[np.bool_]:
    """Say where something is drawn on the ground."""
    return np.asarray(np.abs(picture - picture[2, 2]).sum(axis=2) > 40)


def much(picture: Pixels) -> int:
    """Return how many pixels have the colours of much expression, magenta to purple."""
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    return int(((red - green > 60) & (blue - green > 40)).sum())


def changed(one: Pixels, other: Pixels) -> int:
    """Return how many blocks of pixels differ."""

    def blocks(picture: Pixels) -> NDArray[np.float64]:
        rows, columns = (n // BLOCK for n in picture.shape[:2])
        whole = picture[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)
        return np.asarray(whole.mean(axis=(1, 3)))

    return int((np.abs(blocks(one) - blocks(other)).sum(axis=2) > 40).sum())


def color_by(frame: FrameLocator, gene: str) -> None:
    """Colour the cells of a viewer by a gene that is searched for."""
    frame.locator("#find").fill(gene)
    frame.locator("#found").get_by_text(gene, exact=True).click()
    frame.locator(f"body[data-color={gene}]").wait_for()


def wait_for_hour(page: Page, future: str, wanted: float) -> None:
    """Wait until a future of a run has come so far."""
    told, end = page.locator(f".history[data-branch={future}] [data-hour]"), time.monotonic() + PATIENCE / 1000
    while float(told.get_attribute("data-hour") or 0) < wanted:
        assert time.monotonic() < end, f"{future} stands at {told.inner_text()}"
        page.wait_for_timeout(200)


def hour(page: Page) -> float:
    return float(page.get_attribute("#hour", "data-hour") or "nan")


def curve(page: Page, name: str) -> list[float]:
    """Return the numbers of a curve, from the table below the chart."""
    for folded in page.locator(".readout details:not([open]) summary").all():
        folded.click()
    table = page.locator(".readout table", has=page.get_by_role("columnheader", name=name, exact=True)).first
    table.wait_for()
    place = table.locator("thead th").all_inner_texts().index(name)
    rows = table.locator("tbody tr")
    told = [row.locator("th, td").nth(place).inner_text() for row in rows.all()]
    return [float(text.replace("\u2212", "-")) for text in told if text != "–"]


def test_the_gallery_offers_the_scenarios_and_own_cells(lab: Server, visit: Visits) -> None:
    page = visit(lab, "#/tissue").page
    names = page.locator("#scenarios .card h2").all_inner_texts()
    assert names[0].lower() == "small culture"  # the one that was opened
    assert "Ifnb lymphoid patch" in names
    card = page.locator(".card[data-scenario=ifnb_lymphoid_patch]")
    assert "2,000 cells · 24\xa0h" in card.inner_text()
    assert card.locator("img").evaluate("image => image.naturalWidth") > 100
    assert page.get_by_label("Choose a file …").is_enabled()
    card.locator("a").click()
    page.wait_for_selector("#start")
    assert page.url.endswith("#/tissue/new/ifnb_lymphoid_patch")


def test_the_editor_shows_the_tissue_before_and_says_what_to_expect(bench: Bench) -> None:
    page = bench().page
    add_interferon(page)
    assert drawn(pixels(page, "before")).mean() > 0.05
    rows = page.locator(".composition li").all_inner_texts()
    assert [row.split("\n")[:2] for row in rows] == [["CD14 Mono", "40"], ["CD4 Naive T", "40"]]
    assert page.inner_text("#before-cells") == "80 cells"
    told = page.locator("#support tr", has_text="CD14 Mono").inner_text()
    assert 50 < int(re.findall(r"(\d+)%", told)[0]) <= 100
    assert "80 cells · 4 ticks" in page.inner_text("#cost")
    assert "Supported in all 2 cell types." in page.locator(".lane.open").inner_text()


def test_a_wrong_dose_is_told_at_its_field_and_a_wrong_length_at_its_own(bench: Bench) -> None:
    page = bench().page
    add_interferon(page)
    dose = page.get_by_label("Dose", exact=True)
    dose.fill("-5")
    page.wait_for_selector("body[data-checked=wrong]")
    at_field = page.locator(".field[data-key=dose] .fault")
    assert "-5" in at_field.inner_text()
    assert dose.get_attribute("aria-invalid") == "true"
    assert page.locator("#start").is_disabled()
    assert page.locator(".fault:visible").count() == 1
    dose.fill("100")
    page.wait_for_selector(CHECKED)
    assert not at_field.is_visible()
    page.get_by_label("At (h)", exact=True).fill("1.3")  # off the clock
    page.wait_for_selector("body[data-checked=wrong]")
    assert "tick" in page.locator(".field[data-key=at] .fault").inner_text()
    page.get_by_label("At (h)", exact=True).fill("1")
    page.get_by_label("Duration (h)").fill("0")
    page.wait_for_selector(".settings .field[data-key=duration] .fault:not([hidden])")


def test_an_item_is_added_moved_changed_and_removed_by_keys_alone(bench: Bench) -> None:
    page = bench().page
    page.get_by_test_id("add-add").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    lane(page, "IFNB1").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    began = lane(page, "IFNB1").get_attribute("aria-label") or ""
    assert re.match(r"IFNB1 100 U/mL from 1\.5\sh to 2\sh", began)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")  # one tick
    assert re.match(r"IFNB1 100 U/mL from 0\.5\sh to 2\sh", lane(page, "IFNB1").get_attribute("aria-label") or "")
    assert page.get_by_label("At (h)", exact=True).input_value() == "0.5"  # the form follows
    page.get_by_test_id("add-wash_out").focus()
    page.keyboard.press("Enter")
    lane(page, "Wash-out").focus()
    page.keyboard.press("End")
    washed = lane(page, "Wash-out").get_attribute("aria-label") or ""
    assert re.match(r"Wash-out at 1\.5\sh", washed)
    assert re.match(r"IFNB1 100 U/mL from 0\.5\sh to 1\.5\sh", lane(page, "IFNB1").get_attribute("aria-label") or "")
    page.keyboard.press("Delete")
    assert lane(page, "Wash-out").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("IFNB1")
    page.wait_for_selector(CHECKED)
    page.reload()  # what was edited is kept
    page.wait_for_selector(CHECKED)
    assert re.match(r"IFNB1 100 U/mL from 0\.5\sh", lane(page, "IFNB1").get_attribute("aria-label") or "")
    page.click("#reset")
    assert lane(page, "IFNB1").count() == 0


def test_an_item_is_dragged_to_the_nearest_tick(bench: Bench) -> None:
    page = bench().page
    add_interferon(page)
    lane(page, "IFNB1").click()  # the form is closed
    track = page.locator(".lane .track").bounding_box()
    dot = page.locator(".lane .dot").bounding_box()
    assert track is not None
    assert dot is not None
    y = dot["y"] + dot["height"] / 2
    page.mouse.move(dot["x"] + dot["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] * 0.2, y, steps=4)
    page.mouse.move(track["x"] + track["width"] * 0.55, y, steps=2)
    page.mouse.up()
    assert re.match(r"IFNB1 100 U/mL from 1\sh", lane(page, "IFNB1").get_attribute("aria-label") or "")
    assert page.locator(".lane.open").count() == 0  # a drag is no click


def test_a_run_streams_in_and_the_tissue_after_is_not_as_before(bench: Bench) -> None:
    shown = bench()
    page = shown.page
    add_interferon(page, hour="0.5")
    start(shown, "streams")
    run_state(page, "running")
    frame = viewer(page, "after")
    early_hours = int(frame.locator("body").get_attribute("data-hours") or 0)
    run_state(page, "done")
    assert hour(page) == 2.0
    frame.locator("body[data-hours='5']").wait_for(timeout=PATIENCE)
    assert early_hours < 5  # the first pictures were there before the last
    assert min(drawn(pixels(page, which)).mean() for which in ("before", "after")) > 0.05
    after_frame = viewer(page, "after")
    assert after_frame.locator("#stamp").inner_text().startswith("2")
    page.select_option("#readout", label="interferon program, score")
    course = curve(page, "CD14 Mono")
    assert len(course) == 5
    assert course[-1] > 1.5 * course[0]
    color_by(after_frame, "ISG15")
    late = pixels(page, "after")
    after_frame.locator("#time").fill("0")
    after_frame.locator("body[data-hour='0']").wait_for()
    early = pixels(page, "after")
    assert much(late) > 3 * much(early) + 200
    before = pixels(page, "before")  # in the same colours as after
    assert much(before) < 0.1 * drawn(before).sum()
    assert page.input_value("#readout") == "ISG15"  # the chart follows the colour


def test_a_clicked_cell_opens_in_the_cell_view(bench: Bench) -> None:
    shown = bench()
    page = shown.page
    page.get_by_label("Duration (h)").fill("1")
    page.wait_for_selector(CHECKED)
    start(shown, "clicked")
    run_state(page, "done")
    spheres = drawn(pixels(page, "after"))
    body = np.argwhere(spheres[8:-8, 8:-8] & spheres[16:, 8:-8] & spheres[:-16, 8:-8]) + 8
    row, column = body[len(body) // 2]
    viewer(page, "after").locator("#scene").click(position={"x": int(column), "y": int(row)})
    page.wait_for_selector("#open-cell")
    told = re.match(r"Cell (\d+) · (CD14 Mono|CD4 Naive T) · trunk · 1", page.inner_text("#picked"))
    assert told is not None
    page.click("#open-cell")
    page.wait_for_url(re.compile(r"#/cell\?.*run=clicked.*cell=" + told[1]))
    shown.wait("ready")
    assert told[2] in page.inner_text("#view")


def test_own_cells_become_a_tissue(lab: Server, visit: Visits, tmp_path: Path) -> None:
    page = visit(lab, "#/tissue").page
    page.set_default_timeout(PATIENCE)
    page.set_input_files("#tissue-upload", write(tmp_path / "mine.h5ad"))
    page.wait_for_url(re.compile(r"#/tissue/new/own-cells\?upload="))
    page.wait_for_selector(CHECKED)
    viewer(page, "before")
    page.wait_for_selector(".composition li")
    rows = page.locator(".composition li").all_inner_texts()
    assert {row.split("\n")[0] for row in rows} == {"CD14 Mono", "CD4 Naive T", "my own cells"}
    assert page.inner_text("#before-cells") == "60 cells"
    page.get_by_test_id("add-knock_out").click()
    page.get_by_label("Gene", exact=True).fill("IFNAR")
    page.wait_for_selector(".form datalist option[value=IFNAR1]", state="attached")
    page.get_by_label("Gene", exact=True).fill("IFNAR1")
    page.wait_for_selector(CHECKED)
    assert lane(page, "IFNAR1 knock-out from 0").count() == 1


@pytest.mark.slow
def test_a_run_is_paused_branched_and_stopped_while_it_goes(bench: Bench) -> None:
    shown = bench()
    page = shown.page
    page.get_by_label("Duration (h)").fill("12")
    start(shown, "branched")
    page.wait_for_selector("#branch:visible")
    page.click("#pause")
    run_state(page, "paused")
    stood = hour(page)
    page.wait_for_timeout(2500)
    assert hour(page) == stood
    assert page.inner_text("#state") == "paused"
    page.reload()  # it is where it was
    run_state(page, "paused")
    assert hour(page) == stood
    page.click("#branch")
    page.wait_for_selector("#branching")
    page.get_by_label("Name", exact=True).fill("treated")
    fork = float(page.input_value("#branch-at"))
    page.locator("#branching").get_by_test_id("add-add").click()
    page.locator("#branching").get_by_label("Dose", exact=True).fill("-1")
    page.wait_for_selector("body[data-checked=wrong]")
    assert "-1" in page.locator("#branching .field[data-key=dose] .fault").inner_text()
    page.locator("#branching").get_by_label("Dose", exact=True).fill("100")
    page.locator("#branching").get_by_label("At (h)", exact=True).fill(f"{fork:g}")
    page.wait_for_selector(CHECKED)
    page.click("#start-branch")
    page.wait_for_selector(".history[data-branch=treated]")
    assert page.locator(".history h3").all_inner_texts() == ["trunk (as planned)", f"treated, from {fork:g}\xa0h"]
    for future in ("trunk", "treated"):
        wait_for_hour(page, future, fork + 2.5)
    after = viewer(page, "after")
    after.locator("body[data-futures='2']").wait_for(timeout=PATIENCE)
    page.click("#stop")
    run_state(page, "stopped")
    after.locator("#time").fill(f"{2 * (fork + 2):g}")  # cells are kept every half hour
    after.locator(f"body[data-hour='{fork + 2:g}']").wait_for()
    assert page.locator("#resume").is_visible()
    color_by(after, "ISG15")
    picture = pixels(page, "after")
    left, right = np.split(picture[60:-60, : picture.shape[1] // 2 * 2], 2, axis=1)
    assert min(drawn(left).mean(), drawn(right).mean()) > 0.05
    assert changed(left, right) > 40
    page.select_option("#readout-of", label="whole tissue")
    planned, treated = curve(page, "trunk (as planned)"), curve(page, "treated")
    assert treated[-1] > 1.5 * max(planned)


@pytest.mark.parametrize(("width", "language", "scheme"), [(1280, "zh-CN", "dark"), (800, "en-US", "light")])
def test_it_fits_the_window_in_both_languages(bench: Bench, width: int, language: str, scheme: str) -> None:
    page = bench(width=width, height=1000, language=language, scheme=scheme).page
    assert page.inner_text("#start") == ("开始模拟" if language == "zh-CN" else "Start simulation")
    boxes = [page.locator(f".panel.{name}").bounding_box() for name in ("before", "happens", "after")]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    lefts = [box["x"] for box in boxes if box]
    tops = [box["y"] for box in boxes if box]
    assert (lefts == sorted(set(lefts))) if width > 940 else (tops == sorted(set(tops)))
    page.get_by_test_id("add-knock_out").click()
    page.wait_for_selector("body[data-checked=wrong]")  # no gene yet
    over = page.evaluate("""[...document.querySelectorAll('.panel *')].filter(
      (e) => e.offsetParent && e.getBoundingClientRect().right > innerWidth).length""")
    assert over == 0


def test_words_of_both_languages_are_the_same_keys(bench: Bench) -> None:
    page = bench().page
    english, chinese = page.evaluate(
        "async () => { const { words } = await import('/page/words/tissue.js');"
        " return [Object.keys(words.en), Object.keys(words.zh)]; }"
    )
    assert english == chinese


@pytest.mark.slow
def test_the_interferon_scenario_answers_with_pictures_and_numbers(lab: Server, visit: Visits) -> None:
    shown = visit(lab, "#/tissue/new/ifnb_lymphoid_patch")
    page = shown.page
    page.set_default_timeout(PATIENCE)
    page.wait_for_selector(CHECKED)
    page.get_by_label("Cells", exact=True).fill("400")
    page.get_by_label("Duration (h)").fill("6")
    add_interferon(page, hour="0.5")
    start(shown, "interferon")
    run_state(page, "done")
    color_by(viewer(page, "after"), "ISG15")
    before, after = pixels(page, "before"), pixels(page, "after")
    assert much(after) / drawn(after).sum() > 3 * much(before) / drawn(before).sum() + 0.05
    page.select_option("#readout", label="interferon program, score")
    page.select_option("#readout-of", label="whole tissue")
    course = curve(page, "trunk (as planned)")
    assert course[-1] > 1.5 * course[0]
