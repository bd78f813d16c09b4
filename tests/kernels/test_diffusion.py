"""`diffuse` and `diffuse_with_uptake` against what diffusion is known to do."""

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import expm

from twin.errors import RunError
from twin.kernels.diffusion import (
    CLOSED,
    FLOOR,
    QuasiSteady,
    Wall,
    Walls,
    decay_length,
    diffuse,
    diffuse_with_uptake,
    measured_decay_length,
)
from twin.kernels.diffusion_modes import modes_of
from twin.kernels.diffusion_series import phi1, phi2
from twin.kernels.diffusion_steady import Balance

Float = NDArray[np.float64]
D, DECAY, LENGTH, END = np.array([60.0]), np.array([0.05]), 100.0, 10.0  # µm²/h, 1/h, µm, h
NONE = np.zeros(1)
WAYS: tuple[QuasiSteady, ...] = ("auto", "always", "never")


def along_x(low: Wall, high: Wall) -> list[Walls]:
    return [(low, high, "closed", "closed", "closed", "closed")]


def row(values: Float) -> Float:
    return np.asarray(values, np.float64).reshape(1, 1, 1, -1)


MODES: dict[str, tuple[list[Walls], float]] = {  # walls, phase of sin(…) at x = 0, waves below
    "closed": (along_x("closed", "closed"), 1.0),
    "held": (along_x(0.0, 0.0), 1.0),
    "closed then held": (along_x("closed", 0.0), 0.5),
    "held then closed": (along_x(0.0, "closed"), 0.5),
    "periodic": (along_x("periodic", "periodic"), 2.0),
}


def error_on_grid(kind: str, n: int) -> float:
    """Largest error against the slowest mode of these walls, which decays as exp(−(D q² + λ) t).

    A uniform field, whose answer is known where nothing is held, keeps the mode above zero.
    """
    walls, waves = MODES[kind]
    x, q = (np.arange(n) + 0.5) * LENGTH / n, np.pi * waves / LENGTH
    held = kind not in ("closed", "periodic")
    mode = row(np.sin(q * x) if kind.startswith("held") else np.cos(q * x))
    ground = 0.0 if held else 2.0
    c = diffuse(ground + mode, D, DECAY, END, LENGTH / n, walls=walls)
    lost = np.exp(-DECAY[0] * END)
    return float(np.abs(c - lost * (ground + mode * np.exp(-D[0] * q**2 * END))).max())


@pytest.mark.parametrize("kind", MODES)
def test_every_pair_of_walls_converges_to_its_analytic_mode_at_second_order(kind: str) -> None:
    errors = [error_on_grid(kind, n) for n in (8, 16, 32)]
    assert [np.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([2, 2], abs=0.1)


def test_pure_decay_is_exact() -> None:
    """F1 of the tissue simulators' cases: BioFVM is 2.5e-4 off."""
    c = diffuse(np.ones((1, 3, 4, 5)), np.array([1e5]), np.array([6.0]), 0.5, 20.0)
    np.testing.assert_allclose(c, np.exp(-3.0), rtol=1e-13)


def test_a_cosine_mode_in_a_cube_decays_within_one_percent_of_the_law() -> None:
    """F2: 400 µm cube, D = 1e5 µm²/min, λ = 0.1 /min, 0.2 min; dx = 20 µm (BioFVM: 3.7 to 12.5 %)."""
    n, h = 20, 20.0
    x = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    mode = x[:, None, None] * x[:, None] * x
    c = diffuse((1 + 0.5 * mode)[None], np.array([6e6]), np.array([6.0]), 0.2 / 60, h)
    amplitude = float((c[0] * mode).sum() / (mode**2).sum())
    assert amplitude == pytest.approx(0.5 * np.exp(-(3e5 * (np.pi / 400) ** 2 + 0.1) * 0.2), rel=0.01)


def test_a_slab_between_held_walls_settles_to_the_hyperbolic_cosine_at_second_order() -> None:
    """F3: both faces at 38, λ such that the decay length is a quarter of the slab."""
    errors = []
    for n in (20, 40, 80):
        x = (np.arange(n) + 0.5) * LENGTH / n
        ell = LENGTH / 4
        c = diffuse(row(np.zeros(n)), D, D / ell**2, 1e4, LENGTH / n, walls=along_x(38.0, 38.0))
        law = 38 * np.cosh((x - LENGTH / 2) / ell) / np.cosh(LENGTH / 2 / ell)
        errors.append(float(np.abs(c[0, 0, 0] - law).max()))
    assert [np.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([2, 2], abs=0.15)


def test_two_different_held_walls_without_decay_settle_to_a_straight_line() -> None:
    c = diffuse(row(np.full(10, 7.0)), D, NONE, 1e5, 10.0, walls=along_x(5.0, 1.0))
    np.testing.assert_allclose(c[0, 0, 0], 5.0 - 4.0 * (np.arange(10) + 0.5) / 10, rtol=1e-9)


def test_a_source_layer_settles_to_an_exponential_of_the_decay_length() -> None:
    """F4 in one dimension: a layer that releases s per voxel gives s h/(2 √(Dλ)) exp(−|x|/√(D/λ))."""
    n, h = 400, 2.5
    source = np.zeros((1, 1, 1, n))
    source[..., n // 2] = 3.0
    diffusivity, decay = np.array([1e4]), np.array([4.0])
    ell = decay_length(1e4, 4.0)
    assert ell == 50.0
    c = diffuse(np.zeros_like(source), diffusivity, decay, 50.0, h, source=source)[0, 0, 0]
    x = np.abs(np.arange(n) - n // 2) * h
    near = x < 5 * ell
    np.testing.assert_allclose(c[near], 3.0 * h / (2 * np.sqrt(1e4 * 4.0)) * np.exp(-x[near] / ell), rtol=5e-3)
    right = slice(n // 2, None)
    assert measured_decay_length(c[right], x[right]) == pytest.approx(ell, rel=2e-3)


def test_periodic_walls_wrap_round_and_know_no_origin() -> None:
    c = np.random.default_rng(0).random((1, 4, 5, 7))
    walls: list[Walls] = [("periodic",) * 6]
    once = diffuse(c, D, NONE, 0.5, 10.0, walls=walls)
    moved = diffuse(np.roll(c, (2, 3, 1), (1, 2, 3)), D, NONE, 0.5, 10.0, walls=walls)
    np.testing.assert_allclose(np.roll(once, (2, 3, 1), (1, 2, 3)), moved, rtol=1e-12)
    point = row(np.eye(9)[0])
    spread = diffuse(point, D, NONE, 0.5, 10.0, walls=along_x("periodic", "periodic"))[0, 0, 0]
    assert spread[1] == pytest.approx(spread[-1], rel=1e-12)


SIDES = st.sampled_from(["closed", "periodic", "held", "closed-held", "held-closed"])


def walls_of(sides: tuple[str, str, str], values: Float) -> Walls:
    six: list[Wall] = []
    for axis, side in enumerate(sides):
        for end, word in enumerate(side.split("-") if "-" in side else (side, side)):
            closed = word == "closed"
            six.append("closed" if closed else "periodic" if word == "periodic" else values[2 * axis + end])
    return (six[0], six[1], six[2], six[3], six[4], six[5])


def laplacian_matrix(shape: tuple[int, ...], walls: Walls, h: float) -> tuple[Float, Float]:
    """The seven-point Laplacian as a matrix, voxel by voxel, and what held walls add to it."""
    size = int(np.prod(shape))
    matrix, inflow = np.zeros((size, size)), np.zeros(size)
    for voxel in np.ndindex(*shape):
        me = int(np.ravel_multi_index(voxel, shape))
        for axis in range(3):
            for end, step in enumerate((-1, 1)):
                other, wall = list(voxel), walls[2 * (2 - axis) + end]
                other[axis] += step
                if not 0 <= other[axis] < shape[axis]:
                    if wall == "closed":
                        continue
                    if not isinstance(wall, str):
                        matrix[me, me] -= 2 / h**2
                        inflow[me] += 2 * wall / h**2
                        continue
                    other[axis] %= shape[axis]
                matrix[me, me] -= 1 / h**2
                matrix[me, int(np.ravel_multi_index(other, shape))] += 1 / h**2
    return matrix, inflow


def by_matrix(c: Float, d: float, decay: float, dt: float, h: float, walls: Walls, s: Float, k: Float) -> Float:
    """The exact solution in time of the same grid, by a dense matrix exponential."""
    matrix, inflow = laplacian_matrix(c.shape, walls, h)
    size = c.size
    whole = np.zeros((size + 1, size + 1))
    whole[:size, :size] = d * matrix - np.diag(decay + k.ravel())
    whole[:size, size] = d * inflow + s.ravel()
    return np.asarray(expm(whole * dt) @ np.append(c.ravel(), 1.0))[:size].reshape(c.shape)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    sides=st.tuples(SIDES, SIDES, SIDES),
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    dt=st.floats(0.01, 5.0),
)
def test_any_walls_on_any_axes_agree_with_the_matrix_exponential(
    seed: int, sides: tuple[str, str, str], shape: tuple[int, int, int], dt: float
) -> None:
    random = np.random.default_rng(seed)
    walls = walls_of(sides, random.random(6) * 5)
    c, s, k = random.random(shape), random.random(shape), random.random(shape) * 20
    exact = by_matrix(c, 60.0, 0.3, dt, 10.0, walls, s, 0 * k)
    ours = diffuse(c[None], D, np.array([0.3]), dt, 10.0, walls=[walls], source=s[None])
    np.testing.assert_allclose(ours[0], exact, rtol=1e-9)
    exact = by_matrix(c, 60.0, 0.3, dt, 10.0, walls, s, k)
    done = diffuse_with_uptake(c[None], D, np.array([0.3]), dt, 10.0, k[None], walls=[walls], source=s[None])
    assert np.max(np.abs(done.field[0] - exact)) < 1e-8 * max(c.max(), exact.max())


def patch() -> tuple[Float, Float, Float]:
    """A row of voxels, half of them with cells that take up (mean k ≈ 30 /h), released at one end."""
    random = np.random.default_rng(4)
    sink = row(np.where(random.random(40) < 0.5, 120.0, 0.0) * random.random(40))
    source = row(np.where(np.arange(40) < 3, 1.0, 0.0))
    return np.zeros((1, 1, 1, 40)), source, sink


FAST = np.array([1.08e5])  # µm²/h: 30 µm²/s


@pytest.mark.parametrize("dt", [1e-4, 0.05, 0.5, 6.0])
def test_uptake_is_exact_in_time_whatever_the_step_and_says_how_exact(dt: float) -> None:
    c, source, sink = row(1 + np.cos(np.arange(40)) / 2), *patch()[1:]
    exact = by_matrix(c[0], FAST[0], 0.1, dt, 10.0, CLOSED, source[0], sink[0])
    done = diffuse_with_uptake(c, FAST, np.array([0.1]), dt, 10.0, sink, source=source, quasi_steady="never")
    error = float(np.max(np.abs(done.field[0] - exact) / np.maximum(exact, FLOOR * c.max())))
    assert error <= done.error[0] < 2e-5
    assert done.passes[0] > 1


def test_source_and_sink_in_one_voxel_are_mixed_as_they_should_be() -> None:
    """The splitting that others use (release, then uptake, then spread) is first order here; ours has no such error."""
    c, source, sink = np.zeros((1, 1, 1, 9)), row(np.eye(9)[4] * 50), row(np.eye(9)[4] * 400)
    exact = by_matrix(c[0], FAST[0], 0.1, 0.5, 10.0, CLOSED, source[0], sink[0])
    done = diffuse_with_uptake(c, FAST, np.array([0.1]), 0.5, 10.0, sink, source=source)
    np.testing.assert_allclose(done.field[0], exact, rtol=1e-7)


def test_the_passes_of_a_step_grow_with_the_root_of_its_length() -> None:
    c, source, sink = patch()
    short, long = (
        diffuse_with_uptake(c, FAST, DECAY, dt, 10.0, sink, source=source, quasi_steady="never") for dt in (0.01, 1.0)
    )
    assert long.passes[0] < 15 * short.passes[0]  # a hundred times as long


def steady_of(source: Float, sink: Float) -> Float:
    matrix, _ = laplacian_matrix((1, 1, 40), CLOSED, 10.0)
    return np.asarray(np.linalg.solve(np.diag(sink.ravel() + 0.1) - FAST[0] * matrix, source.ravel()))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dt", [0.001, 6.0])
def test_a_steady_state_with_uptake_stays_whatever_the_step(dt: float, way: QuasiSteady) -> None:
    _, source, sink = patch()
    steady = steady_of(source, sink)
    done = diffuse_with_uptake(
        row(steady),
        FAST,
        np.array([0.1]),
        dt,
        10.0,
        sink,
        source=source,
        quasi_steady=way,
        mean=True,
    )
    np.testing.assert_allclose(done.field[0, 0, 0], steady, atol=1e-8 * steady.max())
    assert done.mean is not None
    np.testing.assert_allclose(done.mean[0, 0, 0], steady, rtol=1e-6)


def test_the_steady_state_is_taken_by_itself_only_where_the_transient_is_gone_and_it_is_cheaper() -> None:
    _, source, sink = patch()
    c = row(np.full(40, 2.0))
    taken = [
        diffuse_with_uptake(c, d, np.array([0.1]), dt, 10.0, sink, source=source)
        for d, dt in ((FAST, 0.01), (1e3 * FAST, 0.01), (FAST, 0.5), (1e3 * FAST, 2.0))
    ]
    assert [bool(t.is_steady[0]) for t in taken] == [False, False, False, True]
    exact = by_matrix(c[0], 1e3 * FAST[0], 0.1, 2.0, 10.0, CLOSED, source[0], sink[0])
    error = np.max(np.abs(taken[3].field[0] - exact) / np.maximum(exact, FLOOR * 2.0))
    assert error <= taken[3].error[0] <= 1e-3


def test_always_takes_the_steady_state_and_says_what_transient_is_left_out() -> None:
    _, source, sink = patch()
    c = row(np.full(40, 2.0))
    for dt in (0.001, 0.1, 1.0):
        done = diffuse_with_uptake(c, FAST, np.array([0.1]), dt, 10.0, sink, source=source, quasi_steady="always")
        steady = steady_of(source, sink)
        np.testing.assert_allclose(done.field[0, 0, 0], steady, atol=1e-8 * steady.max())
        exact = by_matrix(c[0], FAST[0], 0.1, dt, 10.0, CLOSED, source[0], sink[0])
        error = np.max(np.abs(done.field[0] - exact) / np.maximum(done.field[0], FLOOR * 2.0))
        assert error <= done.error[0]


def test_the_mean_stay_bounds_the_slowest_relaxation() -> None:
    random = np.random.default_rng(3)
    for walls in (CLOSED, (0.0, "closed", "closed", "closed", "periodic", "periodic")):
        loss = random.random((3, 4, 5)) * 40
        matrix, _ = laplacian_matrix((3, 4, 5), walls, 10.0)
        slowest = 1 / np.linalg.eigvalsh(np.diag(loss.ravel()) - 60.0 * matrix).min()
        balance = Balance(60.0, loss, modes_of(walls, (3, 4, 5), 10.0))
        assert balance.shortest() <= slowest <= balance.relaxation().max() * (1 + 1e-6)


def test_what_nothing_removes_has_no_steady_state() -> None:
    c = np.ones((1, 2, 3, 4))
    with pytest.raises(RunError, match="never"):
        diffuse_with_uptake(c, FAST, NONE, 1.0, 10.0, 0 * c, quasi_steady="always")


def test_without_diffusion_every_voxel_is_on_its_own() -> None:
    random = np.random.default_rng(5)
    c, s, k = random.random((3, 1, 2, 3, 4)) * np.array([1.0, 2.0, 30.0])[:, None, None, None, None]
    done = diffuse_with_uptake(c, NONE, np.array([0.5]), 0.7, 10.0, k, source=s, mean=True)
    rate = k + 0.5
    np.testing.assert_allclose(done.field, s / rate + (c - s / rate) * np.exp(-rate * 0.7), rtol=1e-12)
    assert done.mean is not None
    np.testing.assert_allclose(0.7 * rate * done.mean, c - done.field + 0.7 * s, rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    sides=st.tuples(SIDES, SIDES, SIDES),
    dt=st.floats(1e-3, 6.0),
    strength=st.sampled_from([0.0, 1.0, 1e3]),
    way=st.sampled_from(WAYS),
)
def test_what_is_lost_is_what_the_mean_says_was_lost(
    seed: int, sides: tuple[str, str, str], dt: float, strength: float, way: QuasiSteady
) -> None:
    """Mass with everything in play: release, decay, uneven uptake and held walls, over several steps."""
    random = np.random.default_rng(seed)
    shape, h = (1, 3, 4, 5), 10.0
    walls = walls_of(sides, random.random(6))
    c, source, sink = random.random(shape), 10 * random.random(shape), strength * random.random(shape)
    matrix, inflow = laplacian_matrix(shape[1:], walls, h)
    leak = -matrix.sum(axis=0).reshape(shape[1:])  # 1/µm², through held walls
    for _ in range(3):
        done = diffuse_with_uptake(
            c,
            FAST,
            DECAY,
            dt,
            h,
            sink,
            walls=[walls],
            source=source,
            quasi_steady=way,
            mean=True,
        )
        assert done.mean is not None
        assert done.mean.min() >= 0
        if done.is_steady[0] and done.error[0] > 1e-3:
            break  # told to take a steady state that is not there yet: what jumps is nobody's
        given = source.sum() + FAST[0] * inflow.sum()
        lost = ((DECAY[0] + sink[0] + FAST[0] * leak) * done.mean[0]).sum()
        scale = c.sum() + done.field.sum() + dt * (given + lost)
        assert done.field.sum() - c.sum() == pytest.approx(dt * (given - lost), abs=1e-11 * scale)
        c = done.field


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31), sides=st.tuples(SIDES, SIDES, SIDES), strength=st.sampled_from([0.0, 5.0, 100.0]))
def test_the_mean_over_a_step_is_that_of_many_short_ones(
    seed: int, sides: tuple[str, str, str], strength: float
) -> None:
    random = np.random.default_rng(seed)
    shape, walls = (1, 2, 3, 4), walls_of(sides, random.random(6))
    c, source, sink = random.random(shape), random.random(shape), strength * random.random(shape)
    whole = diffuse_with_uptake(c, D, DECAY, 0.5, 10.0, sink, walls=[walls], source=source, mean=True)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    total = np.zeros(shape)
    for u, weight in zip((1 + nodes) / 2, weights / 2, strict=True):  # at 0.5 u³: dense where it begins
        at = diffuse_with_uptake(c, D, DECAY, 0.5 * u**3, 10.0, sink, walls=[walls], source=source).field
        total += 3 * u**2 * weight * at
    assert whole.mean is not None
    np.testing.assert_allclose(whole.mean, total, atol=1e-5)


def test_a_uniform_sink_is_decay_and_exact_in_one_step() -> None:
    c = np.random.default_rng(1).random((1, 4, 5, 6))
    done = diffuse_with_uptake(c, D, DECAY, 3.0, 10.0, np.full_like(c, 2.0))
    np.testing.assert_allclose(done.field, diffuse(c, D, DECAY + 2.0, 3.0, 10.0), rtol=1e-12)
    assert done.passes[0] == 0


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), dt=st.floats(0.01, 6.0))
def test_two_half_steps_are_one_and_walls_let_nothing_through(seed: int, dt: float) -> None:
    c = np.random.default_rng(seed).random((2, 5, 6, 7))
    d, none = np.array([60.0, 5.0]), np.zeros(2)
    once, half = diffuse(c, d, none, dt, 50.0), diffuse(c, d, none, dt / 2, 50.0)
    np.testing.assert_allclose(diffuse(half, d, none, dt / 2, 50.0), once, rtol=1e-12)
    np.testing.assert_allclose(once.sum((1, 2, 3)), c.sum((1, 2, 3)), rtol=1e-12)
    given_off = diffuse(c, d, none, dt, 50.0, source=c)
    np.testing.assert_allclose(given_off.sum((1, 2, 3)), (1 + dt) * c.sum((1, 2, 3)), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    sides=st.tuples(SIDES, SIDES, SIDES),
    dt=st.floats(1e-4, 24.0),
    strength=st.floats(0.0, 1e4),
)
def test_nothing_becomes_negative_however_strong_the_uptake_and_long_the_step(
    seed: int, sides: tuple[str, str, str], dt: float, strength: float
) -> None:
    random = np.random.default_rng(seed)
    shape = (1, 2, 3, 8)
    c = np.where(random.random(shape) < 0.3, random.random(shape) * 1e3, 0.0)
    sink = np.where(random.random(shape) < 0.5, strength * random.random(shape), 0.0)
    walls = [walls_of(sides, random.random(6))]
    before = c.copy()
    done = diffuse_with_uptake(c, FAST, DECAY, dt, 10.0, sink, walls=walls)
    assert done.field.min() >= 0
    assert done.field.max() <= max(c.max(), 1.0) * (1 + 1e-9)  # and nothing overshoots
    np.testing.assert_array_equal(c, before)


def test_rounding_around_a_point_far_from_anything_is_not_left_below_zero() -> None:
    point = np.zeros((1, 16, 16, 16))
    point[0, 3, 4, 5] = 1e6
    round_about: list[Walls] = [("periodic",) * 6]
    for walls in (None, round_about):
        assert diffuse(point, FAST, NONE, 1e-7, 10.0, walls=walls).min() == 0.0


@pytest.mark.parametrize("z", [0.0, -1e-9, -0.02, -0.4999, -0.5001, -3.0, -400.0])
def test_the_weights_of_a_step_are_their_integrals(z: float) -> None:
    """φ₁ = ∫ exp((1 − θ) z) dθ and φ₂ = ∫ exp((1 − θ) z) θ dθ over [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    theta, weights = (nodes + 1) / 2, weights / 2
    first = phi1(np.array([z]))
    kernel = np.exp((1 - theta) * z)
    assert first[0] == pytest.approx(float(weights @ kernel), rel=1e-12)
    assert phi2(np.array([z]), first)[0] == pytest.approx(float(weights @ (kernel * theta)), rel=1e-11)


def test_each_substance_has_its_own_numbers() -> None:
    c = np.random.default_rng(2).random((2, 3, 4, 5))
    both = diffuse(c, np.array([60.0, 5.0]), np.array([0.1, 2.0]), 1.0, 10.0)
    np.testing.assert_array_equal(both[1:], diffuse(c[1:], np.array([5.0]), np.array([2.0]), 1.0, 10.0))


def test_a_profile_that_does_not_fall_has_no_decay_length() -> None:
    x = np.arange(10.0)
    assert np.isnan(measured_decay_length(np.zeros(10), x))
    assert np.isnan(measured_decay_length(np.ones(10), x))
    assert np.isnan(measured_decay_length(np.exp(x), x))
    assert measured_decay_length(np.exp(-x / 3), x) == pytest.approx(3.0)


def test_a_decay_length_counts_all_losses() -> None:
    assert decay_length(3600.0, 0.1, 0.3) == pytest.approx(np.sqrt(3600 / 0.4))
    assert decay_length(3600.0, 0.0) == float("inf")


def test_a_tick_with_strong_uneven_uptake_of_a_quarter_million_voxels_takes_well_below_a_second() -> None:
    """0.2 s of processor time alone on one core (it was 23 s by substeps); here the machine may be busy."""
    random = np.random.default_rng(3)
    c, sink = random.random((1, 64, 64, 64)), 500 * random.random((1, 64, 64, 64))
    diffuse_with_uptake(c[:, :4, :4, :4], FAST, DECAY, 0.5, 10.0, sink[:, :4, :4, :4])  # compile
    begin = time.process_time()
    done = diffuse_with_uptake(c, FAST, DECAY, 0.5, 10.0, sink)
    assert time.process_time() - begin < 0.8
    assert done.error[0] < 1e-4
