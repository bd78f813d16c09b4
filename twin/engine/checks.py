"""What a scenario says that cannot be: names that are not there, times off the clock, places off the box."""

from collections.abc import Mapping, Sequence
from itertools import product

from twin.data.peek import Contents
from twin.engine.findings import Findings
from twin.errors import InputError
from twin.model.contract import WorldModel
from twin.results.layout import check_folder_name
from twin.scenario.behaviours import DEFAULT, base_faults
from twin.scenario.builders import Built
from twin.scenario.intracellular import genes_of
from twin.scenario.load import LoadedScenario
from twin.scenario.network import traffic_genes
from twin.scenario.organ_faults import organ_faults, types_present
from twin.scenario.overlay import Key
from twin.scenario.region import Ball
from twin.scenario.rules import rule_faults
from twin.scenario.schema import Compartment, Scenario
from twin.scenario.signalling import Complexes, Received, absent_receptors
from twin.scenario.signals import GENE
from twin.scenario.timeline import (
    AddSubstance,
    Assimilate,
    InjectCells,
    KnockOut,
    RemoveCells,
    WashOut,
)
from twin.scenario.watched import genes_named

WALLS = tuple(f"{axis}_{side}" for axis, side in product("xyz", ("low", "high")))


def document_faults(
    loaded: LoadedScenario,
    model: WorldModel | None,
    models: Mapping[str, WorldModel],
    contents: Mapping[str, Contents],
    findings: Findings,
) -> None:
    """Note what is wrong with the document apart from its processes.

    Parameters
    ----------
    model : on the genes that are asked for; None where it cannot be loaded, then genes and types are not checked.
    models : that of each compartment, as far as they can be loaded.
    contents : per compartment, what its file holds.
    """
    scenario = loaded.scenario
    _clock(scenario, findings)
    for name, substance in scenario.substances.items():
        findings.nanomolar(("substances", name, "initial"), substance.initial, name)
        for wall in WALLS:
            findings.nanomolar(("substances", name, "walls", wall), getattr(substance.walls, wall), name)
    types = types_there(loaded, models, contents)
    for name, found in contents.items():
        own = models.get(name)
        cells = scenario.compartments[name].cells
        if isinstance(cells, Built) and cells.transcriptomes is None and own is not None:
            for missing in sorted(found.cell_types - set(own.contexts)):
                findings.name(("compartments", name, "cells"), "cell type of the world model", missing, own.contexts)
        if cells.source == "table" and own is not None:
            for missing in sorted(found.cell_types - set(own.contexts) - set(scenario.cell_types)):
                place = ("compartments", name, "cells", "file")
                findings.name(place, "cell type of the world model", missing, own.contexts)
    for name, compartment in scenario.compartments.items():
        _compartment(("compartments", name), compartment, models.get(name), types, findings)
    _behaviours(scenario, types, findings)
    _signalling(scenario, model, types, findings)
    for name, inside in scenario.intracellular.items():
        _types(("intracellular", name, "cell_types"), inside.cell_types, types, findings)
    _timeline(scenario, types, findings)
    files = {name: found.cell_types for name, found in contents.items()}
    known = None if types is None else sorted(types)
    for where, fault in organ_faults(scenario, known, types_present(scenario, files)):
        findings.add(where, fault)
    _observe(scenario, model, types, findings)
    if model is not None:
        gene_faults(scenario, model.genes, findings)


def types_there(
    loaded: LoadedScenario, models: Mapping[str, WorldModel], contents: Mapping[str, Contents]
) -> set[str] | None:
    """Return the cell types that a scenario may name; None where a model or a file could not be read."""
    homes = loaded.scenario.compartments
    unread = any(c.cells.source != "model" and n not in contents for n, c in homes.items())
    if len(models) < len(homes) or unread:
        return None
    known = ({*model.contexts} for model in models.values())
    return set().union(*known, *(found.cell_types for found in contents.values()))


def gene_faults(scenario: Scenario, genes: Sequence[str], findings: Findings) -> None:
    """Note the genes that a scenario names and that are not among these."""
    named: list[tuple[tuple[Key, ...], str | None]] = []
    for i, secretion in enumerate(scenario.signalling.secretion):
        named += [(("signalling", "secretion", i, "gene"), gene) for gene in secretion.genes]
    for i, reception in enumerate(scenario.signalling.reception):
        loc: tuple[Key, ...] = ("signalling", "reception", i, "receptor")
        named += [((*loc, j), gene) for j, gene in enumerate(reception.receptor)]
        _receptors(loc, scenario.complexes(reception), genes, reception, reception.substance, findings)
    for i, signal in enumerate(scenario.signalling.contact):
        loc = ("signalling", "contact", i)
        named += [((*loc, "ligand"), gene) for gene in signal.genes]
        named += [((*loc, "receptor", j), gene) for j, gene in enumerate(signal.receptor)]
        _receptors((*loc, "complexes"), signal.written or (), genes, signal, signal.ligand, findings)
    for i, event in enumerate(scenario.timeline):
        if isinstance(event, KnockOut):
            named.append((("timeline", i, "gene"), event.gene))
    for i, rule in enumerate(scenario.rules):
        if rule.signal.startswith(GENE):
            named.append((("rules", i, "signal"), rule.signal.removeprefix(GENE)))
    named += [(("observe", "genes", i), gene) for i, gene in enumerate(scenario.observe.genes)]
    for name, program in scenario.observe.programs.items():
        named += [(("observe", "programs", name, i), gene) for i, gene in enumerate(program)]
    named += [*genes_of(scenario), *genes_named(scenario), *traffic_genes(scenario)]
    for loc, gene in named:
        findings.name(loc, "gene of the world model", gene, genes)


def _receptors(
    loc: Sequence[Key], complexes: Complexes, genes: Sequence[str], received: Received, ligand: str, findings: Findings
) -> None:
    """Note receptors none of which the model has; those of `receptor` are told gene by gene."""
    absent = None if received.receptor else absent_receptors(complexes, genes, ligand)
    if absent is not None:
        findings.add(loc, absent)


def _clock(scenario: Scenario, findings: Findings) -> None:
    findings.ticks(("duration",), scenario.duration)
    findings.ticks(("observe", "every"), scenario.observe.every)
    findings.ticks(("observe", "cells_every"), scenario.observe.cells_every)
    for i, at in enumerate(scenario.observe.at):
        findings.ticks(("observe", "at", i), at)
        if at > scenario.duration:
            findings.add(("observe", "at", i), f"{at:g} h never comes: the run ends at {scenario.duration:g} h")
    findings.ticks(("execution", "commit_every"), scenario.execution.commit_every)


def _compartment(
    loc: tuple[Key, ...],
    compartment: Compartment,
    model: WorldModel | None,
    types: set[str] | None,
    findings: Findings,
) -> None:
    try:
        check_folder_name(str(loc[-1]))
    except InputError as error:
        findings.add(loc, str(error))
    for i, edge in enumerate(compartment.box):
        voxels = edge / compartment.spacing
        if abs(voxels - round(voxels)) > 1e-9 * voxels or voxels < 1 - 1e-9:
            message = f"{edge:g} um is no multiple of the spacing {compartment.spacing:g} um"
            findings.add((*loc, "box", i), message)
    cells = compartment.cells
    if cells.source == "model" and not isinstance(cells.composition, str):
        if model is not None:
            for name in cells.composition:
                place = (*loc, "cells", "composition", name)
                findings.name(place, "cell type of the world model", name, model.contexts)
        if cells.count and sum(cells.composition.values()) <= 0:
            findings.add((*loc, "cells", "composition"), "the shares add up to nothing")
    for name in cells.radius:
        if types is not None and name != "default":
            findings.name((*loc, "cells", "radius", name), "cell type", name, types)
    if compartment.well_mixed and cells.place:
        findings.add((*loc, "cells", "place"), "a well-mixed pool has no places: leave this out, or give a box")
        return
    for name, region in cells.place.items():
        if types is not None:
            findings.name((*loc, "cells", "place", name), "cell type", name, types)
        for axis, edge in zip("xyz", compartment.box, strict=True):
            limits = getattr(region, axis)
            if limits is not None and not 0 <= limits[0] <= limits[1] <= edge:
                low, high = limits
                place = (*loc, "cells", "place", name, axis)
                findings.add(place, f"{low:g} to {high:g} um does not lie inside the box, 0 to {edge:g} um")
    _balls((*loc, "cells", "place"), compartment, findings)


def _balls(loc: tuple[Key, ...], compartment: Compartment, findings: Findings) -> None:
    """Note balls whose centre is off the box, and balls of two types that overlap without being the same."""
    seen: dict[str, Ball] = {}
    for name, region in compartment.cells.place.items():
        if region.ball is None:
            continue
        for i, (at, edge) in enumerate(zip(region.ball.centre, compartment.box, strict=True)):
            if not 0 <= at <= edge:
                findings.add(
                    (*loc, name, "ball", "centre", i), f"{at:g} um does not lie inside the box, 0 to {edge:g} um"
                )
        for other, ball in seen.items():
            if ball != region.ball and ball.overlaps(region.ball):
                findings.add(
                    (*loc, name, "ball"),
                    f"overlaps the ball of {other}: write the same ball for both where they are to mix, or give the "
                    "outer one an inner radius",
                )
        seen[name] = region.ball


def _behaviours(scenario: Scenario, types: set[str] | None, findings: Findings) -> None:
    """Note what is wrong with the base values and the words of rules."""
    known = sorted(types) if types is not None else sorted(set(scenario.cell_types) - {DEFAULT})
    for name in scenario.cell_types if types is not None else ():
        if name != DEFAULT:
            findings.name(("cell_types", name), "cell type", name, known)
    for loc, fault in base_faults(scenario, known):
        findings.add(loc, fault)
    for i, rule in enumerate(scenario.rules):
        if types is not None:
            findings.name(("rules", i, "cell_type"), "cell type", rule.cell_type, known)
    for place, fault in rule_faults(scenario, known):
        findings.add(place, fault)


def _signalling(scenario: Scenario, model: WorldModel | None, types: set[str] | None, findings: Findings) -> None:
    for i, secretion in enumerate(scenario.signalling.secretion):
        loc: tuple[Key, ...] = ("signalling", "secretion", i)
        findings.name((*loc, "substance"), "substance", secretion.substance, scenario.substances)
        _types((*loc, "by"), secretion.by, types, findings)
    for i, reception in enumerate(scenario.signalling.reception):
        loc = ("signalling", "reception", i)
        findings.name((*loc, "substance"), "substance", reception.substance, scenario.substances)
        findings.nanomolar((*loc, "ec50"), reception.ec50, reception.substance)
        if model is not None:
            known = [p.name for p in model.perturbations]
            place = (*loc, "perturbation")
            findings.name(place, "perturbation of the world model", reception.perturbation, known)
        for name in reception.competence if types is not None else ():
            findings.name((*loc, "competence", name), "cell type", name, types or ())
        for j, antagonist in enumerate(reception.antagonists):
            rival = (*loc, "antagonists", j)
            findings.name((*rival, "substance"), "substance", antagonist.substance, scenario.substances)
            findings.nanomolar((*rival, "ki"), antagonist.ki, antagonist.substance)
    for i, signal in enumerate(scenario.signalling.contact):
        loc = ("signalling", "contact", i)
        _types((*loc, "by"), signal.by, types, findings)
        for name in signal.competence if types is not None else ():
            findings.name((*loc, "competence", name), "cell type", name, types or ())
        if model is not None:
            known = [p.name for p in model.perturbations]
            findings.name((*loc, "perturbation"), "perturbation of the world model", signal.perturbation, known)


def _timeline(scenario: Scenario, types: set[str] | None, findings: Findings) -> None:
    for i, event in enumerate(scenario.timeline):
        loc: tuple[Key, ...] = ("timeline", i)
        for key in ("at", "every", "until"):
            findings.ticks((*loc, key), getattr(event, key))
        findings.name((*loc, "compartment"), "compartment", event.compartment, scenario.compartments)
        if isinstance(event, AddSubstance | WashOut):
            findings.name((*loc, "substance"), "substance", event.substance, scenario.substances)
        if isinstance(event, AddSubstance):
            findings.nanomolar((*loc, "dose"), event.dose, event.substance)
        if isinstance(event, KnockOut | RemoveCells | Assimilate):
            _types((*loc, "cell_types"), event.cell_types, types, findings)
        if isinstance(event, InjectCells):
            findings.name((*loc, "cell_type"), "cell type", event.cell_type, types or (event.cell_type,))
        if isinstance(event, InjectCells | Assimilate) and event.when is None and event.at > scenario.duration:
            findings.add((*loc, "at"), f"{event.at:g} h never comes: the run ends at {scenario.duration:g} h")
        if isinstance(event, InjectCells | RemoveCells) and event.place is not None:
            _place((*loc, "place"), event, scenario, findings)


def _place(loc: tuple[Key, ...], event: InjectCells | RemoveCells, scenario: Scenario, findings: Findings) -> None:
    """Note a place that lies outside of a box in which the event happens."""
    assert event.place is not None
    for name, compartment in scenario.compartments.items():
        if event.compartment not in (None, name):
            continue
        for i, (axis, edge) in enumerate(zip("xyz", compartment.box, strict=True)):
            limits = getattr(event.place, axis)
            if limits is not None and not 0 <= limits[0] < limits[1] <= edge:
                findings.add(
                    (*loc, axis), f"{limits[0]:g} to {limits[1]:g} um is no span of the box of {name}, 0 to {edge:g} um"
                )
            if event.place.ball is not None and not 0 <= event.place.ball.centre[i] <= edge:
                centre = event.place.ball.centre[i]
                findings.add(
                    (*loc, "ball", "centre", i),
                    f"{centre:g} um does not lie inside the box of {name}, 0 to {edge:g} um",
                )


def _observe(scenario: Scenario, model: WorldModel | None, types: set[str] | None, findings: Findings) -> None:
    observe = scenario.observe
    loc: tuple[Key, ...]
    for name, genes in observe.programs.items():
        if not genes:
            findings.add(("observe", "programs", name), "a program needs at least one gene")
    if observe.response is not None:
        loc = ("observe", "response")
        findings.name((*loc, "program"), "program under observe", observe.response.program, observe.programs)
        if model is not None:
            known = [p.name for p in model.perturbations]
            wanted = observe.response.perturbation
            findings.name((*loc, "perturbation"), "perturbation of the world model", wanted, known)
    if observe.distance is not None and types is not None:
        loc = ("observe", "distance", "source")
        findings.name(loc, "cell type or wall", observe.distance.source, {*types, *WALLS})


def _types(loc: Sequence[Key], names: Sequence[str], types: set[str] | None, findings: Findings) -> None:
    for i, name in enumerate(names):
        if types is not None:
            findings.name((*loc, i), "cell type", name, types)
