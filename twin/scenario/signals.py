"""What a cell can notice, by the words of PhysiCell's dictionary, and genes and programs beside them.

A word may name a substance ("oxygen gradient"), a cell type ("contact with tumour"), a gene ("gene:HIF1A"), a program
of `observe.programs` ("program:hypoxia"), a quantity of an intracellular model ("sbml:jak_stat.ISGF3") or a number of
the user's own ("custom:memory").

Source
------
Johnson et al., Cell 188:4711 (2025), cell behaviour hypothesis grammar; PhysiCell 1.14.2, dictionary of signals.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twin.errors import unknown_name
from twin.scenario.behaviours import name_in
from twin.scenario.intracellular import MODEL_UNIT, signal_of
from twin.units import concentration, quantity, round12

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario

GENE, PROGRAM, CUSTOM = "gene:", "program:", "custom:"  # what such words begin with
Kind = Literal["concentration", "gradient", "volume", "time", "number"]


@dataclass(frozen=True)
class Signal:
    """One word of the dictionary.

    word : "{substance}", "{type}", "{gene}", "{program}" and "{name}" stand for a name. kind : what is measured.
    port, units : the plugin's column it is read from, a name standing in it as in the word; "" where the core has it.
    plugin : ours that brings this column.
    """

    word: str
    kind: Kind
    about: str
    port: str = ""
    units: str = "1"
    plugin: str = ""

    def port_of(self, word: str) -> str:
        """Return the name of the column behind a word of this entry."""
        if "{" not in self.port:
            return self.port
        name = re.sub(r"\W", "_", name_in(self.word, word) or "")
        return re.sub(r"\{\w+\}", name, self.port)


# (inner unit, what it is, an example)
UNITS: Mapping[Kind, tuple[str, str, str]] = {
    "concentration": ("nanomolar", "a concentration", "10 nM"),
    "gradient": ("nanomolar / micrometer", "a gradient", "0.1 nM/um"),
    "volume": ("micrometer ** 3", "a volume", "2494 um^3"),
    "time": ("hour", "a time", "30 min"),
    "number": ("1", "a number", "0.5"),
}

SIGNALS: tuple[Signal, ...] = (
    Signal("{substance}", "concentration", "Its concentration where the cell is."),
    Signal(
        "intracellular {substance}",
        "concentration",
        "What the cell holds of it, by its volume.",
        "internal_{substance}",
        "nM",
        "internalisation",
    ),
    Signal("{substance} gradient", "gradient", "Steepness of its concentration where the cell is."),
    Signal("pressure", "number", "How hard neighbours press, in PhysiCell's unit.", "pressure", "1", "mechanics"),
    Signal("volume", "volume", "Of the cell."),
    Signal("contact with live cell", "number", "How many living cells it touches."),
    Signal("contact with dead cell", "number", "How many dead cells it touches."),
    Signal(
        "contact with apoptotic cell", "number", "How many apoptotic cells it touches.", "death_phase", "1", "death"
    ),
    Signal("contact with necrotic cell", "number", "How many necrotic cells it touches.", "death_phase", "1", "death"),
    Signal(
        "contact with other dead cell",
        "number",
        "How many cells it touches that died of something else.",
        "death_phase",
        "1",
        "death",
    ),
    Signal("contact with basement membrane", "number", "1 where it touches one.", "membrane_contact"),
    Signal("contact with {type}", "number", "How many cells of the type it touches, dead or alive."),
    Signal("damage", "number", "Damage that it bears.", "damage", "1", "interactions"),
    Signal("damage delivered", "number", "Damage that it has done.", "damage_delivered", "1", "interactions"),
    Signal("attacking", "number", "1 while it attacks.", "attacking", "1", "interactions"),
    Signal("total attack time", "time", "How long it has been attacked.", "attack_time", "h", "interactions"),
    Signal("dead", "number", "1 from death on."),
    Signal("apoptotic", "number", "1 while it is apoptotic.", "death_phase", "1", "death"),
    Signal("necrotic", "number", "1 while it is necrotic.", "death_phase", "1", "death"),
    Signal("time", "time", "Since the run began."),
    Signal("custom:{name}", "number", "A number of the user's own, as rules have shifted it."),
    Signal("gene:{gene}", "number", "The world model's expected rate of a gene, counts per 10,000."),
    Signal("program:{program}", "number", "Mean over a program's genes of ln(1 + counts per 10,000)."),
    Signal(
        "sbml:{quantity}",
        "number",
        "A quantity of an intracellular model, in its own unit, like sbml:jak_stat.ISGF3.",
        "sbml_{quantity}",
        MODEL_UNIT,
        "sbml",
    ),
)


_BY_FIT = sorted(SIGNALS, key=lambda s: -len(re.sub(r"\{\w+\}", "", s.word)))  # the more of a word is fixed, the better


def entry(word: str) -> Signal:
    """Return the dictionary's entry of a word; one that is none of the others can only be a substance."""
    exact = next((s for s in SIGNALS if s.word == word), None)
    if exact is not None:
        return exact
    return next(s for s in _BY_FIT if "{" in s.word and name_in(s.word, word) is not None)


def vocabulary(scenario: "Scenario", types: Sequence[str]) -> tuple[str, ...]:
    """Return every word that this scenario can use, but for genes and quantities of intracellular models."""
    names = {
        "{substance}": tuple(scenario.substances),
        "{type}": tuple(types),
        "{program}": tuple(scenario.observe.programs),
        "{name}": _own_numbers(scenario),
        "{gene}": (),
        "{quantity}": (),
    }
    words: list[str] = []
    for signal in SIGNALS:
        place = next((p for p in names if p in signal.word), None)
        words += [signal.word] if place is None else [signal.word.replace(place, n) for n in names[place]]
    return tuple(words)


def signal_fault(word: str, scenario: "Scenario", types: Sequence[str]) -> str | None:
    """Return what is wrong with a signal's word, or None; a gene's name is the world model's to know."""
    found = entry(word)
    name = name_in(found.word, word) if "{" in found.word else None
    match found.word:
        case "gene:{gene}":
            return None
        case "sbml:{quantity}":  # what a model has is known to the process that steps it
            model, symbol = signal_of(word)
            if model not in scenario.intracellular:
                return unknown_name("model under intracellular", model, scenario.intracellular)
            return None if symbol else f"{word!r} names no quantity of the model: write {word}. and one of its SBML ids"
        case "program:{program}" if name not in scenario.observe.programs:
            return unknown_name("program under observe.programs", str(name), scenario.observe.programs)
        case "custom:{name}" if name not in _own_numbers(scenario):
            return f"no cell type has a {word!r}: give it a value under cell_types"
    words = vocabulary(scenario, types)
    return None if word in words else unknown_name("signal", word, words)


def half_max_of(word: str, text: object, scenario: "Scenario") -> float:
    """Return a signal's half-max in inner units (nM, nM/µm, µm³, h, 1).

    Raises
    ------
    ValueError
        If it is not what the signal is measured in, or not above 0.
    """
    found = entry(word)
    unit, what, example = UNITS[found.kind]
    if found.kind == "number":
        if isinstance(text, bool) or not isinstance(text, int | float):
            raise ValueError(f"{text} is not {what}: write a plain number, like {example}")
        value = float(text)
    elif found.kind == "concentration":
        name = name_in(found.word, word) or ""
        value = scenario.substances[name].nanomolar(concentration(text), name)
    elif found.kind == "gradient":
        value = _gradient(text, scenario, name_in(found.word, word) or "")
    else:
        value = quantity(text, unit, what, example)
    if not value > 0:
        raise ValueError(f"{text} is not above 0: half of the effect needs a signal")
    return value


def _gradient(text: object, scenario: "Scenario", name: str) -> float:
    """Return a gradient in nM/µm; that of a gas may be in mmHg."""
    unit, what, example = UNITS["gradient"]
    solubility = scenario.substances[name].solubility
    if solubility is not None and "mmHg" in str(text):
        return round12(quantity(text, "mmHg / micrometer", what, "0.01 mmHg/um") * solubility)
    return quantity(text, unit, what, example)


def _own_numbers(scenario: "Scenario") -> tuple[str, ...]:
    """Return the user's own numbers: those that some type has a value of, or a rule acts on."""
    given = [word for values in scenario.cell_types.values() for word in values]
    ruled = [rule.behaviour for rule in scenario.rules]
    own = (word.removeprefix(CUSTOM) for word in (*given, *ruled) if word.startswith(CUSTOM))
    return tuple(dict.fromkeys(own))
