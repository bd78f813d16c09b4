"""Rules of a scenario: what is wrong with them, and PhysiCell's other words for the same things."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from twin.scenario.behaviours import entry as behaviour_entry
from twin.scenario.behaviours import value_of, word_fault
from twin.scenario.signals import half_max_of, signal_fault

if TYPE_CHECKING:
    from twin.scenario.schema import Rule, Scenario

Place = tuple[str, int, str]


def rule_faults(scenario: "Scenario", types: Sequence[str]) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with the rules, each with its place in the document; cell types are not looked at.

    types : that the words of signals and behaviours may name.
    """
    first: dict[tuple[str, str, str, str], int] = {}
    for i, rule in enumerate(scenario.rules):
        yield from (((("rules", i, key)), fault) for key, fault in _word_faults(rule, scenario, types))
        same = (rule.cell_type, rule.signal, rule.response, rule.behaviour)
        if same in first:
            told = f"{rule.signal!r} {rule.response} {rule.behaviour!r} of {rule.cell_type} already"
            yield ("rules", i, "signal"), f"{told} by rules[{first[same]}]: keep one of the two"
        first.setdefault(same, i)


def _word_faults(rule: "Rule", scenario: "Scenario", types: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with one rule by itself, each with its key."""
    unknown = word_fault(rule.behaviour, tuple(scenario.substances), types)
    if unknown is not None:
        yield "behaviour", unknown
    else:
        try:
            if value_of(rule.behaviour, rule.saturation, scenario) < 0 and not _signed(rule.behaviour):
                yield "saturation", f"{rule.saturation} is below what is possible: {rule.behaviour!r} is >= 0"
        except ValueError as error:
            yield "saturation", str(error)
    unknown = signal_fault(rule.signal, scenario, types)
    if unknown is not None:
        yield "signal", unknown
        return
    try:
        half_max_of(rule.signal, rule.half_max, scenario)
    except ValueError as error:
        yield "half_max", str(error)


def _signed(word: str) -> bool:
    """Say whether a behaviour may be below 0: a flight from a substance, a number of the user's own."""
    return behaviour_entry(word).word in ("chemotactic response to {substance}", "custom:{name}")
