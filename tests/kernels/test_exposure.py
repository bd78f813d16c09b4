"""Dose-response curves, receptor gates and the field at a point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.exposure import gate_receptor, hill, sample_field


@given(half=st.floats(1e-6, 1e6), exponent=st.floats(0.2, 8))
def test_a_hill_curve_is_zero_without_a_dose_and_half_at_its_ec50(half: float, exponent: float) -> None:
    doses = np.concatenate([[0.0], half * np.geomspace(1e-3, 1e3, 13)])
    response = hill(doses, half, exponent)
    assert response[0] == 0.0
    assert response[7] == pytest.approx(0.5)
    assert (np.diff(response) >= 0).all()
    assert response[-1] <= 1.0
    np.testing.assert_allclose(response[4] / (1 - response[4]), (doses[4] / half) ** exponent, rtol=1e-9)


def test_a_hill_curve_takes_an_ec50_for_each_cell() -> None:
    np.testing.assert_allclose(hill(np.array([1.0, 1.0]), np.array([1.0, 3.0]), 1.0), [0.5, 0.25])


def test_the_scarcest_subunit_limits_a_receptor() -> None:
    rates = np.array([[5.0, 5.0], [5.0, 1e-4], [0.0, 0.0]])  # (type, subunit)
    factors = np.array([[1.0, 1.0], [0.3, 0.8], [1.0, 1.0], [1.0, 1.0]])
    gate = gate_receptor(rates, factors, np.array([0, 0, 1, 2]), 1e-3)
    np.testing.assert_array_equal(gate, [1.0, 0.3, 0.0, 0.0])


def test_a_rate_at_the_limit_of_detection_counts_and_no_subunit_means_no_gate() -> None:
    one = np.ones((1, 1))
    assert gate_receptor(one * 1e-3, one, np.array([0]), 1e-3)[0] == 1.0
    assert gate_receptor(np.ones((1, 0)), np.ones((2, 0)), np.array([0, 0]), 1e-3).tolist() == [1.0, 1.0]


def test_a_forced_gene_does_not_make_more_than_full_competence() -> None:
    assert gate_receptor(np.ones((1, 1)), np.full((1, 1), 3.0), np.array([0]), 1e-3)[0] == 1.0


def error_at_points(n: int) -> float:
    centres = (np.arange(n) + 0.5) / n

    def wave(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.asarray(np.sin(3 * x) * np.cos(2 * y) * np.exp(z))

    z, y, x = np.meshgrid(centres, centres, centres, indexing="ij")
    at = 0.2 + 0.6 * np.random.default_rng(0).random((200, 3))
    return float(np.abs(sample_field(wave(x, y, z), at, (0, 0, 0), 1 / n) - wave(*at.T)).max())


def test_sampling_a_smooth_field_converges_at_second_order() -> None:
    assert np.log2(error_at_points(10) / error_at_points(40)) / 2 == pytest.approx(2, abs=0.25)


def test_a_field_linear_in_space_is_sampled_exactly_between_the_centres() -> None:
    z, y, x = np.meshgrid(np.arange(3), np.arange(4), np.arange(5), indexing="ij")
    field = 1.0 + 2.0 * x + 3.0 * y + 5.0 * z
    at = np.array([[105.0, 205.0, 305.0], [132.0, 221.0, 313.0]])  # a centre, and between centres
    expected = 1 + (at - [105, 205, 305]) @ [2.0, 3.0, 5.0] / 10
    np.testing.assert_allclose(sample_field(field, at, (100.0, 200.0, 300.0), 10.0), expected)


@given(seed=st.integers(0, 2**31))
def test_a_sample_lies_within_the_field_also_outside_the_box(seed: int) -> None:
    random = np.random.default_rng(seed)
    field, at = random.random((2, 3, 4)), random.normal(0, 50, (20, 3))
    sample = sample_field(field, at, (0, 0, 0), 10.0)
    assert field.min() - 1e-12 <= sample.min()
    assert sample.max() <= field.max() + 1e-12
    assert sample_field(field, np.array([[-9.0, -9.0, -9.0]]), (0, 0, 0), 10.0)[0] == field[0, 0, 0]
