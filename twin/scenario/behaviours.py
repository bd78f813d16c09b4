"""What a cell can do, by the words of PhysiCell's dictionary, and how much of it each cell type does.

A scenario gives a type's base values under `cell_types`; rules shift them (`twin.process.View.behaviour`). A word may
name a substance ("oxygen uptake"), a cell type ("attack tumour"), a phase ("exit from cycle phase 2") or a number of
the user's own ("custom:memory").

Source
------
Johnson et al., Cell 188:4711 (2025), cell behaviour hypothesis grammar; PhysiCell 1.14.2, dictionary of behaviours.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from twin.errors import unknown_name
from twin.units import Concentration, concentration, quantity

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario

Float = NDArray[np.float64]
Kind = Literal["rate", "speed", "time", "number", "concentration", "export"]
DEFAULT = "default"  # the row of `cell_types` that holds for every type which does not say otherwise
MOST_PHASES = 6  # "exit from cycle phase 0" to 5


@dataclass(frozen=True)
class Behaviour:
    """One word of the dictionary.

    word : "{substance}", "{type}" and "{name}" stand for a name. kind : what is measured.
    default : in inner units (h, µm).
    """

    word: str
    kind: Kind
    default: float
    about: str


# (inner unit, unit of a bare number in PhysiCell's files, what it is, an example)
UNITS: Mapping[Kind, tuple[str, str, str, str]] = {
    "rate": ("1/hour", "1/min", "a rate", "0.1 /h"),
    "speed": ("micrometer/hour", "um/min", "a speed", "1 um/min"),
    "time": ("hour", "min", "a time", "15 min"),
    "number": ("1", "", "a number", "0.5"),
    "concentration": ("nanomolar", "", "a concentration", "10 nM"),
    "export": ("attomole/hour", "", "a secretion rate", "5000 molecules/h"),
}

_PHASES = tuple(
    Behaviour(f"exit from cycle phase {k}", "rate", 0.0, f"Rate at which a cell leaves phase {k} of its cycle.")
    for k in range(MOST_PHASES)
)
DICTIONARY: tuple[Behaviour, ...] = (
    Behaviour("{substance} secretion", "rate", 0.0, "Rate at which the voxel is brought to the secretion target."),
    Behaviour("{substance} secretion target", "concentration", 0.0, "Concentration that secretion brings about."),
    Behaviour("{substance} uptake", "rate", 0.0, "Rate of uptake, of a voxel as large as the cell."),
    Behaviour("{substance} export", "export", 0.0, "Amount released whatever the concentration."),
    Behaviour("cycle entry", "rate", 0.0, "Rate at which a cell leaves phase 0 of its cycle."),
    *_PHASES,
    Behaviour("apoptosis", "rate", 0.0, "Hazard of apoptosis."),
    Behaviour("necrosis", "rate", 0.0, "Hazard of necrosis."),
    Behaviour("migration speed", "speed", 0.0, "Speed of a cell's own motion."),
    Behaviour("migration bias", "number", 0.0, "0: a random walk; 1: straight along the chemotactic direction."),
    Behaviour("migration persistence time", "time", 1 / 60, "Mean time between two directions."),
    Behaviour("chemotactic response to {substance}", "number", 0.0, "Weight of its gradient; < 0 flees."),
    Behaviour("cell-cell adhesion", "speed", 24.0, "Strength of adhesion."),
    Behaviour("cell-cell adhesion elastic constant", "rate", 0.6, "Of the spring between two attached cells."),
    Behaviour("adhesive affinity to {type}", "number", 1.0, "Factor on adhesion to cells of a type."),
    Behaviour("relative maximum adhesion distance", "number", 1.25, "Reach of adhesion in radii."),
    Behaviour("cell-cell repulsion", "speed", 600.0, "Strength of repulsion."),
    Behaviour("cell-BM adhesion", "speed", 240.0, "Strength of adhesion to a basement membrane."),
    Behaviour("cell-BM repulsion", "speed", 600.0, "Strength of repulsion by a basement membrane."),
    Behaviour("phagocytose apoptotic cell", "rate", 0.0, "Rate at which a touched apoptotic cell is eaten."),
    Behaviour("phagocytose necrotic cell", "rate", 0.0, "Rate at which a touched necrotic cell is eaten."),
    Behaviour("phagocytose other dead cell", "rate", 0.0, "Rate at which another touched dead cell is eaten."),
    Behaviour("phagocytose {type}", "rate", 0.0, "Rate at which a touched living cell of a type is eaten."),
    Behaviour("attack {type}", "rate", 0.0, "Rate at which a touched living cell of a type is attacked."),
    Behaviour("fuse to {type}", "rate", 0.0, "Rate of fusion with a touched cell of a type."),
    Behaviour("transform to {type}", "rate", 0.0, "Rate at which a cell becomes one of a type."),
    Behaviour("asymmetric division to {type}", "number", 0.0, "Chance that one daughter is of a type."),
    Behaviour("is_movable", "number", 1.0, "0: forces do not move it."),
    Behaviour("immunogenicity to {type}", "number", 1.0, "Factor on being attacked by cells of a type."),
    Behaviour("cell attachment rate", "rate", 0.0, "Rate at which a cell attaches to one it touches."),
    Behaviour("cell detachment rate", "rate", 0.0, "Rate at which an attachment ends."),
    Behaviour("maximum number of cell attachments", "number", 12.0, "The most attachments of a cell."),
    Behaviour("attack damage rate", "rate", 60.0, "Damage that an attacked cell gets, an hour."),
    Behaviour("attack duration", "time", 0.5, "Mean time of an attack."),
    Behaviour("damage rate", "rate", 0.0, "Damage that a cell gets of itself, an hour."),
    Behaviour("damage repair rate", "rate", 0.0, "Share of the damage repaired, an hour."),
    Behaviour("custom:{name}", "number", 0.0, "A number of the user's own."),
)


@dataclass(frozen=True)
class Behaviours:
    """The base values of a scenario, and the words that its rules and intracellular models act on.

    given : per word, per type ("default" among them), the value in inner units.
    ruled : words whose values they shift, one column of the rate `behaviour` each.
    """

    given: Mapping[str, Mapping[str, float]]
    ruled: tuple[str, ...] = ()

    def base(self, word: str, types: Sequence[str], default: float | None = None) -> Float:
        """Return a behaviour's base value of each cell type, (type,), in inner units.

        default : of a type of which the scenario says nothing; None: the dictionary's.
        """
        values = self.given.get(word, {})
        if default is None:
            default = entry(word).default
        otherwise = values.get(DEFAULT, default)
        return np.array([values.get(t, otherwise) for t in types], dtype=np.float64)

    def names(self, pattern: str) -> tuple[str, ...]:
        """Return the names in the words of a pattern ("{substance} uptake") that are given or ruled, in order."""
        place = _place(pattern)
        fit = re.compile(re.escape(pattern).replace(re.escape(place), "(.+)"))
        found = (fit.fullmatch(word) for word in (*self.given, *self.ruled))
        return tuple(dict.fromkeys(m[1] for m in found if m is not None))


NO_BEHAVIOURS = Behaviours({})


def entry(word: str) -> Behaviour:
    """Return the dictionary's entry of a word; an exact word before one with a name in it.

    Raises
    ------
    KeyError
        If there is none.
    """
    exact = next((b for b in DICTIONARY if b.word == word), None)
    if exact is not None:
        return exact
    for behaviour in sorted(DICTIONARY, key=lambda b: -len(b.word)):
        if "{" in behaviour.word and name_in(behaviour.word, word) is not None:
            return behaviour
    raise KeyError(word)


def vocabulary(substances: Sequence[str], types: Sequence[str]) -> tuple[str, ...]:
    """Return every word that a scenario with these substances and cell types can use, but for the user's own."""
    words: list[str] = []
    for behaviour in DICTIONARY:
        if "{substance}" in behaviour.word:
            words += (behaviour.word.replace("{substance}", s) for s in substances)
        elif "{type}" in behaviour.word:
            words += (behaviour.word.replace("{type}", t) for t in types)
        elif "{name}" not in behaviour.word:
            words.append(behaviour.word)
    return tuple(words)


def word_fault(word: str, substances: Sequence[str], types: Sequence[str]) -> str | None:
    """Return what is wrong with a behaviour's word, or None."""
    if word.startswith("custom:") and len(word) > len("custom:"):
        return None
    known = vocabulary(substances, types)
    return None if word in known else unknown_name("behaviour", word, known)


def value_of(word: str, text: object, scenario: "Scenario") -> float:
    """Return a behaviour's value in inner units (1/h, µm/h, h, nM, amol/h).

    text : a quantity with its unit; a pure number where the behaviour is one.

    Raises
    ------
    ValueError
        If it is not what the behaviour is measured in.
    KeyError
        If no behaviour has this word.
    """
    found = entry(word)
    unit, _, what, example = UNITS[found.kind]
    if found.kind == "number":
        if isinstance(text, bool) or not isinstance(text, int | float):
            raise ValueError(f"{text} is not {what}: write a plain number, like {example}")
        return float(text)
    if found.kind == "concentration":
        name = name_in(found.word, word) or ""
        given: Concentration = concentration(text)
        return scenario.substances[name].nanomolar(given, name)
    return quantity(text, unit, what, example)


def behaviours_of(scenario: "Scenario") -> Behaviours:
    """Return the base values of a scenario; one that cannot be read is left out, `base_faults` tells of it."""
    given: dict[str, dict[str, float]] = {}
    for cell_type, values in scenario.cell_types.items():
        for word, text in values.items():
            with suppress(KeyError, ValueError):
                given.setdefault(word, {})[cell_type] = value_of(word, text, scenario)
    driven = (word for model in scenario.intracellular.values() for word in model.outputs.behaviours)
    return Behaviours(given, tuple(dict.fromkeys((*(rule.behaviour for rule in scenario.rules), *driven))))


def base_faults(scenario: "Scenario", types: Sequence[str]) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Yield what is wrong with the values under `cell_types`, each with its place in the document."""
    substances = tuple(scenario.substances)
    for cell_type, values in scenario.cell_types.items():
        for word, text in values.items():
            loc = ("cell_types", cell_type, word)
            fault = word_fault(word, substances, types)
            if fault is None:
                try:
                    value_of(word, text, scenario)
                except ValueError as error:
                    fault = str(error)
            if fault is not None:
                yield loc, fault


def _place(pattern: str) -> str:
    found = re.search(r"\{\w+\}", pattern)
    assert found is not None, pattern
    return found[0]


def name_in(pattern: str, word: str) -> str | None:
    """Return the name that stands in a word at a pattern's place, or None where it does not fit."""
    before, _, after = pattern.partition(_place(pattern))
    if word.startswith(before) and word.endswith(after) and len(word) > len(before) + len(after):
        return word[len(before) : len(word) - len(after) if after else None]
    return None
