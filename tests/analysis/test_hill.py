"""The Hill fit finds what was planted, and says where nothing can be found."""

import numpy as np
import pytest

from twin.analysis.hill import Float, fit_hill, hill

DOSES = np.repeat([0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0], 3)


def responses(dose: Float, noise: float, seed: int, ec50: float = 12.0, slope: float = 1.4, top: float = 0.9) -> Float:
    exact = hill(dose, 0.05, top, np.log(ec50), np.log(slope))
    return np.asarray(exact + noise * np.random.default_rng(seed).normal(size=len(dose)))


def test_without_noise_the_planted_numbers_come_out() -> None:
    fit = fit_hill(DOSES, responses(DOSES, 1e-6, 0))
    assert not fit.why_not
    assert (fit.at_zero, fit.at_most, fit.ec50, fit.slope) == pytest.approx((0.05, 0.9, 12.0, 1.4), rel=1e-3)
    np.testing.assert_allclose(fit(DOSES), responses(DOSES, 0.0, 0), atol=1e-4)


def test_the_intervals_hold_the_planted_numbers_nineteen_times_in_twenty() -> None:
    fits = [fit_hill(DOSES, responses(DOSES, 0.03, seed)) for seed in range(80)]
    for name, true in (("ec50", 12.0), ("slope", 1.4)):
        ends = np.array([getattr(fit, f"{name}_interval") for fit in fits])
        held = ((ends[:, 0] <= true) & (true <= ends[:, 1])).sum()
        assert abs(held - 76) < 5 * np.sqrt(80 * 0.95 * 0.05)  # five sigma


def test_a_falling_curve_is_one_too_and_its_slope_is_positive() -> None:
    fit = fit_hill(DOSES, responses(DOSES, 0.01, 1, top=-0.9))
    assert fit.at_most == pytest.approx(-0.9, abs=0.05)
    assert fit.slope_interval[0] < 1.4 < fit.slope_interval[1]


def test_a_point_without_weight_does_not_count() -> None:
    wrong = responses(DOSES, 0.01, 2)
    wrong[4] = 50.0
    weight = np.where(np.arange(len(DOSES)) == 4, 0.0, 1.0)
    assert fit_hill(DOSES, wrong, weight).ec50 == pytest.approx(12.0, rel=0.2)


@pytest.mark.parametrize(
    ("dose", "response", "why"),
    [
        ([0.0, 10.0, 100.0], [0.0, 0.5, 1.0], "3 doses cannot tell the 4 numbers"),
        ([0.0, 1.0, 10.0, 100.0], [0.0, 0.2, 0.5, 1.0], "4 points leave no scatter"),
        ([1.0, 2.0, 4.0, 8.0, 16.0], [0.3] * 5, "the same at all doses"),
        (DOSES.tolist(), np.random.default_rng(4).normal(size=len(DOSES)).tolist(), "beyond the scatter"),
        (DOSES.tolist(), (1e-3 * DOSES).tolist(), "no plateau is reached"),
        (
            [0.0, 0.0, 1.0, 1.0, 100.0, 100.0, 200.0, 200.0],
            [0, 0.01, 0, 0.01, 1, 1.01, 1, 1.01],
            "no dose has a response",
        ),
    ],
)
def test_where_the_doses_do_not_tell_the_curve_that_is_said(dose: list[float], response: list[float], why: str) -> None:
    assert why in fit_hill(np.array(dose), np.array(response)).why_not


def test_a_step_between_two_doses_tells_no_ec50() -> None:
    dose = np.repeat([0.0, 0.01, 1.0, 100.0, 1e4], 2)
    assert "any EC50 between two of them fits" in fit_hill(dose, (dose > 10).astype(float)).why_not
