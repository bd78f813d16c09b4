"""Spots that become cells: counts conserved, places apart, numbers by their laws."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from twin.data import spots
from twin.data.spots import cells_of_spots, dealt, least_distance, places_in_spots, sunflower
from twin.kernels.random import Stream

LUCK = Stream(11)


def counts_of(seed: int, n: int = 6, genes: int = 5, mean: float = 4.0) -> sp.csr_array:
    drawn = np.random.default_rng(seed).poisson(mean, (n, genes))
    return sp.csr_array(drawn.astype(np.int32))


def keys_of(n: int) -> np.ndarray:
    return np.arange(100, 100 + n, dtype=np.uint64)


@given(seed=st.integers(0, 2**31), most=st.integers(1, 9))
def test_the_cells_of_a_spot_add_up_to_it_gene_by_gene(seed: int, most: int) -> None:
    counts = counts_of(seed)
    n = np.random.default_rng(seed).integers(1, most + 1, 6)
    cells = dealt(counts, n, keys_of(6), LUCK)
    assert cells.shape == (n.sum(), 5)
    assert cells.data.min(initial=1) > 0
    spot = np.repeat(np.arange(6), n)
    total = np.zeros((6, 5), np.int64)
    np.add.at(total, spot, cells.toarray())
    np.testing.assert_array_equal(total, counts.toarray())


def test_each_cell_has_the_same_share_and_the_spread_is_multinomial() -> None:
    """Of 200 spots of 400 molecules among 5: mean 80, variance 400·(1/5)·(4/5) = 64, covariance −16."""
    counts = sp.csr_array(np.full((200, 1), 400, np.int32))
    cells = dealt(counts, np.full(200, 5), keys_of(200), LUCK).toarray().reshape(200, 5)
    np.testing.assert_allclose(cells.mean(axis=0), 80, atol=5 * 8 / 200**0.5)
    covariance = np.cov(cells.T)
    assert np.diag(covariance).mean() == pytest.approx(64, abs=5 * 64 * (2 / 1000) ** 0.5)
    assert covariance[~np.eye(5, dtype=bool)].mean() == pytest.approx(-16, abs=4)


def test_the_luck_of_a_spot_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other spots, their order, and how many molecules are dealt out together change nothing."""
    counts, n = counts_of(3), np.array([2, 3, 1, 4, 2, 3])
    whole = dealt(counts, n, keys_of(6), LUCK).toarray()
    alone = dealt(counts[[3]], n[[3]], keys_of(6)[[3]], LUCK).toarray()
    np.testing.assert_array_equal(whole[6:10], alone)
    monkeypatch.setattr(spots, "AT_ONCE", 30)
    np.testing.assert_array_equal(dealt(counts, n, keys_of(6), LUCK).toarray(), whole)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 57])
def test_cells_lie_evenly_in_the_disc_around_its_middle(n: int) -> None:
    point = sunflower(n, 50.0)
    np.testing.assert_allclose(point.mean(axis=0), 0, atol=1e-9)
    away = np.linalg.norm(point, axis=1)
    assert away.max() < 50
    if n > 2:
        assert (away**2).mean() == pytest.approx(50**2 / 2, rel=0.25), "as in a disc that is filled evenly"
        assert least_distance(n, 50.0) > 0.6 * 50 * (np.pi / n) ** 0.5


def test_the_middle_of_a_spots_cells_is_the_spot() -> None:
    centre = np.array([[0.0, 0, 5], [100, 0, 5], [0, 100, 5]])
    place = places_in_spots(centre, np.array([4, 1, 9]), 20.0, keys_of(3), LUCK)
    np.testing.assert_allclose(place[:4].mean(axis=0), centre[0], atol=1e-9)
    np.testing.assert_allclose(place[4], centre[1], atol=1e-9)
    assert np.linalg.norm(place[5:] - centre[2], axis=1).max() < 20


def test_numbers_of_cells_follow_their_laws() -> None:
    totals = np.array([100.0, 300.0, 0.0, 400.0] * 500)
    keys = keys_of(2000)
    assert (cells_of_spots(7, "same", totals, keys, LUCK) == 7).all()
    by_counts = cells_of_spots(8, "counts", totals, keys, LUCK)
    assert by_counts[:4].tolist() == [4, 12, 1, 16]
    poisson = cells_of_spots(8, "poisson", totals, keys, LUCK)
    assert poisson.mean() == pytest.approx(8, abs=5 * (8 / 2000) ** 0.5)
    assert poisson.var() == pytest.approx(8, abs=5 * 8 * (2 / 2000) ** 0.5)
    assert cells_of_spots(0.1, "poisson", totals, keys, LUCK).min() == 1
