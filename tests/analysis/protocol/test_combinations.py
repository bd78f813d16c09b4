"""Baselines for a condition never seen, on cells with a known law."""

import numpy as np
import pytest

from tests.analysis.protocol.synthetic import BASE, GENES, cells
from twin.analysis.protocol import combinations as c
from twin.analysis.protocol.task import CONTROL, Prediction, Task

N = 400


def effect(seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, 0.5, GENES))


@pytest.fixture(scope="module")
def task() -> Task:
    conditions = [CONTROL, "X", "Y", "X+Y", "Z", "X+Z", "Y+Z"]
    rates = {name: BASE * np.prod([effect(ord(p)) for p in name.split("+")], axis=0) for name in conditions[1:]}
    data = cells([{"condition": k} for k in conditions], [BASE, *rates.values()], n=N)
    hidden = data.where(condition="X+Y")
    features = {"X": np.array([1.0, 0.0, 0.0]), "Y": np.array([0.0, 1.0, 0.0]), "Z": np.array([0.9, 0.1, 0.0])}
    return data.task(
        "toy",
        "X+Y",
        start=data.where(condition=CONTROL),
        truth=hidden,
        hidden=hidden,
        condition="X+Y",
        peers=("X", "Y", "Z"),
        features=features,
    )


def delta(task: Task, found: Prediction | None) -> np.ndarray:
    assert found is not None
    return np.asarray(found.mean - task.means(task.start))


def level(task: Task, condition: str) -> np.ndarray:
    return task.means(task.column("condition") == condition) - task.means(task.start)


def test_additive_is_the_sum_of_the_parts(task: Task) -> None:
    blind = task.blind()
    np.testing.assert_allclose(delta(task, c.additive(blind)), level(task, "X") + level(task, "Y"), atol=1e-12)
    np.testing.assert_allclose(delta(task, c.part_mean(blind)), (level(task, "X") + level(task, "Y")) / 2, atol=1e-12)


def test_the_interaction_is_the_mean_deviation_of_pairs_that_share_a_part(task: Task) -> None:
    deviation = [level(task, f"{p}+Z") - level(task, p) - level(task, "Z") for p in "XY"]
    want = level(task, "X") + level(task, "Y") + np.mean(deviation, axis=0)
    np.testing.assert_allclose(delta(task, c.additive_interaction(task.blind())), want, atol=1e-12)


def test_means_are_over_conditions_not_over_cells(task: Task) -> None:
    others = [level(task, k) for k in ("X", "Y", "Z", "X+Z", "Y+Z")]
    np.testing.assert_allclose(delta(task, c.other_mean(task.blind())), np.mean(others, axis=0), atol=1e-12)
    np.testing.assert_allclose(delta(task, c.peer_mean(task.blind())), np.mean(others[:3], axis=0), atol=1e-12)
    np.testing.assert_allclose(delta(task, c.cell_mean(task.blind())), np.mean(others, axis=0), atol=1e-12)


def test_the_strongest_part_is_the_one_with_the_larger_effect(task: Task) -> None:
    x, y = level(task, "X"), level(task, "Y")
    want = x if x @ x > y @ y else y
    np.testing.assert_allclose(delta(task, c.strongest_part(task.blind())), want, atol=1e-12)


def test_low_rank_recovers_effects_that_are_linear_in_the_features() -> None:
    rng = np.random.default_rng(3)
    axes = rng.normal(0, 0.4, (2, GENES))
    vectors = {f"P{i}": v / np.linalg.norm(v) for i, v in enumerate(rng.normal(size=(12, 2)))}
    rates = [BASE * np.exp(v @ axes) for v in vectors.values()]
    data = cells([{}, *({"condition": k} for k in vectors)], [BASE, *rates], n=N)
    hidden = data.where(condition="P0")
    task = data.task(
        "toy",
        "P0",
        start=data.where(condition=CONTROL),
        truth=hidden,
        hidden=hidden,
        condition="P0",
        features=vectors,
    )
    found, mean = delta(task, c.low_rank(task.blind())), delta(task, c.other_mean(task.blind()))
    real = level(task, "P0")
    assert ((found - real) ** 2).mean() < 0.2 * ((mean - real) ** 2).mean()
    assert c.neighbour_effect(task.blind()) is not None


def test_features_of_a_combination_are_those_of_its_parts_summed() -> None:
    table = {"X": np.array([1.0, 0.0]), "Y": np.array([0.0, 1.0])}
    both, one = c.describe(table, "X+Y"), c.describe(table, "X+unknown")
    assert both is not None
    assert one is not None
    np.testing.assert_allclose(both, np.sqrt(np.array([0.5, 0.5])))
    np.testing.assert_allclose(one, np.array([1.0, 0.0]))
    assert c.describe(table, "unknown") is None


def test_what_was_seen_is_left_to_the_baselines_of_contexts() -> None:
    groups = [{"context": k, "condition": s} for k in "AB" for s in (CONTROL, "X")]
    data = cells(groups, [BASE] * 4)
    hidden = data.where(context="A", condition="X")
    task = data.task(
        "t", "A", start=data.where(context="A", condition=CONTROL), truth=hidden, hidden=hidden, condition="X"
    )
    assert c.other_mean(task.blind()) is None
    assert c.additive(task.blind()) is None
    assert c.context_mean(task.blind()) is None
