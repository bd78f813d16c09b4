"""Graphs of neighbours by place, and the exact law of what shuffled types would have on them."""

from itertools import permutations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from twin.analysis.contacts import most_apart, neighbour_enrichment, neighbour_types, shuffled_deviation
from twin.analysis.neighbours import neighbour_graph
from twin.errors import InputError


def of_types(types: np.ndarray) -> ad.AnnData:
    return ad.AnnData(obs=pd.DataFrame({"cell_type": types.astype(object)}, index=np.arange(len(types)).astype(str)))


def scattered(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 2))


def test_the_nearest_are_those_of_either_and_no_cell_is_its_own() -> None:
    place = np.array([[0.0, 0], [1, 0], [2.5, 0], [10, 0]])
    graph = neighbour_graph(place, nearest=1).toarray()
    assert graph.tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


def test_a_radius_takes_all_within_and_a_flat_axis_does_not_count() -> None:
    place = np.array([[0.0, 0, 7], [3, 0, 7], [0, 4, 7]])
    assert neighbour_graph(place, "radius", radius=4.0).toarray().tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    flat = neighbour_graph(np.column_stack([scattered(50), np.full(50, 3.0)]), "delaunay")
    np.testing.assert_array_equal(flat.toarray(), neighbour_graph(scattered(50), "delaunay").toarray())


def test_a_planar_triangulation_has_as_many_edges_as_euler_says() -> None:
    """V − E + F = 2, and every face but the outer, whose edges are the hull, is a triangle: E = 3V − 3 − hull."""
    from scipy.spatial import ConvexHull

    place = scattered(200)
    edges = neighbour_graph(place, "delaunay").nnz // 2
    assert edges == 3 * 200 - 3 - len(ConvexHull(place).vertices)


def test_neighbours_do_not_depend_on_the_unit() -> None:
    for kind in ("nearest", "delaunay"):
        one, other = (neighbour_graph(scattered(150) * unit, kind) for unit in (1.0, 0.065))
        assert (one != other).nnz == 0


def test_graphs_that_cannot_be_are_told() -> None:
    with pytest.raises(InputError, match="no triangulation"):
        neighbour_graph(np.array([[0.0, 0], [1, 1], [2, 2]]), "delaunay")
    with pytest.raises(InputError, match="radius=30"):
        neighbour_graph(scattered(4), "radius")
    assert neighbour_graph(np.zeros((1, 2))).nnz == 0
    cells = of_types(np.array(["a", "b", "a"]))
    with pytest.raises(InputError, match=r"the graph has the shape \(2, 2\), and there are 3 cells"):
        neighbour_types(cells, graph=sp.csr_array((2, 2)))
    with pytest.raises(InputError, match="not symmetric"):
        neighbour_types(cells, graph=sp.csr_array(np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])))


def test_the_deviation_is_that_of_all_shuffles() -> None:
    """Seven cells of three types on an uneven graph: all 7! orders, one by one."""
    rng = np.random.default_rng(2)
    links = np.triu(rng.random((7, 7)) < 0.5, 1)
    graph = sp.csr_array((links | links.T).astype(float))
    code = np.array([0, 0, 0, 1, 1, 1, 2])
    seen = []
    for order in permutations(range(7)):
        mixed = code[list(order)]
        table = np.zeros((3, 3))
        np.add.at(table, (mixed[graph.tocoo().row], mixed[graph.tocoo().col]), 1)
        seen.append(table)
    degree = np.diff(graph.indptr)
    np.testing.assert_allclose(shuffled_deviation(np.bincount(code), degree), np.std(seen, axis=0), atol=1e-9)


def test_z_is_squidpys_but_for_its_luck() -> None:
    """Squidpy's definition, written out: counts by type over the graph, less their mean, by their deviation."""
    place, rng = scattered(400, 6), np.random.default_rng(7)
    types = np.where(place[:, 0] + 0.4 * rng.random(400) > 0.7, "right", "left").astype(object)
    types[rng.random(400) < 0.2] = "rare"
    graph = neighbour_graph(place)
    cells = of_types(types)
    names, code = np.unique(types.astype(str), return_inverse=True)
    found = graph.tocoo()

    def count(labels: np.ndarray) -> np.ndarray:
        table = np.zeros((3, 3))
        np.add.at(table, (labels[found.row], labels[found.col]), 1)
        return table

    drawn = np.array([count(rng.permutation(code)) for _ in range(2000)])
    theirs = (count(code) - drawn.mean(axis=0)) / drawn.std(axis=0)
    ours = neighbour_enrichment(cells, graph=graph, shuffles=0).z.loc[list(names), list(names)].to_numpy()
    # a z of t has the errors of a mean, 1/√n, and of a deviation, t/√(2n)
    np.testing.assert_allclose(ours, theirs, atol=5 * (1 + np.abs(ours).max() / 2**0.5) / 2000**0.5)
    assert ours[0, 0] > 5


def test_two_tissues_are_compared_by_the_types_that_have_enough_cells() -> None:
    types = np.array(["a"] * 30 + ["b"] * 30 + ["c"] * 4)
    graph, other = neighbour_graph(scattered(64, 1)), neighbour_graph(scattered(64, 2))
    one, two = (neighbour_enrichment(of_types(types), graph=g, shuffles=0) for g in (graph, other))
    table = most_apart(one, two, {"a": 30, "b": 30, "c": 4})
    assert {*table["type"], *table["neighbour"]} == {"a", "b"}
    assert len(table) == 3
    assert (table["difference"] == table["z_other"] - table["z"]).all()
    assert table["difference"].abs().is_monotonic_decreasing
    assert most_apart(one, one, {"a": 30, "b": 30, "c": 4})["difference"].abs().max() == 0
