"""Flows between nodes against what a closed network of well-mixed tanks is known to do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.kernels.flows import (
    exchange_amounts,
    exchange_voxels,
    exit_rates,
    flow_generator,
    kept_shares,
    propagators,
)

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def circulation(seed: int, n: int = 5, spread: float = 6.0) -> tuple[Array, Array, Array]:
    """Volumes, balanced flows and partition coefficients over `spread` orders of size: circles through the nodes."""
    draw = np.random.default_rng(seed)
    volume = 10.0 ** draw.uniform(0, spread / 2, n)
    flow = np.zeros((n, n))
    for _ in range(6):
        ring = draw.permutation(n)[: draw.integers(2, n + 1)]
        flow[ring, np.roll(ring, -1)] += 10.0 ** draw.uniform(0, spread)
    return volume, flow, 10.0 ** draw.uniform(-1, 1, (3, n))


def step_of(volume: Array, flow: Array, partition: Array, dt: float, clearance: Array | float = 0.0) -> Array:
    cleared = np.broadcast_to(clearance, partition.shape)
    return propagators(flow_generator(volume, flow, partition, np.asarray(cleared)), dt)[0]


def test_two_nodes_follow_their_analytic_solution() -> None:
    """c_1/K_1 − c_2/K_2 decays at the rate Q (1/(K_1 V_1) + 1/(K_2 V_2))."""
    volume, partition, q = np.array([5.0, 1.5]), np.array([[1.0, 4.0]]), 90.0
    flow = np.array([[0.0, q], [q, 0.0]])
    start, held = np.array([[7.0, 1.0]]), partition[0] * volume
    for dt in (1e-4, 0.01, 0.1, 3.0):
        end, cleared = exchange_amounts(start, step_of(volume, flow, partition, dt))
        gap = (start[0, 0] / held[0] - start[0, 1] / held[1]) * np.exp(-q * (1 / held[0] + 1 / held[1]) * dt)
        level = (8.0 + np.array([held[1], -held[0]]) * gap) / held.sum()
        np.testing.assert_allclose(end[0], level * held, rtol=1e-12)
        assert not cleared.any()


def test_one_cleared_node_decays_as_its_clearance_says_and_the_rest_is_counted() -> None:
    volume, partition, clearance = np.array([42.0]), np.array([[1.0], [3.0]]), np.array([[7.0], [7.0]])
    end, cleared = exchange_amounts(np.ones((2, 1)), step_of(volume, np.zeros((1, 1)), partition, 2.5, clearance))
    np.testing.assert_allclose(end[:, 0], np.exp([-7 / 42 * 2.5, -7 / 126 * 2.5]), rtol=1e-13)
    np.testing.assert_allclose(end + cleared, 1.0, rtol=1e-14)


def test_a_chain_is_the_sum_of_its_exponentials() -> None:
    """What enters one tank passes to a second, and is cleared there: Bateman's function."""
    volume, flow = np.array([1.0, 2.0]), np.array([[0.0, 3.0], [0.0, 0.0]])
    step = step_of(volume, flow, np.ones((1, 2)), 0.7, np.array([[0.0, 1.0]]))
    end, _ = exchange_amounts(np.array([[1.0, 0.0]]), step)
    slow, fast = 0.5, 3.0
    passed = fast / (fast - slow) * (np.exp(-slow * 0.7) - np.exp(-fast * 0.7))
    np.testing.assert_allclose(end[0], [np.exp(-fast * 0.7), passed], rtol=1e-13)


@given(seed=st.integers(0, 2**31), dt=st.floats(1e-6, 1e3))
def test_amounts_are_kept_and_never_negative_in_stiff_networks(seed: int, dt: float) -> None:
    volume, flow, partition = circulation(seed)
    clearance = 10.0 ** np.random.default_rng(seed).uniform(-2, 4, partition.shape)
    amounts = np.random.default_rng(seed).random(partition.shape) * (np.arange(5) != seed % 5)
    end, none = exchange_amounts(amounts, step_of(volume, flow, partition, dt))
    np.testing.assert_allclose(end.sum(axis=1), amounts.sum(axis=1), rtol=1e-13)
    assert (end >= 0).all()
    assert not none.any()
    end, cleared = exchange_amounts(amounts, step_of(volume, flow, partition, dt, clearance))
    np.testing.assert_allclose((end + cleared).sum(axis=1), amounts.sum(axis=1), rtol=1e-13)
    assert (end >= 0).all()
    assert (cleared > 0).any()


@given(seed=st.integers(0, 2**31), dt=st.floats(1e-3, 100.0))
def test_two_half_steps_are_one(seed: int, dt: float) -> None:
    volume, flow, partition = circulation(seed)
    whole, half = (step_of(volume, flow, partition, t, 2.0) for t in (dt, dt / 2))
    np.testing.assert_allclose(half @ half, whole, rtol=1e-11, atol=1e-15)


@given(seed=st.integers(0, 2**31))
def test_balanced_flows_come_to_one_concentration_in_all_bloods(seed: int) -> None:
    volume, flow, partition = circulation(seed, spread=4.0)
    amounts = np.random.default_rng(seed).random(partition.shape)
    end, _ = exchange_amounts(amounts, step_of(volume, flow, partition, 1e9))
    tied = flow.any(axis=0)  # a node that no circle went through keeps its own
    level = (end / (partition * volume))[:, tied]
    circles = np.linalg.matrix_power((flow + np.eye(5) > 0).astype(float), 5)[np.ix_(tied, tied)] > 0
    for i, near in enumerate(circles):
        np.testing.assert_allclose(level[:, near], level[:, [i]] * np.ones(near.sum()), rtol=1e-9)


def test_slow_rates_are_exact_beside_fast_ones() -> None:
    """A tank that is stirred with another ten million times a turn of the slow third: the pair acts as one."""
    volume = np.array([1.0, 1.0, 1.0])
    flow = np.array([[0.0, 1e7, 0.0], [1e7, 0.0, 1.0], [0.0, 1.0, 0.0]])
    end, _ = exchange_amounts(np.array([[1.0, 1.0, 0.0]]), step_of(volume, flow, np.ones((1, 3)), 1.0))
    slow = 2 / 3 * (1 - np.exp(-1.5))  # of two volumes with one, at 1/2 + 1; to the order of slow/fast
    np.testing.assert_allclose(end[0, 2], slow, rtol=1e-6)
    np.testing.assert_allclose(end.sum(), 2.0, rtol=1e-15)
    exact = np.linalg.eigh(flow - np.diag(flow.sum(axis=1)))
    seen = exact.eigenvectors @ (np.exp(exact.eigenvalues) * (exact.eigenvectors.T @ np.array([1.0, 1.0, 0.0])))
    np.testing.assert_allclose(end[0], seen, rtol=1e-8)


def test_parts_that_no_flow_ties_leave_each_other_alone() -> None:
    volume, flow = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.zeros((5, 5))
    flow[0, 1] = flow[1, 0] = 4.0
    flow[2, 3] = flow[3, 2] = 7.0
    amounts = np.array([[1.0, 0.0, 0.0, 2.0, 9.0]])
    end, _ = exchange_amounts(amounts, step_of(volume, flow, np.ones((1, 5)), 5.0))
    np.testing.assert_allclose(end[0], [1 / 3, 2 / 3, 6 / 7, 8 / 7, 9.0], rtol=1e-7)
    np.testing.assert_allclose(end[0, :2].sum(), 1.0, rtol=1e-15)


def test_no_time_changes_nothing() -> None:
    volume, flow, partition = circulation(3)
    np.testing.assert_array_equal(step_of(volume, flow, partition, 0.0), np.broadcast_to(np.eye(10), (3, 10, 10)))


@given(seed=st.integers(0, 2**31), dt=st.floats(1e-6, 1e3))
def test_what_comes_evenly_is_kept_too_and_halves_add_up(seed: int, dt: float) -> None:
    """What comes in the first half of a step is there for the second: φ(dt) = (φ(dt/2) + exp(G dt/2) φ(dt/2))/2."""
    volume, flow, partition = circulation(seed)
    generator = flow_generator(volume, flow, partition, np.ones_like(partition))
    (_, whole), (step, half) = propagators(generator, dt), propagators(generator, dt / 2)
    assert (whole >= 0).all()
    np.testing.assert_allclose(whole.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose((half + step @ half) / 2, whole, rtol=1e-11, atol=1e-15)


def test_a_steady_source_fills_a_cleared_tank_as_it_should() -> None:
    """dA/dt = f − k A from nothing, k dt from 1e-6 to 1e6: A = f (1 − exp(−k dt))/k."""
    for gone in 10.0 ** np.arange(-6, 7):
        generator = flow_generator(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)), np.array([[gone]]))
        end, cleared = exchange_amounts(np.ones((1, 1)), propagators(generator, 1.0)[1])
        np.testing.assert_allclose(end, -np.expm1(-gone) / gone, rtol=1e-9)
        np.testing.assert_allclose(end + cleared, 1.0, rtol=1e-14)
        assert kept_shares(np.array([gone]), 1.0)[1] == pytest.approx(-np.expm1(-gone) / gone, rel=1e-14)
    assert [share.item() for share in kept_shares(np.zeros(1), 1.0)] == [1.0, 1.0]


def test_voxels_are_exact_against_an_equation_for_each_of_them() -> None:
    """Blood, a liver of seven voxels and a gut of three before it, each voxel a node with a source of its own."""
    size, volume, flow = np.array([1, 7, 3]), np.array([5.0, 1.5, 1.0]), np.zeros((3, 3))
    flow[0, 1], flow[0, 2], flow[2, 1], flow[1, 0] = 20.0, 60.0, 60.0, 80.0
    partition, clearance = np.array([[1.0, 4.0, 0.5], [1.0, 0.2, 2.0]]), np.array([[0.0, 9.0, 0.0], [3.0, 0.0, 0.0]])
    draws = [np.random.default_rng(i).random((2, 2, n)) * 10 for i, n in enumerate(size)]
    of = np.repeat(np.arange(3), size)
    start, source = np.concatenate(draws, axis=2)  # each (substance, voxel), nM and nM/h

    def change(_: float, flat: Array) -> Array:
        c = flat.reshape(2, 11)
        blood = c / partition[:, of]  # what leaves each voxel
        mean = np.stack([blood[:, of == k].mean(axis=1) for k in range(3)], axis=1)
        brought = (mean[:, :, None] * flow).sum(axis=1)  # (substance, node), all voxels alike
        rate = source + (brought[:, of] - (flow.sum(axis=1) + clearance)[:, of] * blood) / volume[of]
        return np.asarray(rate.ravel())

    told = solve_ivp(change, (0.0, 0.4), start.ravel(), method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1].reshape(2, 11)
    step, mean = propagators(flow_generator(volume, flow, partition, clearance), 0.4)
    kept, kept_fresh = kept_shares(exit_rates(volume, flow, partition, clearance), 0.4)
    amounts = np.zeros((2, 3))
    for field, by in ((start, step), (source * 0.4, mean)):
        node = np.stack([field[:, of == k].mean(axis=1) for k in range(3)], axis=1)  # (substance, node)
        amounts += exchange_amounts(node * volume, by)[0]
    for k in range(3):
        voxels, after = of == k, amounts[:, k] / volume[k]
        mine = exchange_voxels(start[:, voxels], 0.4 * source[:, voxels], after, kept[:, k], kept_fresh[:, k])
        np.testing.assert_allclose(mine, told[:, voxels], rtol=1e-9)
        np.testing.assert_allclose(mine.mean(axis=1), after, rtol=1e-13)


@pytest.mark.parametrize("n", [1, 12])
def test_an_empty_voxel_beside_full_ones_never_goes_below_nothing(n: int) -> None:
    field = np.zeros((1, n))
    field[0, 0] = 1e9
    kept = np.array([0.3])
    mean = field.mean(axis=1) * kept * (1 - 1e-15)  # nothing came in
    left = exchange_voxels(field, np.zeros_like(field), mean, kept, kept)
    assert (left >= 0).all()
    np.testing.assert_allclose(left, field * 0.3, rtol=1e-12)
