"""Means over replicates come with what they are sure of."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from twin.analysis.bands import band, mean_and_margin


def test_the_margin_is_students_interval_and_nan_where_there_is_one_replicate() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3))
    values[1:, 1] = np.nan
    values[:, 2] = np.nan
    mean, margin = mean_and_margin(values)
    low, high = stats.t.interval(0.95, 4, loc=values[:, 0].mean(), scale=stats.sem(values[:, 0]))
    assert mean[0] - margin[0] == pytest.approx(low)
    assert mean[0] + margin[0] == pytest.approx(high)
    assert mean[1] == values[0, 1]
    assert np.isnan([margin[1], mean[2], margin[2]]).all()


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    draws = np.random.default_rng(1).normal(3.0, 2.0, size=(4, 20_000))
    mean, margin = mean_and_margin(draws)
    held = (np.abs(mean - 3.0) <= margin).mean()
    assert abs(held - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 20_000)


def test_a_band_keeps_the_other_axes() -> None:
    values = xr.DataArray(np.arange(12.0).reshape(2, 3, 2), dims=("time", "replicate", "cell_type"))
    mean, margin = band(values)
    assert mean.dims == margin.dims == ("time", "cell_type")
    np.testing.assert_allclose(mean, values.mean("replicate"))


def test_weights_count_as_as_many_draws_as_they_are_worth() -> None:
    values = np.random.default_rng(2).normal(size=(4, 3))
    for one, other in zip(mean_and_margin(values), mean_and_margin(values, np.full(4, 0.25)), strict=True):
        np.testing.assert_allclose(one, other)
    mean, margin = mean_and_margin(values, np.array([0.5, 0.5, 0.0, np.nan]))
    two, wide = mean_and_margin(values[:2])
    np.testing.assert_allclose(mean, two)
    np.testing.assert_allclose(margin, wide)
    assert np.isnan(mean_and_margin(values, np.array([1.0, 0, 0, 0]))[1]).all()
    data = xr.DataArray(values, dims=("replicate", "x")).assign_coords(weight=("replicate", [0.5, 0.5, 0.0, 0.0]))
    np.testing.assert_allclose(band(data)[0], two)
