"""Cells of a spheroid start inside it, evenly, as dense as they must, and the same for the same stream."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.ball import Ball, pack_ball
from twin.kernels.random import Stream

STREAM = Stream(7)
BALL = Ball(np.full(3, 250.0), 150.0, 0.0, np.zeros(3), np.full(3, 500.0))
SHELL = replace(BALL, inner=100.0)


@settings(deadline=None, max_examples=15)
@given(
    n=st.integers(0, 300),
    centre=st.tuples(*[st.floats(0.0, 200.0)] * 3),
    radius=st.floats(20.0, 150.0),
    hollow=st.floats(0.0, 0.7),
    key=st.integers(0, 2**63),
)
def test_all_points_are_different_and_inside_ball_and_box(
    n: int, centre: tuple[float, float, float], radius: float, hollow: float, key: int
) -> None:
    ball = Ball(np.array(centre), radius, hollow * radius, np.zeros(3), np.full(3, 200.0))
    size = min((0.3 * ball.volume() / max(n, 1) * 3 / (4 * np.pi)) ** (1 / 3), 0.1 * radius)
    points = pack_ball(n, size, ball, Stream(key))
    assert points.shape == (n, 3)
    assert ball.holds(points, 0.999 * size).all()
    assert len(np.unique(points, axis=0)) == n


@pytest.mark.parametrize("ball", [BALL, SHELL])
@pytest.mark.parametrize("n", [300, 3_000])
def test_points_lie_as_far_apart_as_a_close_packing_allows(ball: Ball, n: int) -> None:
    points = pack_ball(n, 1.0, ball, STREAM)
    nearest = np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]
    ideal = (np.sqrt(2) * ball.volume() / n) ** (1 / 3)
    assert np.median(nearest) > 0.85 * ideal
    assert nearest.min() > 0.7 * ideal


def test_a_full_ball_has_the_radius_of_gyration_of_a_ball() -> None:
    points = pack_ball(4_000, 8.41, BALL, STREAM)
    away = np.linalg.norm(points - BALL.centre, axis=1)
    assert np.sqrt((away**2).mean()) == pytest.approx(np.sqrt(3 / 5) * (150.0 - 8.41), rel=0.02)
    np.testing.assert_allclose(points.mean(axis=0), BALL.centre, atol=2.0)


def test_one_cell_stands_at_the_centre() -> None:
    (place,) = pack_ball(1, 5.0, BALL, STREAM)
    np.testing.assert_allclose(place, BALL.centre, atol=0.05 * 10.0)


@pytest.mark.parametrize("cut", ["x", "octant"])
def test_the_volume_of_a_ball_that_walls_cut_is_that_of_its_part(cut: str) -> None:
    centre = np.array([0.0, 250.0, 250.0]) if cut == "x" else np.zeros(3)
    part = replace(BALL, centre=centre)
    whole = 4 / 3 * np.pi * 150.0**3
    assert part.volume() == pytest.approx(whole / (2 if cut == "x" else 8), rel=1e-3)
    assert SHELL.volume() == pytest.approx(4 / 3 * np.pi * (150.0**3 - 100.0**3))


def test_a_box_one_cell_thick_holds_a_disc() -> None:
    disc = Ball(np.array([250.0, 250.0, 8.0]), 100.0, 0.0, np.zeros(3), np.array([500.0, 500.0, 16.0]))
    points = pack_ball(100, 8.0, disc, STREAM)
    assert (points[:, 2] == 8.0).all()
    assert len(np.unique(points, axis=0)) == 100


def test_the_stream_decides_the_points() -> None:
    np.testing.assert_array_equal(pack_ball(100, 4.0, BALL, STREAM), pack_ball(100, 4.0, BALL, Stream(7)))
    assert (pack_ball(100, 4.0, BALL, Stream(8)) != pack_ball(100, 4.0, BALL, STREAM)).any()


def test_any_cells_of_a_ball_are_an_even_draw_from_it() -> None:
    points = pack_ball(2_000, 4.0, BALL, STREAM)
    inner = np.linalg.norm(points - BALL.centre, axis=1) < 100
    share = inner.mean()
    sigma = np.sqrt(500 * share * (1 - share) * 1500 / 1999)  # hypergeometric
    assert abs(inner[:500].sum() - 500 * share) < 5 * sigma


def test_cells_that_do_not_fit_are_refused_with_what_would() -> None:
    most = int(0.74 * 150.0**3 / 8.41**3)
    pack_ball(most, 8.41, BALL, STREAM)
    with pytest.raises(InputError, match=rf"5000 cells would fill 0\.88 of the ball.*at most {most} cells or a larger"):
        pack_ball(5_000, 8.41, BALL, STREAM)
    with pytest.raises(InputError, match=r"a shell 10 um thick has no room for cells of radius 8"):
        pack_ball(1, 8.0, replace(BALL, inner=140.0), STREAM)
