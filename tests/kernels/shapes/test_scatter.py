"""Random places keep their distance, and an even choice is spread out."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.random import Stream
from twin.kernels.shapes.scatter import scatter, spread_out

LOW, HIGH = np.zeros(3), np.array([400.0, 300.0, 0.0])
STREAM = Stream(3)


def test_random_places_keep_their_distance_and_lie_where_they_may() -> None:
    points = scatter(300, 12.0, LOW, HIGH, STREAM, lambda p: np.asarray(p[:, 0] < 350))
    assert points.shape == (300, 3)
    assert np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1].min() >= 12.0
    assert ((points >= LOW) & (points <= HIGH)).all()
    assert points[:, 0].max() < 350


def test_random_places_are_even_on_average() -> None:
    """A chi-square of 12 tiles lies below what 25 places a tile at random would give: they keep off each other."""
    points = scatter(300, 12.0, LOW, HIGH, STREAM)
    tiles = np.histogram2d(points[:, 0], points[:, 1], bins=(4, 3), range=((0, 400), (0, 300)))[0]
    assert ((tiles - 25) ** 2 / 25).sum() < 11.0 + 5 * np.sqrt(2 * 11.0)


def test_more_than_random_places_can_hold_are_refused() -> None:
    jammed = int(0.6 * 400 * 300 / (np.pi * 10**2))  # above the jamming limit 0.547
    with pytest.raises(InputError, match=rf"of {jammed} random places at least 20 um apart only \d+ were found"):
        scatter(jammed, 20.0, LOW, HIGH, STREAM)


def test_the_chosen_lie_farther_apart_than_a_random_choice() -> None:
    points = scatter(300, 10.0, LOW, HIGH, STREAM)
    rows = spread_out(points, 60, STREAM)
    assert len(set(rows.tolist())) == 60
    chosen, drawn = points[rows], points[:60]
    apart = [np.asarray(cKDTree(p).query(p, k=2)[0])[:, 1].min() for p in (chosen, drawn)]
    assert apart[0] > 2 * apart[1]
    assert spread_out(points, 0, STREAM).shape == (0,)
    assert sorted(spread_out(points[:5], 5, STREAM).tolist()) == [0, 1, 2, 3, 4]
