"""Transport: margins of the plan, the least cost, and draws that hang on nothing but their cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from twin.assimilation.transport import matched, sinkhorn
from twin.kernels.random import Stream

LUCK = Stream(7)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_the_plan_has_even_margins(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = sinkhorn(rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + 1)
    assert plan.shape == (n, m)
    assert (plan >= 0).all()
    np.testing.assert_allclose(plan.sum(axis=1), 1 / n, rtol=1e-9)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / m, rtol=0.25)


def test_its_cost_is_near_the_least() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) * [3, 0.5]
    cost = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    least = cost[linear_sum_assignment(cost)].mean()
    assert least <= (sinkhorn(x, y) * cost).sum() <= 1.25 * least < cost.mean()


def test_far_groups_are_matched_to_the_nearest_and_everybody_measured_is_used() -> None:
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.normal(size=(50, 4)), rng.normal(size=(50, 4)) + 20])
    x = np.concatenate([rng.normal(size=(200, 4)) + 1, rng.normal(size=(200, 4)) + 19])
    partner = matched(x, y, np.arange(400, dtype=np.uint64), LUCK)
    assert (partner[:200] < 50).all()
    assert (partner[200:] >= 50).all()
    assert len(np.unique(partner)) > 80


def test_batches_change_who_but_not_how_and_one_call_is_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x, y, ids = rng.normal(size=(300, 2)), rng.normal(size=(170, 2)) + 3, np.arange(300, dtype=np.uint64) * 11
    whole = matched(x, y, ids, LUCK)
    np.testing.assert_array_equal(matched(x, y, ids, LUCK), whole)
    turned = matched(x[::-1], y, ids[::-1], LUCK)[::-1]
    assert (turned == whole).mean() > 0.99
    monkeypatch.setattr("twin.assimilation.transport.BATCH", 64)
    parts = matched(x, y, ids, LUCK)
    np.testing.assert_allclose(y[parts].mean(axis=0), y.mean(axis=0), atol=0.25)


def test_points_that_are_all_alike_are_matched_too() -> None:
    assert set(matched(np.zeros((9, 2)), np.zeros((3, 2)), np.arange(9, dtype=np.uint64), LUCK)) <= {0, 1, 2}
