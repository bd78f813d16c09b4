"""Cells fill a solid evenly, stay in it, and overlap no more than a packing must."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.random import Stream
from twin.kernels.shapes.fill import fill
from twin.kernels.shapes.solid import ball, block, tube, without

STREAM = Stream(7)
BALL = ball([0, 0, 0], 150.0)
PIPE = without(
    block([0, 0, 0], [200, 100, 200]), [tube(1, np.array([100.0, 100.0]), 40.0, np.zeros(3), np.full(3, 200.0))]
)


def nearest(points: np.ndarray) -> np.ndarray:
    return np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]


@pytest.mark.parametrize("solid", [BALL, PIPE], ids=["ball", "block with a bore"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_all_cells_lie_in_the_solid_a_radius_off_its_surface_and_do_not_overlap(solid: object, share: float) -> None:
    assert solid in (BALL, PIPE)
    shape = BALL if solid is BALL else PIPE
    n = int(share * shape.volume() / (4 / 3 * np.pi * 8**3))
    points = fill(n, 8.0, shape, STREAM)
    assert points.shape == (n, 3)
    assert shape.holds(points, 8.0 * (1 - 1e-9)).all()
    assert nearest(points).min() > 2 * 8.0 * (0.999 if share < 0.1 else 0.8)


def test_a_loose_packing_shows_no_lattice() -> None:
    """In a lattice all nearest neighbours are equally far; here they differ as much as the room allows."""
    loose, dense = nearest(fill(800, 5.0, BALL, STREAM)), nearest(fill(14_000, 5.0, BALL, STREAM))
    assert loose.std() / loose.mean() > 0.15
    assert dense.std() / dense.mean() < 0.08


def test_cells_are_spread_as_evenly_as_the_volume() -> None:
    away = np.linalg.norm(fill(6000, 5.0, BALL, STREAM), axis=1)
    share = (away < 100).mean()
    assert share == pytest.approx((100 / 145) ** 3, rel=0.05)  # centres reach to 145 um


def test_the_stream_decides_the_places() -> None:
    np.testing.assert_array_equal(fill(100, 5.0, BALL, STREAM), fill(100, 5.0, BALL, Stream(7)))
    assert (fill(100, 5.0, BALL, Stream(8)) != fill(100, 5.0, BALL, STREAM)).any()
    assert fill(0, 5.0, BALL, STREAM).shape == (0, 3)


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    with pytest.raises(InputError, match=r"30000 cells of radius 5 um would fill 1\.1\d .* at most 1\d{4} cells"):
        fill(30_000, 5.0, BALL, STREAM)
    with pytest.raises(InputError, match="too thin for them"):
        fill(1, 8.0, block([0, 0, 0], [200, 200, 15]), STREAM)
