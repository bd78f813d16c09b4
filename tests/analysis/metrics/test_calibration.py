"""How a score ranks, and that a calibrated one is a probability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.analysis.metrics.calibration import auroc, fit_calibration
from twin.errors import InputError


@given(seed=st.integers(0, 2**31))
def test_auroc_is_the_share_of_pairs_in_order_with_ties_as_halves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    label, score = rng.random(12) < 0.5, rng.integers(4, size=12).astype(float)
    label[:2] = True, False
    gaps = score[label][:, None] - score[~label]
    assert auroc(label, score) == pytest.approx(np.mean((gaps > 0) + 0.5 * (gaps == 0)))
    assert auroc(label, -score) == pytest.approx(1 - auroc(label, score))
    assert np.isnan(auroc(np.ones(3, bool), np.arange(3.0)))


def test_a_calibration_finds_the_probabilities_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(0, 1, 20_000)
    true = 1 / (1 + np.exp(-(6 * score - 2)))
    fitted = fit_calibration(rng.random(20_000) < true, score)
    np.testing.assert_allclose(fitted.probability(score), true, atol=0.02)


def test_few_and_separated_cases_do_not_give_certainty() -> None:
    fitted = fit_calibration(np.array([False, False, True, True]), np.array([0.1, 0.2, 0.8, 0.9]))
    assert 0.6 < fitted.probability(np.array([0.85]))[0] < 0.9
    assert fitted.probability(np.array([0.15]))[0] < 0.4


def test_a_score_that_ranks_backwards_or_not_at_all_is_worth_the_base_rate() -> None:
    label = np.array([True] * 30 + [False] * 10)
    for score in (-label.astype(float), np.ones(40)):
        fitted = fit_calibration(label, score)
        assert fitted.slope == 0
        assert fitted.probability(score) == pytest.approx(np.full(40, 0.75), abs=0.03)
    with pytest.raises(InputError, match="two or more finite pairs"):
        fit_calibration(label[:1], np.ones(1))
