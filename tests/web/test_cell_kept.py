"""What a simulation leaves on the disk, and how a job ends that breaks."""

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from twin_web.cell.kept import Kept
from twin_web.journal import Journal
from twin_web.runs.work import begin
from twin_web.site import Site

from twin.errors import InputError


def test_of_a_simulation_that_has_not_begun_there_is_nothing_to_have(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", ("A", "B"))
    with pytest.raises(InputError, match="wait a moment"):
        kept.at(0)
    with pytest.raises(InputError, match="wait a moment"):
        kept.h5ad("T", {})


def test_genes_beyond_the_first_65536_are_kept_as_they_are(tmp_path: Path) -> None:
    n = 2**16 + 10
    counts = sp.csr_array(([1, 2, 3], ([0, 0, 1], [0, n - 1, n - 2])), shape=(2, n), dtype=np.int32)
    kept = Kept(tmp_path / "kept", tuple(f"G{i}" for i in range(n)))
    kept.add(0.0, counts)
    assert (kept.at(0) != counts).nnz == 0


def test_a_result_that_is_asked_for_by_many_at_once_is_written_once(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", ("A", "B"))
    kept.add(0.0, sp.csr_array(np.array([[1, 0], [0, 2]], np.int32)))
    with ThreadPoolExecutor(4) as pool:
        files = {made.result() for made in [pool.submit(kept.h5ad, "T", {}) for _ in range(4)]}
    (file,) = files
    assert ad.read_h5ad(file).obs["arm"].tolist() == ["treated", "untreated"]
    assert not list(file.parent.glob("partial-*"))


def test_a_job_that_breaks_is_told_as_failed_and_its_fault_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(journal: Journal) -> dict[str, Any]:
        raise ZeroDivisionError("a fault of ours")

    async def body() -> list[str]:
        site = Site(tmp_path)
        job = site.jobs.find(begin(site, "me", breaks), "me")
        return [text async for _, text in job.journal.since(0)]

    with caplog.at_level(logging.ERROR):
        (told,) = asyncio.run(asyncio.wait_for(body(), 10))
    assert json.loads(told)["kind"] == "failed"
    assert "the server's log" in json.loads(told)["error"]
    assert "a fault of ours" in caplog.text
