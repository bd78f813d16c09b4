"""Organs are drawn with what lives in them, and with what flows between them."""

from pathlib import Path

import networkx as nx
import pytest
from matplotlib.patches import Circle, FancyArrowPatch, Wedge
from matplotlib.text import Text
from twin_viz.plots import organs
from twin_viz.plots.network import Network

from tests.results.bodies import new_run, write_ticks, writer
from twin.errors import InputError
from twin.results import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = new_run(tmp_path_factory.mktemp("organs") / "run")
    write_ticks(writer(made), 0, 2)
    return open_run(made)


@pytest.fixture
def network() -> Network:
    graph: Network = nx.DiGraph()
    graph.add_edge("tissue", "blood", flow=60.0)
    graph.add_edge("blood", "pool", flow=20.0)
    graph.add_edge("pool", "tissue")
    return graph


def test_discs_follow_cells_and_arrows_follow_flows(run: Run, network: Network) -> None:
    (axes,) = organs(run, network).axes
    discs = [p for p in axes.patches if type(p) is Circle]
    living = [int(run.cells(compartment=name).obs["alive"].sum()) for name in ("tissue", "pool")]
    assert living[0] > 3 * living[1]
    assert len(discs) == 3
    tissue, blood, pool = (disc.get_radius() for disc in discs)
    assert tissue > pool >= blood
    assert pool == pytest.approx(max(0.1, tissue * (living[1] / living[0]) ** 0.5))
    wedges = [p for p in axes.patches if isinstance(p, Wedge)]
    assert sum(w.theta2 - w.theta1 for w in wedges) == pytest.approx(2 * 360.0), "a whole disc for each tissue"
    widths = [p.get_linewidth() for p in axes.patches if isinstance(p, FancyArrowPatch)]
    assert widths[0] == pytest.approx(3 * widths[1])
    said = " ".join(text.get_text() for text in axes.findobj(Text))
    assert "60 mL/h" in said
    assert f"{living[0]} cells" in said
    assert "blood\npool" in said


def test_a_network_may_be_a_file_or_nothing(run: Run, network: Network, tmp_path: Path) -> None:
    nx.write_graphml(network, tmp_path / "n.graphml")
    both = [len(organs(run, given).axes[0].patches) for given in (network, tmp_path / "n.graphml")]
    assert both[0] == both[1]
    own = organs(run)
    assert len([p for p in own.axes[0].patches if isinstance(p, FancyArrowPatch)]) == 1
    assert "1.5 mL/h" in [text.get_text() for text in own.findobj(Text)]
    loose: Network = nx.DiGraph()
    loose.add_nodes_from(run.compartments)
    alone = organs(run, loose)
    assert not [p for p in alone.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert any("No flows are known" in text.get_text() for text in alone.findobj(Text))


def test_what_is_no_network_is_said(run: Run, network: Network, tmp_path: Path) -> None:
    network.edges["tissue", "blood"]["flow"] = -1.0
    with pytest.raises(InputError, match=r"the flow from tissue to blood is -1\.0; write a number of mL/h from 0 on"):
        organs(run, network)
    network.remove_node("pool")
    with pytest.raises(InputError, match="network: no node is called 'pool'"):
        organs(run, network)
    (tmp_path / "n.graphml").write_text("<graph")
    with pytest.raises(InputError, match="cannot be read as GraphML"):
        organs(run, tmp_path / "n.graphml")
