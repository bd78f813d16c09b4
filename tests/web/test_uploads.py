"""Cells that are sent: what is taken, what is refused and in which words, and whom it is shown to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from twin_web.runs.accept import accept
from twin_web.runs.axis import Axis, Known
from twin_web.runs.child import told_by
from twin_web.runs.structure import SIGNATURE
from twin_web.site import Site

from tests.web.asking import Client, asking
from tests.web.following import ended
from tests.web.sent_files import GENES, TYPES, cells, hostile, write
from twin.data.counts import read_counts
from twin.errors import InputError

AXIS = Axis("tiny", (*GENES, "OTHER"), TYPES[:2])


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's axis is a few genes: loading the shipped one takes seconds."""

    async def axis(self: Known) -> Axis:
        return AXIS

    monkeypatch.setattr(Known, "axis", axis)


async def send(client: Client, path: Path, name: str | None = None) -> dict[str, Any]:
    """Send a file and return how it ended: {"kind": "done", "upload": …}, or "failed" with an "error" and "status"."""
    with path.open("rb") as file:
        answer = await client.post("/api/uploads", params={"name": path.name if name is None else name}, data=file)
        document = await answer.json()
    if answer.status != 200:
        return {"kind": "failed", "status": answer.status, **document}
    return await ended(client, document["job"])


def served(site: Site, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def serve() -> None:
        async with asking(site) as client:
            await work(client)

    asyncio.run(serve())


def left(site: Site) -> list[str]:
    """Return what is kept of all uploads."""
    return sorted(p.suffix for p in (site.inside / "uploads").rglob("*") if p.is_file())


def test_cells_that_are_sent_are_kept_as_raw_counts_with_their_types_and_places(tmp_path: Path) -> None:
    site, sent = Site(tmp_path / "runs"), write(tmp_path / "mine.h5ad")

    async def work(client: Client) -> None:
        found = (await send(client, sent, "../../évil/../mine.h5ad"))["upload"]
        assert (found["file"], found["cells"], found["genes"], found["shared"]) == ("mine.h5ad", 60, 12, 12)
        assert found["types"] == dict.fromkeys(sorted(TYPES), 20) | {}
        assert found["types_column"] == "cell_type"
        assert found["known"] == sorted(TYPES[:2])
        assert found["spatial"]
        assert 0 < found["apart"] < 100
        listed = await (await client.get("/api/uploads")).json()
        assert listed["uploads"] == [found]
        assert 0 < listed["limits"]["used_mb"] < 1
        kept = next((site.inside / "uploads").glob("*/[!.]*.h5ad"))
        ours, theirs = read_counts(kept), read_counts(sent)
        assert (ours.counts != theirs.counts).nnz == 0
        assert ours.genes == theirs.genes
        assert list(ours.obs["cell_type"].astype(str)) == list(theirs.obs["cell_type"].astype(str))
        np.testing.assert_allclose(ours.spatial, theirs.spatial)  # type: ignore[arg-type]
        assert ad.read_h5ad(kept).obs["age"].tolist() == [1.5] * 60
        assert (await client.delete(f"/api/uploads/{found['id']}")).status == 200
        assert left(site) == []

    served(site, work)


def test_hostile_files_are_told_from_cells_before_a_value_is_read(tmp_path: Path) -> None:
    for name, (path, words) in hostile(tmp_path).items():
        if not path.read_bytes().startswith(SIGNATURE):
            continue  # no child is asked: see below
        document = {"file": str(path), "name": path.name, "out": str(tmp_path / "out"), "genes": GENES, "contexts": ()}
        with pytest.raises(InputError) as told_of:
            accept(document)
        sentence = str(told_of.value)
        assert words in sentence, (name, sentence)
        assert len(sentence) < 400, (name, sentence)
        assert "\n" not in sentence, (name, sentence)


@pytest.mark.slow
def test_hostile_files_that_are_sent_leave_nothing_and_the_server_serves_on(tmp_path: Path) -> None:
    refused(tmp_path, lambda name: True)


def test_what_is_sent_is_refused_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    refused(tmp_path, {"external link", "pickle", "text", "empty"}.__contains__)


def refused(folder: Path, chosen: Callable[[str], bool]) -> None:
    """Send hostile files, and see them refused."""
    site = Site(folder / "runs")

    async def work(client: Client) -> None:
        for name, (path, words) in hostile(folder).items():
            if not chosen(name):
                continue
            ended = await send(client, path)
            assert ended["kind"] == "failed", name
            assert words in ended["error"], (name, ended["error"])
            assert left(site) == [], name
        assert (await client.get("/api/uploads")).status == 200

    served(site, work)


def test_a_file_beyond_a_limit_is_refused_before_and_while_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path / "runs", upload_limit=0.02)
    large = tmp_path / "large.h5ad"
    large.write_bytes(SIGNATURE + bytes(3_000_000))

    async def pieces() -> AsyncIterator[bytes]:  # whose whole length nobody tells beforehand
        yield SIGNATURE
        for _ in range(30):
            yield bytes(100_000)

    async def work(client: Client) -> None:
        ended_as = await send(client, large)
        assert ended_as["status"] == 413
        assert "larger than the 0.02 MB" in ended_as["error"]
        answer = await client.post("/api/uploads", params={"name": "a.h5ad"}, data=pieces())
        assert answer.status == 413
        assert left(site) == []
        site.upload_limit = 10
        monkeypatch.setattr("twin_web.runs.receive.LEFT", 10**15)
        ended_as = await send(client, large)
        assert ended_as["status"] == 507
        assert "is full" in ended_as["error"]
        monkeypatch.undo()
        monkeypatch.setattr("twin_web.runs.receive.OWN_TIMES", 0.1)
        assert "does not fit" in (await send(client, large))["error"]
        monkeypatch.setattr("twin_web.runs.receive.MOST_FILES", 0)
        assert "the most there may be" in (await send(client, large))["error"]
        for name in ("a.csv", "", ".h5ad", "a.h5ad.exe", "..", "a.h5ad/"):
            assert "no .h5ad file" in (await send(client, large, name))["error"], name
        assert left(site) == []

    served(site, work)


def test_a_sender_that_goes_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path / "runs")

    async def work(client: Client) -> None:
        async def half() -> AsyncIterator[bytes]:
            yield SIGNATURE + bytes(500_000)
            while not left(site):
                await asyncio.sleep(0.02)
            raise ConnectionResetError

        with pytest.raises(aiohttp.ClientError):
            await client.post("/api/uploads", params={"name": "a.h5ad"}, data=half())
        for _ in range(100):
            await asyncio.sleep(0.05)
            if not left(site):
                break
        assert left(site) == []

    served(site, work)


def test_two_browsers_do_not_see_each_others_cells(tmp_path: Path) -> None:
    site, sent = Site(tmp_path / "runs"), write(tmp_path / "mine.h5ad")

    async def work(client: Client) -> None:
        found = (await send(client, sent))["upload"]
        address = f"/api/uploads/{found['id']}"
        assert (await client.get(address)).status == 200
        client.session.cookie_jar.clear()
        await client.get("/", params={"token": site.token})  # another browser
        assert (await (await client.get("/api/uploads")).json())["uploads"] == []
        for answer in (
            await client.get(address),
            await client.delete(address),
            await client.post(address, json={"types_column": "donor"}),
            await client.get("/api/uploads/..%2f..%2fx"),
        ):
            assert answer.status in (400, 404)
        assert left(site) == [".h5ad", ".json"]

    served(site, work)


def test_a_column_of_types_is_chosen_where_none_is_found(tmp_path: Path) -> None:
    site, unnamed = Site(tmp_path / "runs"), cells()
    unnamed.obs = unnamed.obs.rename(columns={"cell_type": "what it is"})
    sent = write(tmp_path / "mine.h5ad", unnamed)

    async def work(client: Client) -> None:
        found = (await send(client, sent))["upload"]
        assert found["types_column"] is None
        assert found["types"] == {}
        address = f"/api/uploads/{found['id']}"
        refused_as = await client.post(address, json={"types_column": "age"})
        assert "no column of words" in (await refused_as.json())["error"]
        chosen = await (await client.post(address, json={"types_column": "what it is"})).json()
        assert chosen["types"] == dict.fromkeys(TYPES, 20)
        assert (await (await client.get(address)).json()) == chosen

    served(site, work)


def found_in(folder: Path, made: ad.AnnData, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what the check tells of cells, whose copy is out.h5ad."""
    path = write(folder / "given.h5ad", made)
    capsys.readouterr()
    accept(
        {"file": str(path), "name": "given.h5ad", "out": str(folder / "out.h5ad"), "genes": GENES, "contexts": TYPES}
    )
    told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return told


def test_counts_are_found_wherever_they_stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = cells()
    by_genes, dense, in_layer, unsorted = cells(), cells(), cells(), cells()
    by_genes.X = sp.csc_matrix(truth.X)
    dense.X = truth.X.toarray()
    in_layer.layers["counts"] = truth.X.copy()
    in_layer.X = truth.X / 7
    unsorted.X = truth.X[:, ::-1][:, ::-1]
    for made, place in ((by_genes, "X"), (dense, "X"), (in_layer, "layers['counts']"), (unsorted, "X")):
        assert found_in(tmp_path, made, capsys)["counts_from"] == place
        assert (read_counts(tmp_path / "out.h5ad").counts != sp.csr_array(truth.X)).nnz == 0


def test_blocks_of_few_values_give_the_same_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = cells()
    for form in (sp.csr_matrix(truth.X), sp.csc_matrix(truth.X), truth.X.toarray()):
        for most in (1, 7, 50):
            monkeypatch.setattr("twin_web.runs.matrix.AT_ONCE", most)
            made = cells()
            made.X = form
            found_in(tmp_path, made, capsys)
            assert (read_counts(tmp_path / "out.h5ad").counts != sp.csr_array(truth.X)).nnz == 0


def test_genes_are_called_as_the_model_calls_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = cells()
    made.var["feature_name"] = [*GENES[:-1], GENES[0]]
    made.var_names = [f"ENSG{i:011d}" for i in range(len(GENES))]
    found = found_in(tmp_path, made, capsys)
    assert found["shared"] == len(GENES) - 1
    assert "genes are called by var['feature_name']; of 1 names that stand twice" in found["told"][0]
    assert read_counts(tmp_path / "out.h5ad").genes == (*GENES[:-1], f"ENSG{len(GENES) - 1:011d}")
    odd = cells()
    odd.obs_names = ["twin"] * odd.n_obs
    odd.obs["a/b"], odd.obs["n"] = "x", pd.array([1, None] * 30, dtype="Int64")
    odd.obsm["spatial"][3, 1] = np.nan
    with pytest.warns((UserWarning, FutureWarning), match="not unique|Forward slashes"):
        found = found_in(tmp_path, odd, capsys)
    assert not found["spatial"]
    kept = ad.read_h5ad(tmp_path / "out.h5ad")
    assert kept.obs_names.is_unique
    assert "a/b" not in kept.obs
    assert kept.obs["n"].isna().sum() == 30


@pytest.mark.slow
def test_a_check_has_no_more_memory_than_it_is_given_and_its_crash_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays that fit one by one, and not together, are refused by the limit of the process."""
    site, path = Site(tmp_path / "runs"), write(tmp_path / "wide.h5ad")
    with h5py.File(path, "a") as file:
        names = [f"c{i}" for i in range(4)]
        for name in names:  # chunks that were never written are zeros: some bytes for 0.8 GB
            wide = file.create_dataset(f"obs/{name}", (100_000_000,), np.int64, chunks=(10**6,), compression="gzip")
            wide.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        file["obs"].attrs["column-order"] = names
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("twin_web.runs.receive.MEMORY", 2 * 2**30)

    async def work(client: Client) -> None:
        ended_as = await send(client, path)
        assert "needs more than 2 GB of memory" in ended_as["error"]
        assert left(site) == []
        with pytest.raises(InputError, match="ended in a crash"):
            async for _ in told_by("twin_web.runs.no_such_module", {}, 60):
                pass

    served(site, work)
