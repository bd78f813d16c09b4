"""Mean log1p(CP10k) and mean rate: exact sums of the negative binomial, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import nbinom

from twin.model.logmean import LOG_RATES, LogMean

Float = NDArray[np.float64]
ACCURACY = 0.03  # of the table: its steps in φ are a factor of 1.7


def exact(rate: float, phi: float, depths: Float) -> float:
    """Sum over all counts that matter, and over the library sizes."""
    found = []
    for depth in depths:
        mu = rate * depth / 1e4
        x = np.arange(int(nbinom.ppf(1 - 1e-9, 1 / phi, 1 / (1 + phi * mu))) + 2)
        found.append((nbinom.pmf(x, 1 / phi, 1 / (1 + phi * mu)) * np.log1p(1e4 * x / depth)).sum())
    return float(np.mean(found))


@pytest.mark.parametrize("depth", [60.0, 2_000.0, 40_000.0])
@pytest.mark.parametrize("phi", [0.05, 0.3, 3.0])
def test_the_mean_is_that_of_the_exact_sum(depth: float, phi: float) -> None:
    depths = depth * np.exp(0.5 * np.linspace(-2.0, 2.0, 41))
    mean = LogMean(depths)
    quantiles = np.quantile(depths, [0.1, 0.3, 0.5, 0.7, 0.9])
    for rate in (1e-3, 0.05, 1.0, 20.0, 400.0):
        found = mean.forward(np.array([rate]), np.array([phi]))[0]
        truth = exact(rate, phi, quantiles)
        assert found == pytest.approx(truth, abs=ACCURACY, rel=ACCURACY)
        assert found == pytest.approx(exact(rate, phi, depths), abs=2 * ACCURACY)


@pytest.mark.parametrize("depth", [5_000.0, 1e7])
@pytest.mark.parametrize("phi", [0.05, 1.0, 8.0])
def test_the_mean_is_that_of_drawn_counts_in_cells_and_in_bulk(depth: float, phi: float) -> None:
    rng = np.random.default_rng(7)
    for rate in (0.3, 50.0, 3_000.0):
        mu = rate * depth / 1e4
        drawn = np.log1p(1e4 * rng.negative_binomial(1 / phi, 1 / (1 + phi * mu), 40_000) / depth)
        found = LogMean(np.full(3, depth)).forward(np.array([rate]), np.array([phi]))[0]
        assert abs(found - drawn.mean()) < ACCURACY + 5 * drawn.std() / np.sqrt(len(drawn)), (rate, phi)


@given(seed=st.integers(0, 2**31), depth=st.floats(20.0, 1e5))
def test_there_and_back_is_where_one_was(seed: int, depth: float) -> None:
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.uniform(LOG_RATES[0], LOG_RATES[-1], (2, 30)))
    phi = np.exp(rng.uniform(np.log(0.05), np.log(10.0), 30))
    mean = LogMean(np.array([depth]))
    level = mean.forward(rate, phi)
    flat = level < 1e-5  # rounding of the level is seen in the rate where hardly a count is
    np.testing.assert_allclose(mean.inverse(level, phi)[~flat], rate[~flat], rtol=1e-5)
    np.testing.assert_allclose(mean.forward(mean.inverse(level, phi), phi), level, rtol=1e-9, atol=1e-12)


def test_levels_outside_the_table_are_its_ends() -> None:
    mean = LogMean(np.array([3_000.0]))
    found = mean.inverse(np.array([-1.0, 50.0]), np.array([0.3, 0.3]))
    np.testing.assert_allclose(np.log(found), [LOG_RATES[0], LOG_RATES[-1]])


def test_more_of_a_gene_is_more_and_more_noise_is_less() -> None:
    mean = LogMean(np.array([800.0, 2_000.0, 9_000.0]))
    rate = np.exp(np.linspace(LOG_RATES[0], LOG_RATES[-1], 400))
    levels = np.stack([mean.forward(rate, np.full(400, phi)) for phi in (0.05, 0.3, 1.0, 4.0, 10.0)])
    assert (np.diff(levels, axis=1) > 0).all()
    assert (np.diff(levels[:, 120:], axis=0) < 0).all()


def test_shallow_cells_show_a_lower_mean_of_the_same_rate() -> None:
    rate, phi = np.array([0.5, 5.0, 50.0]), np.full(3, 0.3)
    levels = np.stack([LogMean(np.array([depth])).forward(rate, phi) for depth in (100.0, 1e3, 1e4, 1e5)])
    assert (np.diff(levels, axis=0) > 0).all()
    assert (levels < np.log1p(rate)).all()  # Jensen
