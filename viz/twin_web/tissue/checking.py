"""What would happen: the plan of what is asked, or everything that keeps it from being run, each at its place."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from twin.engine.estimate import GIB
from twin.engine.plan import choose_processes
from twin.engine.simulation import Ready, ready
from twin.errors import Fault, InputError, ScenarioError, TwinError
from twin.scenario.load import LoadedScenario, ScenarioSource
from twin.scenario.overlay import Tree
from twin.scenario.schema import Scenario
from twin.scenario.timeline import AddSubstance, Event, KnockOut
from twin_web.tissue.composing import Composed
from twin_web.tissue.medicine import SUPPORTED, felt, reference_of, support
from twin_web.tissue.models import ONE_AT_A_TIME
from twin_web.tissue.pacing import kept_hours

SHARE = 0.8  # of the machine's memory that one run may take; our choice
_PLACE = re.compile(r"(?:branches\.(?P<branch>[\w-]+)[.,] ?)?timeline\[(?P<item>\d+)\]")


def planned(source: ScenarioSource) -> Ready:
    """Return what is to be run, planned and tried on.

    Raises
    ------
    ScenarioError
        With everything that keeps it from running.
    InputError
        If its files cannot be used, its cells do not fit, or this machine has too little memory.
    """
    scenario, faults = source.validate()
    if scenario is None:
        raise source.error([*faults, *choose_processes(source)[1]])
    with ONE_AT_A_TIME:
        prepared = ready(LoadedScenario.of(source, scenario))
    needed, there = prepared.futures.memory_bytes / GIB, psutil.virtual_memory().total / GIB
    if needed > SHARE * there:
        raise InputError(f"about {needed:.1f} GiB of memory are needed, this machine has {there:.1f}: take fewer cells")
    return prepared


def plan_told(composed: Composed, prepared: Ready, workers: int) -> dict[str, Any]:
    """Return a plan as the page shows it. workers : processes that would share it."""
    scenario, plan, futures = prepared.loaded.scenario, prepared.plan, prepared.futures
    return {
        "name": scenario.name,
        "cells": sum(plan.n_cells.values()),
        "ticks": plan.n_ticks,
        "hours": scenario.duration,
        "trajectories": len(futures.ensemble.trajectories),
        "memory_gib": round(futures.memory_bytes / GIB, 2),
        "seconds": round(futures.expected_seconds / workers, 1),
        "frames": len(kept_hours(scenario)) * len(futures.ensemble.trajectories),
        "notes": [*prepared.world.notes, *_notes(scenario)],
        "assumptions": list(plan.assumptions),
        "edited": list(composed.edited),
        "support": _support(prepared),
        "does": [event_text(event) for event in sorted(scenario.timeline, key=lambda event: event.at)],
    }


def faults_told(error: TwinError, tree: Tree | None = None) -> list[dict[str, Any]]:
    """Return what is wrong as the page shows it: the place, the item of a timeline that it is about, and a sentence."""
    if not isinstance(error, ScenarioError):
        return [{"where": "", "item": None, "branch": None, "sentence": str(error)}]
    return [_fault_told(fault, len((tree or {}).get("timeline") or ())) for fault in error.faults]


def first_sentence(faults: Sequence[dict[str, Any]]) -> str:
    """Return the first fault with its place, and how many more there are."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{first['where']}: {first['sentence']}{more}" if first["where"] else f"{first['sentence']}{more}"


def event_text(event: Event) -> str:
    """Return what an event does, and when, in a line."""
    when = f"when {event.when.condition}" if event.when is not None else f"{event.at:g} h"
    again = f", every {event.every:g} h" if event.every is not None else ""
    again += f" until {event.until:g} h" if event.until is not None else ""
    return f"{when}{again}: {' '.join(_words(event))}"


def _words(event: Event) -> Iterator[str]:
    yield event.do.replace("_", " ")
    for key in ("substance", "drug", "gene", "cell_type", "dose", "amount", "route", "count", "file"):
        value = getattr(event, key, None)
        if value is not None:
            yield str(getattr(value, "text", value))
    if getattr(event, "fraction", 1.0) < 1.0:
        yield f"in {event.fraction:.0%} of the cells"  # type: ignore[union-attr]  # it has one, as was asked
    types = getattr(event, "cell_types", ())
    if types:
        yield f"of {', '.join(types)}"


@dataclass(frozen=True)
class _Given:
    """A dose that cells come to feel: what of, and how much in nM."""

    what: str
    perturbation: str
    nanomolar: float


def _support(prepared: Ready) -> list[dict[str, Any]]:
    """Return how far what cells are given is supported by training data, by cell type."""
    scenario, rows = prepared.loaded.scenario, []
    for home, model in prepared.world.models.items():
        types = prepared.world.names[home]["cell_type"]
        known = {p.name: p for p in model.perturbations}
        for given in _given(scenario, prepared):
            if given.perturbation in known:
                found = support(model, {given.perturbation: given.nanomolar}, types)
                low = [t for t, score in found.items() if score <= SUPPORTED]
                seen = [t for t in types if known[given.perturbation].cells.get(t)]
                about = {"what": given.what, "compartment": home}
                rows.append({**about, "types": found, "unsupported": low, "measured": seen})
    return rows


def _given(scenario: Scenario, prepared: Ready) -> list[_Given]:
    known = felt(scenario, prepared.world.model)
    found: dict[str, _Given] = {}
    for event in [*scenario.timeline, *(e for b in scenario.branches.values() for e in b.timeline)]:
        if isinstance(event, AddSubstance) and event.substance in known:
            what = f"{event.substance} {event.dose.text}"
            amount = scenario.substances[event.substance].nanomolar(event.dose, event.substance)
            found[what] = _Given(what, known[event.substance].perturbation.name, amount)
    given = {g.perturbation for g in found.values()}
    for substance, what_is_felt in known.items():  # what cells or a body bring: as at the trained dose
        name = what_is_felt.perturbation.name
        if name not in given:
            found[substance] = _Given(substance, name, reference_of(what_is_felt.perturbation))
    return list(found.values())


def _notes(scenario: Scenario) -> list[str]:
    genes = sorted({event.gene for event in scenario.timeline if isinstance(event, KnockOut)})
    if not genes:
        return []
    return [
        f"{', '.join(genes)}: a knock-out takes a gene's own messages, and whatever needs them as a receptor or in a "
        "rule; what else would follow from it is not learned from data"
    ]


def _fault_told(fault: Fault, n_own: int) -> dict[str, Any]:
    found = _PLACE.search(fault.key)
    item, branch = (None, None) if found is None else (int(found["item"]), found["branch"])
    if item is not None and branch is not None and ", timeline[" in fault.key:
        item -= n_own  # a branch's items stand after those of the scenario
    where = fault.key
    if item is not None and branch is not None:
        where = f"branches.{branch}.timeline[{item}]" + fault.key[found.end() :]  # type: ignore[union-attr]  # it was found
    return {"where": where, "item": item, "branch": branch, "sentence": fault.message}
