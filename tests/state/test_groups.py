"""Trees of groups: who is in what, in words; one tree of a body; where newcomers belong."""

import json

import networkx as nx
import numpy as np
import pytest

from twin.state.groups import (
    body_tree,
    labels,
    labels_of,
    newcomers,
    paths_of,
    plain_tree,
    record_of,
    tree_of_record,
)


def gut() -> "nx.DiGraph[int]":
    """Two organoids with two niches each."""
    tree: nx.DiGraph[int] = nx.DiGraph()
    names = ((0, "gut", "organ"), (1, "gel 1", "organoid"), (2, "base", "niche"), (3, "villus", "niche"))
    for node, name, kind in (*names, (4, "gel 2", "organoid"), (5, "base", "niche"), (6, "villus", "niche")):
        tree.add_node(node, name=name, kind=kind)
    tree.add_edges_from([(0, 1), (1, 2), (1, 3), (0, 4), (4, 5), (4, 6)])
    return tree


def test_every_node_is_in_words_what_it_lies_in() -> None:
    assert labels_of(gut(), "niche") == {0: "", 1: "", 2: "base", 3: "villus", 4: "", 5: "base", 6: "villus"}
    assert labels_of(gut(), "organoid")[5] == "gel 2"
    assert set(labels_of(gut(), "organ").values()) == {"gut"}
    assert paths_of(gut())[6] == "gut/gel 2/villus"


def test_cells_of_like_niches_share_a_code() -> None:
    codes, words = labels(gut(), "niche", np.array([2, 5, 3, 1], np.int32))
    assert words == ("base", "villus")
    assert codes.tolist() == [0, 0, 1, -1]
    assert labels(plain_tree("skin", "dish"), "niche", np.ones(3, np.int32))[1] == ()


def test_a_tree_comes_back_from_its_record() -> None:
    back = tree_of_record(json.loads(json.dumps(record_of(gut()))))
    assert nx.utils.graphs_equal(back, gut())


def test_compartments_join_to_one_body_and_organs_of_one_name_are_one() -> None:
    whole = body_tree({"gel": gut(), "lumen": plain_tree("gut", "lumen"), "blood": plain_tree("blood", "blood")})
    assert nx.is_arborescence(whole)
    assert sorted(whole.successors("body")) == ["blood", "gut"]
    assert sorted(whole.successors("gut")) == ["gut/gel 1", "gut/gel 2", "gut/lumen"]
    assert whole.nodes["gut/gel 2/base"] == {"name": "base", "kind": "niche", "compartment": "gel", "group": 5}


def test_newcomers_belong_to_the_nearest_organoid_and_to_no_niche() -> None:
    there, group = np.array([[0.0, 0, 0], [100.0, 0, 0]]), np.array([2, 6], np.int32)
    places = np.array([[10.0, 0, 0], [90.0, 0, 0]])
    assert newcomers(gut(), group, there, places).tolist() == [1, 4]
    assert newcomers(gut(), np.empty(0, np.int32), np.empty((0, 3)), places).tolist() == [1, 1]
    assert newcomers(plain_tree("skin", "dish"), group[:0], there[:0], places).tolist() == [1, 1]


@pytest.mark.parametrize("kind", ["niche", "organoid", "organ"])
def test_a_node_that_an_older_tree_does_not_name_is_in_nothing(kind: str) -> None:
    tree: nx.DiGraph[int] = nx.DiGraph()
    tree.add_edge(0, 2)
    assert labels(tree, kind, np.array([2], np.int32))[0].tolist() == [-1]
