"""Scenarios as the page lists them and as its timeline editor needs them."""

from functools import lru_cache
from typing import Any

from twin.data.drugs import known_factors
from twin.engine.findings import Findings
from twin.engine.focus import types_of
from twin.engine.models import choices
from twin.engine.peeking import peek_files
from twin.errors import InputError
from twin.model.contract import WorldModel
from twin.scenario.behaviours import DEFAULT
from twin.scenario.futures import TRUNK, Branch
from twin.scenario.load import LoadedScenario
from twin.scenario.overlay import Tree
from twin.scenario.schema import Scenario, Substance
from twin.scenario.timeline import Event
from twin.units import same_unit
from twin_web.tissue.asked import DOES, MOST_CELLS, MOST_HOURS, MOST_REPLICATES
from twin_web.tissue.catalogue import Known, checked, counted
from twin_web.tissue.checking import event_text
from twin_web.tissue.medicine import felt, table_of_support, to_add, units_of
from twin_web.tissue.models import whole_model
from twin_web.tissue.pacing import kept_hours, paced

DRUG_UNITS = ("mg", "mg/kg", "nmol")
NO_GENES = "its cells have no genes: they are spheres with rules"


def summary(found: Known) -> dict[str, Any]:
    """Return a scenario as the page lists it; no model is loaded."""
    return {
        **_summary(found.id, found.origin, _Tree(found)),
        "picture": f"/api/scenarios/{found.id}/picture" if found.picture is not None else None,
        "needs": found.needs,
    }


def details(found: Known) -> dict[str, Any]:
    """Return a scenario as the timeline editor needs it; its model is loaded."""
    loaded = checked(found.source)
    scenario, n_cells = loaded.scenario, sum(counted(loaded).values())
    model = whole_model(scenario, found.source.folder)
    model = model.for_types(_types_named(scenario))
    types = {name: _types(loaded, name, model) for name in scenario.compartments}
    everyone = sorted({t for known in types.values() for t in known})
    feels, may = felt(scenario, model), to_add(scenario, model)
    told = paced(loaded.document, scenario, n_cells)
    return {
        **summary(found),
        "duration": {"hours": scenario.duration, "least": scenario.tick, "most": MOST_HOURS},
        "seed": scenario.seed,
        "replicates": {"value": scenario.replicates, "most": max(MOST_REPLICATES, scenario.replicates)},
        "cell_count": {"value": n_cells, "least": 1, "most": MOST_CELLS, "scales": _scales(scenario)},
        "compartments": [{**home, "types": types[home["name"]]} for home in _homes(loaded)],
        "substances": _substances(scenario, feels, may),
        "drugs": _drugs(scenario),
        "genes_known": len(model.genes),
        "cell_types": everyone,
        "actions": _actions(scenario, model, bool(may), everyone),
        "branch_actions": _actions(scenario, model, False, everyone),
        "timeline": timeline_told(loaded.document, scenario),
        "branches": branches_told(loaded.document, scenario),
        "support": table_of_support(model, sorted({f.perturbation.name for f in (feels | may).values()}), everyone),
        "times": kept_hours(scenario.model_copy(update={"observe": _observed(told, scenario)})),
    }


def genes_like(found: Known, asked: str, most: int) -> list[dict[str, Any]]:
    """Return genes that can be knocked out: those that begin with what is asked, then those that hold it."""
    scenario = checked(found.source).scenario
    model = whole_model(scenario, found.source.folder)
    needed = _receptors(scenario, model)
    word = asked.upper()
    if not word:
        ranked = [*needed, *(g for g in scenario.observe.genes if g not in needed)]
        known = set(model.genes)
        ranked = [gene for gene in ranked if gene in known]
    else:
        begin = [gene for gene in model.genes if gene.upper().startswith(word)]
        hold = [gene for gene in model.genes if word in gene.upper() and not gene.upper().startswith(word)]
        ranked = [*sorted(begin, key=lambda gene: (len(gene), gene)), *sorted(hold)]
    return [{"name": gene, "role": needed.get(gene)} for gene in ranked[:most]]


def written(found: Known) -> dict[str, list[dict[str, Any]]]:
    """Return what is done in a scenario, by branch; the scenario itself is the trunk."""
    return dict(_written(_Tree(found)))


def timeline_told(tree: Tree, scenario: Scenario) -> list[dict[str, Any]]:
    """Return the items of a scenario's timeline, each as it is written and as it is drawn."""
    return [_item_told(item, event) for item, event in zip(tree.get("timeline") or (), scenario.timeline, strict=True)]


def branches_told(tree: Tree, scenario: Scenario) -> list[dict[str, Any]]:
    """Return the branches of a scenario with what is done in each."""
    found = []
    for name, branch in scenario.branches.items():
        written = tree["branches"][name]
        items = zip(written.get("timeline") or (), branch.timeline, strict=True)
        told = [_item_told(item, event) for item, event in items]
        found.append({"name": name, "at": _fork(branch), "timeline": told, "sets": list(branch.set)})
    return found


def _fork(branch: Branch) -> float:
    return branch.at if branch.at is not None else min(event.at for event in branch.timeline)


def _item_told(item: dict[str, Any], event: Event) -> dict[str, Any]:
    return {
        "item": item,
        "at": event.at,
        "every": event.every,
        "until": event.until,
        "when": event.when.condition if event.when is not None else None,
        "fixed": event.do not in DOES,
        "text": event_text(event),
    }


class _Tree:
    """A scenario by its document: a file that is read again gives the same summary."""

    def __init__(self, found: Known) -> None:
        self.found, self._name = found, (found.source.sha256, str(found.source.folder))

    def __hash__(self) -> int:
        return hash(self._name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tree) and self._name == other._name


@lru_cache(maxsize=64)
def _written(tree: _Tree) -> dict[str, list[dict[str, Any]]]:
    document, scenario = tree.found.source.document, checked(tree.found.source).scenario
    futures = {branch["name"]: branch["timeline"] for branch in branches_told(document, scenario)}
    return {TRUNK: timeline_told(document, scenario), **futures}


@lru_cache(maxsize=64)
def _summary(name: str, origin: str, tree: _Tree) -> dict[str, Any]:
    loaded = checked(tree.found.source)
    scenario, n_cells = loaded.scenario, counted(loaded)
    choice = next(iter(choices(scenario)))
    return {
        "id": name,
        "from": origin,
        "name": scenario.name,
        "description": scenario.description,
        "hours": scenario.duration,
        "tick": scenario.tick,
        "cells": sum(n_cells.values()),
        "replicates": scenario.replicates,
        "compartments": _homes(loaded),
        "substances": list(scenario.substances),
        "drugs": list(scenario.drugs),
        "branches": list(scenario.branches),
        "sweep": list(scenario.sweep),
        "model": choice.name,
        "perturbations": sorted({r.perturbation for r in scenario.signalling.reception if r.perturbation}),
        "genes": list(scenario.observe.genes),
        "cell_types": list(_types_named(scenario)),
    }


def _homes(loaded: LoadedScenario) -> list[dict[str, Any]]:
    count = counted(loaded)
    return [
        {
            "name": name,
            "organ": home.organ,
            "cells": count[name],
            "box": list(home.box),
            "well_mixed": home.well_mixed,
        }
        for name, home in loaded.scenario.compartments.items()
    ]


def _types_named(scenario: Scenario) -> tuple[str, ...]:
    """Return the cell types that the text of a scenario names."""
    named: list[str] = [t for t in scenario.cell_types if t != DEFAULT]
    for home in scenario.compartments.values():
        source = home.cells
        if source.source == "model" and not isinstance(source.composition, str):
            named += list(source.composition)
        named += [t for t in source.radius if t != DEFAULT]
    return tuple(dict.fromkeys(named))


def _types(loaded: LoadedScenario, name: str, model: WorldModel) -> list[str]:
    """Return the types that cells of a compartment can be of, as far as that is known before it is run."""
    home = loaded.scenario.compartments[name]
    if home.cells.source == "model":
        return sorted(types_of(home, model)) if home.cells.count else []
    contents = peek_files(loaded, Findings(loaded))
    return sorted(contents[name].cell_types) if name in contents else []


def _substances(scenario: Scenario, feels: dict[str, Any], may: dict[str, Any]) -> list[dict[str, Any]]:
    there = [
        {
            "name": name,
            "units": units_of(substance),
            "known": feels[name].told() if name in feels else None,
            "there": True,
        }
        for name, substance in scenario.substances.items()
    ]
    more = [
        {"name": name, "units": units_of(_of_table(name)), "known": known.told(), "there": False}
        for name, known in sorted(may.items())
    ]
    return there + more


def _of_table(name: str) -> Any:
    return Substance.model_validate({"from_table": name}) if name in known_factors() else None


def _drugs(scenario: Scenario) -> list[dict[str, Any]]:
    found = []
    for name, drug in scenario.drugs.items():
        depots = [route for route in ("oral", "subcutaneous") if getattr(drug, route) is not None]
        vein = [] if drug.apparent else ["bolus", "infusion"]
        units = [unit for unit in DRUG_UNITS if "/kg" not in unit or scenario.subject.body_weight is not None]
        found.append({"name": name, "routes": depots + vein, "units": units})
    return found


def _actions(scenario: Scenario, model: WorldModel, more: bool, types: list[str]) -> list[dict[str, Any]]:
    """Return the kinds of items, each with why it makes no sense here, or None."""
    few = None if scenario.substances else "this scenario has no substances"
    why = {
        "add": None if more else few,
        "wash_out": few if not more else None,
        "knock_out": None if model.genes else NO_GENES,
        "dose": None if scenario.drugs else "this scenario has no drugs that a body takes up",
        "inject": None if types else "its cells have no types that could be injected",
        "remove": None if types else "its cells have no types that could be removed",
    }
    return [{"do": do, "why": why[do]} for do in DOES]


def _receptors(scenario: Scenario, model: WorldModel) -> dict[str, str]:
    """Return the genes that cells need to feel something, each with what for."""
    found: dict[str, str] = {}
    for reception in scenario.signalling.reception:
        for whole in scenario.complexes(reception):
            for gene in whole:
                found.setdefault(gene, f"receptor of {reception.substance}")
    return found


def _scales(scenario: Scenario) -> bool:
    counts = [home for home in scenario.compartments.values() if home.cells.source == "model" and home.cells.count]
    return len(counts) == 1


def _observed(tree: Tree, scenario: Scenario) -> Any:
    every, _ = same_unit([tree["observe"]["cells_every"]], "hour")
    if not every:
        raise InputError("observe.cells_every is no time")
    return scenario.observe.model_copy(update={"cells_every": every[0]})
