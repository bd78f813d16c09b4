"""Transport: the least cost, everybody measured used evenly, and draws that hang on nothing but their cell."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.assimilation.transport import matched
from twin.kernels.random import Stream

LUCK = Stream(7)


def ids(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.uint64) * np.uint64(11)


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 15), st.integers(0, 9))
def test_measured_cells_are_used_evenly(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    used = np.bincount(matched(rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + 1, ids(n), LUCK), minlength=m)
    assert used.sum() == n
    assert used.max() - used.min() <= 1


@given(st.integers(0, 99))
def test_no_other_even_way_costs_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)) * [3, 0.5]
    cost = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    ours = cost[np.arange(5), matched(x, y, ids(5), LUCK)].sum()
    least = min(cost[np.arange(5), list(way)].sum() for way in permutations(range(5)))
    assert ours == pytest.approx(least)


def test_far_groups_are_matched_to_the_nearest() -> None:
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.normal(size=(50, 4)), rng.normal(size=(50, 4)) + 20])
    x = np.concatenate([rng.normal(size=(200, 4)) + 1, rng.normal(size=(200, 4)) + 19])
    partner = matched(x, y, ids(400), LUCK)
    assert (partner[:200] < 50).all()
    assert (partner[200:] >= 50).all()


def test_the_order_of_the_cells_does_not_matter_and_batches_keep_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(170, 2)) + 3
    whole = matched(x, y, ids(300), LUCK)
    np.testing.assert_array_equal(matched(x[::-1], y, ids(300)[::-1], LUCK)[::-1], whole)
    monkeypatch.setattr("twin.assimilation.transport.BATCH", 64)
    parts = matched(x, y, ids(300), LUCK)
    used = np.bincount(parts, minlength=170)
    assert used.max() - used.min() <= 1
    np.testing.assert_allclose(y[parts].mean(axis=0), y.mean(axis=0), atol=0.25)
