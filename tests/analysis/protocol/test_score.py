"""Scores on tasks whose answer is known."""

import numpy as np
import pytest
import scipy.sparse as sp

from tests.analysis.protocol.synthetic import BASE, GENES, cells
from twin.analysis.metrics.systema import split_control_pearson
from twin.analysis.protocol.score import distribution, score, split_control
from twin.analysis.protocol.task import CONTROL, Prediction, Task


@pytest.fixture(scope="module")
def task() -> Task:
    strong = np.where(np.arange(GENES) < 10, 4.0, 1.0)
    conditions = {CONTROL: BASE, "X": BASE * strong, "Y": BASE * strong[::-1], "Z": BASE * np.roll(strong, 15)}
    data = cells([{"condition": k} for k in conditions], list(conditions.values()), n=120)
    hidden = data.where(condition="X")
    return data.task(
        "toy",
        "X",
        start=data.where(condition=CONTROL),
        truth=hidden,
        hidden=hidden,
        condition="X",
        panel=("X", "Y", "Z"),
    )


def test_the_truth_scores_best(task: Task) -> None:
    real = Prediction(task.means(task.truth), sp.csr_array(task.counts[task.truth]))
    found = score(task, real)
    assert found["mse"] == found["mae"] == 0
    for key in ("pearson_delta", "slope", "des", "auprc", "spearman_lfc", "direction", "pds", "systema", "centroid"):
        assert found[key] == pytest.approx(1.0), key
    assert found["n_real"] == found["n_predicted"] >= 10


def test_no_change_has_no_delta_and_calls_no_gene(task: Task) -> None:
    found = score(task, Prediction(task.means(task.start), sp.csr_array(task.counts[task.start])))
    assert np.isnan(found["pearson_delta"])
    assert found["slope"] == found["des"] == found["n_predicted"] == 0


def test_the_mean_of_the_others_is_undefined_when_they_are_the_reference(task: Task) -> None:
    condition = task.column("condition")
    others = np.mean([task.means(condition == k) for k in "YZ"], axis=0)
    found = score(task, Prediction(others))
    assert np.isnan(found["systema"])
    assert found["pds"] < 1


def test_doubling_an_effect_leaves_pearson_and_moves_slope_and_error(task: Task) -> None:
    start, real = task.means(task.start), task.means(task.truth)
    found = score(task, Prediction(start + 2 * (real - start)))
    assert found["pearson_delta"] == pytest.approx(1.0)
    assert found["slope"] == pytest.approx(2.0)
    assert found["mse"] == pytest.approx(float(((real - start) ** 2).mean()))


def test_split_control_hides_one_half_and_does_not_reward_shared_noise(task: Task) -> None:
    sizes = []

    def level(half: Task) -> Prediction:
        sizes.append((int(half.start.sum()), len(half.obs), bool(half.truth.any())))
        return Prediction(np.full(GENES, 2.0))  # knows nothing: but its delta holds the control cells' noise

    weak = cells([{}, {"condition": "X"}], [BASE, BASE], n=40, seed=4)
    hidden = weak.where(condition="X")
    nothing = weak.task("t", "A", start=weak.where(condition=CONTROL), truth=hidden, hidden=hidden, condition="X")
    shared = score(nothing, Prediction(nothing.means(nothing.start) * 0.5))["pearson_delta"]
    split = split_control(nothing, {"": lambda half: Prediction(half.means(half.start) * 0.5)}, draws=30)[""][
        "split_control"
    ]
    assert abs(split) < abs(shared) + 0.2
    split_control(task, {"level": level}, draws=2)
    assert sizes == [(60, 420 - 120, False)] * 2


def test_split_control_is_that_of_the_metrics(task: Task) -> None:
    start, real = task.logged[task.start], task.logged[task.truth]
    shift = np.linspace(0, 1, GENES)
    mine = split_control(task, {"": lambda half: Prediction(0.5 * half.means(half.start) + shift)}, draws=7)[""][
        "split_control"
    ]
    theirs = split_control_pearson(lambda seen: shift - 0.5 * start[seen].mean(axis=0), start, real, repeats=7)
    assert mine == pytest.approx(theirs, abs=1e-12)


def test_the_population_of_the_truth_is_at_no_distance(task: Task) -> None:
    same = distribution(task, Prediction(task.means(task.truth), sp.csr_array(task.counts[task.truth])))
    other = distribution(task, Prediction(task.means(task.start), sp.csr_array(task.counts[task.start])))
    assert same["energy"] == pytest.approx(0, abs=1e-9)
    assert same["ks_library"] == 0
    assert other["mmd"] > 0.2
    assert other["energy"] > same["energy"]
