"""Who touches whom and who descends from whom, as networkx graphs, and such graphs as GraphML files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd

from twin.errors import InputError
from twin.state.groups import body_tree, paths_of

BIRTH, DEATH = "birth", "death: "  # events of the lineage table
AXES = ("x", "y", "z")
PLAIN = (bool, int, float, str)  # what GraphML holds


def contact_graph(cells: ad.AnnData) -> "nx.Graph[int]":
    """Return who touches whom at one kept time.

    Nodes are cell ids with `type`, `position` (x, y, z in µm), `radius` (µm) and `alive`; edges have `area`, µm² of the
    disc in which the two spheres meet: 0 where they touch without overlapping.
    """
    graph: nx.Graph[int] = nx.Graph()
    ids = [int(i) for i in cells.obs["id"]]
    places = np.asarray(cells.obsm["spatial"], dtype=np.float64).tolist()
    columns = (cells.obs[name] for name in ("cell_type", "radius", "alive"))
    for i, place, kind, radius, alive in zip(ids, places, *columns, strict=True):
        graph.add_node(i, type=str(kind), position=tuple(place), radius=float(radius), alive=bool(alive))
    areas = cells.obsp["contact_area"].tocoo()
    upper = areas.row < areas.col
    for i, j, area in zip(areas.row[upper], areas.col[upper], areas.data[upper], strict=True):
        graph.add_edge(ids[i], ids[j], area=float(area))
    return graph


def lineage_graph(lineage: pd.DataFrame, founders: ad.AnnData | None = None) -> "nx.DiGraph[int]":
    """Return who descends from whom: an edge from every mother to each of her daughters.

    Nodes are cell ids with `birth` (h), `founder`, and where it happened `divided` (h), or `death` (h) and `cause`.

    Parameters
    ----------
    lineage : `Run.lineage()`.
    founders : cells that were there at the start: those that never divide nor die are nodes too.
    """
    graph: nx.DiGraph[int] = nx.DiGraph()
    births = lineage[lineage["event"] == BIRTH]
    born = set(births["id"].tolist())
    start = [] if founders is None else [int(i) for i in founders.obs["id"]]
    for i in (*start, *(int(i) for i in lineage["id"]), *(int(i) for i in births["parent"])):
        if i not in born and i not in graph:
            graph.add_node(i, birth=0.0, founder=True)
    for i, parent, time in zip(births["id"], births["parent"], births["time"], strict=True):
        graph.add_node(int(i), birth=float(time), founder=False)
        graph.add_edge(int(parent), int(i))
        graph.nodes[int(parent)]["divided"] = float(time)
    deaths = lineage[lineage["event"].str.startswith(DEATH)]
    for i, time, event in zip(deaths["id"], deaths["time"], deaths["event"], strict=True):
        graph.nodes[int(i)].update(death=float(time), cause=str(event).removeprefix(DEATH))
    return graph


def counted(trees: "Mapping[str, nx.DiGraph[int]]", cells: Mapping[str, pd.DataFrame]) -> "nx.DiGraph[str]":
    """Return the trees of compartments as one (`twin.state.groups.body_tree`) with `n_cells`, the living of each node.

    trees, cells : by compartment; of the cells their obs.
    """
    whole = body_tree(trees)
    for path in whole:
        whole.nodes[path]["n_cells"] = 0
    for name, obs in cells.items():
        paths = paths_of(trees[name])
        living = obs.loc[obs["alive"].astype(bool), "group"].value_counts()
        for node, n in living.items():
            path = paths[int(node)]  # type: ignore[call-overload]  # a number of obs
            for above in {path, *nx.ancestors(whole, path)}:
                whole.nodes[above]["n_cells"] += int(n)
    return whole


def write_graphml(graph: "nx.Graph[Any]", path: str | Path) -> None:
    """Write a graph as GraphML, whole or not at all; a position becomes x, y and z, anything else must be plain.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.absolute().parent}")
    plain = graph.__class__()
    plain.add_nodes_from((node, _plain(values)) for node, values in graph.nodes(data=True))
    plain.add_edges_from((one, other, _plain(values)) for one, other, values in graph.edges(data=True))
    part = path.with_name(f".{path.name}.partial")
    try:
        nx.write_graphml(plain, part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == "position":
            found |= dict(zip(AXES, map(float, value), strict=True))
            continue
        assert isinstance(value, PLAIN), (name, type(value))
        found[name] = value
    return found
