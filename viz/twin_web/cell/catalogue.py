"""What can be asked: the cell types and perturbations of a model, as the page lists them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twin.model.condition import Perturbation
from twin.model.contract import WorldModel
from twin_web.cell.asked import CELL_HOURS, MOST_CELLS, MOST_CHOICES, MOST_HOURS, is_dosed, is_learned, modes, units_of
from twin_web.cell.lab import Lab, Ready
from twin_web.cell.panels import COURSE, described
from twin_web.cell.support import measured_doses

MOST_FOUND = 50  # genes of one search
FIRST = "CD14 Mono"  # the cell that the page begins with, where the model has it
FIRST_PERTURBATION = "IFNB1"
HERE, ELSEWHERE, CLAMP = "measured here", "measured elsewhere", "clamp"


def catalogue(lab: Lab, ready: Ready) -> dict[str, Any]:
    """Return all contexts and perturbations, and what the page begins with."""
    model = ready.model
    share = dict(zip(model.contexts, model.composition.tolist(), strict=True))
    known = [p for p in model.perturbations if p.kind != COURSE]
    treated = {c: sum(c in p.cells for p in known) for c in ready.panel_of}
    return {
        "status": "ready",
        "model": lab.site.model,
        "panels": [
            {
                "id": p.id,
                "name": p.name,
                "tissue": p.tissue,
                "species": p.species,
                "technology": p.technology,
                "genes": len(p.genes),
                "map": "ready" if lab.charts.is_drawn(model.fingerprint, p.id) else "absent",
            }
            for p in ready.panels
        ],
        "contexts": [
            {
                "name": c,
                "type": described(model, c).cell_type,
                "tissue": described(model, c).tissue,
                "panel": ready.panel_of[c].id,
                "share": round(share[c], 4),
                "treated": treated[c],
            }
            for c in ready.panel_of
        ],
        "perturbations": [_perturbation(model, p) for p in known],
        "default": default(ready),
        "limits": {"hours": MOST_HOURS, "cells": MOST_CELLS, "cell_hours": CELL_HOURS, "choices": MOST_CHOICES},
    }


def _perturbation(model: WorldModel, p: Perturbation) -> dict[str, Any]:
    dosed = is_dosed(p)
    return {
        "name": p.name,
        "kind": p.kind,
        "dosed": dosed,
        "reference": "" if p.reference_text == "unknown" else p.reference_text,
        "reference_nM": p.reference if dosed else None,
        "ec50_nM": p.ec50 if dosed else None,
        "hill": p.hill,
        "times": list(p.times),
        "units": units_of(p),
        "doses": [_dose(p, d) for d in measured_doses(model, p)] if dosed else [],
        "measured": p.cells,
        "modes": modes(model, p) if p.kind == "gene" else {},
    }


def _dose(p: Perturbation, dose: float) -> str:
    if abs(dose - p.reference) <= 1e-9 * dose:
        return p.reference_text
    return f"{dose / 1000:g} uM" if dose >= 100 else f"{dose:g} nM"


def default(ready: Ready) -> dict[str, Any]:
    """Return the question that the page begins with."""
    context = FIRST if FIRST in ready.panel_of else next(iter(ready.panel_of))
    first = next((p for p in ready.model.perturbations if p.name == FIRST_PERTURBATION), None)
    chosen = [] if first is None else [{"name": first.name, "dose": first.reference_text}]
    return {"context": context, "perturbations": chosen, "knockouts": [], "hours": 24, "cells": 100, "seed": 1}


def found_genes(ready: Ready, context: str, word: str, most: int, mean: Sequence[float] | None) -> dict[str, Any]:
    """Return genes of a context whose symbol is, begins with or holds a word, in this order; by mean within.

    mean : (gene of the panel,) counts per 10,000, where it is known.
    """
    genes = ready.panel(context).genes
    wanted = word.strip().upper()
    level = np.zeros(len(genes)) if mean is None else np.asarray(mean)
    hits = [i for i, gene in enumerate(genes) if wanted in gene.upper()]

    def rank(i: int) -> tuple[int, float, str]:
        name = genes[i].upper()
        return 0 if name == wanted else 1 if name.startswith(wanted) else 2, -float(level[i]), name

    hits.sort(key=rank)
    perturbed = {p.name: p for p in ready.model.perturbations if p.kind == "gene"}

    def how(gene: str) -> str:
        if gene not in perturbed or not is_learned(ready.model, gene, context):
            return CLAMP
        return HERE if context in modes(ready.model, perturbed[gene]) else ELSEWHERE

    told: list[dict[str, Any]] = [
        {"name": genes[i], "index": i, "mean": float(f"{level[i]:.4g}"), "knockout": how(genes[i])} for i in hits
    ]
    there = set(genes)
    told += [  # what their loss does was measured, but not they themselves
        {"name": name, "index": None, "mean": None, "knockout": HERE}
        for name, p in perturbed.items()
        if name not in there and wanted in name.upper() and context in p.cells and how(name) == HERE
    ]
    return {"genes": told[:most], "total": len(told)}
