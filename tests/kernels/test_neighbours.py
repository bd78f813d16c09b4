"""The cell list against a k-d tree, and what touches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from twin.kernels.neighbours import BINS_PER_CELL, CONTACT_TOLERANCE, bins_of, contact_graph, neighbour_list


def pairs_of_list(position: NDArray[np.float64], reach: NDArray[np.float64]) -> list[tuple[int, int]]:
    indptr, indices = neighbour_list(position, reach)
    owner = np.repeat(np.arange(len(position)), np.diff(indptr))
    return list(zip(owner.tolist(), indices.tolist(), strict=True))


def pairs_of_tree(position: NDArray[np.float64], reach: NDArray[np.float64]) -> list[tuple[int, int]]:
    near = cKDTree(position).query_pairs(2 * reach.max() + 1e-9, output_type="ndarray")
    distance = np.linalg.norm(position[near[:, 0]] - position[near[:, 1]], axis=1)
    near = near[distance < reach[near].sum(axis=1)]
    return sorted([(int(a), int(b)) for a, b in near] + [(int(b), int(a)) for a, b in near])


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(2, 150),
    seed=st.integers(0, 2**31),
    edges=st.tuples(*[st.sampled_from([0.0, 1.0, 30.0, 200.0, 1e6])] * 3),
    widest=st.sampled_from([0.0, 3.0, 20.0, 1e4]),
)
def test_the_list_holds_each_close_pair_twice_in_ascending_order(
    n: int, seed: int, edges: tuple[float, float, float], widest: float
) -> None:
    random = np.random.default_rng(seed)
    position = random.random((n, 3)) * edges - 17.0
    reach = random.random(n) * widest
    assert pairs_of_list(position, reach) == pairs_of_tree(position, reach)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_cells_have_no_neighbours(n: int) -> None:
    indptr, indices = neighbour_list(np.zeros((n, 3)), np.ones(n))
    assert indptr.tolist() == [0] * (n + 1)
    assert len(indices) == 0


def test_cells_at_one_point_are_neighbours_of_each_other_but_not_of_themselves() -> None:
    indptr, indices = neighbour_list(np.zeros((3, 3)), np.ones(3))
    assert indptr.tolist() == [0, 2, 4, 6]
    assert indices.tolist() == [1, 2, 0, 2, 0, 1]


def test_few_cells_in_a_wide_space_do_not_make_a_large_grid() -> None:
    position = np.array([[0.0, 0.0, 0.0], [1e7, 1e7, 1e7], [5.0, 0.0, 0.0]])
    _, shape = bins_of(position, 1.0)
    assert shape.prod() <= BINS_PER_CELL * 3 + 1024
    assert pairs_of_list(position, np.full(3, 3.0)) == [(0, 2), (2, 0)]


def test_contacts_are_symmetric_ones_where_two_spheres_touch() -> None:
    gap = 10.0 * (1 + CONTACT_TOLERANCE)  # radii 4 and 6
    position = np.array([[0.0, 0.0, 0.0], [gap - 1e-9, 0.0, 0.0], [0.0, 8.0 * 1.2, 0.0]])
    graph = contact_graph(position, np.array([4.0, 6.0, 4.0]))
    assert graph.toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    apart = contact_graph(position + np.array([[0, 0, 0], [2e-9, 0, 0], [0, 0, 0]]), np.array([4.0, 6.0, 4.0]))
    assert apart.nnz == 0
