"""A plan as text: what `twin explain` prints."""

from math import sqrt
from typing import TYPE_CHECKING

from twin.engine import estimate
from twin.engine.explain_signals import from_table, notices, table_words
from twin.engine.models import distinct
from twin.engine.observables import described
from twin.process import Port, Process
from twin.scenario.behaviours import DEFAULT
from twin.scenario.builders import Built
from twin.scenario.schema import Compartment, Rule, Scenario, Substance
from twin.units import MOLECULES_PER_NM_UM3

if TYPE_CHECKING:
    from twin.engine.plan import Plan

LN2 = 0.6931471805599453
LITRES_PER_UM3 = 1e-15


def describe(plan: "Plan") -> str:
    """Return the whole plan, one section a paragraph."""
    scenario, model = plan.scenario, plan.model
    replicates = f", {scenario.replicates} replicates" if scenario.replicates > 1 else ""
    head = [
        f"{scenario.name}: {scenario.duration:g} h in {plan.n_ticks} ticks of {scenario.tick:g} h"
        f", seed {scenario.seed}{replicates}",
        *_models(plan),
    ]
    table = [line for n, s in scenario.substances.items() for line in from_table(n, s)]
    sections = [
        ("Compartments", [_compartment(n, c, plan.n_cells[n]) for n, c in scenario.compartments.items()]),
        ("Cell types", [_behaviours(t, values) for t, values in scenario.cell_types.items()]),
        ("Rules", [_rule(rule) for rule in scenario.rules]),
        ("Substances", [_substance(n, s, scenario) for n, s in scenario.substances.items()]),
        ("From the built-in table", table + table_words(scenario.substances.values())),
        ("In each tick", [_process(name, p, plan) for name, p in plan.processes]),
        ("What cells notice", notices(scenario, model)),
        ("Observed and watched", described(scenario, dict(plan.processes))),
        ("Taken for granted", list(plan.assumptions)),
        ("Cost, estimated", _cost(plan)),
    ]
    parts = ["\n".join(head)]
    parts += [f"{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in sections if lines]
    return "\n\n".join(parts)


def _models(plan: "Plan") -> list[str]:
    """Return a line for each world model, with its compartments where there are several models."""
    models = distinct(plan.models)
    lines = []
    for model in models:
        homes = [name for name, own in plan.models.items() if own is model]
        of = f" of {', '.join(homes)}" if len(models) > 1 else ""
        known = ", ".join(p.name for p in model.perturbations) or "none"
        lines.append(
            f"world model{of}: {model.name} ({len(model.genes):,} genes, {len(model.contexts)} cell types; "
            f"perturbations that are named: {known})"
        )
    return lines


def _compartment(name: str, compartment: Compartment, n_cells: int) -> str:
    source = compartment.cells
    if isinstance(source, Built):
        drawn = "drawn by the world model" if not source.files else f"from {source.files[0]}"
        origin = f"built as {source.source.replace('_', ' ')}, {drawn}"
    else:
        made = {"model": "drawn by the world model", "table": "at the places of "}
        origin = made.get(source.source, "from ") + ("" if source.source == "model" else source.file)
    if compartment.volume is not None:
        held = f"{n_cells:,} cells {origin}" if n_cells else "no cells"
        return f"{name} (of {compartment.organ}): well mixed, {compartment.volume * LITRES_PER_UM3:g} L, {held}"
    box = " × ".join(f"{edge:g}" for edge in compartment.box)
    return (
        f"{name} (of {compartment.organ}): {n_cells:,} cells {origin}, box {box} µm, "
        f"{estimate.n_voxels(compartment):,} voxels of {compartment.spacing:g} µm"
    )


def _behaviours(cell_type: str, values: dict[str, str | float]) -> str:
    who = "all types" if cell_type == DEFAULT else cell_type
    return f"{who}: {', '.join(f'{word} {value}' for word, value in values.items()) or 'as by default'}"


def _rule(rule: Rule) -> str:
    dead = ", in dead bodies too" if rule.applies_to_dead else ""
    return (
        f"{rule.cell_type}: {rule.signal} {rule.response} {rule.behaviour} towards {rule.saturation}, half of it at "
        f"{rule.half_max}, Hill power {rule.power:g}{dead}"
    )


def decay_length(substance: Substance) -> float | None:
    """Return √(D/λ) in µm, how far a substance gets by itself; None where it does not decay."""
    decay = LN2 / substance.half_life if substance.half_life is not None else substance.decay
    return sqrt(substance.diffusivity / decay) if decay else None


def _substance(name: str, substance: Substance, scenario: Scenario) -> str:
    length = decay_length(substance)
    reach = f"√(D/λ) = {length:.3g} µm without uptake" if length is not None else "no decay"
    spacing = min(c.spacing for c in scenario.compartments.values())
    molecules = MOLECULES_PER_NM_UM3 * spacing**3
    return f"{name}: D = {substance.diffusivity / 3600:.3g} µm²/s, {reach}; 1 nM is {molecules:,.0f} molecules a voxel"


def _process(name: str, process: Process, plan: "Plan") -> str:
    ticks = plan.every[name]
    when = "every tick" if ticks == 1 else f"every {ticks} ticks ({ticks * plan.scenario.tick:g} h)"
    return (
        f"{process.phase.name.lower():<10} {name:<12} {when}; reads {_ports(process.reads)}; "
        f"writes {_ports(process.writes)} [{plan.plugins[name]}]"
    )


def _ports(ports: tuple[Port, ...]) -> str:
    return ", ".join(port.name for port in ports) or "nothing"


def _cost(plan: "Plan") -> list[str]:
    limit = plan.scenario.execution.memory_limit_gib
    minutes = plan.expected_seconds / 60
    each = " a replicate" if plan.scenario.replicates > 1 else ""
    parts = estimate.parts_of(plan.load)
    most = max(parts, key=lambda name: parts[name])
    return [
        f"memory: about {plan.memory_bytes / estimate.GIB:.1f} GiB (limit {limit:g} GiB), of which "
        f"{plan.load.counts_bytes / estimate.GIB:.1f} for counts: {plan.load.expressed:,.0f} genes a cell",
        f"time: about {minutes:.1f} min{each} on one core, {parts[most] / plan.expected_seconds:.0%} of it for {most}; "
        "more --workers than trajectories share the cells of each",
    ]
