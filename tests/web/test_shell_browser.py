"""What stands around the views, in a real browser: words, colours, keys, and a line that breaks."""

import io
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, Route

from tests.web.clockwork import line_to, ticking
from tests.web.serving import Address, Visit

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]

NOWHERE = "#/nowhere"  # no view: what stands around them alone
REFUSED = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED"]
LIGHT, DARK = (255, 255, 255), (18, 21, 26)  # the ground of the page

FOLLOW = """async ([n, every, after]) => {
  const { ask, follow } = await import("/page/lib/ask.js");
  const job = window.name || (await ask(`/api/clock?n=${n}&every=${every}`, { method: "POST" })).job;
  window.name = job;
  window.told = [];
  window.stop = follow(`/api/jobs/${job}/events`, (event, number) => window.told.push([number, event]), { after });
}"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A server that ticks; one for all tests."""
    with ticking(tmp_path_factory.mktemp("runs")) as started:
        yield started


@pytest.fixture
def bare(clock: Address, visit: Visits) -> Callable[..., Visit]:
    """Open the page where there is no view."""

    def go(**options: Any) -> Visit:
        return visit(options.pop("server", clock), NOWHERE, state="failed", **options)

    return go


def ground(page: Page) -> tuple[int, ...]:
    """Return the colour of the page, at a place where nothing stands."""
    taken = np.asarray(PIL.Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return tuple(int(value) for value in taken[-12, 12])


def in_focus(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent"))


def module(page: Page, name: str, expression: str) -> Any:
    """Return the value of an expression of the names of a module of the page."""
    return page.evaluate(f"async () => {{ const m = await import('/page/lib/{name}.js'); return {expression}; }}")


@pytest.mark.parametrize(
    ("locale", "lang", "tissue"),
    [("en-US", "en", "Tissue"), ("zh-CN", "zh-CN", "组织"), ("zh-TW", "zh-CN", "组织"), ("fr-FR", "en", "Tissue")],
)
def test_it_begins_in_the_language_of_the_browser(
    bare: Callable[..., Visit], locale: str, lang: str, tissue: str
) -> None:
    page = bare(language=locale).page
    assert page.get_attribute("html", "lang") == lang
    assert page.locator("#nav a").nth(1).inner_text() == tissue


def test_a_language_that_was_chosen_is_kept(bare: Callable[..., Visit]) -> None:
    page = bare().page
    told = page.locator("#view .fault")
    assert told.inner_text() == "There is no view called “nowhere”."
    page.select_option("#language", label="简体中文")
    page.wait_for_selector("html[lang=zh-CN]")
    assert told.inner_text() == "没有名为“nowhere”的视图。"  # the view was mounted anew
    assert page.locator("#nav").get_attribute("aria-label") == "视图"
    page.reload()
    page.wait_for_selector("body[data-state=failed]")
    assert page.locator("#nav a").all_inner_texts() == ["细胞", "组织", "模拟记录"]
    assert page.locator("#language").input_value() == "zh"


@pytest.mark.parametrize(("scheme", "begins", "other"), [("light", LIGHT, DARK), ("dark", DARK, LIGHT)])
def test_colours_are_those_of_the_system_until_others_are_chosen(
    bare: Callable[..., Visit], scheme: Literal["light", "dark"], begins: tuple[int, ...], other: tuple[int, ...]
) -> None:
    page = bare(scheme=scheme).page
    assert ground(page) == begins
    page.evaluate("document.addEventListener('theme', () => { window.themed = true; })")
    page.locator("#theme").click()
    assert page.evaluate("window.themed")
    assert ground(page) == other
    page.reload()
    page.wait_for_selector("body[data-state=failed]")
    assert ground(page) == other


def test_everything_is_reached_with_the_keyboard_in_the_order_of_reading(bare: Callable[..., Visit]) -> None:
    page = bare().page
    walk = []
    for _ in range(9):
        page.keyboard.press("Tab")
        walk.append(in_focus(page))
        box = page.evaluate(
            "(({ x, y, width, height }) => [x, y, width, height])(document.activeElement.getBoundingClientRect())"
        )
        assert box[0] >= 0
        assert box[1] >= 0
        assert box[2] > 20
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    assert walk == ["skip", "brand", "Cell", "Tissue", "Runs", "language", "theme", "about", "Try again"]
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    assert in_focus(page) == "view"
    page.keyboard.press("Tab")
    assert in_focus(page) == "Try again"
    assert page.url.endswith(NOWHERE)


def test_each_view_is_one_step_away_and_named(server: Address, visit: Visits) -> None:
    shown = visit(server, None, state=None)
    page = shown.page
    page.wait_for_selector("body[data-view=cell]")
    for view, title in (("runs", "Runs · twin"), ("tissue", "Tissue · twin"), ("cell", "Cell · twin")):
        page.locator(f"#nav a[data-view={view}]").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f"body[data-view={view}]")
        page.wait_for_selector("#view .holder > :not(.plain)")  # it has come; what it shows is its own affair
        assert page.locator("#nav a[aria-current=page]").get_attribute("data-view") == view
        assert page.title() == title
        assert in_focus(page) == "view"  # a screen reader goes on with what has come
        assert page.locator("body[data-state=failed]").count() == 0
    page.go_back()
    page.wait_for_selector("body[data-view=tissue]")


def test_a_view_that_was_chosen_before_the_first_has_come_is_the_one_that_is_shown(
    clock: Address, visit: Visits
) -> None:
    def go_first(route: Route) -> None:
        shown.page.evaluate("location.hash = '#/nowhere'")
        route.continue_()

    shown = visit(clock, NOWHERE, state="failed")
    shown.page.route("**/api/site", go_first)
    shown.page.evaluate("location.hash = '#/'")
    shown.until("location.hash === '#/nowhere'")
    shown.page.wait_for_selector("#view .fault")
    shown.page.wait_for_timeout(300)
    assert shown.page.url.endswith(NOWHERE)


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("width", [800, 1280, 1920])
def test_the_header_fits_the_window(bare: Callable[..., Visit], width: int, language: str) -> None:
    page = bare(width=width, height=900, language=language).page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    boxes = [page.locator(part).bounding_box() for part in ("#brand", "#nav", "#language", "#theme", "#about")]
    middles = {round(box["y"] + box["height"] / 2) for box in boxes if box is not None}
    assert len(boxes) == 5
    assert max(middles) - min(middles) <= 2  # one line
    edges = [edge for box in boxes if box is not None for edge in (box["x"], box["x"] + box["width"])]
    assert edges == sorted(edges)  # nothing lies over another
    assert edges[-1] <= width


def test_words_are_complete_in_both_languages(bare: Callable[..., Visit]) -> None:
    page = bare().page
    for part in ("shell", "cell", "tissue", "runs"):
        words = page.evaluate(f"async () => (await import('/page/words/{part}.js')).words")
        assert set(words) == {"en", "zh"}
        assert list(words["en"]) == list(words["zh"])
        for key, english in words["en"].items():
            chinese = words["zh"][key]
            assert key.startswith(f"{part}.")
            assert english.strip()
            assert chinese.strip()
            assert sorted(set(re.findall(r"\{\w+\}", english))) == sorted(set(re.findall(r"\{\w+\}", chinese))), key


def test_numbers_are_written_as_they_are_read(bare: Callable[..., Visit]) -> None:
    page = bare().page
    for expression, told in (
        ("m.count(12345)", "12,345"),
        ("m.count(-7)", "−7"),
        ("m.words3(0.012345)", "0.0123"),
        ("m.words3(12345)", "12,300"),
        ("m.words3(-1.5)", "−1.5"),
        ("m.words3(1.2e-7)", "1.20×10⁻⁷"),
        ("m.words3(0)", "0"),
        ("m.words3(NaN)", "–"),
        ("m.hours(24)", "24\u00a0h"),
        ("m.hours(0.5)", "0.5\u00a0h"),
        ("m.percent(0.123)", "12%"),
        ("m.percent(0.001)", "<1%"),
    ):
        assert module(page, "numbers", expression) == told


def test_what_others_wrote_is_text_and_never_markup(bare: Callable[..., Visit]) -> None:
    page = bare().page
    hostile = "<img src=x onerror=alert(1)>"
    module(
        page,
        "dom",
        f"m.make(document.getElementById('view'), 'p', {{ id: 'written', title: '{hostile}' }}, '{hostile}')",
    )
    assert page.locator("#written").inner_text() == hostile
    assert page.locator("#view img").count() == 0


def test_an_address_says_where_one_is_and_can_be_written(bare: Callable[..., Visit]) -> None:
    page = bare().page
    there = page.evaluate("""async () => {
      const { address, note, place } = await import("/page/lib/place.js");
      history.replaceState(null, "", address("nowhere", ["my run/2", "50%"], { time: 24, gene: "IFN-β", none: null }));
      note({ job: "ab" });
      const { view, path, query } = place();
      history.replaceState(null, "", "#/nowhere/50%");
      return [view, path, [...query], place().path];
    }""")
    assert there == ["nowhere", ["my run/2", "50%"], [["time", "24"], ["gene", "IFN-β"], ["job", "ab"]], ["50%"]]


def test_it_says_what_it_is_and_closes_with_a_key(bare: Callable[..., Visit]) -> None:
    page = bare().page
    page.locator("#about").focus()
    page.keyboard.press("Enter")
    told = page.locator("#about-dialog")
    page.wait_for_selector("#about-dialog td[data-of=machine]:has-text('processor cores')")
    assert told.locator("td[data-of=version]").inner_text() == version("twin")
    assert told.locator("td[data-of=model]").inner_text() == "default"
    assert told.locator("td[data-of=upload]").inner_text() == "512 MB"
    assert in_focus(page) == "Close"
    page.keyboard.press("Escape")
    page.wait_for_selector("#about-dialog", state="detached")
    assert in_focus(page) == "about"


def test_who_has_no_token_reads_what_to_do(clock: Address, visit: Visits) -> None:
    stranger = Address(clock.port, "wrong")
    shown = visit(stranger, state=None)
    shown.expected.append("401")
    assert "twin serve" in shown.page.locator("section").nth(0).inner_text()
    assert "令牌" in shown.page.locator("section[lang=zh-CN]").inner_text()
    assert (
        shown.page.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "20px"
    )  # its style is let in
    assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_without_scripts_it_says_so_in_both_languages(clock: Address, visit: Visits) -> None:
    page = visit(clock, state=None, java_script_enabled=False).page
    told = page.locator("body").inner_text()
    assert "JavaScript: allow it" in told
    assert "请允许此地址运行脚本" in told


def test_what_the_server_says_is_wrong_is_told_as_it_is(bare: Callable[..., Visit]) -> None:
    shown = bare()
    shown.expected.append("400")
    told = shown.page.evaluate("""async () => {
      const { ask } = await import("/page/lib/ask.js");
      return ask("/api/jobs/0123456789abcdef", { method: "DELETE" }).catch((error) => [error.message, error.status]);
    }""")
    assert told[0].startswith("there is no job '0123456789abcdef'")
    assert told[1] == 400


def numbers(page: Page) -> list[int]:
    return [number for number, _ in page.evaluate("window.told")]


def test_a_line_that_breaks_in_mid_run_is_told_and_goes_on_where_it_was(
    clock: Address, bare: Callable[..., Visit]
) -> None:
    with line_to(clock) as (address, line):
        shown = bare(server=address)
        shown.expected += REFUSED
        page = shown.page
        page.evaluate(FOLLOW, [40, 0.1, -1])
        shown.until("window.told.length > 5")
        line.cut()
        page.wait_for_selector("#banner[data-line=lost]")
        assert "does not answer" in page.locator("#banner").inner_text()
        seen = len(numbers(page))
        assert seen < 40
        page.wait_for_timeout(1000)
        line.mend()
        page.wait_for_selector("#banner[data-line=open]")
        shown.until("window.told.at(-1)[1].kind === 'done'")
        assert numbers(page) == list(range(41))  # each once, in order: those told meanwhile, too
        assert page.evaluate("window.told.slice(0, 40).every(([number, event]) => event.i === number)")
        page.wait_for_selector("#banner", state="hidden")


def test_a_page_that_is_loaded_anew_in_mid_run_shows_where_it_is(bare: Callable[..., Visit]) -> None:
    shown = bare()
    page = shown.page
    page.evaluate(FOLLOW, [30, 0.1, -1])
    shown.until("window.told.length > 3")
    page.reload()
    page.wait_for_selector("body[data-state=failed]")
    page.evaluate(FOLLOW, [0, 0, 2])  # the job is known by its name; what was seen is not asked for again
    shown.until("window.told.length && window.told.at(-1)[1].kind === 'done'")
    assert numbers(page) == list(range(3, 31))


def test_nobody_is_told_anything_after_stop(bare: Callable[..., Visit]) -> None:
    shown = bare()
    page = shown.page
    page.evaluate(FOLLOW, [30, 0.1, -1])
    shown.until("window.told.length > 3")
    page.evaluate("window.stop()")
    seen = len(numbers(page))
    page.wait_for_timeout(500)
    assert len(numbers(page)) == seen


def test_a_server_that_was_started_anew_is_told_and_its_new_address_opens_all_pages(
    tmp_path: Path, visit: Visits
) -> None:
    with ticking(tmp_path) as first:
        shown = visit(first, NOWHERE, state="failed")
        shown.expected += [*REFUSED, "401", "400"]
        page = shown.page
        page.evaluate(FOLLOW, [1000, 0.1, -1])
        shown.until("window.told.length > 3")
    page.wait_for_selector("#banner[data-line=lost]")
    with ticking(tmp_path, first.port) as second:
        page.wait_for_selector("#banner[data-line=locked]")
        assert "new token" in page.locator("#banner").inner_text()
        visit(second, NOWHERE, state="failed", context=shown.context)
        page.wait_for_selector("#banner[data-line=open]")
        shown.until("window.told.at(-1)[1].kind === 'failed'")
        assert "there is no job" in page.evaluate("window.told.at(-1)[1].error")
        assert page.evaluate("window.told.length") < 1000


@pytest.mark.slow
def test_a_simulation_goes_on_though_the_line_breaks_and_the_page_is_loaded_anew(
    server: Address, visit: Visits
) -> None:
    with line_to(server) as (address, line):
        shown = visit(address, "#/cell?hours=48&cells=20", state=None)
        shown.expected += REFUSED
        page = shown.page
        page.wait_for_selector("body[data-state=ready] #start:enabled", timeout=120_000)
        page.click("#start")
        page.wait_for_selector("body[data-first-frame-ms]")
        line.cut()
        page.wait_for_selector("#banner[data-line=lost]")
        line.mend()
        page.wait_for_selector("#banner[data-line=open]")
        page.reload()
        page.wait_for_selector("body[data-state=done]", timeout=120_000)
        assert page.locator("#time").get_attribute("max") == "48"
        assert page.locator("#movers tbody tr").count() > 5
