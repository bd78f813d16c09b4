"""What was done to cells: agents at doses, alone or together, for a time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.data.columns import (
    CONTROL_WORDS,
    MISSING_WORDS,
    Columns,
    components,
    distinct,
    find_column,
    needed_column,
    text_column,
)
from twin.data.substances import known_protein, to_nanomolar
from twin.errors import InputError
from twin.units import concentration

KINDS = ("gene", "cytokine", "drug", "course")
_KIND_WORDS = (
    ("gene", ("gene", "crispr", "knock", "grna", "orf", "shrna", "sirna")),
    ("cytokine", ("cytokine", "ligand", "protein", "growth factor")),
    ("drug", ("drug", "compound", "chemical", "molecule")),
)


@dataclass(frozen=True)
class Agent:
    """One perturbation at one dose.

    kind : gene, cytokine, drug or course.
    dose : nM; NaN where it is not known or has no molar meaning.
    dose_text : the dose as the file spells it, like "100 U/mL"; "" where it says none.
    """

    name: str
    kind: str
    dose: float = math.nan
    dose_text: str = ""

    @property
    def label(self) -> str:
        """The name, with the dose where there is one."""
        return f"{self.name} {self.dose_text}".strip()


@dataclass(frozen=True)
class Arm:
    """What was done to a set of cells: one agent, or several together.

    time : h since it began; NaN where it is not known.
    since : h, the time of the reference cells of a course that has no untreated ones; NaN otherwise.
    """

    agents: tuple[Agent, ...]
    time: float = math.nan
    since: float = math.nan

    @property
    def name(self) -> str:
        """The agents' names, joined by "+"."""
        return "+".join(agent.name for agent in self.agents)

    @property
    def label(self) -> str:
        """Names with doses and time, for tables: "IFNB1 100 U/mL, 6 h"."""
        time = f", {self.time:g} h" if math.isfinite(self.time) else ""
        since = f" (from {self.since:g} h)" if math.isfinite(self.since) else ""
        return " + ".join(agent.label for agent in self.agents) + time + since

    @property
    def key(self) -> "Key":
        """Everything in it, to sort by (name, dose, time) and to compare: NaN, which equals nothing, stands as −1."""
        return (
            self.name,
            tuple(_or_minus_one(a.dose) for a in self.agents),
            tuple(a.dose_text for a in self.agents),
            _or_minus_one(self.time),
            tuple(a.kind for a in self.agents),
            _or_minus_one(self.since),
        )


Key = tuple[str, tuple[float, ...], tuple[str, ...], float, tuple[str, ...], float]


def _or_minus_one(value: float) -> float:
    return value if math.isfinite(value) else -1.0


def treatments(
    obs: pd.DataFrame, columns: Columns, genes: Sequence[str], source: str, control: str | None
) -> tuple[tuple[tuple[Agent, ...], ...], NDArray[np.intp]]:
    """Return the treatments of a file, and which of them each cell had.

    Parameters
    ----------
    genes : the file's genes; a perturbation of such a name and of no told kind is one of the gene.
    control : the word of control cells; None: by convention.

    Returns
    -------
    treatments : each several agents, sorted by kind and name; a dose of 0 and a control word are no agent.
    treatment : (cell,) index into them; −1: control.

    Raises
    ------
    InputError
        If there is no condition column, a cell has no condition, or a listed condition cannot be read.
    """
    conditions = needed_column(obs, "condition", columns.condition, source)
    rows, code = distinct(
        conditions,
        text_column(obs, "dose", columns.dose, source),
        text_column(obs, "dose_unit", columns.dose_unit, source),
        text_column(obs, "perturbation_type", columns.perturbation_type, source),
    )
    words = CONTROL_WORDS if control is None else (control.lower(),)
    nothing = next((row[0] for row in rows if row[0].strip().lower() in MISSING_WORDS - set(words)), None)
    if nothing is not None:
        raise InputError(
            f"{source}: {int((conditions == nothing).sum())} cells have no condition ({nothing!r}); "
            "write control, or drop them"
        )
    parts = [_parts(row[0], row[1], row[2], words) for row in rows]
    kinds = _kinds(parts, [row[3] for row in rows], words)
    column = find_column(obs, "condition", columns.condition, source)
    known = frozenset(genes)
    made = []
    for cell_parts in parts:
        agents = [
            _agent(name, text, kinds.get(name) or _guess(name, text, str(column), known)) for name, text in cell_parts
        ]
        made.append(tuple(sorted((a for a in agents if a.dose != 0.0), key=lambda a: (KINDS.index(a.kind), a.name))))
    unique = {tuple((a.name, a.kind, a.dose_text) for a in agents): agents for agents in made if agents}
    order = {key: i for i, key in enumerate(sorted(unique))}
    place = np.array([order.get(tuple((a.name, a.kind, a.dose_text) for a in agents), -1) for agents in made], np.intp)
    return tuple(unique[key] for key in order), place[code]


def _parts(condition: str, dose: str, unit: str, control: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the (name, dose text) of what was done; empty for control."""
    if condition.lower() in control:
        return ()
    listed = components(condition)
    pieces = [piece.strip() for piece in dose.split("+")]
    doses = pieces if len(pieces) == len(listed) else [dose] * len(listed)
    return tuple(
        (name, text or _dose_text(told, unit))
        for (name, text), told in zip(listed, doses, strict=True)
        if name.lower() not in control
    )


def _dose_text(dose: str, unit: str) -> str:
    """Spell a dose; "" where it says nothing: an unknown unit, or one guide, one knock-out."""
    try:
        number = float(dose)
    except ValueError:
        return dose  # text such as "100 U/mL", or nothing
    if math.isnan(number):
        return ""
    text = f"{number:.12g} {unit}".strip()
    try:
        concentration(text)
    except ValueError:
        return "" if number in (0.0, 1.0) else text
    return text


def _agent(name: str, text: str, kind: str) -> Agent:
    try:
        dose = concentration(text)
    except ValueError:
        return Agent(name, kind, math.nan, text)
    if dose.value == 0:
        return Agent(name, kind, 0.0, text)
    try:
        return Agent(name, kind, to_nanomolar(name, dose), text)
    except ValueError:
        return Agent(name, kind, math.nan, text)  # U/mL or ng/mL of an agent whose constants are not known


def _kinds(
    parts: Sequence[tuple[tuple[str, str], ...]], told: Sequence[str], control: tuple[str, ...]
) -> Mapping[str, str]:
    """Return the kind of each agent as the file tells it: where it stands alone, else in company."""
    alone: dict[str, str] = {}
    together: dict[str, str] = {}
    for agents, word in zip(parts, told, strict=True):
        kind = next((k for k, stems in _KIND_WORDS if any(stem in word.lower() for stem in stems)), None)
        for name, _ in agents:
            if kind is not None:
                (alone if len(agents) == 1 else together).setdefault(name, kind)
    return {**together, **alone}


def _guess(name: str, text: str, column: str, genes: frozenset[str]) -> str:
    """Return the kind of an agent of which the file tells none: by its name, its column, its dose."""
    if known_protein(name) is not None:
        return "cytokine"
    if column in ("target_gene", "gene"):
        return "gene"
    try:
        return "drug" if concentration(text).kind == "molar" else "cytokine"
    except ValueError:
        return "gene" if name in genes else "drug"
