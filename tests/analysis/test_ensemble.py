"""Means over replicates, with and without weights."""

import numpy as np
import pytest
import xarray as xr

from twin.analysis.ensemble import last_of, mean_of

NAN = float("nan")
VALUES = xr.DataArray(
    [[1.0, 2.0, NAN], [3.0, 4.0, 5.0], [NAN, 6.0, 7.0]],
    dims=("replicate", "time"),
    coords={"time": [0.0, 1.0, 2.0]},
)


def test_without_weights_all_replicates_count_alike() -> None:
    np.testing.assert_allclose(mean_of(VALUES), [2, 4, 6])


def test_weights_count_where_there_are_some() -> None:
    weighted = VALUES.assign_coords(weight=("replicate", [0.0, 0.75, 0.25]))
    np.testing.assert_allclose(mean_of(weighted), [3, 4.5, 5.5])


def test_the_last_values_are_those_before_a_replicate_ended() -> None:
    np.testing.assert_array_equal(last_of(VALUES), [2, 5, 7])
    weighted = last_of(VALUES.assign_coords(weight=("replicate", [0.5, 0.5, 0.0])))
    assert float(mean_of(weighted)) == pytest.approx(3.5)
    table = xr.concat([VALUES, VALUES * 10], "cell_type")
    np.testing.assert_array_equal(last_of(table).sel(cell_type=1), [20, 50, 70])
