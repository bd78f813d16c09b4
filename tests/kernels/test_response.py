"""The response of the grammar against what it must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.response import join_signals, respond


def one(*signals: float, half: tuple[float, ...], power: tuple[float, ...]) -> float:
    return float(join_signals(np.array(signals)[:, None], np.array(half), np.array(power))[0])


def test_one_signal_is_a_hill_function() -> None:
    assert one(0.005, half=(0.005,), power=(4.0,)) == 0.5
    assert one(2.0, half=(1.0,), power=(3.0,)) == pytest.approx(8 / 9)
    assert one(0.0, half=(1.0,), power=(0.5,)) == 0.0
    assert one(-3.0, half=(1.0,), power=(4.0,)) == 0.0  # below nothing is nothing


def test_signals_join_as_sums_of_their_powers() -> None:
    # (1/2)^2 + (3/1)^1 = 3.25
    assert one(1.0, 3.0, half=(2.0, 1.0), power=(2.0, 1.0)) == pytest.approx(3.25 / 4.25)


def test_no_signal_and_no_cell_give_nothing() -> None:
    assert join_signals(np.zeros((0, 3)), np.zeros(0), np.zeros(0)).tolist() == [0, 0, 0]
    assert join_signals(np.zeros((2, 0)), np.ones(2), np.ones(2)).shape == (0,)


def test_a_signal_far_above_is_full_and_no_overflow() -> None:
    assert one(1e300, 1e300, half=(1e-300, 1e-10), power=(100.0, 4.0)) == 1.0


@given(a=st.floats(0, 1e6), b=st.floats(0, 1e6), power=st.floats(0.1, 20))
def test_more_signal_is_no_less_response(a: float, b: float, power: float) -> None:
    low, high = sorted((a, b))
    assert one(low, 1.0, half=(3.0, 2.0), power=(power, 1.0)) <= (
        one(high, 1.0, half=(3.0, 2.0), power=(power, 1.0)) + 1e-15
    )


def test_what_lowers_begins_where_what_raises_has_led() -> None:
    up, down = np.array([0.0, 1.0, 0.5, 1.0]), np.array([0.0, 0.0, 0.25, 1.0])
    # (1 + (9 − 1)·0.5)·0.75 + 0.2·0.25 = 3.8
    np.testing.assert_allclose(respond(1.0, up, 9.0, down, 0.2), [1.0, 9.0, 3.8, 0.2])
