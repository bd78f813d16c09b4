"""The expressions of a scenario: where they stand, what they may name, and what is wrong with them."""

from collections.abc import Collection, Mapping
from math import inf

from twin.engine.findings import Findings
from twin.engine.focus import perturbations_named
from twin.engine.grouping import groups_named
from twin.model.contract import WorldModel
from twin.process import Process
from twin.scenario.expression import COMPARISONS, Binary, Call, ExpressionError, Node, Number, Text, Word, nodes, parse
from twin.scenario.measures import CELL_WORDS, CLONES, FIELDS, LEVELS, PAIRS, Kind, Known, literal, unit_text
from twin.scenario.overlay import Key
from twin.scenario.schema import Scenario
from twin.scenario.timeline import Assimilate
from twin.scenario.watched import conditions, known_names

TAKEN = (  # names of readouts and of their axes
    "replicate",
    "time",
    "compartment",
    "cell_type",
    "cycle_phase",
    "gene",
    "column",
    "program",
    "substance",
    "distance",
    "perturbation",
    "n_cells",
    "n_dead",
    "library_size",
    "support",
    "gene_mean",
    "column_mean",
    "program_score",
    "response_by_type",
    "concentration_mean",
    "sink_mean",
    "n_by_distance",
    "response_by_distance",
    "dose_by_distance",
    "concentration_by_distance",
    "group",
    "n_by_group",
    "library_size_by_group",
    "gene_mean_by_group",
    "column_mean_by_group",
    "program_score_by_group",
    "concentration_by_group",
    "response_by_group",
    "niche",
    "organoid",
    "organ",
    "branch",
    "weight",
)


def columns_of(processes: Mapping[str, Process]) -> dict[str, str]:
    """Return the numbers of cells that processes bring, each with its unit."""
    brought = (column for process in processes.values() for column in process.columns)
    return {column.name: column.units for column in brought if not column.width}


def note(
    scenario: Scenario,
    model: WorldModel | None,
    types: Collection[str] | None,
    processes: Mapping[str, Process],
    findings: Findings,
) -> None:
    """Note what is wrong with the quantities and conditions of a scenario, each at its place.

    types : cell types that can be there; None: not known, not checked.
    """
    genes = None if model is None else model.genes
    perturbations = None if model is None else perturbations_named(scenario, model)
    groups = groups_named(scenario)
    if "niche" in scenario.observe.by_group and groups.get("niche") == ():
        findings.add(("observe", "by_group"), "no compartment has niches: build cells from a shape, or leave it out")
    known = known_names(scenario, genes, types, perturbations, columns_of(processes), groups)
    for name, text in scenario.observe.quantities.items():
        loc = ("observe", "quantities", name)
        if name in TAKEN or name in CELL_WORDS or not name.isidentifier():
            findings.add(loc, f"{name!r} cannot be a quantity's name: take a word of letters, digits and _ of its own")
        kind = _found(loc, text, known, findings)
        if kind is not None and kind.yes_no:
            findings.add(loc, "a comparison is no number: conditions stand under stop_when and when")
        if kind is not None and kind.by == "cycle_phase" and "cycle_phase" not in known.columns:
            findings.add(loc, "no process brings cycle phases; add one, like 'cycle:' under processes")
    for _, where, condition in conditions(scenario):
        place: tuple[Key, ...] = (*where, "condition")
        kind = _found(place, condition.condition, known, findings)
        if kind is not None and (not kind.yes_no or kind.by):
            findings.add(place, "a condition compares two numbers, like n_tumour < 5")
        elif kind is not None:
            fault = never(parse(condition.condition))
            if fault:
                findings.add(place, fault)
        findings.ticks((*where, "hold"), condition.hold)
        findings.ticks((*where, "look_every"), condition.look_every)
        findings.ticks((*where, "refractory"), getattr(condition, "refractory", None))


def _found(loc: tuple[Key, ...], text: str, known: Known, findings: Findings) -> Kind | None:
    try:
        return known.kind_of(text)
    except ExpressionError as error:
        findings.add(loc, str(error))
        return None


def never(tree: Node) -> str | None:
    """Say why a condition can never change, or None where nothing speaks against it."""
    if not any(isinstance(node, Word | Call) for node in nodes(tree)):
        return "it compares numbers only: nothing observes anything here"
    if not isinstance(tree, Binary) or tree.sign not in COMPARISONS:
        return None
    (low, high), (least, most) = _bounds(tree.left), _bounds(tree.right)
    # what is at most the other side's least is never above it, and so on
    impossible = {
        ">": high <= least,
        ">=": high < least,
        "<": low >= most,
        "<=": low > most,
        "==": high < least or low > most,
        "!=": False,
    }[tree.sign]
    if not impossible:
        return None
    shown = f"{low:g} or more" if high == inf else f"between {low:g} and {high:g}"
    return f"it can never be true: the left side is {shown}"


def _bounds(node: Node) -> tuple[float, float]:
    """Return between which numbers an expression lies, as far as its words tell."""
    if isinstance(node, Number | Text):
        value = literal(node)[0]
        return value, value
    if isinstance(node, Call):
        if node.name == "share":
            return 0.0, 1.0
        if node.name in ("count", "mean_degree", "std", *FIELDS, *LEVELS, *CLONES, *PAIRS):
            return 0.0, inf
        of_cells = node.given[0] if node.given else None
        if node.name in ("mean", "median", "min", "max", "percentile", "sum") and isinstance(of_cells, Word):
            return (0.0, inf) if of_cells.kind or of_cells.name in CELL_WORDS else (-inf, inf)
    if isinstance(node, Word) and node.name == "time":
        return 0.0, inf
    return -inf, inf


def described(scenario: Scenario, processes: Mapping[str, Process]) -> list[str]:
    """Return what is observed and watched, a line each, for `twin explain`."""
    known = known_names(scenario, None, None, None, columns_of(processes))
    lines = []
    for name, text in scenario.observe.quantities.items():
        kind = known.kind_of(text)
        by = f", by {kind.by}" if kind.by else ""
        lines.append(f"{name} = {text}, in {unit_text(kind.unit)}{by}: {_times(scenario)}")
    for i, event in enumerate(scenario.timeline):
        if isinstance(event, Assimilate):
            chosen = "".join(f", {column} {value}" for column, value in event.where.items())
            lines.append(f"timeline[{i}]: {event.file}{chosen} is assimilated at {event.at:g} h ({_how(event)})")
    for name, _, condition in conditions(scenario):
        looked = "every tick" if condition.look_every is None else f"every {condition.look_every:g} h"
        held = f" for {condition.hold:g} h" if condition.hold else ""
        if name.startswith("stop_when"):
            lines.append(f"{name}: the trajectory ends when {condition.condition}{held}; looked at {looked}")
            continue
        event = scenario.timeline[int(name[len("timeline[") : -1])]
        assert event.when is not None
        window = f"from {event.at:g} h to {scenario.duration if event.until is None else event.until:g} h"
        again = {
            "never": "once",
            "crossing": "each time it becomes true",
            "while": "as long as it is true",
        }[event.when.again]
        pause = f", at most every {event.when.refractory:g} h" if event.when.refractory else ""
        lines.append(
            f"{name}: {event.do} when {condition.condition}{held}, {again}{pause}; looked at {looked} {window}"
        )
    return lines


def _how(event: Assimilate) -> str:
    what = f" of {', '.join(event.parameters)}, learned along the sweep and the replicates" if event.parameters else ""
    return f"{event.method}{what}"


def _times(scenario: Scenario) -> str:
    observe = scenario.observe
    told = [f"every {observe.every:g} h"] if observe.regular else []
    if observe.at:
        told.append(f"at {', '.join(f'{t:g}' for t in observe.at)} h")
    return " and ".join(told)
