"""The organs of a scenario as one network: volumes and flows of the document and of the built-in table together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from twin.data.organs import circulation, known_organs, organ_called, volumes_of
from twin.scenario.organs import Organs, Traffic

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario

Float = NDArray[np.float64]
Loc = tuple[str | int, ...]

UM3_PER_ML = 1e12
UM3_PER_L = 1e15
NM_UM3_PER_NMOL = 1e15  # 1 nM in 1 L is 1 nmol


@dataclass(frozen=True)
class Edge:
    """A flow between two compartments, µm³/h, by "blood" or "lymph"; `written`: its place in the document, if any."""

    source: str
    target: str
    flow: float
    kind: str
    written: int | None = None


@dataclass(frozen=True)
class OrganNetwork:
    """What ties the compartments of a scenario.

    names : the compartments, in the scenario's order.
    given : µm³, of those compartments whose organ's volume is known.
    sample : µm³, of what stands for each organ: the volume of its box.
    taken : of what the table fills in, a sentence each.
    """

    names: tuple[str, ...]
    given: Mapping[str, float]
    sample: Mapping[str, float]
    edges: tuple[Edge, ...]
    traffic: tuple[Traffic, ...]
    taken: tuple[str, ...] = ()

    @cached_property
    def volume(self) -> Float:
        """Volumes of the organs, (compartment,) µm³; that of its box where nothing says more."""
        return np.array([self.given.get(name, self.sample[name]) for name in self.names], dtype=np.float64)

    @cached_property
    def flow(self) -> Float:
        """Flows from row to column, (compartment, compartment) µm³/h."""
        out = np.zeros((len(self.names), len(self.names)))
        for edge in self.edges:
            out[self.names.index(edge.source), self.names.index(edge.target)] += edge.flow
        return out

    def tied(self) -> list[set[str]]:
        """Return the parts of the network between which there is neither flow nor traffic."""
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(self.names)
        graph.add_edges_from((edge.source, edge.target) for edge in self.edges)
        graph.add_edges_from((way.source, way.target) for way in self.traffic)
        return [set(part) for part in nx.connected_components(graph)]


def network_of(scenario: "Scenario") -> OrganNetwork:
    """Return the network of a scenario; without a section `organs` nothing ties its compartments."""
    organs = scenario.organs or Organs()
    homes = scenario.compartments
    sample = {name: float(np.prod(home.box)) for name, home in homes.items()}
    given = {name: home.volume for name, home in homes.items() if home.volume is not None}
    edges, taken = [], []
    if organs.from_table is not None:
        species, called = organs.from_table, organs_called(scenario)
        where = {organ: name for name, organ in called.items()}
        table, vessels = known_organs(species), circulation(species, where) if "blood" in where else []
        for organ, volume in volumes_of(species, where).items():
            if where[organ] not in given and where[organ] not in organs.volumes:
                given[where[organ]] = volume * UM3_PER_ML
                taken.append(f"{where[organ]}: {volume:g} mL, as {organ} of {species}: {table[organ].volume_source}")
        own = {(path.source, path.target, path.kind) for path in organs.flows}
        for vessel in vessels:
            source, target = where[vessel.source], where[vessel.target]
            if (source, target, vessel.kind) not in own:
                edges.append(Edge(source, target, vessel.flow * UM3_PER_ML, vessel.kind))
        for organ in where:
            comes = sum(edge.flow for edge in edges if edge.target == where[organ]) / UM3_PER_ML
            if table[organ].flow_source and comes:
                told = f"{comes:g} mL/h come to it, as {organ} of {species}"
                taken.append(f"{where[organ]}: {told}: {table[organ].flow_source}")
    edges += [Edge(p.source, p.target, p.flow, p.kind, i) for i, p in enumerate(organs.flows)]
    given |= organs.volumes
    return OrganNetwork(tuple(homes), given, sample, tuple(edges), organs.traffic, tuple(taken))


def organs_called(scenario: "Scenario") -> dict[str, str]:
    """Return which organ of the reference body a compartment stands for, by its name, else by its `organ`."""
    assert scenario.organs is not None
    assert scenario.organs.from_table is not None
    found = {}
    for name, home in scenario.compartments.items():
        organ = organ_called(name, home.organ, species=scenario.organs.from_table)
        if organ is not None:
            found[name] = organ.name
    return found


def network_graph(scenario: "Scenario") -> "nx.DiGraph[str]":
    """Return the network as a graph of plain values, which JSON and GraphML hold.

    Nodes are compartments with `organ` and `volume` (mL); edges have `flow` (mL/h, blood and lymph together) and
    `kind`, and where cells travel `cells`, in words.
    """
    network = network_of(scenario)
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, volume in zip(network.names, network.volume.tolist(), strict=True):
        graph.add_node(name, organ=scenario.compartments[name].organ, volume=volume / UM3_PER_ML)
    for edge in network.edges:
        known = graph.get_edge_data(edge.source, edge.target, {"flow": 0.0})
        kinds = {*known.get("kind", "").split(", "), edge.kind} - {""}
        graph.add_edge(
            edge.source, edge.target, flow=known["flow"] + edge.flow / UM3_PER_ML, kind=", ".join(sorted(kinds))
        )
    for way in network.traffic:
        gate = "" if way.homing is None else f" by {'+'.join(way.homing.receptor)}"
        gate += f" to {way.homing.ligand}" if way.homing is not None and way.homing.ligand else ""
        told = f"{', '.join(way.cell_types)} {way.rate:g} /h{gate}"
        known = graph.get_edge_data(way.source, way.target, {})
        graph.add_edge(way.source, way.target, cells="; ".join(filter(None, (known.get("cells"), told))))
    return graph


def travelled(scenario: "Scenario") -> list[set[str]]:
    """Return the groups of compartments whose cells may come to be in one another."""
    graph: nx.Graph[str] = nx.Graph()
    if scenario.organs is not None:
        graph.add_edges_from((way.source, way.target) for way in scenario.organs.traffic)
    return [set(part) for part in nx.connected_components(graph)]


def traffic_genes(scenario: "Scenario") -> Iterator[tuple[Loc, str]]:
    """Yield the genes of homing receptors, each with its place in the document."""
    for i, way in enumerate(scenario.organs.traffic if scenario.organs is not None else ()):
        for j, gene in enumerate(way.homing.receptor if way.homing is not None else ()):
            yield ("organs", "traffic", i, "homing", "receptor", j), gene


def litres(volume: float) -> str:
    """Return µm³ in words: L, mL or µL, whichever gives a number that can be read."""
    for unit, size in (("L", UM3_PER_L), ("mL", UM3_PER_ML), ("uL", 1e9)):
        if volume >= 0.1 * size:
            return f"{volume / size:.6g} {unit}"
    return f"{volume:.6g} um^3" if volume else "0 L"
