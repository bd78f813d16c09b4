"""Coordinates of files: their unit, cells that were counted twice, what cannot be places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.data.coordinates import checked_coordinates, first_of_twins, in_micrometres, largest_radii, nearest, stacked
from twin.errors import InputError

NAMES = np.array([f"c{i}" for i in range(400)])
ONE = np.zeros(400, np.intp)


def grid(step: float) -> np.ndarray:
    """Return 20 × 20 places, `step` apart."""
    x, y = np.meshgrid(np.arange(20.0), np.arange(20.0))
    return step * np.stack([x.ravel(), y.ravel()], axis=1)


def test_a_scale_is_the_length_of_a_unit_and_a_pitch_the_distance_of_neighbours() -> None:
    by_scale = in_micrometres(grid(45.0), ONE, "f", scale=2.0)
    by_pitch = in_micrometres(grid(45.0), ONE, "f", pitch=100.0)
    np.testing.assert_allclose(by_scale[:, :2], 2.0 * grid(45.0))
    np.testing.assert_allclose(by_pitch[:, :2], grid(100.0))
    assert not by_pitch[:, 2].any()


def test_spots_that_are_missing_do_not_change_the_pitch() -> None:
    kept = np.random.default_rng(1).random(400) < 0.5
    place = in_micrometres(grid(3.0)[kept], ONE[kept], "f", pitch=100.0)
    np.testing.assert_allclose(place[:, :2], grid(100.0)[kept])


def test_neighbours_are_looked_for_in_a_section() -> None:
    two = np.concatenate([grid(10.0), grid(10.0) + 0.1])
    section = np.repeat([0, 1], 400)
    np.testing.assert_allclose(nearest(two, section), 10.0)
    assert nearest(two, np.zeros(800, np.intp)).max() < 1
    assert in_micrometres(two, section, "f", pitch=200.0)[1, 0] == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, r"neighbours in f lie 1 um apart \(median\), so these coordinates are no um: .* \{pitch: 100 um\}"),
        ({"scale": 0.1}, "lie 0.1 um apart .* so a unit of them is not 0.1 um"),
    ],
)
def test_coordinates_that_cannot_be_micrometres_are_refused(given: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        in_micrometres(grid(1.0), ONE, "f", **given)


def test_a_row_alone_has_no_pitch() -> None:
    with pytest.raises(InputError, match="no two rows beside each other to tell a pitch by: give `scale`"):
        in_micrometres(np.zeros((1, 2)), ONE[:1], "f", pitch=100.0)


@pytest.mark.parametrize(
    ("spatial", "words"),
    [
        (None, r"has no obsm\['spatial'\]; leave `spatial` out"),
        (np.ones((3, 4)), r"has the shape \(3, 4\); it must have 2 or 3 columns"),
        (np.ones(3), r"has the shape \(3,\)"),
        (np.array([[0.0, 1.0], [np.nan, 1.0], [np.inf, 0.0]]), "2 cells of f .* not finite, the first is c1"),
    ],
)
def test_what_is_no_place_is_told(spatial: np.ndarray | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked_coordinates(spatial, NAMES, "f")


def test_cells_in_the_same_place_are_counted_and_refused() -> None:
    place = grid(10.0)
    place[[7, 9]] = place[3]
    with pytest.raises(
        InputError, match=r"2 cells of f stand exactly where another does, the first is c7 on c3.*0.1 um"
    ):
        first_of_twins(place, None, NAMES, "f")
    kept = first_of_twins(place, 1.0, NAMES, "f")
    assert np.flatnonzero(~kept).tolist() == [7, 9]
    assert first_of_twins(grid(10.0), None, NAMES, "f").all()


def test_of_a_chain_every_second_stays() -> None:
    """The second is a twin of the first and goes; the third is one of the second only, which is gone."""
    line = np.array([[0.0, 0, 0], [0.8, 0, 0], [1.6, 0, 0]])
    assert first_of_twins(line, 1.0, NAMES, "f").tolist() == [True, False, True]


def test_sections_are_stacked() -> None:
    place = stacked(np.zeros((3, 3)), np.array([0, 2, 1]), 50.0)
    assert place[:, 2].tolist() == [0, 100, 50]


@given(seed=st.integers(0, 2**31), limit=st.floats(0.1, 50.0))
def test_no_two_cells_overlap_at_the_largest_radii(seed: int, limit: float) -> None:
    place = 100 * np.random.default_rng(seed).random((60, 3))
    radius = largest_radii(place, np.full(60, limit))
    away = np.linalg.norm(place[:, None] - place[None], axis=2) + np.eye(60) * 1e9
    assert (radius[:, None] + radius[None] <= away + 1e-9).all()
    assert (radius <= limit).all()
