"""Raw counts are checked: what is no count is found, and where."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from tests.data.made import adata_of
from twin.data.counts import CountData, checked_counts, read_counts
from twin.data.stream import CountStream
from twin.errors import InputError

Reader = Callable[[Path], CountData | CountStream]


def stream(path: Path) -> CountStream:
    """Open a stream and read it whole."""
    opened = CountStream(path)
    assert len(opened.totals) == opened.n_cells
    return opened


READERS = pytest.mark.parametrize("read", [read_counts, stream], ids=["whole", "streamed"])


def written(folder: Path, value: float, *, sparse: bool) -> Path:
    """Write a file whose cell 17 has `value` at gene B."""
    adata = adata_of(30)
    adata.X[17, 1] = value
    if sparse:
        adata.X = sp.csr_matrix(adata.X)
    adata.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


@READERS
@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0.5, r"holds 0.5, which is no whole number: normalised data\?"),
        (-2.0, r"holds negative values \(down to -2\)"),
        (np.nan, "holds values that are not finite"),
        (np.inf, "holds values that are not finite"),
        (2.0**32, r"holds counts above 2\^31"),
    ],
)
def test_a_value_that_is_no_count_is_refused_with_its_row(
    tmp_path: Path, read: Reader, sparse: bool, value: float, says: str
) -> None:
    path = written(tmp_path, value, sparse=sparse)
    with pytest.raises(InputError, match=rf"cells.h5ad: X {says} \(first in row 17, cell17\); raw integer counts"):
        read(path)


@READERS
def test_duplicate_genes_and_empty_files_are_refused(tmp_path: Path, read: Reader) -> None:
    adata = adata_of(6)
    adata.var_names = ["A", "B", "A"]
    adata.write_h5ad(tmp_path / "twice.h5ad")
    with pytest.raises(InputError, match="gene A stands more than once"):
        read(tmp_path / "twice.h5ad")
    adata_of(6)[:0].copy().write_h5ad(tmp_path / "none.h5ad")
    with pytest.raises(InputError, match="holds no cells or no genes"):
        read(tmp_path / "none.h5ad")


@READERS
def test_files_that_are_not_there_or_no_anndata_are_refused(tmp_path: Path, read: Reader) -> None:
    with pytest.raises(InputError, match="is not there"):
        read(tmp_path / "no.h5ad")
    (tmp_path / "text.h5ad").write_text("cells")
    with pytest.raises(InputError, match="cannot be read as AnnData"):
        read(tmp_path / "text.h5ad")


@READERS
def test_counts_are_taken_from_the_layer_where_x_is_normalised(tmp_path: Path, read: Reader) -> None:
    adata = adata_of(6)
    adata.layers["counts"] = sp.csr_matrix(adata.X)
    adata.X = np.log1p(adata.X)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    data = read(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(data.fetch(np.arange(6)).toarray(), adata.layers["counts"].toarray())


def test_counts_keep_their_value_and_lose_stored_zeros() -> None:
    adata = adata_of(3)
    adata.X = sp.csr_matrix((np.array([1.0, 0.0, 5.0]), np.array([2, 0, 1]), np.array([0, 2, 3, 3])), shape=(3, 3))
    data = checked_counts(adata, "f")
    assert data.counts.nnz == 2
    assert data.counts.toarray().tolist() == [[0, 0, 1], [0, 5, 0], [0, 0, 0]]
