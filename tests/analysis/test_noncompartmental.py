"""`course_numbers` against courses whose numbers are known."""

import numpy as np
import pytest

from twin.analysis.noncompartmental import LN2, course_numbers

DOSE, V, KE, KA = 100.0, 20.0, 0.25, 1.3
LONG = np.arange(0.0, 48.01, 0.5)


def tablet(times: np.ndarray) -> np.ndarray:
    return np.asarray(DOSE / V * KA / (KA - KE) * (np.exp(-KE * times) - np.exp(-KA * times)))


def test_of_a_bolus_all_numbers_are_exact() -> None:
    times = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0])
    found = course_numbers(times, DOSE / V * np.exp(-KE * times))
    assert (found.peak, found.peak_time) == (DOSE / V, 0.0)
    assert found.half_life == pytest.approx(LN2 / KE, rel=1e-10)
    assert found.area == pytest.approx(DOSE / V / KE * (1 - np.exp(-KE * 8)), rel=1e-10)
    assert found.area_extrapolated == pytest.approx(DOSE / V / KE, rel=1e-10)  # dose over clearance
    assert found.mean == pytest.approx(found.area / 8)
    assert found.trough == pytest.approx(DOSE / V * np.exp(-KE * 8))


def test_of_a_tablet_they_come_to_the_analytic_ones_as_samples_get_denser() -> None:
    errors = []
    for step in (0.5, 0.25, 0.125):
        times = np.arange(0.0, 48.0 + step / 2, step)
        found = course_numbers(times, tablet(times))
        top = np.log(KA / KE) / (KA - KE)
        assert abs(found.peak_time - top) <= step
        assert found.peak == pytest.approx(float(tablet(np.array(top))), rel=0.02)
        assert found.half_life == pytest.approx(LN2 / KE, rel=1e-2)
        errors.append(abs(found.area_extrapolated / (DOSE / V / KE) - 1))
    assert errors[0] < 0.01
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.3)  # trapezoids: second order
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.3)


def test_the_terminal_line_leaves_distribution_out() -> None:
    both = 8.0 * np.exp(-2.0 * LONG) + 1.0 * np.exp(-0.05 * LONG)
    assert course_numbers(LONG, both).half_life == pytest.approx(LN2 / 0.05, rel=5e-3)


def test_a_course_that_rises_to_its_end_or_wobbles_has_no_half_life() -> None:
    rising = course_numbers(LONG, 1.0 - np.exp(-0.1 * LONG))
    assert np.isnan(rising.half_life)
    assert np.isnan(rising.area_extrapolated)
    assert rising.area > 0
    wobbling = course_numbers(LONG, 2.0 + np.cos(LONG))
    assert np.isnan(wobbling.half_life)


def test_a_drug_that_never_came_has_numbers_of_zero() -> None:
    none = course_numbers(LONG, np.zeros_like(LONG))
    assert (none.peak, none.area, none.trough, none.mean) == (0.0, 0.0, 0.0, 0.0)
    assert np.isnan(none.half_life)


def test_levels_at_steady_state_have_the_mean_of_dose_rate_over_clearance() -> None:
    """Peaks of repeated doses into the vein: C₀/(1 − e^(−k τ)), troughs e^(−k τ) of it; every 12 h for long."""
    tau = 12.0
    times = np.concatenate([[0.0], np.arange(1e-9, tau, 0.25), [tau]])
    course = DOSE / V / (1 - np.exp(-KE * tau)) * np.exp(-KE * times)
    found = course_numbers(times, course)
    assert found.mean == pytest.approx(DOSE / tau / (KE * V), rel=1e-8)
    assert found.trough == pytest.approx(found.peak * np.exp(-KE * tau), rel=1e-8)


@pytest.mark.parametrize(
    ("times", "levels", "told"),
    [
        ([0.0], [1.0], "two samples"),
        ([0.0, 0.0], [1.0, 1.0], "in the order of time"),
        ([0.0, 1.0], [1.0, -1.0], ">= 0"),
        ([0.0, 1.0], [1.0, np.nan], "numbers"),
    ],
)
def test_what_is_no_course_is_refused(times: list[float], levels: list[float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        course_numbers(np.array(times), np.array(levels))
