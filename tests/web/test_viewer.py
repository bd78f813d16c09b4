"""What the viewer fetches: pieces hold the very numbers of the run, and grow with it."""

import asyncio
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray
from twin_viz.coloring import column
from twin_viz.export.html.encode import NONE, STEPS, to_values, unpacked
from twin_viz.palette import CATEGORIES
from twin_web.site import Opened, Site
from twin_web.viewer.columns import legend, words_of
from twin_web.viewer.pieces import DECADES, levels
from twin_web.viewer.scene import scene, search
from twin_web.viewer.shelf import MOST, Shelf

from tests.viz.branched_run import branched_run
from tests.web.asking import Client, asking
from tests.web.tissues import GENES, TYPES, Writer
from twin.results import Run, open_run

N = 300
Header = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    Writer(runs / "known", N).write(range(9))
    branched_run(runs / "branched")
    return runs


async def scene_of(client: Client, run: str, **query: str) -> dict[str, Any]:
    answer = await client.get(f"/api/runs/{quote(run)}/scene", params=query)
    found: dict[str, Any] = await answer.json()
    assert answer.status == 200, found
    return found


async def piece(
    client: Client, scene: Mapping[str, Any], kind: str, part: Mapping[str, Any], **query: str
) -> tuple[Header, list[NDArray[np.uint16]]]:
    place = f"{part['id']}/{scene['compartment']}/{part['tick']}"
    answer = await client.get(f"/api/runs/{scene['run']}/{kind}/{place}", params={"v": part["v"], **query})
    sent = await answer.read()
    assert answer.status == 200, sent
    assert "immutable" in answer.headers["Cache-Control"]
    (long,) = struct.unpack("<I", sent[:4])
    header: Header = json.loads(sent[4 : 4 + long])
    return header, unpacked(sent[4 + long :], header["n"])


def check(header: Header, codes: list[NDArray[np.uint16]], cells: AnnData) -> None:
    """Compare a frame with the cells that the run keeps."""
    x, y, z, radius, a, b, c, d, alive, *columns = codes
    ids = sum(part.astype(np.uint64) << np.uint64(16 * i) for i, part in enumerate((a, b, c, d)))
    cells = cells[np.argsort(cells.obs["id"].to_numpy())]
    np.testing.assert_array_equal(ids, cells.obs["id"])
    box = np.array(header["box"])
    place = np.stack([to_values(one, *box[:, axis]) for axis, one in enumerate((x, y, z))], axis=1)
    assert (np.abs(place - cells.obsm["spatial"]) <= 0.51 * (box[1] - box[0]) / STEPS + 1e-9).all()
    np.testing.assert_allclose(to_values(radius, 0, header["radius"]), cells.obs["radius"], atol=1e-3)
    np.testing.assert_array_equal(alive.astype(bool), cells.obs["alive"])
    assert header["dead"] == (~cells.obs["alive"]).sum()
    assert header["columns"][0]["name"] == "cell_type"
    waiting = iter(columns)
    for about in header["columns"]:
        values = column(cells, about["name"], {})[1]
        if "names" in about:
            own = np.full(cells.n_obs, about["first"]) if about["alike"] else next(waiting)
            assert [about["names"][k] for k in own] == [str(v) for v in values]
        else:
            own = np.zeros(cells.n_obs, np.uint16) if about["alike"] else next(waiting)
            span = about["max"] - about["min"]
            np.testing.assert_allclose(
                to_values(own, about["min"], about["max"]), values, atol=0.51 * span / STEPS + 1e-9
            )
    assert next(waiting, None) is None


def test_every_kept_time_is_sent_as_the_run_keeps_it(folder: Path) -> None:
    async def look() -> None:
        run = open_run(folder / "known")
        async with asking(Site(folder, model="none")) as client:
            seen = await scene_of(client, "known")
            assert seen["hours"] == list(run.times())
            (future,) = seen["futures"]
            for hour, part in zip(seen["hours"], future["frames"], strict=True):
                check(*await piece(client, seen, "frames", part), run.cells(hour))
                assert part["n"] == N

    asyncio.run(look())


@pytest.mark.parametrize("name", ["ISG15", "GENE0", "GENE150", "interferon"])
def test_any_gene_and_program_is_sent_as_pictures_colour_it(folder: Path, name: str) -> None:
    async def look() -> None:
        run = open_run(folder / "known")
        async with asking(Site(folder, model="none")) as client:
            seen = await scene_of(client, "known")
            for t in (0, 4, 8):
                header, codes = await piece(client, seen, "paints", seen["futures"][0]["frames"][t], name=name)
                cells = run.cells(seen["hours"][t])
                cells = cells[np.argsort(cells.obs["id"].to_numpy())]
                values = column(cells, name, run.scenario["observe"]["programs"])[1]
                own = codes[0] if codes else np.zeros(N, np.uint16)
                np.testing.assert_allclose(to_values(own, header["min"], header["max"]), values, atol=1e-4)
                assert header["alike"] == (not codes)

    asyncio.run(look())


def test_concentrations_are_sent_to_a_thousandth_over_six_decades(folder: Path) -> None:
    async def look() -> None:
        run = open_run(folder / "known")
        async with asking(Site(folder, model="none")) as client:
            seen = await scene_of(client, "known")
            header, (codes,) = await piece(client, seen, "volumes", seen["futures"][0]["frames"][5])
            (told,) = header["substances"]
            values = run.fields().sel(time=5.0)["concentration"].to_numpy().ravel()
            assert (told["name"], told["most"]) == ("IFNB1", pytest.approx(values.max()))
            back = told["most"] * 10 ** (DECADES * ((codes - 1.0) / 65533 - 1))
            np.testing.assert_allclose(back, values, rtol=1e-3)
            assert [len(header["grid"][axis]) for axis in "xyz"] == [17, 9, 5]

    asyncio.run(look())


def test_levels_of_nothing_and_of_what_is_too_little_are_nothing() -> None:
    assert levels(np.zeros((2, 3))).tolist() == [0] * 6
    assert levels(np.array([1.0, 1e-6, 1e-7, 0.0])).tolist() == [65534, 1, 0, 0]


def test_futures_stand_side_by_side_and_share_the_pieces_of_their_past(folder: Path) -> None:
    async def look() -> None:
        run = open_run(folder / "branched")
        async with asking(Site(folder, model="none")) as client:
            seen = await scene_of(client, "branched", compartment="tissue")
            trunk, treated = seen["futures"]
            assert [f["name"] for f in seen["all"]] == ["trunk", "treated"]
            same = [a == b for a, b in zip(trunk["frames"], treated["frames"], strict=True)]
            assert same == [True, True, False, False, False]
            for future in (trunk, treated):
                part = future["frames"][-1]
                check(
                    *await piece(client, seen, "frames", part),
                    run.cells(1.0, compartment="tissue", branch=future["branch"]),
                )
            alone = await scene_of(client, "branched", compartment="tissue", futures=treated["id"])
            assert [f["name"] for f in alone["futures"]] == ["treated"]
            assert alone["all"] == seen["all"]

    asyncio.run(look())


def test_a_run_that_goes_on_is_told_anew_and_only_then(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "going", 50)

    async def look() -> None:
        async with asking(Site(tmp_path, model="none")) as client:
            empty = await client.get("/api/runs/going/scene")
            assert (await empty.json())["hours"] == []
            writer.write([0, 1])
            first = await client.get("/api/runs/going/scene")
            seen = await first.json()
            assert seen["hours"] == [0, 1]
            known = {"If-None-Match": first.headers["ETag"]}
            assert (await client.get("/api/runs/going/scene", headers=known)).status == 304
            writer.write([2])
            second = await client.get("/api/runs/going/scene", headers=known)
            assert second.status == 200
            grown = await second.json()
            assert grown["hours"] == [0, 1, 2]
            assert grown["futures"][0]["frames"][:2] == seen["futures"][0]["frames"]  # what was read stays good
            assert grown["paints"] == seen["paints"]
            check(
                *await piece(client, grown, "frames", grown["futures"][0]["frames"][2]),
                open_run(tmp_path / "going").cells(2.0),
            )

    asyncio.run(look())


def test_a_piece_of_another_file_is_not_kept_for_ever(folder: Path) -> None:
    async def look() -> None:
        async with asking(Site(folder, model="none")) as client:
            seen = await scene_of(client, "known")
            part = seen["futures"][0]["frames"][0]
            answer = await client.get(f"/api/runs/known/frames/{part['id']}/tissue/0", params={"v": "of another"})
            assert answer.status == 200
            assert answer.headers["Cache-Control"] == "private, no-cache"

    asyncio.run(look())


def test_genes_are_found_by_how_they_begin_and_then_by_what_they_hold() -> None:
    genes = ["ISG15", "ISG20", "MISG", "CD3D", "IFI6"]
    assert search(genes, ["interferon", "isg score"], "isg", 10) == {
        "genes": ["ISG15", "ISG20", "MISG"],
        "programs": ["isg score"],
        "of": 5,
    }
    assert search(genes, [], "", 2)["genes"] == ["CD3D", "IFI6"]
    assert search(genes, [], "zzz", 2)["genes"] == []


def test_all_genes_of_the_run_are_searched(folder: Path) -> None:
    async def look() -> None:
        async with asking(Site(folder, model="none")) as client:
            found = await (await client.get("/api/runs/known/genes", params={"q": "gene19", "n": "99"})).json()
            assert found["of"] == len(GENES)
            assert set(found["genes"]) == {gene for gene in GENES if gene.startswith("GENE19")}
            assert "GENE190" not in open_run(folder / "known").scenario["observe"]["genes"]

    asyncio.run(look())


def test_categories_keep_their_colours_whatever_comes_later(folder: Path) -> None:
    async def look() -> None:
        async with asking(Site(folder, model="none")) as client:
            types = (await scene_of(client, "known"))["paints"][0]
            assert types["names"] == sorted(TYPES)
            assert [entry["color"] for entry in types["legend"]] == list(CATEGORIES[: len(TYPES)])

    asyncio.run(look())
    cells = open_run(folder / "known").cells(0.0)
    words = words_of("cell_type", cells.obs["cell_type"])
    assert words == list(TYPES)
    many = {f"type {i:02d}": 100 - i for i in range(20)}
    about = {"name": "cell_type", "kind": "type", "label": "cell type"}
    made = legend(about, pd.Series(many))
    assert made["names"] == list(many)[:13]  # the most frequent; the others are one


@pytest.mark.parametrize(
    ("path", "query", "told"),
    [
        ("nobody/scene", {}, "there is no run 'nobody'"),
        ("known/scene", {"compartment": "tisue"}, "no compartment is called 'tisue'"),
        ("known/scene", {"replicate": "7"}, "there is no replicate 7"),
        ("known/scene", {"replicate": "first"}, "is no number of a replicate"),
        ("known/scene", {"futures": "zz"}, "there is no future 'zz'"),
        ("known/scene", {"futures": "aa,aa,aa,aa,aa"}, "5 futures are too many side by side: at most 4"),
        ("known/frames/aa/tissue/99", {}, "no cells of tissue were kept at tick 99"),
        ("known/frames/zz/tissue/0", {}, "no cells of tissue were kept at tick 0"),
        ("known/frames/aa/..%2Ftissue/0", {}, "no compartment is called"),
        ("known/paints/aa/tissue/0", {"name": "ISG151"}, "did you mean ISG15"),
        ("known/paints/aa/tissue/0", {}, "no gene or program is called ''"),
        ("..%2Fknown/scene", {}, "run"),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(folder: Path, path: str, query: dict[str, str], told: str) -> None:
    async def look() -> None:
        async with asking(Site(folder, model="none")) as client:
            answer = await client.get(f"/api/runs/{path}", params=query)
            error = (await answer.json())["error"]
            assert 400 <= answer.status < 500
            assert told in error
            assert "\n" not in error

    asyncio.run(look())


def test_nobody_without_the_token_sees_a_cell(folder: Path) -> None:
    async def look() -> None:
        async with asking(Site(folder, model="none"), known=False) as client:
            for path in (
                "/tissue/viewer?run=known",
                "/tissue/viewer/viewer.js",
                "/api/runs/known/scene",
                "/api/runs/known/genes",
            ):
                assert (await client.get(path)).status == 401

    asyncio.run(look())


def test_the_document_runs_its_own_files_alone_and_may_be_framed_by_the_page(folder: Path) -> None:
    async def look() -> None:
        async with asking(Site(folder, model="none")) as client:
            page = await client.get("/tissue/viewer", params={"run": "known"})
            text = await page.text()
            policy = page.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors 'self'" in policy
            assert "<style" not in text
            assert " style=" not in text
            assert text.count("<script") == 1
            script = await client.get("/tissue/viewer/viewer.js")
            assert script.content_type == "text/javascript"
            again = await client.get("/tissue/viewer/viewer.js", headers={"If-None-Match": script.headers["ETag"]})
            assert again.status == 304

    asyncio.run(look())


def test_the_run_that_was_opened_is_seen_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    async def look() -> None:
        async with asking(Site(tmp_path, Opened("run", str(folder / "known")), model="none")) as client:
            assert (await scene_of(client, "known"))["hours"][-1] == 8

    asyncio.run(look())


def test_of_many_runs_and_questions_the_last_few_are_held(folder: Path, tmp_path: Path) -> None:
    shelf = Shelf()
    for i in range(MOST + 3):
        Writer(tmp_path / f"run {i}", 5).write([0])
        shelf.open(tmp_path / f"run {i}")
    assert len(shelf) == MOST
    opened = shelf.open(folder / "branched")
    assert shelf.open(folder / "branched") is opened
    sets = [
        ["aa"],
        ["bb"],
        ["aa", "bb"],
        ["bb", "aa"],
        [],
        ["aa", "aa"],
        ["bb", "bb"],
        ["aa", "bb", "aa"],
        ["bb", "aa", "bb"],
    ]
    told = [scene(opened, "branched", "tissue", 0, asked) for asked in sets]
    assert len(opened.scenes) < len(sets)
    assert scene(opened, "branched", "tissue", 0, sets[-1]) is told[-1]  # what did not change is not worked out again


def test_codes_of_nothing_are_none(folder: Path) -> None:
    async def look() -> None:
        async with asking(Site(folder, model="none")) as client:
            seen = await scene_of(client, "branched", compartment="tissue")
            header, codes = await piece(client, seen, "frames", seen["futures"][0]["frames"][0])
            since = next(about for about in header["columns"] if about["name"] == "time_since_IFNB1")
            place = [about["name"] for about in header["columns"] if not about["alike"]].index("time_since_IFNB1")
            run: Run = open_run(folder / "branched")
            cells = run.cells(0.0, compartment="tissue")
            values = cells[np.argsort(cells.obs["id"].to_numpy())].obs["time_since_IFNB1"].to_numpy()
            assert since["gaps"]
            np.testing.assert_array_equal(codes[9 + place] == NONE, np.isnan(values))

    asyncio.run(look())
