"""How far the data carry an answer, told before it is asked for: a number, a level, and why, in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from twin.model.condition import Condition, Perturbation
from twin.model.contract import WorldModel
from twin.model.masked import MaskedDiffusion
from twin.model.rollout import Culture, exposed, receptors_of
from twin_web.cell.asked import ACTIVATION, FULL, Choice, Question, is_dosed, modes
from twin_web.cell.panels import described
from twin_web.cell.sentences import Language, Words, counted, joined, said, told

NEAR = 0.75  # support from which on an effect that was measured in other cells alone is near; our choice
ORDER = ("measured", "near", "rule", "far", "none")  # levels, the best first
ROUNDING = 1e-6  # share of a dose
NAMED = 3  # other cell types that a sentence names; our choice


@dataclass(frozen=True)
class Told:
    """What is said of one choice. support : None where a rule decides and no data do."""

    name: str
    kind: str
    dose: float | None
    acts: str
    support: float | None
    level: str
    sentence: Words

    def json(self, language: Language) -> dict[str, Any]:
        """Return it as it is sent."""
        return {
            "name": self.name,
            "kind": self.kind,
            "dose_nM": self.dose,
            "acts": self.acts,
            "support": None if self.support is None else round(self.support, 3),
            "level": self.level,
            "sentence": told(self.sentence, language),
        }


def support_of(
    model: WorldModel, whole: WorldModel, context: str, asked: Question, language: Language
) -> dict[str, Any]:
    """Return what the data say of a question, as it is sent.

    model : for this context and what is asked (`Lab.focused`), which answers it. whole : that knows what else was
    measured. To be asked for in one's turn.
    """
    felt = _felt(model, context, asked)
    known = {p.name: p for p in whole.perturbations}
    choices = [_of_choice(model, whole, context, known[c.name], c, felt[c.name]) for c in asked.choices]
    choices += [
        _of_knockout(model, whole, context, known.get(gene), gene, gene in asked.learned) for gene in asked.knockouts
    ]
    acting = [c.name for c in asked.choices if felt[c.name] > 0] + list(asked.learned)
    warnings = [*_receptor_warnings(model, asked, felt), *_together(whole, acting), *_time(known, acting, asked.hours)]
    warnings += [
        said("signal-unknown", gene=gene, name=name)
        for gene in asked.knockouts
        for name in [c.name for c in asked.choices if felt[c.name] > 0]
        if gene not in {subunit for complexes in receptors_of(model, name) for subunit in complexes}
        and not _measured_together(whole, [gene, name])
    ]
    if not choices:
        return {
            "support": 1.0,
            "level": "nothing asked",
            "sentence": told(said("nothing-done"), language),
            "kappa": model.kappa(),
            "choices": [],
            "warnings": [],
        }
    numbers = [c.support for c in choices if c.support is not None]
    if acting:
        dose = {name: felt.get(name, FULL) for name in acting}
        numbers.append(float(model.support(_condition(model, context, dose))[0]))
    worst = max(choices, key=lambda c: ORDER.index(c.level))
    together = "measured" if _measured_together(whole, acting) else "near"
    return {
        "support": round(min(numbers), 3) if numbers else None,
        "level": max(worst.level, together, key=ORDER.index),
        "sentence": told(worst.sentence, language),
        "kappa": model.kappa(),
        "choices": [c.json(language) for c in choices],
        "warnings": [told(warning, language) for warning in warnings],
    }


def _felt(model: WorldModel, context: str, asked: Question) -> dict[str, float]:
    """Return what reaches a cell of each perturbation of the medium, nM."""
    condition = _condition(model, context, {})
    alone = Culture(
        sp.csr_array((1, len(model.genes)), dtype=np.int32), np.zeros((1, model.latent_size), np.float32), condition
    )
    doses = {c.name: c.dose for c in asked.choices}
    there = exposed(model, alone, doses, asked.clamp).condition.dose[0]
    return {p.name: float(d) for p, d in zip(model.perturbations, there, strict=True) if p.name in doses}


def _condition(model: WorldModel, context: str, doses: dict[str, float]) -> Condition:
    place = model.contexts.index(context)
    dose = np.array([[doses.get(p.name, 0.0) for p in model.perturbations]])
    where, ids = np.array([place]), np.zeros(1, np.uint64)
    return Condition(ids, where, np.array([1e4]), dose, np.full_like(dose, np.nan), np.ones(1))


def _of_choice(
    model: WorldModel, whole: WorldModel, context: str, known: Perturbation, choice: Choice, felt: float
) -> Told:
    if felt == 0 and choice.dose > 0:
        unreached = said("unreached", name=choice.name)
        return Told(choice.name, known.kind, choice.dose, "nothing", None, "rule", unreached)
    if choice.dose == 0:
        return Told(choice.name, known.kind, 0.0, "nothing", None, "rule", said("no-dose", name=choice.name))
    support, level, sentence = _measured(model, whole, context, known, felt)
    parts = [sentence, *(_of_dose(whole, known, choice) if is_dosed(known) else ())]
    dose = choice.dose if is_dosed(known) else None
    acts = "nothing" if level == "none" else "learned effect"
    return Told(choice.name, known.kind, dose, acts, support, level, joined("sentences", parts))


def _of_knockout(
    model: WorldModel, whole: WorldModel, context: str, known: Perturbation | None, gene: str, learned: bool
) -> Told:
    if learned:
        assert known is not None
        support, level, sentence = _measured(model, whole, context, known, 1.0)
        clamped = [said("clamped")] if gene in model.genes else []
        words = [word for word, acts in (("learned effect", level != "none"), ("clamp", bool(clamped))) if acts]
        parts = joined("sentences", [sentence, *clamped])
        return Told(gene, "knock-out", None, " and ".join(words) or "nothing", support, level, parts)
    how = set() if known is None else set(modes(whole, known).values())
    why = said("only-activated" if known is not None and ACTIVATION in how else "never-perturbed")
    return Told(gene, "knock-out", None, "clamp", 0.0, "none", said("loss-unknown", gene=gene, why=why))


def _measured(
    model: WorldModel, whole: WorldModel, context: str, known: Perturbation, dose: float
) -> tuple[float, str, Words]:
    """Return support, level and sentence of one measured effect in a context."""
    name = known.name
    support = float(model.support(_condition(model, context, {name: dose}))[0])
    if not _says_something(model, name):
        return 0.0, "none", said("on-nothing", name=name)
    others = sorted((c for c in known.cells if c != context), key=lambda c: -known.cells[c])
    if context in known.cells:
        how = _how(whole, known, context)
        if not others:
            return support, "measured", said("measured", name=name, context=context, how=how)
        return support, "measured", counted("measured-too", len(others), name=name, context=context, how=how)
    level = "near" if support >= NEAR else "far" if support > 0 else "none"
    if not others:
        return support, level, said("nowhere", name=name)
    among: Words = joined("words", others[:NAMED])
    if len(others) > NAMED:
        among = said("and-more", some=among, n=len(others) - NAMED)
    return support, level, said("by-likeness", name=name, context=context, others=among)


def _how(whole: WorldModel, known: Perturbation, context: str) -> Words:
    bulk = "bulk" in described(whole, context).technology
    parts: list[Words] = [counted("samples" if bulk else "cells", known.cells[context])]
    if is_dosed(known):
        dose = known.reference_text
        parts.append(said("up-to", dose=dose) if len(measured_doses(whole, known)) > 1 else dose)
    if known.kind == "gene" and context in (how := modes(whole, known)):
        parts.append(said(how[context]))
    if known.times:
        parts.append(said("at-hours", hours=joined("and", [f"{t:g}" for t in known.times])))
    return joined("parts", parts)


def _says_something(model: WorldModel, name: str) -> bool:
    """Whether some measured effect of a perturbation alone is on genes that the model's contexts have."""
    if not isinstance(model, MaskedDiffusion):
        return True
    place = [p.name for p in model.perturbations].index(name)
    alone = [t for t in model.knowledge.treatments if t.agents == (place,)]
    return any(len(model.knowledge.families[t.family].genes) for t in alone)


def measured_doses(whole: WorldModel, known: Perturbation) -> list[float]:
    """Return the doses at which a perturbation was measured, nM, rising."""
    if not isinstance(whole, MaskedDiffusion):
        return [known.reference]
    place = [p.name for p in whole.perturbations].index(known.name)
    found = {t.dose for t in whole.knowledge.treatments if t.agents == (place,) and t.dose > 0}
    return sorted(found) or [known.reference]


def _of_dose(whole: WorldModel, known: Perturbation, choice: Choice) -> list[Words]:
    doses = measured_doses(whole, known)
    if choice.dose > doses[-1] * (1 + ROUNDING):
        return [said("above", dose=choice.text)]
    if choice.dose < doses[0] * (1 - ROUNDING):
        return [said("below", dose=choice.text, ec50=known.ec50)]
    return []


def _receptor_warnings(model: WorldModel, asked: Question, felt: dict[str, float]) -> list[Words]:
    warnings: list[Words] = []
    for choice in asked.choices:
        complexes = receptors_of(model, choice.name)
        lost = [gene for whole in complexes for gene in whole if gene in asked.knockouts]
        if lost and felt[choice.name] == 0:
            warnings.append(said("receptor-lost", gene=lost[0], name=choice.name))
    return warnings


def _measured_together(whole: WorldModel, names: Sequence[str]) -> bool:
    """Whether perturbations were given to the same cells in the model's data; one alone always was."""
    if len(names) < 2 or not isinstance(whole, MaskedDiffusion):
        return len(names) < 2
    known = [p.name for p in whole.perturbations]
    places = {known.index(name) for name in names if name in known}
    return len(places) == len(names) and any(set(t.agents) == places for t in whole.knowledge.treatments)


def _together(whole: WorldModel, acting: Sequence[str]) -> list[Words]:
    if _measured_together(whole, acting):
        return []
    return [said("never-together", names=joined("and", acting))]


def _time(known: dict[str, Perturbation], acting: Sequence[str], hours: int) -> list[Words]:
    warnings: list[Words] = []
    for name in acting:
        times = known[name].times
        if not times:
            warnings.append(said("time-unknown", name=name))
        elif hours > max(times):
            warnings.append(said("beyond", hours=hours, name=name, last=max(times)))
    return warnings
