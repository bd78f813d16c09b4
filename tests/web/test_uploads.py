"""Cells that are sent: what is taken, what is refused and in which words, and whom it is shown to."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
from twin_web.runs.accept import accept
from twin_web.runs.axis import Axis, Known
from twin_web.runs.structure import SIGNATURE
from twin_web.site import Site

from tests.web.asking import Client, asking
from tests.web.following import ended
from tests.web.sent_files import GENES, TYPES, hostile, write
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
    refused(tmp_path, {"external link", "bomb", "cut short", "pickle", "text", "empty"}.__contains__)


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
