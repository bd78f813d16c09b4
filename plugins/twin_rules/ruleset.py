"""Rules of a scenario put together: one response a cell type and behaviour, in inner units."""

from collections.abc import Iterator
from dataclasses import dataclass

from twin.scenario.behaviours import Behaviours, value_of
from twin.scenario.schema import Rule, Scenario
from twin.scenario.signals import half_max_of


@dataclass(frozen=True)
class Term:
    """One signal of a response.

    half_max : in the signal's inner unit. dead : whether it also acts in dead cells.
    """

    signal: str
    half_max: float
    power: float
    dead: bool


@dataclass(frozen=True)
class Response:
    """All rules of one behaviour of one cell type.

    column : of the rate `behaviour`. base : of the type, in the behaviour's inner unit.
    highest, lowest : where the rules that raise and those that lower it lead; the base where there are none.
    """

    cell_type: str
    behaviour: str
    column: int
    base: float
    up: tuple[Term, ...]
    highest: float
    down: tuple[Term, ...]
    lowest: float

    @property
    def terms(self) -> tuple[Term, ...]:
        """What raises it, then what lowers it."""
        return (*self.up, *self.down)


def responses_of(scenario: Scenario, behaviours: Behaviours) -> tuple[Response, ...]:
    """Return the responses of a checked scenario, in the order of its rules.

    Where several rules raise one behaviour to different values the largest holds, where several lower it the
    smallest: as PhysiCell does from version 1.14 on.
    """
    groups: dict[tuple[str, str], list[Rule]] = {}
    for rule in scenario.rules:
        groups.setdefault((rule.cell_type, rule.behaviour), []).append(rule)
    found = []
    for (cell_type, word), rules in groups.items():
        base = float(behaviours.base(word, (cell_type,))[0])
        up = [r for r in rules if r.response == "increases"]
        down = [r for r in rules if r.response == "decreases"]
        found.append(
            Response(
                cell_type,
                word,
                behaviours.ruled.index(word),
                base,
                tuple(_term(r, scenario) for r in up),
                max((value_of(word, r.saturation, scenario) for r in up), default=base),
                tuple(_term(r, scenario) for r in down),
                min((value_of(word, r.saturation, scenario) for r in down), default=base),
            )
        )
    return tuple(found)


def told_of(scenario: Scenario, behaviours: Behaviours) -> Iterator[str]:
    """Yield what a reader of the rules might not expect, a sentence each."""
    for response in responses_of(scenario, behaviours):
        what = f"{response.behaviour!r} of {response.cell_type}"
        rules = [r for r in scenario.rules if (r.cell_type, r.behaviour) == (response.cell_type, response.behaviour)]
        for word, verb, which in (("increases", "raise", "largest"), ("decreases", "lower", "smallest")):
            if len({value_of(r.behaviour, r.saturation, scenario) for r in rules if r.response == word}) > 1:
                yield f"rules {verb} {what} to several values; the {which} holds, as in PhysiCell 1.14"
        given = behaviours.given.get(response.behaviour, {})
        if response.cell_type not in given and "default" not in given:
            yield f"no base value of {what} under cell_types: its rules start at the dictionary's, {response.base:g}"
        if (response.up and response.highest < response.base) or (response.down and response.lowest > response.base):
            yield f"rules that raise or lower {what} lead to the other side of its base value, {response.base:g}"


def _term(rule: Rule, scenario: Scenario) -> Term:
    return Term(rule.signal, half_max_of(rule.signal, rule.half_max, scenario), rule.power, rule.applies_to_dead)
