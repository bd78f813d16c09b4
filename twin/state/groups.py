"""The hierarchy cell ⊂ niche ⊂ organoid ⊂ organ ⊂ body, as networkx trees: one a compartment, and one of them all.

Nodes of a compartment's tree are numbers, its organ is 0; `cells.group` names one. Each has a `name` and a `kind`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Float = NDArray[np.float64]

KINDS = ("niche", "organoid", "organ")  # of groups in a compartment, from the smallest to the largest
BODY = "body"  # the root of all, and its kind
WHOLE = 1  # the node of a compartment's first, and most often only, organoid


def plain_tree(organ: str, name: str) -> "nx.DiGraph[int]":
    """Return the tree of a compartment without niches: its organ, and itself as the one organoid in it."""
    tree: nx.DiGraph[int] = nx.DiGraph()
    tree.add_node(0, name=organ, kind="organ")
    tree.add_node(WHOLE, name=name, kind="organoid")
    tree.add_edge(0, WHOLE)
    return tree


def line_of(tree: "nx.DiGraph[int]", node: int) -> list[int]:
    """Return a node and all that it lies in, from the top."""
    line = [node]
    while above := list(tree.predecessors(line[0])):
        line.insert(0, above[0])
    return line


def labels_of(tree: "nx.DiGraph[int]", kind: str) -> dict[int, str]:
    """Return for each node the name of the group of a kind that it is or lies in; "" where it lies in none."""
    found = {}
    for node in tree:
        names = [tree.nodes[n]["name"] for n in line_of(tree, node) if tree.nodes[n].get("kind") == kind]
        found[node] = str(names[-1]) if names else ""
    return found


def paths_of(tree: "nx.DiGraph[int]") -> dict[int, str]:
    """Return what each node is called among all groups of a body: the names down to it, like gut/crypts/crypt base."""
    return {node: "/".join(str(tree.nodes[n]["name"]) for n in line_of(tree, node)) for node in tree}


def record_of(tree: "nx.DiGraph[int]") -> list[list[int | str | None]]:
    """Return a tree as plain values: of each node its number, name, kind, and the node above, None of the top."""
    return [
        [
            int(n),
            str(about.get("name", n)),
            str(about.get("kind", "")),
            next(iter(map(int, tree.predecessors(n))), None),
        ]
        for n, about in tree.nodes(data=True)
    ]


def tree_of_record(record: "Iterable[Sequence[Any]]") -> "nx.DiGraph[int]":
    """Return the tree that `record_of` told."""
    tree: nx.DiGraph[int] = nx.DiGraph()
    for node, name, kind, above in record:
        tree.add_node(node, name=name, kind=kind)
        if above is not None:
            tree.add_edge(above, node)
    return tree


def labels(tree: "nx.DiGraph[int]", kind: str, group: NDArray[np.int32]) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """Return the group of a kind that each cell is in, (cell,) codes with -1 for none, and what the codes stand for.

    Groups of one name, like the crypt bases of several organoids, have one code.
    """
    by_node = labels_of(tree, kind)
    words = tuple(dict.fromkeys(label for label in by_node.values() if label))
    code = {"": -1} | {word: i for i, word in enumerate(words)}
    table = np.full(max([0, *by_node]) + 1, -1, np.int16)
    for node, label in by_node.items():
        table[node] = code[label]
    return table[np.clip(group, 0, len(table) - 1)], words


def body_tree(trees: "Mapping[str, nx.DiGraph[int]]") -> "nx.DiGraph[str]":
    """Return the trees of compartments as one tree of a body.

    Nodes are paths, like gut/crypts 1/crypt base, below the root "body"; organs of one name are one. Each has `name`,
    `kind`, and but for organs and the body `compartment` and its number there, `group`.

    trees : by the names of the compartments.
    """
    whole: nx.DiGraph[str] = nx.DiGraph()
    whole.add_node(BODY, name=BODY, kind=BODY)
    for compartment, tree in trees.items():
        paths = paths_of(tree)
        for node in tree:
            about = dict(tree.nodes[node])
            if about["kind"] != "organ":
                about |= {"compartment": compartment, "group": int(node)}
            whole.add_node(paths[node], **about)
            above = list(tree.predecessors(node))
            whole.add_edge(paths[above[0]] if above else BODY, paths[node])
    return whole


def newcomers(tree: "nx.DiGraph[int]", group: NDArray[np.int32], there: Float, place: Float) -> NDArray[np.int32]:
    """Return the groups of cells that come from elsewhere, (new,): the nearest cell's organoid, none of its niches.

    group, there : (cell,) and (cell, 3) µm, of those that are there. place : (new, 3) µm.
    """
    organoids = [node for node in tree if tree.nodes[node]["kind"] == "organoid"]
    if len(organoids) == 1 or not len(group) or not len(place):
        return np.full(len(place), organoids[0], np.int32)
    own = {node: next((n for n in line_of(tree, node) if n in set(organoids)), organoids[0]) for node in tree}
    nearest = group[np.asarray(cKDTree(there).query(place)[1])]
    return np.array([own[int(node)] for node in nearest], dtype=np.int32)


def descendants(tree: "nx.DiGraph[int]", kind: str, name: str) -> list[int]:
    """Return the nodes that are, or lie in, groups of a kind and a name, ascending."""
    return sorted(node for node, label in labels_of(tree, kind).items() if label == name)
