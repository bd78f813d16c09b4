"""An epithelium covers its surface evenly, on it, and only where it is to be."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.random import Stream
from twin.kernels.shapes.cover import COVERED, cover, onto_surface, surface_points
from twin.kernels.shapes.solid import ball, half, joined, rod

STREAM = Stream(5)
BALL = ball([0, 0, 0], 100.0)


def test_points_of_a_surface_are_drawn_evenly_also_where_it_bends() -> None:
    """A rod's caps have half the area of its side here: so many of the points."""
    solid = rod([0, 0, 0], [80, 0, 0], 20.0)
    points, area = surface_points(40_000, solid, STREAM)
    assert area == pytest.approx(2 * np.pi * 20 * 80 + 4 * np.pi * 400, rel=0.01)
    np.testing.assert_allclose(solid.distance(points), 0.0, atol=1e-3)
    share, n = ((points[:, 0] < 0) | (points[:, 0] > 80)).mean(), len(points)
    assert share == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / n) + 0.003)


@pytest.mark.parametrize("n", [12, 400])
def test_cells_keep_nearly_the_distance_of_a_hexagonal_layer(n: int) -> None:
    points = cover(n, 5.0, BALL, STREAM)
    assert points.shape == (n, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 100.0, atol=1e-3)
    ideal = np.sqrt(2 / np.sqrt(3) * 4 * np.pi * 100**2 / n)
    away = np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]
    assert away.min() > 0.8 * ideal
    assert np.median(away) > 0.92 * ideal


def test_every_part_of_a_branched_surface_has_its_share_of_cells() -> None:
    solid = joined([ball([0, 0, 0], 60), rod([0, 0, 0], [150, 0, 0], 17)], 15.0)
    points = cover(560, 5.0, solid, STREAM)
    _, area = surface_points(60_000, solid, Stream(9))
    on_rod = ((points[:, 0] > 85) & (points[:, 0] < 135)).sum() / (2 * np.pi * 17 * 50)
    assert on_rod == pytest.approx(560 / area, rel=0.1)


def test_only_the_chosen_part_within_the_block_is_covered() -> None:
    low, high = np.array([0.0, 0.0, -5.0]), np.array([300.0, 200.0, 5.0])
    plane = half(2, 0.0, low, high)
    points = cover(300, 5.0, plane, STREAM, lambda p: np.asarray(np.abs(p[:, 0] - 150) > 40))
    assert ((points >= low) & (points <= high)).all()
    assert np.abs(points[:, 2]).max() < 1e-6
    assert (np.abs(points[:, 0] - 150) > 40).all()
    assert (points[:, 0] < 110).mean() == pytest.approx(0.5, abs=0.03)


def test_the_stream_decides_the_places() -> None:
    np.testing.assert_array_equal(cover(50, 5.0, BALL, STREAM), cover(50, 5.0, BALL, Stream(5)))
    assert (cover(50, 5.0, BALL, Stream(6)) != cover(50, 5.0, BALL, STREAM)).any()


def test_more_cells_than_a_surface_holds_are_refused() -> None:
    most = COVERED * 4 * np.pi * 100**2 / (np.pi * 25)
    with pytest.raises(InputError, match=r"would cover 1\.\d+ of their surface .* at most 14\d\d cells"):
        cover(int(1.3 * most), 5.0, BALL, STREAM)


def test_points_near_a_surface_come_onto_it() -> None:
    near = 100.0 * np.eye(3) + 3.0
    np.testing.assert_allclose(BALL.distance(onto_surface(near, BALL)), 0.0, atol=1e-6)
