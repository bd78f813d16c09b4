"""The variance between groups: textbook data, and groups whose variance is known."""

import numpy as np
import pytest

from twin.analysis.random_effects import between_variance, shared_part
from twin.errors import InputError

# Tuberculosis among vaccinated and controls in 13 trials of BCG: cases and others of each arm.
# Colditz et al., JAMA 271:698 (1994); the numbers expected are those of metafor's manual for its `dat.bcg`.
BCG = np.array(
    [
        (4, 119, 11, 128),
        (6, 300, 29, 274),
        (3, 228, 11, 209),
        (62, 13536, 248, 12619),
        (33, 5036, 47, 5761),
        (180, 1361, 372, 1079),
        (8, 2537, 10, 619),
        (505, 87886, 499, 87892),
        (29, 7470, 45, 7232),
        (17, 1699, 65, 1600),
        (186, 50448, 141, 27197),
        (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=np.float64,
)


def risk_ratios() -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d = BCG.T
    return np.log(a / (a + b) / (c / (c + d))), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def test_thirteen_trials_of_bcg_differ_as_the_textbook_says() -> None:
    found = between_variance(*risk_ratios())
    assert found.variance == pytest.approx(0.3132, abs=5e-5)
    assert (found.low, found.high) == pytest.approx((0.1197, 1.1115), abs=5e-5)
    assert (found.mean, found.error) == pytest.approx((-0.7145, 0.1798), abs=5e-5)
    assert found.q == pytest.approx(152.2330, abs=5e-5)
    assert between_variance(*risk_ratios(), method="dl").variance == pytest.approx(0.3088, abs=5e-5)


def test_groups_that_are_known_exactly_give_the_sample_variance_and_its_chi_square_interval() -> None:
    y = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    found = between_variance(y, np.zeros(5))
    assert found.variance == pytest.approx(y.var(ddof=1), rel=1e-6)
    # (n − 1) s² / quantiles of chi-square with 4 degrees of freedom, 11.1433 and 0.484419
    assert (found.low, found.high) == pytest.approx((4 * 37.2 / 11.14329, 4 * 37.2 / 0.4844186), rel=1e-5)


def test_the_interval_holds_the_true_variance_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    true, n_studies = 0.5, 400
    noise = rng.uniform(0.1, 2.0, size=(n_studies, 7))
    values = 3.0 + rng.normal(size=(n_studies, 7)) * np.sqrt(true + noise)
    held = [between_variance(y, v).holds(true) for y, v in zip(values, noise, strict=True)]
    assert abs(np.mean(held) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / n_studies)


def test_many_groups_give_the_variance_that_they_were_drawn_with() -> None:
    rng = np.random.default_rng(6)
    noise = rng.uniform(0.1, 2.0, 4000)
    values = rng.normal(size=4000) * np.sqrt(0.5 + noise)
    for method in ("reml", "dl"):
        assert between_variance(values, noise, method=method).variance == pytest.approx(0.5, abs=0.1)


def test_groups_that_differ_by_noise_alone_have_no_variance_between_them() -> None:
    found = between_variance(np.array([1.0, 1.1, 0.9, 1.05]), np.full(4, 1.0))
    assert (found.variance, found.low) == (0.0, 0.0)
    assert between_variance(np.ones(3), np.ones(3)).variance == 0.0


def test_what_kinds_of_cells_share_is_found_through_their_noise() -> None:
    rng = np.random.default_rng(7)
    common, spread = 0.6, np.array([0.3, 1.0, 2.0])
    own = np.sqrt(common) * rng.normal(size=4000) + np.sqrt(1 - common) * rng.normal(size=(3, 4000))
    values = spread[:, None] * own + rng.normal(size=(3, 4000)) * 0.5
    values[1, :100] = np.nan
    assert shared_part(values, spread) == pytest.approx(common, abs=0.06)
    assert shared_part(values, np.zeros(3)) == 0.0


def test_too_few_groups_and_impossible_noise_are_refused() -> None:
    with pytest.raises(InputError, match="needs 2 of them, there is 1"):
        between_variance(np.ones(1), np.ones(1))
    with pytest.raises(InputError, match="noise of 0 or more"):
        between_variance(np.arange(3.0), np.array([1.0, -1.0, 1.0]))
