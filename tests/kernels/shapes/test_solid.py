"""Solids hold what geometry says they hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernels.random import Stream
from twin.kernels.shapes.cover import area_of
from twin.kernels.shapes.solid import Solid, ball, block, half, joined, rod, tube, without

CUBE = (np.full(3, -100.0), np.full(3, 100.0))
SOLIDS = {  # volume µm³, area µm² within the block
    "ball": (ball([3.0, 0.0, -2.0], 80.0), 4 / 3 * np.pi * 80**3, 4 * np.pi * 80**2),
    "rod": (
        rod([0, 0, 0], [60, 80, 0], 30),
        np.pi * 900 * 100 + 4 / 3 * np.pi * 27e3,
        2 * np.pi * 30 * 100 + 4 * np.pi * 900,
    ),
    "block": (block([0, 0, 0], [100, 60, 80]), 480e3, 2 * (6000 + 8000 + 4800)),
    "tube": (tube(1, np.zeros(2), 40.0, *CUBE), np.pi * 1600 * 200, 2 * np.pi * 40 * 200),
    "half": (half(2, 20.0, *CUBE), 200 * 200 * 80.0, 200 * 200.0),
    "two balls": (
        joined([ball([-60, 0, 0], 50), ball([60, 0, 0], 40)]),
        4 / 3 * np.pi * (125e3 + 64e3),
        4 * np.pi * 4100,
    ),
    "a hollow ball": (
        without(ball([0, 0, 0], 90), [ball([0, 0, 0], 45)]),
        4 / 3 * np.pi * (729e3 - 91125),
        4 * np.pi * 10125,
    ),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_volume_and_area_are_those_of_the_formula(name: str) -> None:
    solid, volume, area = SOLIDS[name]
    assert solid.volume() == pytest.approx(volume, rel=0.005)
    assert area_of(solid) == pytest.approx(area, rel=0.02)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), rounding=st.floats(0.0, 40.0))
def test_no_distance_is_longer_than_the_way(seed: int, rounding: float) -> None:
    """|d(a) - d(b)| <= |a - b|: what `fill` and `cover` rely on."""
    rng = np.random.default_rng(seed)
    solid = joined([ball([0, 0, 0], 50), rod([0, 0, 0], [90, 0, 0], 12), block([-80, -9, -9], [0, 9, 9])], rounding)
    one, other = rng.uniform(-120, 120, (2, 200, 3))
    far = np.linalg.norm(one - other, axis=1)
    assert (np.abs(solid.distance(one) - solid.distance(other)) <= far * (1 + 1e-9) + 1e-9).all()


def test_a_grown_solid_has_its_surface_farther_out() -> None:
    points = Stream(1).uniform(np.arange(500, dtype=np.uint64), 3) * 400 - 200
    solid = ball([0, 0, 0], 60)
    np.testing.assert_allclose(solid.grown(15).distance(points), ball([0, 0, 0], 75).distance(points), atol=1e-9)
    assert solid.grown(15).volume() == pytest.approx(ball([0, 0, 0], 75).volume(), rel=1e-6)


def test_rounding_fills_the_edge_where_two_parts_meet_and_nothing_far_from_it() -> None:
    parts: list[Solid] = [ball([0, 0, 0], 50), rod([0, 0, 0], [90, 0, 0], 12)]
    sharp, round_ = joined(parts), joined(parts, 20.0)
    points = Stream(2).uniform(np.arange(20_000, dtype=np.uint64), 3) * 240 - 120
    filled = round_.holds(points) & ~sharp.holds(points)
    assert filled.any()
    assert not (sharp.holds(points) & ~round_.holds(points)).any()
    edge = np.hypot(points[filled, 0] - np.sqrt(50**2 - 12**2), np.hypot(points[filled, 1], points[filled, 2]) - 12)
    assert edge.max() < 20.0
