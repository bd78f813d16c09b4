"""Starting points are inside, even, dense, and the same for the same stream."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from twin.errors import InputError
from twin.kernels.mechanics import MechanicsParams, relax
from twin.kernels.packing import DENSEST, choose_sites, pack_box
from twin.kernels.random import Stream

STREAM = Stream(7)
LOW, HIGH = np.zeros(3), np.array([500.0, 100.0, 25.0])


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(0, 300),
    edges=st.tuples(*[st.floats(1.0, 500.0)] * 3),
    low=st.floats(-100.0, 100.0),
    key=st.integers(0, 2**63),
)
def test_all_points_are_different_and_inside(n: int, edges: tuple[float, float, float], low: float, key: int) -> None:
    corner, size = np.full(3, low), np.array(edges)
    radius = (0.5 * size.prod() / max(n, 1) * 3 / (4 * np.pi)) ** (1 / 3)
    points = pack_box(n, radius, corner, corner + size, Stream(key))
    assert points.shape == (n, 3)
    assert ((points >= corner) & (points <= corner + size)).all()
    assert len(np.unique(points, axis=0)) == n


@pytest.mark.parametrize("n", [200, 2_000, 5_000])
def test_nearest_neighbours_are_as_far_as_a_close_packing_allows(n: int) -> None:
    box = np.full(3, 200.0)
    points = pack_box(n, 1.0, LOW, box, STREAM)
    nearest = np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]
    ideal = (np.sqrt(2) * box.prod() / n) ** (1 / 3)  # spacing of a close packing of this density
    assert np.median(nearest) > 0.85 * ideal
    assert nearest.min() > 0.7 * ideal


def test_points_fill_each_part_of_the_box_alike() -> None:
    points = pack_box(2_000, 4.0, LOW, HIGH, STREAM)
    shares, _ = np.histogramdd(points, bins=(10, 2, 1), range=list(zip(LOW, HIGH, strict=True)))
    np.testing.assert_allclose(shares, 100, rtol=0.15)
    assert points.min(axis=0) == pytest.approx([4.0, 4.0, 4.0], abs=0.5)
    assert points.max(axis=0) == pytest.approx(HIGH - 4.0, abs=0.5)


def test_the_first_points_are_an_even_draw_from_all() -> None:
    points = pack_box(2_000, 4.0, LOW, HIGH, STREAM)
    low = points < HIGH / 2
    sigma = np.sqrt(500 * low.mean(axis=0) * (1 - low.mean(axis=0)) * 1500 / 1999)  # hypergeometric
    assert (np.abs(low[:500].sum(axis=0) - 500 * low.mean(axis=0)) < 5 * sigma).all()


def test_the_stream_decides_the_points() -> None:
    again = pack_box(100, 4.0, LOW, HIGH, Stream(7))
    np.testing.assert_array_equal(pack_box(100, 4.0, LOW, HIGH, STREAM), again)
    assert (pack_box(100, 4.0, LOW, HIGH, Stream(8)) != again).any()


def test_relaxing_a_dense_tissue_of_two_sizes_leaves_only_shallow_overlaps() -> None:
    radius = np.where(np.arange(1_000) % 7 == 0, 6.0, 4.0)
    box = np.array([240.0, 58.0, 40.0])
    assert (4 / 3 * np.pi * radius**3).sum() / box.prod() > 0.6
    start = pack_box(1_000, radius, LOW, box, STREAM)
    end, contacts, _ = relax(start, radius, LOW, box, MechanicsParams(), 4.0)
    near = cKDTree(end).query_pairs(12.0, output_type="ndarray")
    relative = np.linalg.norm(end[near[:, 0]] - end[near[:, 1]], axis=1) / radius[near].sum(axis=1)
    assert relative.min() > 0.8
    assert contacts.nnz / 1_000 > 6


def test_too_many_cells_are_refused_with_their_packing_fraction_and_what_would_fit() -> None:
    most = int(DENSEST * HIGH.prod() / (4 / 3 * np.pi * 4.0**3))
    pack_box(most, 4.0, LOW, HIGH, STREAM)
    with pytest.raises(InputError, match=rf"6000 cells would fill 1\.29 of the box .* at most {most} cells"):
        pack_box(6_000, 4.0, LOW, HIGH, STREAM)


def test_a_flat_box_is_refused() -> None:
    with pytest.raises(InputError, match="500 x 0 x 25 um has no room"):
        pack_box(1, 4.0, LOW, np.array([500.0, 0.0, 25.0]), STREAM)


def test_choosing_sites_gives_those_of_the_region_only() -> None:
    points = pack_box(2_000, 4.0, LOW, HIGH, STREAM)
    rows = choose_sites(points, (np.full(3, -np.inf), np.array([50.0, np.inf, np.inf])))
    np.testing.assert_array_equal(rows, np.flatnonzero(points[:, 0] <= 50.0))
    assert 150 < len(rows) < 250


def test_a_region_without_sites_is_refused() -> None:
    points = pack_box(100, 4.0, LOW, HIGH, STREAM)
    with pytest.raises(InputError, match=r"none of the 100 places .* \(600, -inf, -inf\)"):
        choose_sites(points, (np.array([600.0, -np.inf, -np.inf]), np.full(3, np.inf)))
