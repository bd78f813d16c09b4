"""`relax_volume` against the equations that it solves."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.kernels.volume import VolumeTargets, relax_volume


def targets(n: int, **given: float) -> VolumeTargets:
    usual = {
        "fluid_fraction": 0.75,
        "nuclear": 135.0,
        "cytoplasmic": 488.5,
        "fluid_rate": 3.0,
        "nuclear_rate": 0.33,
        "cytoplasmic_rate": 0.27,
    }
    return VolumeTargets(**{name: np.full(n, value) for name, value in (usual | given).items()})


def slopes(t: float, y: np.ndarray, goal: VolumeTargets) -> list[float]:
    fluid, nuclear, cytoplasmic = y
    return [
        goal.fluid_rate[0] * (goal.fluid_fraction[0] * (fluid + nuclear + cytoplasmic) - fluid),
        goal.nuclear_rate[0] * (goal.nuclear[0] - nuclear),
        goal.cytoplasmic_rate[0] * (goal.cytoplasmic[0] - cytoplasmic),
    ]


@given(
    fraction=st.floats(0, 1),
    nuclear=st.floats(0, 500),
    cytoplasmic=st.floats(0, 1000),
    fluid_rate=st.floats(0, 5),
    rate=st.floats(0, 2),
    dt=st.floats(0.001, 20),
)
def test_it_solves_its_equations(
    fraction: float, nuclear: float, cytoplasmic: float, fluid_rate: float, rate: float, dt: float
) -> None:
    goal = targets(
        1,
        fluid_fraction=fraction,
        nuclear=nuclear,
        cytoplasmic=cytoplasmic,
        fluid_rate=fluid_rate,
        nuclear_rate=rate,
        cytoplasmic_rate=rate / 2,
    )
    start = [1870.5, 135.0, 488.5]
    fluid, nucleus, rest = (np.array([v]) for v in start)
    ours = np.ravel(relax_volume(fluid, nucleus, rest, goal, dt))
    exact = solve_ivp(slopes, (0, dt), start, args=(goal,), rtol=1e-10, atol=1e-8, method="LSODA").y[:, -1]
    np.testing.assert_allclose(ours, exact, rtol=1e-6, atol=1e-5)


@given(seed=st.integers(0, 2**31), dt=st.floats(0.001, 50))
def test_two_half_steps_are_one_and_nothing_becomes_negative(seed: int, dt: float) -> None:
    rng = np.random.default_rng(seed)
    goal = VolumeTargets(*(rng.random(20) * scale for scale in (1, 500, 1000, 4, 1, 1)))
    start = (rng.random(20) * 1000, rng.random(20) * 1000, rng.random(20) * 1000)
    once = relax_volume(*start, goal, dt)
    twice = relax_volume(*relax_volume(*start, goal, dt / 2), goal, dt / 2)
    np.testing.assert_allclose(np.array(twice), np.array(once), rtol=1e-9, atol=1e-9)
    assert (np.array(once) >= 0).all()


def test_where_fluid_and_solid_are_equally_fast_the_limit_is_taken() -> None:
    """left = 3 · (1 − 0.75) = 0.75 /h, and the nucleus as fast."""
    part = np.array([100.0])
    same = relax_volume(part, part, part, targets(1, nuclear_rate=0.75), 2.0)
    near = relax_volume(part, part, part, targets(1, nuclear_rate=0.75 + 1e-7), 2.0)
    np.testing.assert_allclose(np.array(same), np.array(near), rtol=1e-6)
    assert np.isfinite(np.array(same)).all()


def test_no_cell_is_no_work() -> None:
    empty = np.empty(0)
    assert all(part.shape == (0,) for part in relax_volume(empty, empty, empty, targets(0), 1.0))
