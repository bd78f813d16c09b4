"""Power against published numbers, against what statsmodels gives, and against experiments that are played through."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from twin.analysis.power import assumed, below, corrected, needed, pilot_of, power
from twin.errors import InputError

# size, n, paired, unpaired: statsmodels 0.14, TTestPower and TTestIndPower, two-sided, alpha 0.05
STATSMODELS = (
    (0.5, 10, 0.2931756065140767, 0.18509565629116606),
    (0.5, 34, 0.8077775012792737, 0.5285496271051293),
    (1.2, 5, 0.5302212511402787, 0.38643726101220877),
    (2.0, 3, 0.4707494312784346, 0.46264081189130705),
    (0.2, 199, 0.8016910240370655, 0.5120814336746219),
)


@pytest.mark.parametrize(("size", "n", "paired", "unpaired"), STATSMODELS)
def test_power_is_that_of_the_noncentral_t(size: float, n: int, paired: float, unpaired: float) -> None:
    assert power(size, n, "paired") == pytest.approx(paired, rel=1e-9)
    assert power(-size, n, "unpaired") == pytest.approx(unpaired, rel=1e-9)


def test_the_numbers_of_replicates_of_the_textbook() -> None:
    """Cohen 1988, table 2.4.1, and G*Power's manual: small, medium and large effects at 80 %."""
    assert [needed(d, "unpaired") for d in (0.2, 0.5, 0.8)] == [394, 64, 26]
    assert [needed(d, "paired") for d in (0.2, 0.5, 0.8)] == [199, 34, 15]
    assert needed(0.5, "paired", 0.9, 0.01) == 63
    assert needed(0.0, "paired") == needed(1e-9, "paired") == float("inf")


def test_without_an_effect_power_is_the_level_and_with_a_huge_one_it_is_sure() -> None:
    for n in (2, 7, 1000):
        assert power(0.0, n, "paired", 0.01) == pytest.approx(0.01, rel=1e-6)
        assert power(1e6, n, "unpaired") == 1.0
    curve = [power(2.5, n, "paired") for n in range(2, 60)]  # where scipy's own noncentral t is not a number
    assert np.isfinite(curve).all()
    assert (np.diff(curve) > -1e-9).all()
    assert below(0.0, 5.0, 0.0) == pytest.approx(0.5)


def test_an_experiment_that_is_played_through_is_as_often_significant_as_its_power() -> None:
    rng = np.random.default_rng(1)
    n_played, size, n = 4000, 0.9, 8
    apart = size + rng.normal(size=(n_played, n))
    p = ttest_rel(apart, np.zeros_like(apart), axis=1).pvalue
    expected = power(size, n, "paired")
    assert abs(float((p < 0.05).mean()) - expected) < 5 * np.sqrt(expected * (1 - expected) / n_played)


@pytest.mark.parametrize("design", ["paired", "unpaired"])
def test_the_interval_of_a_pilot_holds_the_true_size_as_often_as_it_says(design: str) -> None:
    rng = np.random.default_rng(2)
    n_played, true = 100, 1.2
    held = []
    for _ in range(n_played):
        second = rng.normal(size=7)
        first = true + (second + rng.normal(size=7) if design == "paired" else rng.normal(size=7))
        pilot = pilot_of(first, second, design)  # type: ignore[arg-type]
        held.append(pilot.size_low <= true <= pilot.size_high)
        assert pilot.low < pilot.effect < pilot.high
        assert pilot.size_low <= abs(pilot.size) <= pilot.size_high
    assert abs(np.mean(held) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / n_played)


def test_a_wanted_effect_takes_only_the_spread_from_the_pilot() -> None:
    rng = np.random.default_rng(3)
    pilot = pilot_of(rng.normal(5.0, 1.0, 9), np.zeros(9), "paired")
    asked = assumed(pilot, 0.5)
    assert asked.size == pytest.approx(0.5 / pilot.spread)
    assert asked.size_low == pytest.approx(0.5 / pilot.spread_high)
    assert needed(asked.size_high, "paired") <= needed(asked.size, "paired") <= needed(asked.size_low, "paired")
    with pytest.raises(InputError, match="an effect of 0"):
        assumed(pilot, 0.0)


def test_several_tests_keep_their_level_together() -> None:
    assert corrected(0.05, 4, "none") == 0.05
    assert corrected(0.05, 4, "bonferroni") == 0.0125
    assert 1 - (1 - corrected(0.05, 4, "sidak")) ** 4 == pytest.approx(0.05)


def test_a_pilot_that_tells_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="1 replicate tells nothing"):
        pilot_of(np.ones(1), np.zeros(1), "paired")
    with pytest.raises(InputError, match="do not differ"):
        pilot_of(np.full(4, 2.0), np.ones(4), "paired")
    with pytest.raises(InputError, match="no number"):
        pilot_of(np.array([1.0, np.nan]), np.zeros(2), "unpaired")
