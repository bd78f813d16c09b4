"""The page of a run: what is in the file, and that nothing else can get in or out."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from twin_viz.coloring import column
from twin_viz.command import export
from twin_viz.export.html.document import write_html
from twin_viz.export.html.encode import NONE, STEPS, packed, to_codes, to_values, unpacked
from twin_viz.export.html.fields import LEVELS, substances_of
from twin_viz.export.html.futures import futures_of
from twin_viz.palette import CATEGORIES
from typer.testing import CliRunner

from tests.results.bodies import new_run
from tests.viz.branched_run import branched_run
from tests.viz.fake_run import BOX, FakeRun
from twin.errors import InputError
from twin.results import Run, open_run

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;{{record}}"


@pytest.fixture(scope="module")
def branched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return branched_run(tmp_path_factory.mktemp("html") / "run")


class Parsed(HTMLParser):
    """The elements of a page, and what stands in its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        name = attributes.get("id") or attributes.get("type") or tag
        if tag in ("script", "style") and name not in self.raw:
            self.raw[name] = data

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw["record"])
        return found

    def piece(self, number: int) -> bytes:
        return base64.b64decode(self.raw[f"piece-{number}"])


def written(tmp_path: Path, run: Any, *args: Any, **options: Any) -> Parsed:
    return Parsed(write_html(run, tmp_path / "page.html", *args, **options).read_text("utf-8"))


@given(seed=st.integers(0, 2**31), low=st.floats(-1e6, 1e6), size=st.floats(1e-6, 1e6))
def test_numbers_come_back_to_half_a_step(seed: int, low: float, size: float) -> None:
    rng = np.random.default_rng(seed)
    values = low + size * rng.random(50)
    values[::7] = np.nan
    back = to_values(to_codes(values, low, low + size), low, low + size)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    assert np.nanmax(np.abs(back - values)) <= size / STEPS / 2 + 1e-9 * max(abs(low), size)


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_packed_columns_come_back(n: int) -> None:
    columns = list(np.random.default_rng(0).integers(0, 65536, (3, n)).astype(np.uint16))
    back = unpacked(packed(columns), n)
    assert n == 0 or all((a == b).all() for a, b in zip(columns, back, strict=True))


def check_frame(page: Parsed, frame: dict[str, int], cells: AnnData, programs: dict[str, list[str]]) -> None:
    """Compare a frame of the page with the cells that the run keeps, to the stated resolution."""
    record = page.record
    x, y, z, radius, low, high, alive, *codes = unpacked(page.piece(frame["blob"]), frame["n"])
    box, parts = np.array(record["view"]["box"]), unpacked(page.piece(record["ids"]["blob"]), record["ids"]["n"])
    a, b, c, d = (part.astype(np.uint64) for part in parts)
    ids = a | (b << np.uint64(16)) | (c << np.uint64(32)) | (d << np.uint64(48))
    who = ids[np.cumsum(low + 65536 * high.astype(np.int64))]
    cells = cells[np.argsort(np.asarray(cells.obs_names, dtype=str).astype(np.uint64))]
    np.testing.assert_array_equal(who, np.asarray(cells.obs_names, dtype=str).astype(np.uint64))
    place = np.stack([to_values(c, *box[:, a]) for a, c in enumerate((x, y, z))], axis=1)
    resolution = (box[1] - box[0]) / STEPS
    assert (np.abs(place - cells.obsm["spatial"]) <= 0.51 * resolution).all()
    assert record["view"]["resolution"] == pytest.approx(resolution.max(), rel=0.1)
    np.testing.assert_allclose(
        to_values(radius, 0.0, record["radius"]), cells.obs["radius"], atol=record["radius"] / STEPS
    )
    np.testing.assert_array_equal(alive.astype(bool), cells.obs["alive"])
    for paint, code in zip(record["paints"], codes, strict=True):
        values = column(cells, paint["name"], programs)[1]
        if "names" in paint:
            assert [paint["names"][k] for k in code] == [str(v) for v in values]
        else:
            span = paint["max"] - paint["min"]
            np.testing.assert_allclose(
                to_values(code, paint["min"], paint["max"]), values, atol=0.51 * span / STEPS + 1e-6
            )


def test_every_cell_of_every_time_is_on_the_page_to_the_stated_resolution(tmp_path: Path) -> None:
    run = FakeRun()
    page = written(tmp_path, run, ["ISG15", "interferon"])
    record = page.record
    assert record["hours"] == list(run.kept)
    assert [p["name"] for p in record["paints"]] == ["cell_type", "ISG15", "interferon"]  # one donor tells nothing
    assert record["paints"][record["first"]]["name"] == "ISG15"
    assert record["view"]["frame"] == [[0, 0, 0], list(BOX)]
    for hour, frame in zip(record["hours"], record["futures"][0]["frames"], strict=True):
        check_frame(page, frame, run.cells(hour), run.scenario["observe"]["programs"])
    assert [entry["color"] for entry in record["paints"][0]["legend"]] == list(CATEGORIES[:4])
    assert record["futures"][0]["measured"] == 8.0


def test_curves_are_the_means_of_the_living_by_type(tmp_path: Path) -> None:
    run = FakeRun()
    record = written(tmp_path, run, ["ISG15"]).record
    for t, hour in enumerate(record["hours"]):
        cells = run.cells(hour)
        means = column(cells, "ISG15", {})[1].groupby(cells.obs["cell_type"].astype(str).to_numpy()).mean()
        for g, entry in enumerate(record["paints"][0]["legend"]):
            assert record["futures"][0]["curves"][1][g][t] == pytest.approx(means[entry["name"]], rel=1e-4)
            assert record["futures"][0]["curves"][0][g][t] == (cells.obs["cell_type"] == entry["name"]).sum()


def test_a_substance_is_on_one_logarithmic_scale_of_three_decades(tmp_path: Path) -> None:
    run = FakeRun()
    fields = run.fields()
    (substance,) = substances_of([fields])
    highest = float(fields["concentration"].max())
    assert (substance.high, substance.units) == (highest, "nM")
    assert substance.low == pytest.approx(highest / 1e3)
    levels = substance.levels(np.geomspace(substance.low, substance.high, 100)) / LEVELS
    np.testing.assert_allclose(levels, np.linspace(0, 1, 100), atol=0.51 / LEVELS)
    record = written(tmp_path, run).record
    assert [s["name"] for s in record["substances"]] == ["IFN-beta"]
    assert [len(record["futures"][0]["grid"][axis]) for axis in "xyz"] == [51, 5, 5]
    assert None not in record["futures"][0]["volumes"]


def test_futures_stand_side_by_side_and_share_their_past(branched: Run, tmp_path: Path) -> None:
    page = written(tmp_path, branched, ["GENE0"], "tissue")
    trunk, treated = page.record["futures"]
    assert (trunk["name"], treated["name"]) == ("trunk", "treated")
    assert [a == b for a, b in zip(trunk["frames"], treated["frames"], strict=True)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    for name, future in (("trunk", trunk), ("treated", treated)):
        for hour, frame in zip(page.record["hours"], future["frames"], strict=True):
            check_frame(page, frame, branched.cells(hour, compartment="tissue", branch=name), {})


def test_one_future_can_be_chosen_and_too_many_are_refused(branched: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name, _ in futures_of(branched)] == ["trunk", "treated"]
    assert [name for name, _ in futures_of(branched, "treated")] == [""]
    monkeypatch.setattr("twin_viz.export.html.futures.MOST_FUTURES", 1)
    with pytest.raises(InputError, match=r"2 futures are too many for one page.*--branch \(trunk, treated\)"):
        futures_of(branched)


class Named(FakeRun):
    """Cells with names that would be harmful in a page."""

    def cells(self, *args: Any, **kwargs: Any) -> AnnData:
        cells = super().cells(*args, **kwargs)
        cells.obs["cell_type"] = pd.Categorical(cells.obs["cell_type"].astype(str).replace("B cells", HOSTILE))
        return cells

    @property
    def scenario(self) -> dict[str, Any]:
        return {**super().scenario, "name": HOSTILE, "description": HOSTILE}


def test_names_stay_names(tmp_path: Path) -> None:
    page, plain = written(tmp_path, Named()), Parsed(write_html(FakeRun(), tmp_path / "b.html").read_text("utf-8"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert HOSTILE in page.record["paints"][0]["names"]
    assert page.record["title"] == HOSTILE


def test_the_page_asks_for_nothing_and_runs_nothing_but_its_own(tmp_path: Path) -> None:
    page = written(tmp_path, FakeRun())
    text = (tmp_path / "page.html").read_text("utf-8")
    assert not re.search(r"https?:|url\(|@import|\bimport\(|fetch\(|XMLHttp|WebSocket", text)
    assert not [tag for tag, attributes in page.tags if {"src", "href", "onload", "onerror", "style"} & set(attributes)]
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; ")
    for kind, name in (("script", "module"), ("style", "style")):
        digest = base64.b64encode(hashlib.sha256(page.raw[name].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_a_page_over_its_limit_is_refused_before_all_cells_are_read(tmp_path: Path) -> None:
    read = []

    class Counted(FakeRun):
        def cells(self, *args: Any, **kwargs: Any) -> AnnData:
            read.append(args)
            return super().cells(*args, **kwargs)

    run = Counted(n=3000, kept=tuple(float(t) for t in range(60)))
    with pytest.raises(InputError, match=r"about [\d.]+ MB, more than 0\.5 MB: take fewer times \(--every \d\), one"):
        write_html(run, tmp_path / "page.html", ["ISG15"], limit=0.5)
    assert len(read) < 10
    assert not list(tmp_path.iterdir())
    page = written(tmp_path, run, ["ISG15"], every=8, limit=0.6)
    assert page.record["hours"] == [0, 8, 16, 24, 32, 40, 48, 56, 59]
    assert "1 of 8" in page.record["about"]["kept"]
    with pytest.raises(InputError, match=r"about 0\.\d+ MB, more than 0\.1 MB"):  # few times are not estimated first
        write_html(FakeRun(n=3000), tmp_path / "other.html", limit=0.1)


def twin_export(*arguments: object) -> str:
    app = typer.Typer()
    app.command()(export)
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_writes_the_futures_that_it_is_told(branched: Run, tmp_path: Path) -> None:
    both, one = tmp_path / "both.html", tmp_path / "one.html"
    assert str(both) in twin_export(branched.path, "--html", both, "--compartment", "tissue").replace("\n", "")
    twin_export(branched.path, "--html", one, "--compartment", "tissue", "--branch", "treated", "--color", "GENE3")
    first, second = (Parsed(out.read_text("utf-8")).record for out in (both, one))
    assert [len(record["futures"]) for record in (first, second)] == [2, 1]
    assert [record["paints"][record["first"]]["name"] for record in (first, second)] == ["GENE0", "GENE3"]
    assert second["about"]["branch"] == "branch treated"
    assert first["compartment"] == "tissue"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--html", "page.png"), r"end the name with \.html"),
        (("--html", "there"), r"end the name with \.html"),
        (("--html", "there.html"), "there.html exists already"),
        (("--html", "no/page.html"), "there is no folder"),
        (("--html", "there.html/page.html"), "there is no folder"),
        (("--html", "/proc/page.html", "--compartment", "tissue"), "cannot be written"),
        (("--html", "page.html", "--compartment", "tisue"), "no compartment is called 'tisue'"),
        (("--html", "page.html", "--compartment", "tissue", "--color", "GENE99"), "did you mean GENE"),
        (("--html", "page.html", "--compartment", "tissue", "--branch", "treatd"), "no branch is called 'treatd'"),
        (("--html", "page.html", "--compartment", "tissue", "--point", "dose=1"), "no axis of the sweep"),
        (("--html", "page.html", "--compartment", "tissue", "--replicate", "2"), "no replicate 2"),
        (("--csv", "t", "--every", "2"), "--every and --limit go with --html"),
    ],
)
def test_what_cannot_be_shown_is_told_and_nothing_is_left(
    branched: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.html").write_text("")
    with pytest.raises(InputError, match=told):
        twin_export(branched.path, *arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["there.html"]


def test_a_run_without_cells_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no cells yet"):
        write_html(open_run(new_run(tmp_path / "run")), tmp_path / "page.html", compartment="tissue")
    with pytest.raises(InputError, match="no cells are there at any kept time"):
        write_html(FakeRun(n=0), tmp_path / "page.html")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_codes_of_nothing_are_kept_apart() -> None:
    assert to_codes(np.array([0.0, 1.0, np.nan, np.inf]), 0.0, 1.0).tolist() == [0, STEPS, NONE, NONE]
    assert to_codes(np.array([2.0, 2.0]), 2.0, 2.0).tolist() == [0, 0]  # a range of no width
