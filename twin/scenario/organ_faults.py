"""What is wrong with the section `organs` of a scenario: names, volumes out of balance, cells that cannot travel."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from twin.data.organs import BLOOD, known_organs
from twin.errors import unknown_name
from twin.scenario.behaviours import name_in
from twin.scenario.network import Loc, OrganNetwork, litres, network_of, organs_called
from twin.scenario.organs import Organs, Traffic
from twin.scenario.timeline import InjectCells

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario

BALANCE = 1e-6  # relative; our choice: what flows written with seven digits leave
TRANSFORM = "transform to {type}"


def organ_faults(
    scenario: "Scenario", types: Sequence[str] | None, present: Sequence[str] | None
) -> Iterator[tuple[Loc, str]]:
    """Yield what is wrong with the section `organs`, each with its place; genes are looked at elsewhere.

    types : that the scenario may name; None where that is not known.
    present : those that some compartment holds or gets; None where that is not known.
    """
    organs = scenario.organs
    if organs is None:
        return
    named = list(_unknown(scenario, organs))
    yield from named
    for i, way in enumerate(organs.traffic):
        yield from _traffic_faults(scenario, way, ("organs", "traffic", i), types, present)
    if named:
        return
    if organs.from_table is not None:
        doubled = list(_table_faults(scenario))
        yield from doubled
        if doubled:
            return
    yield from _network_faults(network_of(scenario))


def types_present(scenario: "Scenario", files: Mapping[str, Collection[str]]) -> list[str] | None:
    """Return the cell types that some compartment holds or gets; None where a world model alone knows.

    files : per compartment, the types of its file.
    """
    found: dict[str, None] = {}
    for name, home in scenario.compartments.items():
        cells = home.cells
        if cells.source == "model" and cells.count:
            if isinstance(cells.composition, str):
                return None
            found |= dict.fromkeys(t for t, share in cells.composition.items() if share > 0)
        elif cells.source != "model":
            if name not in files:
                return None
            found |= dict.fromkeys(sorted(files[name]))
    found |= dict.fromkeys(event.cell_type for event in scenario.timeline if isinstance(event, InjectCells))
    words = [word for behaviours in scenario.cell_types.values() for word in behaviours]
    words += [rule.behaviour for rule in scenario.rules]
    into = (name_in(TRANSFORM, word) for word in words)
    return list(found | dict.fromkeys(name for name in into if name is not None))


def _unknown(scenario: "Scenario", organs: Organs) -> Iterator[tuple[Loc, str]]:
    """Yield names that are not there, and paths that are none."""
    homes = scenario.compartments
    for name in organs.volumes:
        yield from _named(("organs", "volumes", name), "compartment", name, homes)
    for name, volume in organs.volumes.items():
        if name in homes and homes[name].well_mixed:
            told = (
                f"{name} is a pool: its volume of {litres(homes[name].volume or 0.0)} stands there; leave it out here"
            )
            yield ("organs", "volumes", name), told
        elif name in homes and volume < (1 - BALANCE) * float(np.prod(homes[name].box)):
            yield (
                ("organs", "volumes", name),
                f"{litres(volume)} are less than the box that is a sample of it, "
                f"{litres(float(np.prod(homes[name].box)))}",
            )
    seen: dict[tuple[str, str, str], int] = {}
    ways = [(("organs", "flows", i), path.source, path.target) for i, path in enumerate(organs.flows)]
    ways += [(("organs", "traffic", i), way.source, way.target) for i, way in enumerate(organs.traffic)]
    for loc, source, target in ways:
        yield from _named((*loc, "from"), "compartment", source, homes)
        yield from _named((*loc, "to"), "compartment", target, homes)
        if source == target:
            yield loc, f"goes from {source} to itself"
    for i, flow in enumerate(organs.flows):
        before = seen.setdefault((flow.source, flow.target, flow.kind), i)
        if before != i:
            told = f"{flow.kind} flows from {flow.source} to {flow.target} by flows[{before}] already"
            yield ("organs", "flows", i), f"{told}: keep one of the two"
    for kind, table in (("partition", organs.partition), ("clearance", organs.clearance)):
        for substance, by_home in table.items():
            yield from _named(("organs", kind, substance), "substance", substance, scenario.substances)
            for name in by_home:
                yield from _named(("organs", kind, substance, name), "compartment", name, homes)


def _named(loc: Loc, kind: str, name: str, known: Mapping[str, object] | Sequence[str]) -> Iterator[tuple[Loc, str]]:
    if name not in known:
        yield loc, unknown_name(kind, name, tuple(known))


def _traffic_faults(
    scenario: "Scenario", way: Traffic, loc: Loc, types: Sequence[str] | None, present: Sequence[str] | None
) -> Iterator[tuple[Loc, str]]:
    """Yield what keeps cells from travelling this way."""
    homes = scenario.compartments
    for j, name in enumerate(way.cell_types):
        place = (*loc, "cell_types", j)
        if types is not None and name not in types:
            yield place, unknown_name("cell type", name, types)
        elif present is not None and name not in present:
            yield place, f"no cell is a {name}, nor becomes one: {', '.join(present)} are there"
    if way.homing is not None and way.homing.ligand is not None:
        ligand, half = way.homing.ligand, way.homing.ligand_half_max
        yield from _named((*loc, "homing", "ligand"), "substance", ligand, scenario.substances)
        if ligand in scenario.substances and half is not None:
            try:
                if scenario.substances[ligand].nanomolar(half, ligand) <= 0:
                    raise ValueError(f"{half.text} is no half: it has to be above 0")
            except ValueError as error:
                yield (*loc, "homing", "ligand_half_max"), str(error)
    if way.source not in homes or way.target not in homes:
        return
    one, other = homes[way.source], homes[way.target]
    models = [(home.world_model or scenario.world_model).model_dump() for home in (one, other)]
    told = f"cells cannot go from {way.source} to {way.target}"
    if models[0] != models[1]:
        spelt = " and ".join(str(model["path"] or model["name"]) for model in models)
        yield loc, f"{told}: their world models differ ({spelt}), and a cell cannot change its model"
    if one.species != other.species and None not in (one.species, other.species):
        yield loc, f"{told}: their species differ ({one.species} and {other.species}); substances may, by flows"


def _table_faults(scenario: "Scenario") -> Iterator[tuple[Loc, str]]:
    """Yield what keeps the built-in table from filling in the network."""
    assert scenario.organs is not None
    species = scenario.organs.from_table
    assert species is not None
    loc = ("organs", "from_table")
    called = organs_called(scenario)
    for organ in dict.fromkeys(called.values()):
        names = [name for name, mine in called.items() if mine == organ]
        if len(names) > 1:
            told = f"{' and '.join(names)} would both be the {organ} of {species}"
            yield loc, f"{told}: call one of them, and its organ, otherwise, and give its volume and flows"
    if BLOOD not in called.values():
        told = f"no compartment is called blood, which ties the organs of {species}"
        yield loc, f"{told}; known are {', '.join(known_organs(species))}"


def _network_faults(network: OrganNetwork) -> Iterator[tuple[Loc, str]]:
    """Yield organs without a volume, organs that fill or run dry, and organs that nothing ties to the others."""
    for name in network.names:
        mine = [edge for edge in network.edges if name in (edge.source, edge.target)]
        written = next((edge.written for edge in mine if edge.written is not None), None)
        loc: Loc = ("organs", "flows", written) if written is not None else ("organs",)
        if mine and name not in network.given:
            yield loc, f"{name} has a flow and no volume: add organs.volumes.{name}, the volume of the whole organ"
        into = sum(edge.flow for edge in mine if edge.target == name)
        away = sum(edge.flow for edge in mine if edge.source == name)
        if abs(into - away) > BALANCE * max(into, away):
            missing = litres(abs(into - away))
            way = f"away from {name}" if into > away else f"to {name}"
            yield (
                loc,
                f"{litres(into)}/h come to {name} and {litres(away)}/h leave it, and an organ's volume stays: let "
                f"{missing}/h more flow {way}, or less the other way",
            )
    parts = network.tied()
    if len(parts) > 1:
        alone = min(parts[1:], key=len)
        told = ", ".join(name for name in network.names if name in alone)
        rest = ", ".join(name for name in network.names if name not in alone)
        yield (
            ("organs",),
            f"nothing ties {told} to {rest}: add flows, or cell traffic, or make it a scenario of its own",
        )
