"""In which niche, organoid and organ each cell is at the start."""

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from twin.anatomy.build import anatomy_of, tree_of
from twin.engine.built import standing
from twin.engine.world import World
from twin.errors import InputError
from twin.kernels.random import Streams
from twin.scenario.builders import Built
from twin.scenario.schema import Compartment, MeasuredCells, Scenario
from twin.scenario.spatial import Spatial
from twin.state.groups import KINDS, WHOLE, labels_of, plain_tree


def tree_at_start(world: World, name: str, document: Compartment) -> "nx.DiGraph[int]":
    """Return the tree of groups of a compartment; it is the same in every replicate."""
    if isinstance(document.cells, Built):
        return tree_of(anatomy_of(document.cells, document.box), document.organ, name)
    tree = plain_tree(document.organ, name)
    for node, niche in enumerate(_niches(world, name, document)[0], WHOLE + 1):
        tree.add_node(node, name=niche, kind="niche")
        tree.add_edge(WHOLE, node)
    return tree


def groups_named(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """Return by kind the names of the groups that a scenario's documents speak of; {} where files may bring others."""
    trees = []
    for name, document in scenario.compartments.items():
        cells = document.cells
        if isinstance(cells, MeasuredCells):
            return {}
        if isinstance(cells, Built):
            try:
                trees.append(tree_of(anatomy_of(cells, document.box), document.organ, name))
            except InputError:  # told where the compartment is checked
                return {}
        else:
            trees.append(plain_tree(document.organ, name))
    return {
        kind: tuple(dict.fromkeys(word for tree in trees for word in labels_of(tree, kind).values() if word))
        for kind in KINDS
    }


def groups_at_start(
    world: World, name: str, document: Compartment, order: NDArray[np.intp], streams: Streams
) -> NDArray[np.int32]:
    """Return the group of each cell of a compartment, (cell,) nodes of its tree.

    order : (cell,) the cells' rows in their source.
    """
    if isinstance(document.cells, Built):
        return standing(name, document, world.names[name]["cell_type"], streams).group[order]
    niches, code = _niches(world, name, document)
    return np.asarray(WHOLE + 1 + code[order], np.int32) if niches else np.full(len(order), WHOLE, np.int32)


def _niches(world: World, name: str, document: Compartment) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the regions that a file names and the one of each of its cells, (cell,); none where it is not asked."""
    source = document.cells
    if not isinstance(source, MeasuredCells) or not isinstance(source.spatial, Spatial) or source.spatial.niche is None:
        return (), np.empty(0, np.intp)
    column = world.measured[name].obs[source.spatial.niche].astype(str)
    niches, code = np.unique(column.to_numpy(dtype=object).astype(str), return_inverse=True)
    return tuple(str(niche) for niche in niches), code.ravel()
