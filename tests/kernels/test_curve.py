"""The curve meets every voxel once, and goes from each to one beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.curve import curve_order, hilbert, mean_step


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_each_step_goes_to_a_neighbouring_voxel(bits: int) -> None:
    n = 2**bits
    place = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.uint64)
    key = hilbert(place, bits)
    np.testing.assert_array_equal(np.sort(key), np.arange(n**3))
    along = place[np.argsort(key)].astype(np.int64)
    assert (np.abs(np.diff(along, axis=0)).sum(axis=1) == 1).all()


@given(seed=st.integers(0, 1000), n=st.integers(0, 50), flat=st.booleans())
def test_every_point_comes_once(seed: int, n: int, flat: bool) -> None:
    position = np.random.default_rng(seed).random((n, 3)) * 100 - 50
    if flat:
        position[:, 2] = 7.0
    order = curve_order(position)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_neighbours_in_the_order_are_near_in_space() -> None:
    position = np.random.default_rng(0).random((20_000, 3)) * 300  # 11 µm apart
    assert mean_step(position[curve_order(position)]) < 20
    assert mean_step(position[np.argsort(position[:, 0])]) > 100


def test_points_at_one_place_keep_their_order() -> None:
    np.testing.assert_array_equal(curve_order(np.ones((5, 3))), np.arange(5))
