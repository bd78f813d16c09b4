"""Which world model moves the cells of which compartment: the scenario's, or one of its own."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twin import registry
from twin.data.counts import CountData
from twin.data.peek import Contents
from twin.engine.built import file_source, read_transcriptomes
from twin.engine.findings import Findings
from twin.engine.focus import focused, perturbations_named, types_named
from twin.engine.measured import read_tissue
from twin.errors import Fault, InputError
from twin.model.contract import WorldModel
from twin.scenario.behaviours import DEFAULT
from twin.scenario.load import LoadedScenario
from twin.scenario.overlay import Key
from twin.scenario.schema import MeasuredCells, Scenario, WorldModelChoice
from twin.scenario.timeline import InjectCells

Models = Mapping[str, WorldModel]  # per compartment; those of one choice have the very same


def choices(scenario: Scenario) -> dict[WorldModelChoice, list[str]]:
    """Return the world models that are chosen, each with its compartments, the scenario's own first where it is one."""
    found: dict[WorldModelChoice, list[str]] = {}
    own = [n for n, c in scenario.compartments.items() if c.world_model is None]
    if own:
        found[scenario.world_model] = own
    for name, compartment in scenario.compartments.items():
        if compartment.world_model is not None:
            found.setdefault(compartment.world_model, []).append(name)
    return {choice: [n for n in scenario.compartments if n in homes] for choice, homes in found.items()}


def main_of(models: Models, scenario: Scenario) -> WorldModel:
    """Return the model that stands for a run where one has to: the scenario's own, else its first compartment's."""
    return models[next(iter(choices(scenario).values()))[0]]


def distinct(models: Models) -> list[WorldModel]:
    """Return every model once."""
    return list({id(model): model for model in models.values()}.values())


def load_models(loaded: LoadedScenario, contents: Mapping[str, Contents], findings: Findings) -> dict[str, WorldModel]:
    """Return the whole model of each compartment; what cannot be loaded is a fault, and left out.

    contents : per compartment, what its file holds.
    """
    scenario = loaded.scenario
    found: dict[str, WorldModel] = {}
    for choice, homes in choices(scenario).items():
        own = scenario.compartments[homes[0]].world_model is not None
        loc: tuple[Key, ...] = ("compartments", homes[0], "world_model") if own else ("world_model",)
        try:
            if choice.path is not None:
                loaded.resolve(choice.path)
            whole = registry.load_model(choice, loaded.folder).for_types(_composed_types(scenario, contents, homes))
            if whole.needs_data:
                if not all(name in contents for name in _from_files(scenario, homes)):
                    continue  # told already
                whole = whole.for_data(_cells_of(loaded, _from_files(scenario, homes)))
        except InputError as error:
            key, _, message = str(error).partition(": ")
            if key.startswith("compartments."):  # what is wrong with the cells that it is made of
                findings.add(tuple(key.split(".")), message)
            else:
                findings.add((*loc, "path" if choice.path is not None else "name"), str(error))
            continue
        found |= dict.fromkeys(homes, whole)
    return found


def _from_files(scenario: Scenario, homes: Sequence[str]) -> list[str]:
    """Return those of these compartments whose cells are measured ones of a file."""
    return [name for name in homes if file_source(scenario.compartments[name]) is not None]


def _cells_of(loaded: LoadedScenario, homes: Sequence[str]) -> list[tuple[CountData, NDArray[np.str_]]]:
    """Return the measured cells of these compartments, and their types."""
    found = []
    for name in homes:
        home = loaded.scenario.compartments[name]
        source = file_source(home)
        assert source is not None
        own = isinstance(home.cells, MeasuredCells)
        data = read_tissue(loaded, name, source).data if own else read_transcriptomes(loaded, name, home)
        found.append((data, data.column("cell_type", source.cell_type)))
    return found


def _composed_types(scenario: Scenario, contents: Mapping[str, Contents], homes: Sequence[str]) -> tuple[str, ...]:
    """Return the cell types that the scenario itself names as what these compartments are made of."""
    sources = [scenario.compartments[name].cells for name in homes]
    named = [tuple(c.composition) for c in sources if c.source == "model" and not isinstance(c.composition, str)]
    tables = (n for n in homes if scenario.compartments[n].cells.source not in ("model", "h5ad"))
    named += [tuple(sorted(contents[n].cell_types)) for n in tables if n in contents]
    events = (event for event in scenario.timeline if isinstance(event, InjectCells))
    named.append(tuple(event.cell_type for event in events if event.compartment is None or event.compartment in homes))
    own = (t for t in scenario.cell_types if t != DEFAULT)
    return tuple(dict.fromkeys([*(t for types in named for t in types), *own]))


def needed(wholes: Models, scenario: Scenario, contents: Mapping[str, Contents]) -> dict[str, WorldModel]:
    """Return of each compartment's model the types that can be there and the perturbations that are named.

    What genes an unknown type has is known from its counts only: with one, types and genes stay.
    """
    found: dict[str, WorldModel] = {}
    for homes in choices(scenario).values():
        if homes[0] not in wholes:
            continue
        whole = wholes[homes[0]]
        types = types_named(scenario, whole, contents, homes)
        perturbations = tuple(perturbations_named(scenario, whole))
        unknown = not types or types - set(whole.contexts)
        contexts = None if unknown else tuple(c for c in whole.contexts if c in types)
        found |= dict.fromkeys(homes, focused(whole, contexts, perturbations))
    return found


def in_all_eyes(
    findings: Findings, models: Sequence[WorldModel | None], ask: Callable[[WorldModel | None, Findings], None]
) -> None:
    """Note what is wrong in the eyes of every model: what one of them knows is known."""
    told: list[list[Fault]] = []
    for model in models:
        part = Findings(findings.loaded)
        part.faults = list(findings.faults)  # some leave out what was told already
        ask(model, part)
        told.append(part.faults[len(findings.faults) :])
    places = [{(fault.line, fault.key) for fault in faults} for faults in told]
    if told:
        findings.faults += [f for f in told[0] if all((f.line, f.key) in others for others in places)]
