"""Cycle and death of a project's cell definitions, as settings of the processes `cycle`, `death` and `volume`."""

from dataclasses import dataclass
from typing import Any

from twin.interop.physicell.definitions import CellType, Definition
from twin.interop.physicell.settings import Node
from twin.interop.report import Report


@dataclass(frozen=True)
class StandardCycle:
    """A cycle of PhysiCell 1.14: our word, names of its phases, their rates in 1/min, and which last exactly that long.

    grows, divides : phases in which a cell grows, and at whose end it divides.
    """

    model: str
    phases: tuple[str, ...]
    rates: tuple[float, ...]
    fixed: tuple[bool, ...]
    grows: int
    divides: int


CYCLES = {
    0: StandardCycle(
        "ki67_advanced",
        ("Ki67-", "Ki67+ premitotic", "Ki67+ postmitotic"),
        (0.00460405, 0.00128205, 0.00666667),
        (False, True, True),
        1,
        1,
    ),
    1: StandardCycle("ki67_basic", ("Ki67-", "Ki67+"), (0.00363108, 0.00107527), (False, True), 1, 1),
    2: StandardCycle("flow_cytometry", ("G0/G1", "S", "G2/M"), (0.00324, 0.00208, 0.00333), (False,) * 3, 1, 2),
    5: StandardCycle("live", ("live",), (0.00072,), (False,), 0, 0),
    6: StandardCycle(
        "flow_cytometry_separated", ("G0/G1", "S", "G2", "M"), (0.00335, 0.00208, 0.00417, 0.0167), (False,) * 4, 1, 3
    ),
    7: StandardCycle("cycling_quiescent", ("quiescent", "cycling"), (0.00363108, 0.00107527), (False, True), 1, 1),
}
FASTEST = 1e3  # 1/min; our choice: stands for a phase that takes no time
RELAX = ("unlysed_fluid_change_rate", "nuclear_biomass_change_rate", "cytoplasmic_biomass_change_rate")
OURS = ("fluid", "nuclear", "cytoplasmic")


def cycle_of(definition: Definition, made: CellType, report: Report) -> dict[str, Any]:
    """Return the settings of a type's cycle, and put its rates among the type's words."""
    node = definition.find("cycle")
    code = 5 if node is None else int(node.number_of("code", 5))
    standard = CYCLES.get(code)
    if standard is None:
        report.left_out(f"{definition.name}: cycle {code}", "no such cycle is known: its cells do not divide")
        if node is not None:
            node.pass_over()
        return {"model": "none"}
    rates, fixed = list(standard.rates), list(standard.fixed)
    for link in [] if node is None else node.all("phase_transition_rates/rate"):
        start = int(link.number_of("start_index", 0))
        if start < len(rates):
            rates[start] = link.number()
            fixed[start] = link.attribute("fixed_duration").lower() == "true"
    for phase in [] if node is None else node.all("phase_durations/duration"):
        index = int(phase.number_of("index", 0))
        if index < len(rates):
            rates[index] = 1.0 / phase.number() if phase.number() > 0 else FASTEST
            fixed[index] = phase.attribute("fixed_duration", "true").lower() == "true"
    for k, rate in enumerate(rates):
        made.words["cycle entry" if k == 0 else f"exit from cycle phase {k}"] = f"{rate:.9g} /min"
    name = standard.model.replace("_", " ")
    lengths = ", ".join(
        f"{p} {'never ends' if not r else f'{1 / r:.4g} min'}{' exactly' if f and r else ''}"
        for p, r, f in zip(standard.phases, rates, fixed, strict=True)
    )
    report.carried(f"{definition.name}: cycle", f"{name}: {lengths}")
    if tuple(fixed) == standard.fixed:
        return {"model": standard.model}
    return {
        "phases": [
            {
                "name": phase,
                "duration": f"{1 / (rates[k] or standard.rates[k]):.9g} min",
                **({"fixed": True} if fixed[k] else {}),
                **({"grows": True} if k == standard.grows else {}),
                **({"divides": True} if k == standard.divides else {}),
            }
            for k, phase in enumerate(standard.phases)
        ]
    }


def deaths_of(definition: Definition, made: CellType, report: Report) -> dict[str, Any]:
    """Return what the processes `death` and `volume` are to know of a type's deaths; hazards become its words.

    Returns
    -------
    Keys apoptosis_time, necrosis_time, rupture of `death`; apoptosis, necrosis, lysis of `volume`.
    """
    found: dict[str, Any] = {}
    for name, node in definition.named("death/model").items():
        how = {"100": "apoptosis", "101": "necrosis"}.get(node.attribute("code"), name.lower())
        if how not in ("apoptosis", "necrosis"):
            report.left_out(f"{definition.name}: death model {name!r}", "cells die by apoptosis or by necrosis")
            node.pass_over()
            continue
        if node.number("death_rate"):
            made.words[how] = f"{node.digits('death_rate')} /min"
        found |= _body_of(how, node)
        node.pass_over()
    report.carried(f"{definition.name}: death", "rates of apoptosis and necrosis, durations, shrinking and swelling")
    return found


def _body_of(how: str, node: Node) -> dict[str, Any]:
    """Return how long a body lasts and how fast it changes."""
    lasting = {int(d.number_of("index", 0)): d.number() for d in node.all("phase_durations/duration")}
    lasting |= {
        int(r.number_of("start_index", 0)): 1 / r.number()
        for r in node.all("phase_transition_rates/rate")
        if r.number() > 0
    }
    found: dict[str, Any] = {}
    phase = 0 if how == "apoptosis" else 1
    if lasting.get(phase):
        found[f"{how}_time"] = f"{lasting[phase]:g} min"
    parameters = node.find("parameters")
    if parameters is None:
        return found
    rates = {ours: f"{parameters.number(tag):g} /min" for ours, tag in zip(OURS, RELAX, strict=True)}
    found[how] = rates
    if how == "necrosis":
        found["lysis"] = {**rates, "fluid": f"{parameters.number('lysed_fluid_change_rate'):g} /min"}
        found["rupture"] = max(1.0, parameters.number("relative_rupture_volume", 2.0))
    return found
