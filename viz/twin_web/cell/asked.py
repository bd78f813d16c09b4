"""A question to the virtual cell, as a request brings it, checked word by word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twin.data.substances import known_protein, to_nanomolar
from twin.errors import InputError, UnknownNameError
from twin.model.condition import Perturbation
from twin.model.contract import WorldModel
from twin.units import concentration
from twin_web.bodies import text, whole
from twin_web.cell.panels import COURSE, described

MOST_HOURS, MOST_CELLS = 72, 500
CELL_HOURS = 10_000  # cells × hours of one simulation; our choice: some minutes on two cores
MOST_CHOICES = 4  # perturbations, and as many knock-outs; our choice
MOST_WATCHED = 12
LAST_SEED = 2**31 - 1
FULL = 1.0  # nM; what is measured without a dose acts in full at any dose above 0
ACTIVATION, KNOCK_DOWN, KNOCK_OUT = "activation", "knock-down", "knock-out"


@dataclass(frozen=True)
class Choice:
    """One perturbation of the medium. dose : nM. text : as the user wrote it, or as it was measured."""

    name: str
    dose: float
    text: str


@dataclass(frozen=True)
class Question:
    """What is done to the cells.

    knockouts : genes. clamped : those of them that are on the axis. learned : those whose measured effect acts.
    """

    choices: tuple[Choice, ...]
    knockouts: tuple[str, ...]
    clamped: tuple[str, ...]
    learned: tuple[str, ...]
    hours: int

    @property
    def doses(self) -> dict[str, float]:
        """Return the dose of every perturbation that acts, nM."""
        return {c.name: c.dose for c in self.choices} | dict.fromkeys(self.learned, FULL)

    @property
    def clamp(self) -> dict[str, float]:
        """Return the factors of the clamped genes."""
        return dict.fromkeys(self.clamped, 0.0)


@dataclass(frozen=True)
class Size:
    """How a simulation is run. follow : the replicate that is shown. watch : genes that are told at every hour."""

    cells: int
    seed: int
    follow: int
    watch: tuple[str, ...]


def question(given: Mapping[str, Any], model: WorldModel, context: str, genes: Sequence[str]) -> Question:
    """Return what a request asks of a context with these genes.

    Raises
    ------
    InputError
        If a name, a dose or its unit stands for nothing, or there is too much of it.
    """
    choices = tuple(_choice(item, i, model) for i, item in enumerate(_list(given, "perturbations", MOST_CHOICES)))
    for i, choice in enumerate(choices):
        if choice.name in [other.name for other in choices[:i]]:
            raise InputError(f"perturbations: {choice.name} is given twice; add up its doses")
    known = set(genes)
    knockouts = []
    for item in _list(given, "knockouts", MOST_CHOICES):
        gene = text({"gene": item}, "gene", longest=100)
        if gene not in known and not is_learned(model, gene, context):
            raise UnknownNameError(f"gene that was measured in {context}", gene, genes, "knockouts: ")
        knockouts.append(gene)
    knockouts = list(dict.fromkeys(knockouts))
    clamped = tuple(gene for gene in knockouts if gene in known)
    given_too = [c.name for c in choices]
    learned = tuple(g for g in knockouts if is_learned(model, g, context) and g not in given_too)
    return Question(choices, tuple(knockouts), clamped, learned, whole(given, "hours", 1, MOST_HOURS, 24))


def size(given: Mapping[str, Any], hours: int, genes: Sequence[str]) -> Size:
    """Return how a simulation is to be run.

    Raises
    ------
    InputError
        If it is too large, or a gene is not there.
    """
    cells = whole(given, "cells", 1, MOST_CELLS, 100)
    if cells * hours > CELL_HOURS:
        raise InputError(
            f"{cells} cells for {hours} h are too many for the page: at most {CELL_HOURS // hours} cells for that long"
        )
    known = set(genes)
    watch = [text({"gene": item}, "gene", longest=100) for item in _list(given, "watch", MOST_WATCHED)]
    for gene in watch:
        if gene not in known:
            raise UnknownNameError("gene that was measured in these cells", gene, genes, "watch: ")
    seed, follow = whole(given, "seed", 0, LAST_SEED, 1), whole(given, "follow", 0, cells - 1, 0)
    return Size(cells, seed, follow, tuple(dict.fromkeys(watch)))


def is_dosed(perturbation: Perturbation) -> bool:
    """Whether a dose says how strongly a perturbation acts; else it acts in full or not at all."""
    return bool(perturbation.ec50 > 0 and perturbation.reference > 0)


def modes(model: WorldModel, perturbation: Perturbation) -> dict[str, str]:
    """Return for each context in which a gene was perturbed whether it was knocked out, down, or activated."""
    found = {}
    for context in perturbation.cells:
        if context in model.contexts:
            technology = described(model, context).technology
            words = ((ACTIVATION, "CRISPRa"), (KNOCK_DOWN, "CRISPRi"))
            found[context] = next((mode for mode, word in words if word in technology), KNOCK_OUT)
    return found


def is_learned(model: WorldModel, gene: str, context: str) -> bool:
    """Whether what a knock-out of a gene does was learned from cells that lost it, and not from such as got more."""
    known = next((p for p in model.perturbations if p.name == gene and p.kind == "gene"), None)
    if known is None:
        return False
    how = modes(model, known)
    if context in how:
        return how[context] != ACTIVATION
    return bool(how) and ACTIVATION not in how.values()


def units_of(perturbation: Perturbation) -> list[str]:
    """Return the units in which a dose can be given, the one of the data first."""
    if not is_dosed(perturbation):
        return []
    known = known_protein(perturbation.name)
    units = ["nM", "uM"] if known is None else ["nM", "ng/mL"]
    if known is not None and known.specific_activity is not None:
        units.append("U/mL")
    own = perturbation.reference_text.partition(" ")[2]
    return sorted(units, key=lambda unit: unit != own)


def _choice(item: object, i: int, model: WorldModel) -> Choice:
    where = f"perturbations[{i}]"
    if not isinstance(item, Mapping):
        raise InputError(f'{where}: give an object, like {{"name": "IFNB1", "dose": "100 U/mL"}}')
    name = text(item, "name", longest=200)
    known = {p.name: p for p in model.perturbations if p.kind != COURSE}
    if name not in known:
        raise UnknownNameError("perturbation of this model", name, known, f"{where}: ")
    perturbation = known[name]
    dose = item.get("dose")
    if dose is None:
        measured = perturbation.reference_text
        return Choice(name, perturbation.reference if is_dosed(perturbation) else FULL, measured)
    written = text(item, "dose", longest=60)
    if not is_dosed(perturbation):
        raise InputError(f"{where}: {name} was measured without a dose that is known in nM; leave the dose out")
    try:
        return Choice(name, to_nanomolar(name, concentration(written)), written)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def _list(given: Mapping[str, Any], key: str, most: int) -> list[object]:
    found = given.get(key, [])
    if not isinstance(found, list):
        raise InputError(f"{key}: give a list")
    if len(found) > most:
        raise InputError(f"{key}: {len(found)} are too many, at most {most}")
    return found
