"""Scores without what is shared: they are blind to it, and agree with the independent scorer."""

from types import ModuleType

import numpy as np
import pytest

from twin.analysis.metrics.systema import (
    Float,
    Index,
    centroid_accuracy,
    perturbed_centroid,
    split_control_pearson,
    systema_pearson,
)
from twin.analysis.scores import pearson
from twin.errors import InputError


def test_a_shift_that_all_perturbations_share_earns_nothing() -> None:
    rng = np.random.default_rng(0)
    shared = 5 * rng.normal(size=400)
    real = shared + rng.normal(size=(60, 400))
    reference = perturbed_centroid(real[:40])
    blind = reference + 0.01 * rng.normal(size=(20, 400))
    plain = np.mean([pearson(p, r) for p, r in zip(blind, real[40:], strict=True)])
    assert plain > 0.9
    assert np.abs(systema_pearson(blind, real[40:], reference)).mean() < 0.1
    assert systema_pearson(real[40:], real[40:], reference) == pytest.approx(np.ones(20))
    assert np.isnan(systema_pearson(np.tile(reference, (20, 1)), real[40:], reference)).all()


def test_centroid_accuracy_is_one_for_the_truth_half_for_a_constant_and_exact_between() -> None:
    real = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    np.testing.assert_array_equal(centroid_accuracy(real, real), [1, 1, 1])
    np.testing.assert_array_equal(centroid_accuracy(np.array([[1.0, 0.0]] * 3), real), [0.75, 0.75, 0.0])
    constant = centroid_accuracy(np.tile(real[1], (3, 1)), real)
    assert constant.mean() == pytest.approx(0.5)
    assert np.isnan(centroid_accuracy(real[:1], real[:1])).all()
    with pytest.raises(InputError, match="same perturbations and genes"):
        centroid_accuracy(real[:2], real)


def test_split_controls_agree_with_the_independent_scorer(reference: ModuleType) -> None:
    rng = np.random.default_rng(0)
    control, treated = rng.normal(size=(41, 60)), rng.normal(0.4, 1.0, size=(35, 60))
    level = rng.normal(size=60)
    found = split_control_pearson(lambda half: level - control[half].mean(axis=0), control, treated)
    wanted = reference.split_control_scores(lambda profile: level - profile, control, treated)["split_control"]
    assert found == pytest.approx(wanted, abs=1e-9)


def test_noise_of_one_control_mean_is_no_agreement_any_more() -> None:
    rng = np.random.default_rng(1)
    control, treated = rng.normal(size=(20, 500)), rng.normal(size=(400, 500))  # no effect at all
    level = np.zeros(500)

    def predict(half: Index) -> Float:
        return np.asarray(level - control[half].mean(axis=0))

    shared = pearson(level - control.mean(axis=0), treated.mean(axis=0) - control.mean(axis=0))
    assert shared > 0.9
    assert abs(split_control_pearson(predict, control, treated, repeats=40)) < 0.1
    with pytest.raises(InputError, match="two controls and one treated"):
        split_control_pearson(predict, control[:1], treated)
