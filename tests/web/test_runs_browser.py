"""The view of runs in a real browser: what is listed, sent, saved and compared, and what is seen of it."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Download, expect

from tests.web.conftest import Visits
from tests.web.sent_files import cells, write
from tests.web.serving import Server, Visit, served
from tests.web.tissues import Writer
from twin.results import open_run

pytestmark = pytest.mark.browser
SLOW = 300_000  # ms, for what a child does on a busy machine


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a run of two futures, one that was stopped, and a folder that is no run."""
    folder = tmp_path_factory.mktemp("lived") / "runs"
    folder.mkdir()
    old = Writer(folder / "old", 240, n_ticks=3)
    old.write(range(1, 4))
    old.fork(1)
    old.write(range(2, 4), future=1)
    Writer(folder / "stopped", 120, n_ticks=4).write([1])
    (folder / "my notes").mkdir()
    with served(folder) as server:
        yield server


def saved(shown: Visit, run: str, kind: str, **chosen: str) -> Download:
    """Ask for a file of a run in its box, and return what the browser saved."""
    page = shown.page
    page.locator(f"[data-run={run}] [data-testid=download]").click()
    page.locator(f"input[name=kind][value={kind}]").check()
    for name, value in chosen.items():
        page.locator(f"#file-{name}").select_option(value)
    with page.expect_download(timeout=SLOW) as waiting:
        page.locator("#write").click()
    return waiting.value


def pixels(png: bytes) -> NDArray[np.int64]:
    """Return a picture, (row, column, channel)."""
    return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int64)


def bytes_of(download: Download) -> bytes:
    return Path(download.path()).read_bytes()


def test_runs_are_listed_with_their_state_and_sorted_by_any_column(visit: Visits, lived: Server) -> None:
    shown = visit(lived, "#/runs")
    page = shown.page
    names = page.locator("#runs-rows tr[data-run]")
    expect(names).to_have_count(3)
    assert page.locator("[data-run=old] td.state").inner_text().strip() == "done"
    assert "240" in page.locator("[data-run=old] td.cells").inner_text()
    assert "2 branches" in page.locator("[data-run=old] td.futures").inner_text()
    assert page.locator("[data-run=stopped] td.state").inner_text().strip() == "stopped"
    bar = page.locator("[data-run=stopped] .bar > i")
    wide = bar.evaluate("bar => bar.offsetWidth / bar.parentElement.offsetWidth")
    assert 0.2 < wide < 0.3  # one tick of four
    assert "is no run" in page.locator("[data-run='my notes'] .about").inner_text()
    assert page.locator("[data-run='my notes'] [data-testid=delete]").is_disabled()
    page.locator("#sort-cells").click()
    assert names.first.get_attribute("data-run") == "old"
    page.locator("#sort-cells").click()
    assert names.last.get_attribute("data-run") == "old"
    page.locator("[data-run=stopped] [data-testid=open]").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('tr').dataset.run") == "old"
    page.locator("[data-run=old] [data-testid=details]").click()
    facts = page.locator("[data-testid=details-of]")
    assert "trunk, treated" in facts.inner_text()


def test_cells_are_sent_checked_shown_and_belong_to_one_browser(visit: Visits, lived: Server, tmp_path: Path) -> None:
    mine, normalised = write(tmp_path / "mine.h5ad"), cells()
    normalised.X = normalised.X / 3
    shown = visit(lived, "#/runs")
    page = shown.page
    assert "Up to 512\u00a0MB a file" in page.locator("#upload-limits").inner_text()
    page.set_input_files("#file", [mine, write(tmp_path / "normalised.h5ad", normalised)])
    found = page.locator("[data-testid=found]")
    found.wait_for(timeout=SLOW)
    assert "60 cells · 12 genes, 100% of them known" in found.inner_text()
    refused = page.locator("[data-testid=refused]")
    refused.wait_for(timeout=SLOW)
    assert "raw integer counts are needed" in refused.inner_text()
    card = page.locator("#upload-list li[data-id]")
    assert "CD14 Mono" in card.inner_text()
    assert "1 of 3 types are not known" in card.inner_text()
    card.locator("[data-testid=types-column]").select_option("donor")
    expect(card.locator(".chips")).to_contain_text("30")
    name = card.get_attribute("data-id")
    assert card.locator("[data-testid=use-cell]").get_attribute("href") == f"#/cell?upload={name}"
    assert card.locator("[data-testid=use-tissue]").get_attribute("href") == f"#/tissue/new/own-cells?upload={name}"
    page.set_input_files("#file", write(tmp_path / "x.h5ad").rename(tmp_path / "x.csv"))
    expect(page.locator("#upload-fault")).to_contain_text("is no .h5ad file")
    other = visit(lived, "#/runs")  # another browser
    expect(other.page.locator("#upload-list li")).to_have_count(0)
    assert other.page.evaluate(f"fetch('/api/uploads/{name}').then(answer => answer.status)") == 400
    other.expected.append("400")
    card.locator("[data-testid=delete-upload]").click()
    page.locator("#really").click()
    expect(page.locator("#upload-list li[data-id]")).to_have_count(0)


def test_cells_are_saved_and_opened(visit: Visits, lived: Server, tmp_path: Path) -> None:
    shown = visit(lived, "#/runs")
    download = saved(shown, "old", "h5ad", time="3h")
    assert download.suggested_filename == "old-trunk-3h.h5ad"
    (tmp_path / "a.h5ad").write_bytes(bytes_of(download))
    found, truth = ad.read_h5ad(tmp_path / "a.h5ad"), open_run(lived.folder / "old").cells(3.0)
    assert (found.X != truth.X).nnz == 0
    assert list(found.obs_names) == list(truth.obs_names)
    expect(shown.page.locator("#files [data-testid=save]")).to_have_count(1)


@pytest.mark.slow
def test_pictures_tables_pages_and_films_are_saved_and_opened(visit: Visits, lived: Server, tmp_path: Path) -> None:
    shown = visit(lived, "#/runs")
    picture = saved(shown, "old", "png", time="3h")
    image = pixels(bytes_of(picture))
    assert image.shape[1] > 600
    assert (image.max(axis=2) - image.min(axis=2) > 40).mean() > 0.01  # cells in colour
    with zipfile.ZipFile(io.BytesIO(bytes_of(saved(shown, "old", "csv")))) as packed:
        table = pd.read_csv(packed.open("old-trunk/cells.csv"))
    assert len(table) == 3 * 240
    film = saved(shown, "old", "mp4")
    assert bytes_of(film)[4:8] == b"ftyp"
    page = tmp_path / "old.html"
    page.write_bytes(bytes_of(saved(shown, "old", "html")))
    opened = shown.context.new_page()
    opened.goto(page.as_uri())
    opened.wait_for_selector("body[data-loaded=all][data-state=still]", timeout=SLOW)
    seen = pixels(opened.locator("#holder").screenshot())
    assert (seen.max(axis=2) - seen.min(axis=2) > 40).mean() > 0.01


@pytest.mark.slow
def test_two_futures_are_compared_in_pictures_and_numbers(visit: Visits, lived: Server) -> None:
    shown = visit(lived, "#/runs")
    page = shown.page
    page.locator("[data-run=old] [data-testid=tick]").check()
    page.locator("#compare-start").click()
    page.locator("#composition").wait_for(timeout=SLOW)
    assert page.locator("#versus b").all_inner_texts() == ["treated", "trunk"]
    b_cells = page.locator("#composition tbody tr", has=page.get_by_role("rowheader", name="B", exact=True))
    first, second = (int(text.split(" ")[0]) for text in b_cells.locator("td.number").all_inner_texts()[:2])
    truth = [open_run(lived.folder / "old").cells(3.0, branch=b).obs for b in ("treated", "trunk")]
    assert [first, second] == [int(((o["cell_type"] == "B") & o["alive"]).sum()) for o in truth]
    volcano = pixels(page.locator("#volcano").screenshot())
    assert (np.abs(volcano - volcano[2, 2]).sum(axis=2) > 60).mean() > 0.005  # points are drawn
    page.reload()
    page.locator("#composition").wait_for(timeout=SLOW)  # the address keeps what was compared


def test_a_run_is_deleted_after_it_was_asked_twice(visit: Visits, lived: Server) -> None:
    Writer(lived.folder / "gone soon", 60, n_ticks=2).write([1])
    shown = visit(lived, "#/runs", language="zh-CN", scheme="dark", width=800, height=1100)
    page = shown.page
    row = page.locator("[data-run='gone soon']")
    row.locator("[data-testid=delete]").click()
    assert "删除" in page.locator("dialog h2").inner_text()
    page.locator("#keep").click()
    assert (lived.folder / "gone soon").exists()
    row.locator("[data-testid=delete]").click()
    page.locator("#really").click()
    expect(row).to_have_count(0)
    assert not (lived.folder / "gone soon").exists()
