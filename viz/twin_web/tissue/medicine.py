"""What a world model knows that can be done to cells, and how far its training supports what is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from twin.data.drugs import known_factors
from twin.model.contract import Condition, Perturbation, WorldModel
from twin.scenario.overlay import Tree
from twin.scenario.schema import Scenario, Substance

# Above it what is asked is called supported: at it nothing is known (`twin.model.trials`), below it saying that nothing
# changes is likelier to be right.
SUPPORTED = 0.5
SMALL_MOLECULE = "250 um^2/s"  # of a drug that no table knows; our choice, as small molecules in tissue
FELT = ("cytokine", "drug")  # kinds of perturbations that come to a cell from its medium


@dataclass(frozen=True)
class Felt:
    """What cells feel of a substance: a perturbation of their world model."""

    substance: str
    perturbation: Perturbation

    def told(self) -> dict[str, Any]:
        """Return it as the page shows it."""
        known = self.perturbation
        return {
            "perturbation": known.name,
            "kind": known.kind,
            "trained": known.reference_text,
            "trained_nM": _finite(known.reference),
            "ec50_nM": _finite(known.ec50),
            "hours": list(known.times),
        }


def felt(scenario: Scenario, model: WorldModel) -> dict[str, Felt]:
    """Return what cells feel of the scenario's substances, by substance."""
    known = {p.name: p for p in model.perturbations}
    return {
        r.substance: Felt(r.substance, known[r.perturbation])
        for r in scenario.signalling.reception
        if r.perturbation in known
    }


def to_add(scenario: Scenario, model: WorldModel) -> dict[str, Felt]:
    """Return what a timeline may name beside the scenario's substances: what the model knows at a dose in nM."""
    if not model.turns_over or any(home.world_model is not None for home in scenario.compartments.values()):
        return {}
    return {
        p.name: Felt(p.name, p)
        for p in model.perturbations
        if p.kind in FELT and np.isfinite(p.reference) and p.name not in scenario.substances
    }


def with_substance(tree: Tree, name: str) -> Tree:
    """Return a document in which cells feel one more substance of the model; it is nowhere until it is added."""
    table = {"from_table": name} if name in known_factors() else {"diffusivity": SMALL_MOLECULE}
    signalling = dict(tree.get("signalling") or {})
    receptors: dict[str, Any] = {} if name in known_factors() and known_factors()[name].receptors else {"receptor": []}
    signalling["reception"] = [
        *(signalling.get("reception") or []),
        {"substance": name, "perturbation": name, **receptors},
    ]
    return {
        **tree,
        "substances": {**(tree.get("substances") or {}), name: table},
        "signalling": signalling,
        "processes": _with(tree["processes"], ("diffusion", "exposure", "transition")),
    }


def units_of(substance: Substance | None) -> list[str]:
    """Return the units in which a dose of a substance can be written, the likeliest first."""
    if substance is None:
        return ["nM", "uM"]
    units = ["U/mL"] if substance.specific_activity is not None and substance.molar_mass is not None else []
    units += ["mmHg"] if substance.solubility is not None else []
    units += ["nM", "uM"]
    return units + (["ng/mL"] if substance.molar_mass is not None else [])


def support(model: WorldModel, doses: Mapping[str, float], types: Sequence[str]) -> dict[str, float]:
    """Return how far some doses (nM) at a time are supported, by cell type; types that the model does not know lack."""
    known = [t for t in types if t in model.contexts]
    if not known:
        return {}
    n, names = len(known), [p.name for p in model.perturbations]
    dose = np.zeros((n, len(names)))
    since = np.full((n, len(names)), np.nan)
    for name, value in doses.items():
        place = names.index(name)
        dose[:, place] = value
        since[:, place] = max(model.perturbations[place].times, default=0.0)
    context = np.array([model.contexts.index(t) for t in known], dtype=np.intp)
    ids = np.arange(n, dtype=np.uint64)
    found = model.support(Condition(ids, context, np.ones(n), dose, since, np.ones(n)))
    return {t: round(float(score), 4) for t, score in zip(known, found, strict=True)}


def table_of_support(model: WorldModel, perturbations: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    """Return the support of perturbations at their trained doses, by cell type."""
    return dict(_table(_Named(model), tuple(perturbations), tuple(types)))


def reference_of(known: Perturbation) -> float:
    """Return the trained dose, nM; of one that has none, 1, as the model takes it."""
    return known.reference if np.isfinite(known.reference) else 1.0


class _Named:
    """A model by its fingerprint: the same one may be made anew."""

    def __init__(self, model: WorldModel) -> None:
        self.model, self._name = model, model.fingerprint

    def __hash__(self) -> int:
        return hash(self._name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self._name == other._name


@lru_cache(maxsize=32)
def _table(named: _Named, perturbations: tuple[str, ...], types: tuple[str, ...]) -> dict[str, Any]:
    known = {p.name: p for p in named.model.perturbations}
    rows = [support(named.model, {name: reference_of(known[name])}, types) for name in perturbations]
    return {
        "perturbations": list(perturbations),
        "types": list(types),
        "values": [[row.get(t) for t in types] for row in rows],
        "measured": [[bool(known[name].cells.get(t)) for t in types] for name in perturbations],
        "supported_above": SUPPORTED,
    }


def _with(processes: Tree, more: Sequence[str]) -> Tree:
    return {**processes, **{name: {} for name in more if name not in processes}}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
