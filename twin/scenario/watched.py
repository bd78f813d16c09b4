"""Where the expressions of a scenario stand: its quantities, what ends it early, what its events wait for."""

from collections.abc import Collection, Iterator, Mapping

from twin.scenario.expression import Call, ExpressionError, Node, Word, nodes, parse
from twin.scenario.measures import CLONES, Known
from twin.scenario.overlay import Key
from twin.scenario.schema import Scenario
from twin.scenario.watch import Condition

FOUNDER = "founder"  # column of the cells, where clones are asked for: the id of the founder, as a number


def conditions(scenario: Scenario) -> Iterator[tuple[str, tuple[Key, ...], Condition]]:
    """Yield (name, place in the document, condition) of all that is watched, in the order of the document."""
    for i, condition in enumerate(scenario.stop_when):
        yield f"stop_when[{i}]", ("stop_when", i), condition
    for i, event in enumerate(scenario.timeline):
        if event.when is not None:
            yield f"timeline[{i}]", ("timeline", i, "when"), event.when


def expressions(scenario: Scenario) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Yield (place in the document, text) of every expression."""
    for name, text in scenario.observe.quantities.items():
        yield ("observe", "quantities", name), text
    for _, loc, condition in conditions(scenario):
        yield (*loc, "condition"), condition.condition


def trees(scenario: Scenario) -> Iterator[tuple[tuple[Key, ...], Node]]:
    """Yield (place, tree) of every expression that can be parsed."""
    for loc, text in expressions(scenario):
        try:
            yield loc, parse(text)
        except ExpressionError:
            continue


def known_names(
    scenario: Scenario,
    genes: Collection[str] | None,
    types: Collection[str] | None,
    perturbations: Collection[str] | None,
    columns: Mapping[str, str],
    groups: Mapping[str, tuple[str, ...]] | None = None,
) -> Known:
    """Return what the expressions of a scenario may name; None is not checked."""
    return Known(
        genes=None if genes is None else frozenset(genes),
        programs=tuple(scenario.observe.programs),
        columns=columns,
        substances=tuple(scenario.substances),
        perturbations=None if perturbations is None else frozenset(perturbations),
        cell_types=None if types is None else frozenset(types),
        compartments=tuple(scenario.compartments),
        quantities=scenario.observe.quantities,
        groups=groups or {},
        drugs=tuple(scenario.drugs),
    )


def genes_named(scenario: Scenario) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Yield (place, gene) of the genes that expressions name."""
    for loc, tree in trees(scenario):
        for node in nodes(tree):
            if isinstance(node, Word) and node.kind == "gene":
                yield loc, node.name


def follows_clones(scenario: Scenario) -> bool:
    """Say whether any expression asks who descends from whom."""
    return any(isinstance(n, Call) and n.name in CLONES for _, tree in trees(scenario) for n in nodes(tree))
