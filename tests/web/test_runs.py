"""The runs of a server: listed, looked at, deleted, written as files, and held against each other."""

import asyncio
import io
import json
import shutil
import socket
import zipfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import perf_counter
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import PIL.Image
import psutil
import pytest
from twin_web.runs import compare, write
from twin_web.runs.find import find_run, free_name, lend_cells, note_run
from twin_web.runs.own_cells import OWN_CELLS, box_for, compartment_of
from twin_web.runs.rows import Rows, size_of
from twin_web.runs.upload import Column, Upload
from twin_web.site import Opened, Site

from tests.web.asking import Client, asking
from tests.web.following import ended, told
from tests.web.tissues import GENES, TYPES, Writer
from twin.errors import InputError
from twin.results import open_run
from twin.scenario.load import load_scenario

ME, OTHER = "0" * 32, "1" * 32


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs: "old" of 300 cells, done, with a treated future; "new" of 200, half done."""
    folder = tmp_path_factory.mktemp("known")
    old = Writer(folder / "old", 300, n_ticks=4)
    old.write(range(1, 5))
    old.fork(1)
    old.write(range(2, 5), future=1)
    Writer(folder / "new", 200, n_ticks=4).write(range(1, 3))
    return folder


@pytest.fixture
def site(known: Path, tmp_path: Path) -> Site:
    """A server of a copy of them."""
    return Site(Path(shutil.copytree(known, tmp_path / "runs")), model="none")


def served(site: Site, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def serve() -> None:
        async with asking(site) as client:
            await work(client)

    asyncio.run(serve())


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (await (await client.get("/api/runs")).json())["runs"]}


async def error_of(answer: Any) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]


def test_the_list_says_how_far_each_run_is_and_survives_what_is_no_run(site: Site) -> None:
    folder = site.folder
    (folder / "notes").mkdir()
    (folder / "half").mkdir()
    (folder / "half" / "zarr.json").write_text('{"attributes": {"twin": {"format": 3}}}', "utf-8")
    Writer(folder / "spoilt", 50, n_ticks=2).write([1])
    record = json.loads((folder / "spoilt" / "zarr.json").read_text("utf-8"))
    record["attributes"]["twin"]["n_ticks"] = "many"
    (folder / "spoilt" / "zarr.json").write_text(json.dumps(record), "utf-8")
    (folder / "old-pictures").mkdir()
    (folder / "elsewhere").symlink_to("/etc")
    (folder / "file.txt").write_text("", "utf-8")

    async def work(client: Client) -> None:
        rows = await listed(client)
        assert set(rows) == {"old", "new", "notes", "half", "spoilt"}
        old, new = rows["old"], rows["new"]
        assert (old["state"], old["progress"], old["cells"], old["branches"], old["hours"]) == ("done", 1, 300, 2, 4)
        assert (new["state"], new["progress"], new["cells"], new["hours_done"]) == ("stopped", 0.5, 200, 2)
        assert old["size"] == sum(f.stat().st_size for f in (folder / "old").rglob("*") if f.is_file())
        for name in ("notes", "half", "spoilt"):
            assert not rows[name]["ok"]
            assert rows[name]["error"].startswith(name), rows[name]
            assert str(folder) not in rows[name]["error"]

    served(site, work)


def test_a_run_that_goes_on_is_read_again_and_one_that_rests_is_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: Path) -> int:
        read.append(path.name)
        return size_of(path)

    monkeypatch.setattr("twin_web.runs.rows.size_of", counted)
    rows = Rows(site)
    before = {row.name: row for row in rows.of(ME)}
    assert sorted(read) == ["new", "old"]
    read.clear()
    begun = perf_counter()
    rows.of(ME)
    assert read == []
    assert perf_counter() - begun < 0.5
    Writer(site.folder / "third", 100, n_ticks=2).write([1])
    after = {row.name: row for row in rows.of(ME)}
    assert read == ["third"]
    assert after["third"].progress == 0.5
    assert before["old"] == after["old"]
    me = psutil.Process()
    lock = {"host": socket.gethostname(), "pid": me.pid, "began": me.create_time(), "token": "a"}
    (site.folder / "third" / ".lock").write_text(json.dumps(lock), "utf-8")
    assert next(row for row in rows.of(ME) if row.name == "third").state in ("running", "waiting")


def test_details_tell_times_branches_and_the_scenario_that_lies_beside(site: Site) -> None:
    (site.folder / "old.yaml").write_text("name: known tissue\n", "utf-8")

    async def work(client: Client) -> None:
        run = await (await client.get("/api/runs/old")).json()
        assert run["branch_names"] == ["trunk", "treated"]
        assert run["times"] == [1, 2, 3, 4]
        assert run["colors"] == ["ISG15", "interferon", "cell_type"]
        assert run["compartments"][0]["name"] == "tissue"
        assert run["compartments"][0]["box"][0] > 0
        assert run["scenario_yaml"] == "name: known tissue\n"
        assert run["kinds"] == ["h5ad", "png", "mp4", "csv", "html"]
        status, sentence = await error_of(await client.get("/api/runs/gone"))
        assert status == 400
        assert "there is no run 'gone'" in sentence

    served(site, work)


def test_no_name_leads_out_of_the_folder_of_runs(site: Site, tmp_path: Path) -> None:
    Writer(tmp_path / "outside", 50, n_ticks=2).write([1])
    (site.folder / "link").symlink_to(tmp_path / "outside")
    for name in (
        "../outside",
        "..",
        ".",
        "",
        ".web",
        "a/b",
        "a\\b",
        "link",
        "C:x",
        "x\n",
        "x" * 101,
        "x.partial",
        " x",
    ):
        with pytest.raises(InputError):
            find_run(site, ME, name)
    opened = Site(site.folder, Opened("run", str(tmp_path / "outside")))
    assert find_run(opened, ME, "outside") == tmp_path / "outside"

    async def work(client: Client) -> None:
        for name in ("..%2Foutside", "%2e%2e", "link", ".web", "a%5Cb", "x%00"):
            for method in ("GET", "DELETE"):
                assert (await client.request(method, f"/api/runs/{name}")).status in (400, 404), name
        assert (tmp_path / "outside").exists()

    served(site, work)


def test_a_run_begun_with_an_upload_is_its_owners_alone(site: Site) -> None:
    note_run(site, "old", ME, "0" * 16)
    assert find_run(site, ME, "old").name == "old"
    with pytest.raises(InputError, match="there is no run 'old' here"):
        find_run(site, OTHER, "old")
    assert [row.name for row in Rows(site).of(OTHER)] == ["new"]
    assert {row.name: row.mine for row in Rows(site).of(ME)} == {"old": True, "new": False}
    (site.inside / "old.json").write_text("{", "utf-8")  # a note that is spoilt hides its run
    with pytest.raises(InputError):
        find_run(site, OTHER, "old")
    assert free_name(site, "old") == "old-2"
    assert free_name(site, "né w/../x") == "né-w-x"


def test_only_what_is_nobodys_or_ones_own_is_deleted_and_nothing_that_is_written(site: Site, tmp_path: Path) -> None:
    note_run(site, "new", OTHER)
    (site.folder / "new.yaml").write_text("", "utf-8")
    (site.folder / "old.yaml").write_text("by hand", "utf-8")
    outside = tmp_path / "outside"
    Writer(outside, 50, n_ticks=2).write([1])
    site.opened = Opened("run", str(outside))
    me = psutil.Process()

    async def work(client: Client) -> None:
        assert (await error_of(await client.delete("/api/runs/new")))[0] == 403
        assert (await error_of(await client.delete("/api/runs/outside")))[0] == 403
        (site.folder / "notes").mkdir()
        status, sentence = await error_of(await client.delete("/api/runs/notes"))
        assert status == 403
        assert "notes is no run" in sentence
        lock = site.folder / "old" / ".lock"
        alive = {"host": socket.gethostname(), "pid": me.pid, "began": me.create_time(), "token": "a"}
        lock.write_text(json.dumps(alive), "utf-8")
        status, sentence = await error_of(await client.delete("/api/runs/old"))
        assert status == 409
        assert "is being written" in sentence
        lock.unlink()
        assert (await client.delete("/api/runs/old")).status == 200
        assert set(await listed(client)) == {"new", "outside", "notes"}
        left = sorted(p.name for p in site.folder.iterdir() if p.name != ".web")
        assert left == ["new", "new.yaml", "notes", "old.yaml"]  # a scenario that a user laid there is not the page's
        assert outside.exists()

    served(site, work)


async def written(client: Client, run: str, wanted: dict[str, Any]) -> tuple[str, bytes]:
    """Return the name and the bytes of a file of a run."""
    answer = await client.post(f"/api/runs/{run}/downloads", json=wanted)
    last = await ended(client, (await answer.json())["job"])
    assert last["kind"] == "done", last
    file = await client.get(last["href"])
    body = await file.read()
    assert len(body) == last["bytes"]
    assert file.headers["Content-Disposition"].startswith(f'attachment; filename="{last["name"]}"')
    return last["name"], body


def write_here(run: Path, out: Path, **wanted: Any) -> Path:
    """Write a file as the child does, without the seconds that a process takes to begin."""
    write.main({"run": str(run), "out": str(out), "wanted": wanted})
    return out


def test_cells_tables_and_pages_are_what_the_run_holds(site: Site, tmp_path: Path) -> None:
    run = site.folder / "old"
    cells = ad.read_h5ad(write_here(run, tmp_path / "a.h5ad", kind="h5ad", time="4h", branches=["treated"]))
    truth = open_run(run).cells(4.0, branch="treated")
    assert (cells.X != truth.X).nnz == 0
    assert list(cells.var_names) == list(GENES)
    assert (cells.obs["cell_type"] == "B").mean() > 0.5  # as its treatment made them
    with zipfile.ZipFile(write_here(run, tmp_path / "b.zip", kind="csv", color="IFI6")) as packed:
        table = pd.read_csv(packed.open("b/cells.csv"))
    assert len(table) == 4 * 300
    assert "IFI6" in table
    assert not (tmp_path / "b").exists()
    page = write_here(run, tmp_path / "c.html", kind="html").read_text("utf-8")
    assert page.lower().startswith("<!doctype html>")
    with pytest.raises(InputError, match="of one branch"):
        write_here(run, tmp_path / "d.h5ad", kind="h5ad", branches=["trunk", "treated"])


def test_a_file_is_given_to_whoever_asked_for_it_alone(site: Site, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        name, body = await written(client, "old", {"kind": "h5ad", "time": "4h", "branches": ["treated"]})
        assert name == "old-treated-4h.h5ad"
        (tmp_path / name).write_bytes(body)
        assert ad.read_h5ad(tmp_path / name).n_obs == 300
        href = "/api/downloads/" + next((site.inside / "downloads").iterdir()).name
        assert (await client.get(href)).status == 200
        client.session.cookie_jar.clear()
        await client.get("/", params={"token": site.token})  # another browser
        status, sentence = await error_of(await client.get(href))
        assert status == 400
        assert "no longer kept" in sentence

    served(site, work)


def test_what_cannot_be_written_is_told_in_a_sentence_and_what_is_stopped_leaves_nothing(site: Site) -> None:
    async def work(client: Client) -> None:
        home = site.inside / "downloads"
        answer = await client.post("/api/runs/old/downloads", json={"kind": "h5ad", "time": "99h"})
        first = (await answer.json())["job"]
        answer = await client.post("/api/runs/old/downloads", json={"kind": "mp4"})  # waits for its turn
        second = (await answer.json())["job"]
        await client.delete(f"/api/jobs/{second}")
        assert (await ended(client, second))["kind"] == "stopped"
        last = await ended(client, first)
        assert last["kind"] == "failed"
        assert "no cells were kept at 99 h" in last["error"]
        answer = await client.post("/api/runs/old/downloads", json={"kind": "mp4"})
        third = (await answer.json())["job"]
        while not list(home.glob("*")):
            await asyncio.sleep(0.05)
        await client.delete(f"/api/jobs/{third}")
        assert (await ended(client, third))["kind"] == "stopped"
        assert list(home.iterdir()) == []
        for wanted in ({"kind": "exe"}, {"kind": "png", "replicate": -1}, {"kind": "png", "cut": "x" * 50}, {"a": 1}):
            assert (await client.post("/api/runs/old/downloads", json=wanted)).status == 400

    served(site, work)


@pytest.mark.slow
def test_a_picture_and_a_film_show_the_tissue(site: Site, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        name, body = await written(
            client, "old", {"kind": "png", "branches": ["trunk", "treated"], "color": "cell_type"}
        )
        assert name == "old-trunk-treated.png"
        image = np.asarray(PIL.Image.open(io.BytesIO(body)).convert("RGB"), dtype=np.int64)
        colourful = (image.max(axis=2) - image.min(axis=2) > 40).mean()
        assert colourful > 0.02, "no coloured cells in the picture"
        answer = await client.post("/api/runs/old/downloads", json={"kind": "mp4"})
        job = (await answer.json())["job"]
        events = await told(client, job)
        assert [e["done"] for e in events if e["kind"] == "progress"] == [1, 2, 3, 4]
        film = await (await client.get(events[-1]["href"])).read()
        assert film[4:8] == b"ftyp"

    served(site, work)


def held(
    capsys: pytest.CaptureFixture[str], folder: Path, first: dict[str, Any], second: dict[str, Any], **more: Any
) -> Any:
    """Hold two sides against each other as the child does, and return what it tells."""
    paths = [str(folder / side["run"]) for side in (first, second)]
    capsys.readouterr()
    compare.main({"paths": paths, "asked": {"sides": [first, second], **more}})
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_two_futures_differ_in_what_was_made_to_differ(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    found = held(capsys, site.folder, {"run": "old", "branch": "treated"}, {"run": "old"})
    assert found["names"] == ["treated", "trunk"]
    assert found["hour"] == 4
    types = found["composition"]
    at = types["types"].index("B")
    truth = [open_run(site.folder / "old").cells(4.0, branch=b).obs for b in ("treated", "trunk")]
    seen = [types["first"][at], types["second"][at]]
    assert seen == [float(((o["cell_type"] == "B") & o["alive"]).sum()) for o in truth]
    assert seen[0] > seen[1] + 50
    assert found["tested"] > 50
    assert found["readouts"][0]["name"] == "n_cells"
    assert found["bits"] is None


def test_two_runs_differ_in_their_scenarios_and_one_is_the_same_as_its_copy(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    found = held(capsys, site.folder, {"run": "old"}, {"run": "new"}, time="2 h")
    assert found["hour"] == 2
    assert not found["bits"]["same"]
    assert {row["key"] for row in found["scenario"]} == {f"compartments.tissue.box.{i}" for i in range(3)}
    with pytest.raises(InputError, match="no cells were kept at 4 h"):
        held(capsys, site.folder, {"run": "old"}, {"run": "new"}, time="4 h")
    shutil.copytree(site.folder / "old", site.folder / "copy")
    found = held(capsys, site.folder, {"run": "old"}, {"run": "copy"})
    assert found["bits"]["same"]
    assert found["significant"] == 0
    assert found["composition"]["first"] == found["composition"]["second"]


@pytest.mark.slow
def test_a_comparison_is_asked_for_and_told_as_a_job(site: Site) -> None:
    async def work(client: Client) -> None:
        sides = [{"run": "old", "branch": "treated"}, {"run": "old"}]
        answer = await client.post("/api/compare", json={"sides": sides})
        events = await told(client, (await answer.json())["job"])
        assert [e["kind"] for e in events] == ["waiting", "step", "step", "done"]
        assert events[-1]["names"] == ["treated", "trunk"]
        for wrong in (sides[:1], [{"run": "gone"}, sides[1]], [{"branch": "a"}, sides[0]]):
            assert (await client.post("/api/compare", json={"sides": wrong})).status == 400

    served(site, work)


def test_own_cells_become_a_compartment_that_can_be_run(tmp_path: Path) -> None:
    from tests.web.sent_files import write

    site = Site(tmp_path)
    home = site.own(ME)
    home.mkdir(parents=True)
    upload = Upload(
        path=write(home / f"{'a' * 16}.h5ad"),
        id="a" * 16,
        file="mine.h5ad",
        created="",
        cells=60,
        genes=12,
        shared=12,
        model="default",
        columns=(Column(name="cell_type", types=dict.fromkeys(TYPES[:2], 30)),),
        types_column="cell_type",
        bytes=1,
        sent=1,
        sha256="",
        spatial=True,
        apart=8.0,
    )
    (home / f"{'a' * 16}.json").write_text(upload.model_dump_json(), "utf-8")
    name = lend_cells(site, ME, "a" * 16, "mine")
    assert name == "mine.h5ad"
    assert (tmp_path / name).stat().st_ino == upload.path.stat().st_ino
    cells = compartment_of(upload, name)["cells"]
    assert cells["spatial"] == {"scale": "1 um", "drop_within": "0.1 um"}
    assert "count" not in cells
    flat = compartment_of(upload.model_copy(update={"spatial": False}), name, count=20)
    assert flat["box"] == box_for(20)
    assert flat["cells"]["count"] == 20
    with pytest.raises(InputError, match="choose the column"):
        compartment_of(upload.model_copy(update={"types_column": None}), name)
    with pytest.raises(InputError, match="there already"):
        lend_cells(site, ME, "a" * 16, "mine")
    assert load_scenario(OWN_CELLS).scenario.n_ticks == 48
