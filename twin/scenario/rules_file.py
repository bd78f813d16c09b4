"""Rules as a file: PhysiCell's eight-column CSV of the cell behaviour hypothesis grammar, read unchanged.

A line is: cell type, signal, increases | decreases, behaviour, value at saturation, half-max, Hill power, applies to
dead (0 | 1). Its numbers are in PhysiCell's units: minutes and micrometres. A substance that has a `solubility` in the
scenario is counted in mmHg, any other in nM (a dimensionless 1 is 1 nM).

Source
------
Johnson et al., Cell 188:4711 (2025), version 3 of the grammar; PhysiCell 1.14.2, `parse_csv_rule_v3`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twin.scenario import behaviours, signals
from twin.units import quantity

COLUMNS = ("cell type", "signal", "response", "behaviour", "saturation", "half-max", "Hill power", "applies to dead")
UP = ("increases", "increase", "promotes")  # PhysiCell's words
DOWN = ("decreases", "decrease", "inhibits")
OLDER = {
    9: "version 1 of the grammar, with the base value in column 5; take that column out (base values stand under "
    "cell_types)",
    10: "the prototype of the grammar, with minimum, base and maximum in columns 3 to 5; write version 3: "
    + ", ".join(COLUMNS),
}
AMOL_PER_NM_UM3 = 1e-6  # amol/(nM·µm³); units.py

# PhysiCell's other words for the same thing; the last is what it once had instead of three.
SIGNAL_WORDS = {
    "contact with live cells": "contact with live cell",
    "contact with dead cells": "contact with dead cell",
    "contact with apoptotic cells": "contact with apoptotic cell",
    "contact with necrotic cells": "contact with necrotic cell",
    "contact with other dead cells": "contact with other dead cell",
    "contact with BM": "contact with basement membrane",
    "is dead": "dead",
    "is_apoptotic": "apoptotic",
    "is_necrotic": "necrotic",
    "current time": "time",
    "global time": "time",
}
BEHAVIOUR_WORDS = {
    "exit from cycle phase 0": ("cycle entry",),
    "movable": ("is_movable",),
    "is movable": ("is_movable",),
    "cell-membrane adhesion": ("cell-BM adhesion",),
    "cell-membrane repulsion": ("cell-BM repulsion",),
    "attachment elastic constant": ("cell-cell adhesion elastic constant",),
    "phagocytose dead cell": tuple(f"phagocytose {how} cell" for how in ("apoptotic", "necrotic", "other dead")),
}
BEHAVIOUR_WORDS["phagocytosis of dead cell"] = BEHAVIOUR_WORDS["phagocytose dead cell"]
BEHAVIOUR_WORDS["phagocytosis of dead cells"] = BEHAVIOUR_WORDS["phagocytose dead cell"]


@dataclass(frozen=True)
class Line:
    """A rule of the file as a table of the document, or what is wrong with its line.

    number : of the line in the file, from 1.
    """

    number: int
    rules: tuple[dict[str, Any], ...] = ()
    fault: str = ""


def lines_of(text: str, substances: Mapping[str, object]) -> Iterator[Line]:
    """Yield the rules of a file, line by line; blank lines, `//` comments and a header are passed over.

    substances : the document's tables, by name.
    """
    first = True
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("//"):
            continue
        cells = [cell.strip() for cell in line.split("\t" if "," not in line else ",")]
        header = first and len(cells) >= len(COLUMNS) and not any(_is_number(cell) for cell in cells)
        first = False
        if not header:
            yield _line(number, cells, substances)


def canonical_signal(word: str) -> str:
    """Return our word for one of PhysiCell's signals."""
    word = SIGNAL_WORDS.get(word, word)
    for before, after, ours in (
        ("internalized ", "", "intracellular {}"),
        ("gradient of ", "", "{} gradient"),
        ("grad(", ")", "{} gradient"),
        ("custom: ", "", "custom:{}"),
    ):
        if word.startswith(before) and word.endswith(after):
            return ours.format(word[len(before) : len(word) - len(after)])
    return word


def canonical_behaviours(word: str) -> tuple[str, ...]:
    """Return our words for one of PhysiCell's behaviours: one, or several that together are it."""
    if word in BEHAVIOUR_WORDS:
        return BEHAVIOUR_WORDS[word]
    for before, after, ours in (
        ("", " secretion saturation density", "{} secretion target"),
        ("chemotactic sensitivity to ", "", "chemotactic response to {}"),
        ("transition to ", "", "transform to {}"),
        ("custom: ", "", "custom:{}"),
    ):
        if word.startswith(before) and word.endswith(after):
            return (ours.format(word[len(before) : len(word) - len(after)]),)
    return (word,)


def behaviour_text(word: str, number: str, substances: Mapping[str, object]) -> str | float:
    """Return a behaviour's value in PhysiCell's units as a text with its unit, or as a pure number."""
    found = behaviours.entry(word)
    native = behaviours.UNITS[found.kind][1]
    if found.kind == "number":
        return float(number)
    if native:
        return f"{number} /{native[2:]}" if native.startswith("1/") else f"{number} {native}"
    gas = _solubility(substances, behaviours.name_in(found.word, word) or "")
    if found.kind == "concentration":
        return f"{number} {'nM' if gas is None else 'mmHg'}"
    return f"{float(number) * AMOL_PER_NM_UM3 * (gas or 1.0):.12g} amol/min"


def signal_text(word: str, number: str, substances: Mapping[str, object]) -> str | float:
    """Return a signal's value in PhysiCell's units as a text with its unit, or as a pure number."""
    found = signals.entry(word)
    if found.kind == "number":
        return float(number)
    if found.kind in ("concentration", "gradient"):
        gas = _solubility(substances, behaviours.name_in(found.word, word) or "")
        return f"{number} {'nM' if gas is None else 'mmHg'}{'/um' if found.kind == 'gradient' else ''}"
    return f"{number} {'min' if found.kind == 'time' else 'um^3'}"


def _line(number: int, cells: list[str], substances: Mapping[str, object]) -> Line:
    if len(cells) != len(COLUMNS):
        what = OLDER.get(len(cells), f"a rule has {len(COLUMNS)}: {', '.join(COLUMNS)}")
        return Line(number, fault=f"has {len(cells)} columns: {'this is ' if len(cells) in OLDER else ''}{what}")
    empty = [name for name, cell in zip(COLUMNS, cells, strict=True) if not cell]
    if empty:
        return Line(number, fault=f"has no {' and no '.join(empty)}")
    cell_type, signal, response, behaviour, *numbers = cells
    if response.lower() not in (*UP, *DOWN):
        return Line(number, fault=f"{response!r} is neither 'increases' nor 'decreases'")
    for name, text in zip(COLUMNS[4:], numbers, strict=True):
        if not _is_number(text):
            return Line(number, fault=f"{name} is {text!r}, not a finite number")
    if float(numbers[3]) not in (0.0, 1.0):
        return Line(number, fault=f"applies to dead is {numbers[3]}, not 0 or 1")
    noticed = canonical_signal(signal)
    return Line(
        number,
        tuple(
            {
                "cell_type": cell_type,
                "signal": noticed,
                "response": "increases" if response.lower() in UP else "decreases",
                "behaviour": word,
                "saturation": _or_bare(behaviour_text, word, numbers[0], substances),
                "half_max": signal_text(noticed, numbers[1], substances),
                "power": float(numbers[2]),
                "applies_to_dead": float(numbers[3]) == 1.0,
            }
            for word in canonical_behaviours(behaviour)
        ),
    )


def _or_bare(
    text: Callable[[str, str, Mapping[str, object]], str | float],
    word: str,
    number: str,
    substances: Mapping[str, object],
) -> str | float:
    """Return a value with its unit, or bare where no entry has the word: the check of the words tells it."""
    try:
        return text(word, number, substances)
    except KeyError:
        return float(number)


def _solubility(substances: Mapping[str, object], name: str) -> float | None:
    """Return a gas's solubility in nM/mmHg as the raw document has it; None for what has none that can be read."""
    table = substances.get(name)
    given = table.get("solubility") if isinstance(table, Mapping) else None
    if given is None:
        return None
    try:
        return quantity(given, "nanomolar / mmHg", "a solubility", "1.3 uM/mmHg")
    except ValueError:
        return None  # the document's own check tells


def _is_number(text: str) -> bool:
    try:
        return float(text) - float(text) == 0
    except ValueError:
        return False
