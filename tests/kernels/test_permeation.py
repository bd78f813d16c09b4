"""`permeate` against what two compartments are known to do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from twin.kernels.permeation import permeate

AMOUNT = st.floats(0.0, 1e3)


def test_it_is_the_solution_of_the_two_equations() -> None:
    rate, ratio, dt = 0.7, 0.3, 1.3
    law = expm(dt * rate * np.array([[-1.0, 1.0], [ratio, -ratio]])) @ [5.0, 2.0]
    found = permeate(np.array([5.0]), np.array([2.0]), np.array([ratio]), rate, dt)
    np.testing.assert_allclose(np.concatenate(found), law, rtol=1e-14)


@given(AMOUNT, AMOUNT, st.floats(0.0, 10.0), st.floats(0.0, 1e3), st.floats(0.0, 10.0))
def test_what_one_side_gains_the_other_loses_and_two_half_steps_are_one(
    inside: float, outside: float, ratio: float, rate: float, dt: float
) -> None:
    start = (np.array([inside]), np.array([outside]))
    share = np.array([ratio])
    once = permeate(*start, share, rate, dt)
    np.testing.assert_allclose(ratio * once[0] + once[1], ratio * start[0] + start[1], rtol=1e-12, atol=1e-12)
    half = permeate(*permeate(*start, share, rate, dt / 2), share, rate, dt / 2)
    np.testing.assert_allclose(half, once, rtol=1e-9, atol=1e-9)
    low, high = min(inside, outside), max(inside, outside)
    for side in once:
        assert low * (1 - 1e-12) - 1e-12 <= float(side[0]) <= high * (1 + 1e-12) + 1e-12


def test_a_membrane_that_lets_nothing_through_changes_nothing() -> None:
    inside, outside = permeate(np.array([3.0]), np.array([1.0]), np.array([0.5]), 0.0, 7.0)
    assert (inside.item(), outside.item()) == (3.0, 1.0)
