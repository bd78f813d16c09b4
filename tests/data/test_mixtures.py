"""What spots are made of: mixtures that are known come back, labels are taken at their word."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from twin.data.counts import CountData
from twin.data.mixtures import drawn_rows, labelled, mixtures, types_of_cells
from twin.errors import InputError

GENES = tuple(f"g{i}" for i in range(80))


def data(counts: np.ndarray, genes: tuple[str, ...] = GENES) -> CountData:
    obs = pd.DataFrame(index=[f"r{i}" for i in range(len(counts))])
    return CountData(sp.csr_array(counts.astype(np.int32)), genes, obs, "f.h5ad")


def reference() -> tuple[CountData, np.ndarray, np.ndarray]:
    """Return 60 cells of three types, their types and their rates."""
    rng = np.random.default_rng(4)
    rates = rng.gamma(0.5, 1.0, (3, 80))
    rates /= rates.sum(axis=1, keepdims=True)
    types = np.repeat(["a", "b", "c"], 20)
    return data(np.stack([rng.multinomial(3000, rates["abc".index(t)]) for t in types])), types, rates


def test_a_mixture_that_is_known_comes_back() -> None:
    cells, types, rates = reference()
    rng = np.random.default_rng(5)
    true = rng.dirichlet(np.ones(3), 40)
    spots = data(np.stack([rng.multinomial(20_000, share @ rates) for share in true]))
    found = mixtures(spots, cells, types)
    assert found.types == ("a", "b", "c")
    assert found.n_genes == 80
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert np.abs(found.shares - true).max() < 0.06
    assert found.fit.min() > 0.95


def test_what_the_reference_lacks_shows_in_the_fit() -> None:
    cells, types, rates = reference()
    spots = data(np.stack([np.random.default_rng(6).multinomial(20_000, rates[2])] * 3))
    without = types != "c"
    assert mixtures(spots, cells.take(without), types[without]).fit.max() < 0.5
    assert mixtures(spots, cells, types).fit.min() > 0.97


def test_an_empty_spot_is_of_all_types_alike() -> None:
    cells, types, _ = reference()
    np.testing.assert_allclose(mixtures(data(np.zeros((1, 80))), cells, types).shares, 1 / 3)


def test_files_that_name_genes_otherwise_are_refused() -> None:
    cells, types, _ = reference()
    other = data(np.ones((2, 80)), (*(f"ENSG{i}" for i in range(78)), "g0", "g1"))
    with pytest.raises(InputError, match=r"has 2 of the 80 genes .*, and 50 are needed"):
        mixtures(other, cells, types)


def test_labels_name_types_of_the_reference() -> None:
    names, shares = labelled(np.array(["b", "a"]), np.array(["a", "b", "c"]), "ref")
    assert names == ("a", "b", "c")
    assert shares.tolist() == [[0, 1, 0], [1, 0, 0]]
    with pytest.raises(InputError, match="ref: no cell type is called 'd'"):
        labelled(np.array(["d"]), np.array(["a", "b"]), "ref")


def test_whole_cells_are_nearest_to_the_shares() -> None:
    shares = np.array([[0.5, 0.3, 0.2], [0.34, 0.33, 0.33]])
    code = types_of_cells(shares, np.array([10, 2]))
    assert np.bincount(code[:10], minlength=3).tolist() == [5, 3, 2]
    assert code[10:].tolist() == [0, 1]


def test_cells_are_drawn_of_their_type() -> None:
    types = np.array(["a", "b", "a", "b", "b"])
    luck = np.random.default_rng(0).random(3000)
    code = np.repeat([0, 1], 1500)
    rows = drawn_rows(code, types, ("a", "b"), luck)
    assert (types[rows] == np.array(["a", "b"])[code]).all()
    assert np.bincount(rows[1500:], minlength=5)[[1, 3, 4]] == pytest.approx(500, abs=5 * (500 * 2 / 3) ** 0.5)
