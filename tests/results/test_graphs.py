"""Contacts and descent of a run as graphs, and on the command line as GraphML files."""

from pathlib import Path

import networkx as nx
import pytest

from tests.results.bodies import new_run, write_ticks, writer
from twin.cli.graph import graph as graph_command
from twin.errors import InputError
from twin.results import Run, open_run, write_graphml


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four ticks; the tissue grows by a cell a tick."""
    path = new_run(tmp_path_factory.mktemp("graphs") / "run")
    write_ticks(writer(path), 0, 4)
    return open_run(path)


def test_contacts_of_a_run_are_a_graph_with_areas(opened: Run, tmp_path: Path) -> None:
    cells = opened.cells(1.0, compartment="tissue")
    graph = opened.contact_graph("1 h", compartment="tissue")
    assert graph.number_of_nodes() == cells.n_obs
    assert graph.number_of_edges() == cells.obsp["contacts"].nnz // 2
    first = int(cells.obs["id"].iloc[0])
    assert graph.nodes[first]["type"] == cells.obs["cell_type"].iloc[0]
    assert graph.nodes[first]["position"] == tuple(cells.obsm["spatial"][0])
    areas = {frozenset((i, j)): float(about["area"]) for i, j, about in graph.edges(data=True)}
    stored = cells.obsp["contact_area"].tocoo()
    ids = cells.obs["id"].to_numpy()
    for i, j, area in zip(stored.row, stored.col, stored.data, strict=True):
        assert areas[frozenset((int(ids[i]), int(ids[j])))] == area
    write_graphml(graph, tmp_path / "contacts.graphml")
    back = nx.read_graphml(tmp_path / "contacts.graphml", node_type=int)
    assert set(map(frozenset, back.edges)) == set(areas)
    x, y, z = cells.obsm["spatial"][0]
    assert (back.nodes[first]["x"], back.nodes[first]["y"], back.nodes[first]["z"]) == (x, y, z)


def test_the_lineage_of_a_run_is_a_graph_with_its_founders(opened: Run) -> None:
    graph = opened.lineage_graph(compartment="tissue")
    births = opened.lineage(compartment="tissue").query("event == 'birth'")
    assert graph.number_of_edges() == len(births)
    assert set(opened.cells(0.0, compartment="tissue").obs["id"].tolist()) <= set(graph.nodes)


def test_the_command_writes_what_networkx_reads(
    opened: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph_command(opened.path, tmp_path / "c.graphml", "contacts", "0.5 h", compartment="tissue")
    graph_command(opened.path, tmp_path / "l.graphml", "lineage", compartment="tissue")
    told = capsys.readouterr().out.splitlines()
    contacts = nx.read_graphml(tmp_path / "c.graphml", node_type=int)
    assert told[0] == f"{contacts.number_of_nodes():,} cells, {contacts.number_of_edges():,} contacts"
    assert contacts.number_of_nodes() == 32
    assert nx.read_graphml(tmp_path / "l.graphml", node_type=int).is_directed()
    assert told[1::2] == [str(tmp_path / "c.graphml"), str(tmp_path / "l.graphml")]


def test_the_command_refuses_a_time_that_was_not_kept_and_leaves_nothing(opened: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cells were kept at 7 h; the nearest kept"):
        graph_command(opened.path, tmp_path / "c.graphml", "contacts", "7 h", compartment="tissue")
    with pytest.raises(InputError, match="a lineage is of the whole run"):
        graph_command(opened.path, tmp_path / "l.graphml", "lineage", "1 h", compartment="tissue")
    with pytest.raises(InputError, match="several compartments"):
        graph_command(opened.path, tmp_path / "l.graphml", "lineage")
    assert list(tmp_path.iterdir()) == []
