"""Clones of a written-out pedigree, as tables and as a graph."""

from pathlib import Path

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from twin.analysis.lineage import clone_sizes, effective_clones, founders_of, generations_of
from twin.errors import InputError
from twin.results import Run, write_graphml
from twin.results.graphs import lineage_graph
from twin.results.read import Point

BIG = 2**63 + 7  # ids are hashes of 64 bits
TABLE = pd.DataFrame(
    [
        (10, 0, 2, 1.0, "birth"),
        (11, 0, 2, 1.0, "birth"),
        (BIG, 10, 4, 2.0, "birth"),
        (13, 10, 4, 2.0, "birth"),
        (1, 1, 5, 2.5, "death: apoptosis"),
        (11, 0, 6, 3.0, "type"),
        (13, 10, 7, 3.5, "death: removed"),
    ],
    columns=["id", "parent", "tick", "time", "event"],
).astype({"id": "uint64", "parent": "uint64"})


def living(ids: list[int], dead: tuple[int, ...] = ()) -> ad.AnnData:
    obs = pd.DataFrame({"id": np.array(ids, np.uint64), "alive": [i not in dead for i in ids]})
    obs.index = obs["id"].astype(str).astype(object)
    return ad.AnnData(obs=obs)


class Written(Run):
    """A run whose cells are written here."""

    def times(self, replicate: int = 0, branch: str | None = None, point: Point = None) -> np.ndarray:
        return np.array([0.0, 1.0, 2.0, 4.0])

    def lineage(
        self, replicate: int = 0, compartment: str | None = None, branch: str | None = None, point: Point = None
    ) -> pd.DataFrame:
        return TABLE

    def cells(
        self,
        time: float | str | None = None,
        replicate: int = 0,
        compartment: str | None = None,
        branch: str | None = None,
        point: Point = None,
        *,
        lazy: bool = False,
        counts: bool = True,
    ) -> ad.AnnData:
        return {
            0.0: living([0, 1, 2]),
            1.0: living([1, 2, 10, 11]),
            2.0: living([1, 2, 11, BIG, 13], dead=(13,)),
            4.0: living([11, BIG]),
        }[float(time or 0.0)]


def test_every_cell_finds_its_founder_and_its_generation() -> None:
    ids = [0, 1, 2, 10, 11, BIG, 13]
    assert founders_of(TABLE, ids).tolist() == [0, 1, 2, 0, 0, 0, 0]
    assert generations_of(TABLE, ids).tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_clones_grow_and_die_out() -> None:
    sizes = clone_sizes(Written(Path("nowhere"), {}))
    assert sizes.index.tolist() == [0.0, 1.0, 2.0, 4.0]
    assert sizes.to_numpy().tolist() == [[1, 1, 1], [2, 1, 1], [2, 1, 1], [2, 0, 0]]
    assert effective_clones(sizes).tolist() == pytest.approx([3.0, 1 / 0.375, 1 / 0.375, 1.0])


def test_the_lineage_graph_is_a_forest_of_mothers_and_daughters() -> None:
    graph = lineage_graph(TABLE, living([0, 1, 2]))
    assert sorted(graph.edges) == sorted([(0, 10), (0, 11), (10, BIG), (10, 13)])
    assert nx.is_forest(graph)
    assert sorted(n for n, founder in graph.nodes(data="founder") if founder) == [0, 1, 2]
    assert graph.nodes[0] == {"birth": 0.0, "founder": True, "divided": 1.0}
    assert graph.nodes[13] == {"birth": 2.0, "founder": False, "death": 3.5, "cause": "removed"}
    assert graph.nodes[1]["cause"] == "apoptosis"
    assert 2 not in lineage_graph(TABLE)


def test_a_lineage_reads_back_from_graphml(tmp_path: Path) -> None:
    graph = lineage_graph(TABLE, living([0, 1, 2]))
    write_graphml(graph, tmp_path / "lineage.graphml")
    back = nx.read_graphml(tmp_path / "lineage.graphml", node_type=int)
    assert isinstance(back, nx.DiGraph)
    assert set(back.nodes) == set(graph.nodes)
    assert all(back.nodes[n] == graph.nodes[n] for n in graph.nodes)
    assert set(back.edges) == set(graph.edges)
    with pytest.raises(InputError, match="there is no folder"):
        write_graphml(graph, tmp_path / "no" / "lineage.graphml")
