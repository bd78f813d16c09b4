"""Counts that stay on disk are the counts that are read whole, in little memory."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from tests.data.made import adata_of
from twin.data import stream
from twin.data.axis import LazyCounts
from twin.data.counts import read_counts
from twin.data.experiment import assemble
from twin.data.stream import CountStream
from twin.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*[zZ]arr (v[23]|format 3):UserWarning")  # said while it is written
FORMS = pytest.mark.parametrize("form", ["sparse.h5ad", "dense.h5ad", "sparse.2.zarr", "sparse.3.zarr", "dense.3.zarr"])


def written(folder: Path, form: str, adata: ad.AnnData) -> Path:
    """Write cells in one of the forms."""
    if form.startswith("sparse"):
        adata.X = sp.csr_matrix(adata.X)
    path = folder / form
    if form.endswith("zarr"):
        with ad.settings.override(zarr_write_format=2 if form.endswith("2.zarr") else 3):
            adata.write_zarr(path)
    else:
        adata.write_h5ad(path)
    return path


@FORMS
@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_chunks_and_rows_are_those_of_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, chunk: int
) -> None:
    monkeypatch.setattr(stream, "CHUNK", chunk)
    monkeypatch.setattr(stream, "GAP", 4)
    path = written(tmp_path, form, adata_of(40))
    whole, opened = read_counts(path).counts.toarray(), CountStream(path)
    parts = list(opened.chunks())
    assert len(parts) == {1: 40, 7: 20, 10_000: 1}[chunk] or form.startswith("sparse")
    np.testing.assert_array_equal(np.concatenate([part.toarray() for _, part in parts]), whole)
    np.testing.assert_array_equal(opened.totals, whole.sum(axis=1))
    for rows in ([3], [39, 0, 17, 17, 18, 1], list(range(40)), []):
        fetched = opened.fetch(np.array(rows, np.intp))
        assert fetched.dtype == np.int32
        np.testing.assert_array_equal(fetched.toarray(), whole[rows].reshape(len(rows), 3))


def test_a_bad_value_far_down_is_found_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", 30)
    adata = adata_of(200)
    adata.X[187, 2] = 1.25
    opened = CountStream(written(tmp_path, "sparse.h5ad", adata))
    opened.fetch(np.arange(100))
    for read in (lambda: opened.totals, lambda: opened.fetch(np.array([187])), lambda: assemble([opened])):
        with pytest.raises(InputError, match=r"X holds 1.25, .*first in row 187, cell187"):
            read()


def test_columns_first_and_missing_matrices_are_refused(tmp_path: Path) -> None:
    adata = adata_of(6)
    adata.X = sp.csc_matrix(adata.X)
    adata.write_h5ad(tmp_path / "csc.h5ad")
    with pytest.raises(InputError, match=r"stored by columns \(CSC\).*tocsr"):
        CountStream(tmp_path / "csc.h5ad")
    with h5py.File(tmp_path / "csc.h5ad", "a") as file:
        del file["X"]
    with pytest.raises(InputError, match="neither X nor"):
        CountStream(tmp_path / "csc.h5ad")


def test_an_experiment_of_streams_is_that_of_whole_files(data_folder: Path) -> None:
    paths = [data_folder / f"{name}.h5ad" for name in ("tian2019_five_lung_lines", "darmanis2015_human_brain")]
    whole = assemble([read_counts(path) for path in paths], max_depth=2e4)
    lazy = assemble([CountStream(path) for path in paths], max_depth=2e4)
    assert isinstance(lazy.counts, LazyCounts)
    assert (lazy.genes, lazy.contexts, lazy.arms, lazy.notes) == (whole.genes, whole.contexts, whole.arms, whole.notes)
    np.testing.assert_array_equal(lazy.depth, whole.depth)
    rows = np.random.default_rng(0).permutation(whole.n_cells)[:64]
    assert equal(lazy.counts[rows], whole.counts[rows])
    chosen = whole.context == 2
    assert equal(lazy.take(chosen).counts[:], whole.take(chosen).counts)
    assert lazy.take(chosen).counts.shape == (int(chosen.sum()), len(whole.genes))
    some = np.zeros(whole.n_cells, np.bool_)
    some[rows] = True
    assert equal(lazy.counts[some], whole.counts[some])


def equal(a: sp.csr_array, b: sp.csr_array) -> bool:
    """Whether two matrices hold the same."""
    return bool(a.shape == b.shape and (a != b).nnz == 0)


def test_a_stream_and_a_whole_file_go_together(tmp_path: Path) -> None:
    first, second = adata_of(8), adata_of(9, seed=3)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = written(tmp_path / "a", "sparse.h5ad", first), written(tmp_path / "b", "dense.3.zarr", second)
    e = assemble([read_counts(a), CountStream(b)])
    np.testing.assert_array_equal(e.counts[:].toarray(), np.concatenate([first.X.toarray(), second.X]))
    batch: NDArray[np.intp] = np.array([12, 2, 16])
    np.testing.assert_array_equal(e.counts[batch].toarray(), e.counts[:].toarray()[batch])


CHILD = """
import re, sys
import numpy as np
from pathlib import Path
from twin.data.counts import read_counts
from twin.data.experiment import assemble
from twin.data.stream import CountStream

def peak():  # of this process alone: what getrusage tells is inherited from the parent
    return int(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024

before = peak()
if sys.argv[2] == "stream":
    e = assemble([CountStream(Path(sys.argv[1]))])
else:
    e = assemble([read_counts(Path(sys.argv[1]))])
rng = np.random.default_rng(0)
for _ in range(3):
    part = e.counts[np.sort(rng.integers(0, e.n_cells, 64))]
print(e.n_cells, peak() - before)
"""


def peak(path: Path, how: str) -> float:
    """Return the memory that a process of its own needs to read a file and draw batches, MB."""
    told = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), how], capture_output=True, text=True, timeout=300, check=True
    ).stdout.split()
    assert int(told[0]) > 0
    return float(told[1])


def big(path: Path, n_cells: int, n_genes: int, per_cell: int) -> None:
    """Write a file of `n_cells` × `per_cell` entries."""
    rng = np.random.default_rng(0)
    indices = np.concatenate(
        [np.arange(0, n_genes - n_genes % per_cell, n_genes // per_cell)[:per_cell]] * n_cells, dtype=np.int32
    )
    data = rng.integers(1, 9, n_cells * per_cell).astype(np.float32)
    matrix = sp.csr_matrix((data, indices, np.arange(n_cells + 1) * per_cell), shape=(n_cells, n_genes))
    adata = adata_of(n_cells, genes=["x"])
    ad.AnnData(matrix, obs=adata.obs, var={"x": np.zeros(n_genes)}).write_h5ad(path)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_a_file_of_200_000_cells_is_streamed_in_a_fraction_of_its_size(tmp_path: Path) -> None:
    big(tmp_path / "big.h5ad", 200_000, 2_000, 200)
    streamed, whole = peak(tmp_path / "big.h5ad", "stream"), peak(tmp_path / "big.h5ad", "whole")
    assert whole > 320.0  # MB: 40 M entries of 8 bytes
    assert streamed < 200.0  # MB: obs and names of 200,000 cells, and chunks with their copies
