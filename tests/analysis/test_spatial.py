"""Moran's I and correlograms against what is known of them in closed form, and against squidpy."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.tissues import board, halves, lattice
from twin.analysis.spatial import Float, correlogram, distance_bins, morans_i
from twin.errors import InputError

LENGTH = 30.0  # µm, of the random field


def torus(n: int) -> sp.csr_array:
    """Return who neighbours whom on an n × n lattice without rim."""
    ring = sp.diags_array([1.0, 1.0, 1.0, 1.0], offsets=[1, -1, n - 1, 1 - n], shape=(n, n))
    return sp.csr_array(sp.kron(ring, sp.eye_array(n)) + sp.kron(sp.eye_array(n), ring))


def random_fields(position: Float, n_fields: int, seed: int, n_waves: int = 400) -> Float:
    """Return Gaussian random fields of covariance exp(−r² / 2L²), (cell, field): sums of waves of Gaussian number."""
    rng = np.random.default_rng(seed)
    made = np.empty((len(position), n_fields))
    for i in range(n_fields):
        wave = rng.normal(scale=1 / LENGTH, size=(n_waves, position.shape[1]))
        phase = rng.uniform(0, 2 * np.pi, n_waves)
        made[:, i] = np.sqrt(2 / n_waves) * np.cos(position @ wave.T + phase).sum(axis=1)
    return made


@pytest.mark.parametrize("k", [1, 3, 8])
def test_a_wave_on_a_torus_has_the_moran_of_its_eigenvalue(k: int) -> None:
    n = 16
    found = morans_i(np.repeat(np.cos(2 * np.pi * k * np.arange(n) / n), n)[:, None], torus(n), shuffles=0)
    assert found.statistic[0] == pytest.approx((1 + np.cos(2 * np.pi * k / n)) / 2)


def test_a_chess_board_is_as_unlike_as_can_be_and_halves_are_alike() -> None:
    for types, sign in ((board(12), -1), (halves(12), 1)):
        tissue = lattice(types)
        black = (tissue.obs["cell_type"] == "black").to_numpy(dtype=np.float64)[:, None]
        found = morans_i(black, tissue.obsp["contacts"])
        assert found.statistic[0] == pytest.approx(-1.0 if sign < 0 else 1 - 2 * 12 / (2 * 12 * 11))
        assert np.sign(found.z[0]) == sign
        assert found.p_value[0] == pytest.approx(1 / 200)


def test_of_values_without_a_place_one_in_twenty_has_a_p_below_a_twentieth() -> None:
    rng = np.random.default_rng(5)
    found = morans_i(rng.normal(size=(300, 400)), lattice(board(18)[:, :17]).obsp["contacts"][:300, :300])
    assert found.expected == pytest.approx(-1 / 299)
    assert abs(found.statistic.mean() - found.expected) < 5 * found.statistic.std() / np.sqrt(400)
    assert abs((found.p_value <= 0.05).sum() - 20) < 5 * np.sqrt(400 * 0.05 * 0.95)


@given(seed=st.integers(0, 2**31), shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_moran_does_not_hang_on_the_unit_of_the_values(seed: int, shift: float, scale: float) -> None:
    values = np.random.default_rng(seed).random((36, 2))
    graph = torus(6)
    once, again = (morans_i(v, graph, shuffles=5).statistic for v in (values, shift + scale * values))
    np.testing.assert_allclose(once, again, rtol=1e-8, atol=1e-10)


def test_a_value_that_is_the_same_everywhere_and_cells_that_do_not_touch_have_no_moran() -> None:
    same = morans_i(np.stack([np.ones(9), np.arange(9.0)], axis=1), torus(3))
    assert np.isnan(same.statistic[0])
    assert np.isnan(same.p_value[0])
    assert np.isfinite(same.statistic[1])
    assert np.isnan(morans_i(np.arange(9.0)[:, None], sp.csr_array((9, 9))).p_value[0])


def test_the_correlogram_of_a_gaussian_field_is_its_covariance() -> None:
    position = np.random.default_rng(2).random((1500, 2)) * 1000.0
    edges = np.linspace(0.0, 120.0, 13)
    found = correlogram(random_fields(position, 40, 3), position, edges, shuffles=20)
    error = found.correlation.std(axis=1, ddof=1) / np.sqrt(40)
    law = np.exp(-(found.distance**2) / (2 * LENGTH**2))
    # what the mean of the whole square takes with it: 2πL² of an area of 1000², and how curved the law is in a bin
    assert np.abs(found.correlation.mean(axis=1) - law).max() < 5 * error.max() + 0.02
    assert found.n_pairs.sum() == pytest.approx(1500**2 / 2 * np.pi * 120**2 / 1000**2, rel=0.15)
    assert (found.correlation[0] > found.high[0]).all()


def test_shuffled_cells_lie_in_the_band_of_the_shuffles() -> None:
    rng = np.random.default_rng(1)
    position = rng.random((200, 3)) * 100
    found = correlogram(rng.normal(size=(200, 60)), position, distance_bins(position, 8))
    assert found.distance.max() <= 50
    outside = (found.correlation < found.low) | (found.correlation > found.high)
    assert 0.02 < outside.mean() < 0.09


def test_pairs_are_counted_once_and_in_their_bin() -> None:
    position = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])  # 3, 4, 5 µm apart
    values = np.array([[1.0], [2.0], [6.0]])
    found = correlogram(values, position, np.array([0.0, 3.5, 4.5, 5.0]), shuffles=3)
    z = (values[:, 0] - 3) / values.std()
    np.testing.assert_allclose(found.correlation[:, 0], [z[0] * z[1], z[1] * z[2], z[0] * z[2]])
    assert found.n_pairs.tolist() == [1, 1, 1]
    np.testing.assert_allclose(found.distance, [3, 4, 5])


def test_what_tells_nothing_is_refused() -> None:
    place = np.zeros((2, 3))
    with pytest.raises(InputError, match="2 cells are too few"):
        correlogram(np.zeros((2, 1)), place, np.array([0.0, 1.0]))
    with pytest.raises(InputError, match="not finite"):
        morans_i(np.full((5, 1), np.nan), sp.eye_array(5))
    far = np.arange(9.0).reshape(3, 3) * 100
    with pytest.raises(InputError, match="no two cells lie within 10 µm"):
        correlogram(np.zeros((3, 1)), far, np.array([0.0, 10.0]))


@pytest.mark.slow  # squidpy takes long to be imported, and compiles
@pytest.mark.parametrize("by_row", [False, True])
def test_squidpy_finds_the_same_moran(by_row: bool) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is not a valid key!", category=SyntaxWarning)  # docrep's
        squidpy = pytest.importorskip("squidpy")
    tissue = lattice(board(10))
    values = np.random.default_rng(0).gamma(2.0, size=(100, 4))
    names = [f"g{i}" for i in range(4)]
    cells = ad.AnnData(values, obs=tissue.obs, var=pd.DataFrame(index=names))
    cells.obsp["spatial_connectivities"] = tissue.obsp["contacts"].astype(np.float64)
    theirs = squidpy.gr.spatial_autocorr(cells, genes=names, transformation=by_row, n_perms=None, copy=True)
    ours = morans_i(values, tissue.obsp["contacts"], by_row=by_row)
    np.testing.assert_allclose(ours.statistic, theirs.loc[names, "I"], rtol=1e-6)
