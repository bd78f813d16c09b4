"""The section `organs`: what it fills in from the table, the graph that it makes, and what is refused."""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from twin.conformance.trial import make_scenario
from twin.engine.plan import check_file
from twin.errors import ScenarioError
from twin.results import write_graphml
from twin.scenario.network import UM3_PER_L, UM3_PER_ML, network_graph, network_of
from twin.scenario.schema import Scenario

BODY = """\
name: body
duration: 4 h
tick: 30 min
world_model: {name: none}
compartments:
  blood: {volume: 5 L}
  liver:
    box: [40 um, 40 um, 40 um]
    cells: {source: model, count: 5, composition: {hepatocyte: 1}}
  node:
    box: [40 um, 40 um, 40 um]
    cells: {source: model, count: 5, composition: {T cell: 1}}
substances:
  IL6: {diffusivity: 60 um^2/s}
organs:
  volumes: {liver: 1.5 L, node: 250 mL}
  flows:
    - {from: blood, to: liver, flow: 90 L/h}
    - {from: liver, to: blood, flow: 89.5 L/h}
    - {from: liver, to: node, flow: 0.5 L/h, kind: lymph}
    - {from: node, to: blood, flow: 0.5 L/h, kind: lymph}
  traffic:
    - {from: node, to: blood, rate: 0.1 /h, cell_types: [T cell]}
    - {from: blood, to: node, rate: 1 /h, cell_types: [T cell]}
processes: {diffusion: {}, transport: {}}
"""


def scenario_of(folder: Path, *exchanges: tuple[str, str]) -> Scenario:
    text = BODY
    for old, new in exchanges:
        assert old in text, old
        text = text.replace(old, new, 1)
    file = folder / "body.yaml"
    file.write_text(text)
    return check_file(file)[0].scenario


def test_the_network_holds_volumes_and_flows(tmp_path: Path) -> None:
    network = network_of(scenario_of(tmp_path))
    assert network.names == ("blood", "liver", "node")
    np.testing.assert_allclose(network.volume / UM3_PER_L, [5, 1.5, 0.25])
    np.testing.assert_allclose(network.flow / UM3_PER_L, np.array([[0, 90, 0], [89.5, 0, 0.5], [0.5, 0, 0]]))
    assert network.tied() == [{"blood", "liver", "node"}]


def test_the_graph_holds_plain_values(tmp_path: Path) -> None:
    graph = network_graph(scenario_of(tmp_path))
    assert graph.nodes["liver"] == {"organ": "tissue", "volume": pytest.approx(1500)}
    assert graph.edges["liver", "node"] == {"flow": pytest.approx(500), "kind": "lymph"}
    assert graph.edges["node", "blood"]["kind"] == "lymph"
    assert graph.edges["blood", "node"] == {"cells": "T cell 1 /h"}
    write_graphml(graph, tmp_path / "organs.graphml")
    assert nx.read_graphml(tmp_path / "organs.graphml").edges["liver", "node"]["flow"] == pytest.approx(500)


def test_a_table_fills_in_what_is_not_written(tmp_path: Path) -> None:
    """Volumes and flows of organs by name or by `organ`; what is written goes before it."""
    flows = BODY[BODY.index("  volumes:") : BODY.index("  traffic:")]
    called = ("  node:\n", "  node:\n    organ: lymph node\n")
    network = network_of(scenario_of(tmp_path, called, (flows, "  from_table: human\n  volumes: {node: 250 mL}\n")))
    np.testing.assert_allclose(network.volume / UM3_PER_ML, [5000, 1800 / 1.05, 250])
    into, away = network.flow.sum(axis=0), network.flow.sum(axis=1)
    np.testing.assert_allclose(into, away, rtol=1e-12)
    assert network.flow[0, 1] / UM3_PER_L == pytest.approx(0.255 * 390)
    assert network.flow[1, 2] > 0
    told = " ".join(network.taken)
    assert "liver: 1714.29 mL, as liver of human: looked up" in told
    assert "node: 6739.4 mL/h come to it, as lymph node of human" in told
    assert "node: 250" not in told


def test_a_flow_that_is_written_takes_the_place_of_the_tables(tmp_path: Path) -> None:
    flows = BODY[BODY.index("  volumes:") : BODY.index("  traffic:")]
    own = "{from: blood, to: liver, flow: 1 mL/h}, {from: liver, to: blood, flow: 1 mL/h}"
    network = network_of(scenario_of(tmp_path, (flows, f"  from_table: mouse\n  flows: [{own}]\n")))
    np.testing.assert_allclose(network.flow[:2, :2] / UM3_PER_ML, [[0, 1], [1, 0]])


def test_without_the_section_nothing_is_tied() -> None:
    scenario = make_scenario()
    assert not network_of(scenario).edges
    assert list(network_graph(scenario).nodes) == list(scenario.compartments)
    assert network_of(scenario).volume == pytest.approx(50 * 40 * 30)


WRONG: list[tuple[tuple[str, str], str, str]] = [
    (
        ("flow: 90 L/h", "flow: -90 L/h"),
        "organs.flows[0]",
        "from blood to liver is -90 L/h, and no flow is below 0: swap",
    ),
    (
        ("flow: 90 L/h", "flow: 90"),
        "organs.flows[0].flow",
        "90 is not a flow: write a number and a unit, like '90 L/h'",
    ),
    (("from: blood, to: liver", "form: blood, to: liver"), "organs.flows[0].form", "no such key; did you mean 'from'?"),
    (("{from: blood, to: liver, ", "{to: liver, "), "organs.flows[0].from", "is missing: where it comes from"),
    (("to: liver, flow: 90", "to: livre, flow: 90"), "organs.flows[0].to", "no compartment is called 'livre'"),
    (("to: liver, flow: 90", "to: blood, flow: 90"), "organs.flows[0]", "goes from blood to itself"),
    (
        ("flow: 89.5", "flow: 80"),
        "organs.flows[0]",
        "90 L/h come to liver and 80.5 L/h leave it, and an organ's volume stays: let 9.5 L/h more flow away",
    ),
    (
        ("    - {from: node, to: blood, flow: 0.5 L/h, kind: lymph}\n", ""),
        "organs.flows[2]",
        "0.5 L/h come to node and 0 L/h leave it",
    ),
    (("node: 250 mL}", "}"), "organs.flows[2]", "node has a flow and no volume: add organs.volumes.node"),
    (("node: 250 mL}", "node: 1e3 um^3}"), "organs.volumes.node", "1000 um^3 are less than the box that is a sample"),
    (
        ("{liver: 1.5 L", "{blood: 4 L, liver: 1.5 L"),
        "organs.volumes.blood",
        "blood is a pool: its volume of 5 L stands",
    ),
    (
        ("  traffic:", "    - {from: liver, to: blood, flow: 1 L/h}\n  traffic:"),
        "organs.flows[4]",
        "blood flows from liver to blood by flows[1] already: keep one of the two",
    ),
    (("substances:", "  dish: {volume: 1 mL}\nsubstances:"), "organs", "nothing ties dish to blood, liver, node"),
    (
        ("  traffic:", "  from_table: humane\n  traffic:"),
        "organs",
        "no reference body is called 'humane'; did you mean human",
    ),
    (
        ("  traffic:", "  partition: {IL7: {liver: 2}}\n  traffic:"),
        "organs.partition.IL7",
        "no substance is called 'IL7'",
    ),
    (
        ("  traffic:", "  partition: {IL6: {liver: 0}}\n  traffic:"),
        "organs.partition.IL6.liver",
        "a partition coefficient",
    ),
    (
        ("  traffic:", "  clearance: {IL6: {lever: 1 L/h}}\n  traffic:"),
        "organs.clearance.IL6.lever",
        "did you mean liver",
    ),
    (
        ("rate: 1 /h, cell_types: [T cell]", "rate: 1 /h, cell_types: [Tcell]"),
        "organs.traffic[1].cell_types[0]",
        "'Tcell'",
    ),
    (
        ("rate: 1 /h, cell_types: [T cell]", "rate: 1 /h, cell_types: [ghost]"),
        "organs.traffic[1].cell_types[0]",
        "no cell type is called 'ghost'",
    ),
    (
        ("count: 5, composition: {T cell: 1}", "count: 5, composition: {T cell: 0, B cell: 1}"),
        "organs.traffic[0].cell_types[0]",
        "no cell is a T cell, nor becomes one: hepatocyte, B cell are there",
    ),
    (
        ("rate: 1 /h, cell_types: [T cell]", "rate: 1 /h, cell_types: [T cell], homing: {receptor: CCR7, half_max: 1}"),
        "organs.traffic[1].homing.receptor[0]",
        "no gene of the world model is called 'CCR7'",
    ),
    (
        (
            "rate: 1 /h, cell_types: [T cell]",
            "rate: 1 /h, cell_types: [T cell], homing: {receptor: [A], half_max: 1, ligand: IL6}",
        ),
        "organs.traffic[1].homing",
        "ligand and ligand_half_max go together",
    ),
    (("  node:\n", "  node:\n    world_model: {name: default}\n"), "organs.traffic[0]", "their world models differ"),
    (
        ("blood: {volume: 5 L}", "blood: {volume: 5 L, species: human}"),
        "organs.traffic[0]",
        "cells cannot go from node to blood: their species differ (mouse and human)",
    ),
    ((", transport: {}", ""), "organs", "no process carries it out; add one, like 'transport:' under processes"),
]


@pytest.mark.parametrize(("exchange", "key", "told"), WRONG, ids=[f"{i} {key}" for i, (_, key, _) in enumerate(WRONG)])
def test_what_cannot_be_is_told_at_its_place(tmp_path: Path, exchange: tuple[str, str], key: str, told: str) -> None:
    exchanges = [exchange]
    if "species" in exchange[1]:
        exchanges.append(("  node:\n", "  node:\n    species: mouse\n"))
    with pytest.raises(ScenarioError) as caught:
        scenario_of(tmp_path, *exchanges)
    found = {fault.key: fault.message for fault in caught.value.faults}
    assert told in found.get(key, ""), found
    mine = next(fault for fault in caught.value.faults if fault.key == key)
    assert mine.line is not None


def test_two_organs_of_one_name_and_a_body_without_blood_are_refused(tmp_path: Path) -> None:
    flows = BODY[BODY.index("  volumes:") : BODY.index("  traffic:")]
    with pytest.raises(ScenarioError, match="liver and node would both be the liver of human"):
        scenario_of(tmp_path, ("  node:\n", "  node:\n    organ: liver\n"), (flows, "  from_table: human\n"))
    bloodless: Any = BODY.replace(flows, "  from_table: human\n").replace("blood", "medium")
    (tmp_path / "b.yaml").write_text(bloodless)
    with pytest.raises(ScenarioError, match="no compartment is called blood, which ties the organs of human"):
        check_file(tmp_path / "b.yaml")


def test_transport_without_organs_has_nothing_to_carry(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="nothing says what flows where: add the section organs"):
        scenario_of(tmp_path, (BODY[BODY.index("organs:") : BODY.index("processes:")], ""))
