"""From measured donors to spreads that a scenario can have: what a spread does to the score, and how large it must be.

The world model says how far a program's score moves with the baseline (`tone`) of untreated cells and with the gain of
treated ones; the variances between measured donors, divided by these slopes squared, are those of baseline and gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from twin.analysis.donors.measured import (
    LEAST_DONORS,
    WHAT,
    DonorCells,
    Levels,
    What,
    levels_of,
    told_types,
    variance_of,
)
from twin.analysis.random_effects import between_variance, shared_part
from twin.data.donors import Estimate, Spreads
from twin.errors import InputError, UnknownNameError
from twin.kernels.random import Streams
from twin.model.condition import Condition, Perturbation
from twin.model.contract import WorldModel
from twin.scenario.variation import DEFAULT

Float = NDArray[np.float64]

DRAWN = 400  # cells a type and point of a slope; our choice: one luck for all points, so that few will do
STEP = 0.1  # of baseline and gain on either side, for a slope; our choice, near what donors differ by
# Donors that the mean over types counts for in a type's own variance. Of 0 to 10 it is the number that predicted each
# of the seven donors of Kang et al. 2018 best from the other six (log density of 54 responses by type).
POOLED = 2.0
METHOD = (
    "Variance between donors by REML, with the sampling noise of their cells taken out, of the mean log1p(CP10k) of "
    "the program; baseline from untreated cells, gain from what the response varies beyond that, each divided by the "
    "squared slope of the score that the world model gives. A type's variance is pooled with the mean over types as "
    f"if that came from {POOLED:g} donors more. Sensitivity (EC50) cannot be told from one dose, nor identity: not set."
)


@dataclass(frozen=True)
class Slopes:
    """How a type's score answers, as the world model has it.

    baseline : d score / d tone of untreated cells. gain : d score / d ln gain of cells at the trained dose.
    """

    baseline: float
    gain: float


def model_for(model: WorldModel, cells: DonorCells) -> tuple[WorldModel, list[int]]:
    """Return the model of the told types that it knows, and those types' codes among the cells.

    Raises
    ------
    InputError
        If it cannot tell donors apart, does not know the perturbation, lacks a gene, or knows no type of which enough
        donors were measured.
    """
    if not model.tells_donors_apart:
        raise InputError(f"the world model {model.name} does not tell donors apart: take another, like default")
    known = [p.name for p in model.perturbations]
    if cells.perturbation not in known:
        raise UnknownNameError("perturbation of the world model", cells.perturbation, known)
    told = [t for t in told_types(levels_of(cells)) if cells.cell_types[t] in model.contexts]
    if not told:
        raise InputError(
            f"{cells.source}: no cell type that the model knows has 5 cells of either arm in {LEAST_DONORS} donors"
        )
    contexts = tuple(c for c in model.contexts if c in {cells.cell_types[t] for t in told})
    narrow = model.focused(contexts, perturbations=(cells.perturbation,))
    lacking = [gene for gene in cells.program if gene not in narrow.genes]
    if lacking:
        raise InputError(f"the world model lacks {', '.join(lacking)} of the program in these cell types")
    return narrow, told


def scores(
    model: WorldModel,
    program: Sequence[str],
    cell_type: str,
    depth: Float,
    luck: Streams,
    first_id: int = 0,
    *,
    gain: Float | float | None = None,
    tone: Float | float | None = None,
) -> Float:
    """Return the mean log1p(CP10k) of a program in cells of a type that the model draws, (cell,).

    Parameters
    ----------
    model : of one perturbation.
    depth : (cell,). luck, first_id : two calls with the same draw the same cells, but for what is done to them.
    gain : (cell,) or one for all: the cells are at the trained dose, which acts with this factor. None: no dose.
    tone : (cell,) or one for all: the baseline of cells, as a share of the effect. None: 0.
    """
    n = len(depth)
    condition = Condition(
        ids=np.arange(first_id, first_id + n, dtype=np.uint64),
        context=np.full(n, model.contexts.index(cell_type)),
        depth=depth,
        dose=np.full((n, 1), 0.0 if gain is None else full_dose(model)),
        time_since=np.full((n, 1), np.nan),
        ec50_factor=np.ones(n),
        gain=None if gain is None else np.broadcast_to(gain, n)[:, None],
        tone=None if tone is None else np.broadcast_to(tone, n)[:, None],
    )
    counts, _ = model.sample(condition, luck)
    total = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    genes = [model.genes.index(gene) for gene in program]
    return np.asarray(np.log1p(1e4 * counts[:, genes].toarray() / total[:, None]).mean(axis=1))


def full_dose(model: WorldModel) -> float:
    """Return the trained dose of a model's only perturbation, nM; 1 where it has none."""
    (perturbation,) = model.perturbations
    return perturbation.reference if np.isfinite(perturbation.reference) else 1.0


def slopes_of(model: WorldModel, cells: DonorCells, types: Sequence[int]) -> dict[int, Slopes]:
    """Return how each type's score answers to baseline and gain; cells are as deep as the measured ones.

    Raises
    ------
    InputError
        If the program does not rise in one of them.
    """
    out, flat, luck = {}, [], Streams(0, 0, 0)
    for t in types:
        own = np.sort(cells.depth[cells.cell_type == t])
        depth = own[(np.arange(DRAWN) * len(own)) // DRAWN]
        ask = partial(scores, model, cells.program, cells.cell_types[t], depth, luck)
        baseline = float((ask(tone=STEP) - ask(tone=-STEP)).mean()) / (2 * STEP)
        gain = float((ask(gain=np.exp(STEP)) - ask(gain=np.exp(-STEP))).mean()) / (2 * STEP)
        out[t] = Slopes(baseline, gain)
        if not (baseline > 0 and gain > 0):
            flat.append(cells.cell_types[t])
    if flat:
        raise InputError(
            f"the program does not rise under {cells.perturbation} in {', '.join(flat)} of the world model: take genes "
            "that do"
        )
    return out


def effects_from(cells: DonorCells, types: Sequence[int], slopes: dict[int, Slopes]) -> dict[str, object]:
    """Return spreads between donors, as `variation.donors.effects` of a scenario has them."""
    levels = levels_of(cells)
    told = [t for t in types if t in told_types(levels, LEAST_DONORS - 1)]  # a donor may have been left out
    control = {t: variance_of(levels, "control", t) for t in told}
    response = {t: variance_of(levels, "response", t) for t in told}
    df = {t: float(response[t].n - 1) for t in told}
    baseline = {t: control[t].variance / slopes[t].baseline ** 2 for t in told}
    beyond = {t: max(response[t].variance - control[t].variance, 0.0) for t in told}
    gain = {t: beyond[t] / slopes[t].gain ** 2 for t in told}
    shared = {"gain": _shared(levels, "treated", told), "baseline": _shared(levels, "control", told)}
    return {
        "gain": {cells.perturbation: _pooled(gain, df, cells.cell_types)},
        "baseline": {cells.perturbation: _pooled(baseline, df, cells.cell_types)},
        "library": round(_library(levels), 4),
        "composition": round(_composition(cells, types), 4),
        "shared": shared,
    }


def calibrate_donors(model: WorldModel, cells: DonorCells, dose: str) -> tuple[Spreads, WorldModel, list[int]]:
    """Return the spreads of measured donors, and the model and types that they were found with.

    Raises
    ------
    InputError
        As `model_for`, or if the program does not rise under the perturbation.
    """
    narrow, types = model_for(model, cells)
    effects = effects_from(cells, types, slopes_of(narrow, cells, types))
    levels = levels_of(cells)
    measured = []
    for t in types:
        for what in WHAT:
            found = variance_of(levels, what, t)
            measured.append(
                Estimate(
                    cell_type=cells.cell_types[t],
                    what=what,
                    mean=round(found.mean, 4),
                    variance=round(found.variance, 5),
                    low=round(found.low, 5),
                    high=round(found.high, 5) if np.isfinite(found.high) else None,
                    donors=found.n,
                )
            )
    spreads = Spreads(
        source=cells.source,
        method=METHOD,
        model=f"{model.name} {model.fingerprint[:12]}",
        perturbation=cells.perturbation,
        dose=dose,
        program=cells.program,
        donors=cells.donors,
        n_cells=len(cells.score),
        effects=effects,
        measured=tuple(measured),
    )
    return spreads, narrow, types


def reference_text(perturbations: Sequence[Perturbation], name: str) -> str:
    """Return the trained dose of a perturbation as its data said it."""
    return next((p.reference_text for p in perturbations if p.name == name), "")


def _pooled(variance: dict[int, float], df: dict[int, float], names: Sequence[str]) -> dict[str, float]:
    """Return a standard deviation for each type and one for all others, drawn to each other."""
    weight = sum(df.values())
    common = sum(df[t] * v for t, v in variance.items()) / weight
    drawn = {names[t]: (df[t] * v + POOLED * common) / (df[t] + POOLED) for t, v in variance.items()}
    return {name: round(float(np.sqrt(v)), 4) for name, v in {DEFAULT: common, **drawn}.items()}


def _shared(levels: Levels, what: What, types: Sequence[int]) -> float:
    """Return how alike the types of a donor are in a number; the treated level, as no baseline acts on it, for gain."""
    value, _ = levels.of(what)
    spread = np.sqrt([variance_of(levels, what, t).variance for t in types])
    return round(float(shared_part(value[:, list(types)].T, spread)), 3)


def _library(levels: Levels) -> float:
    """Return the spread of the log library size between donors, of what all types and arms have in common."""
    known_depth = np.isfinite(levels.log_depth)
    weight = np.where(known_depth, levels.n, 0)
    depth = np.where(known_depth, levels.log_depth, 0.0)
    centre = depth.sum(axis=0) / np.maximum(known_depth.sum(axis=0), 1)  # (type, arm)
    off = np.where(known_depth, depth - centre, 0.0)
    total = weight.sum(axis=(1, 2))
    known = total > 0
    value = (weight * off).sum(axis=(1, 2))[known] / total[known]
    noise = ((weight * off**2).sum(axis=(1, 2))[known] / total[known] - value**2) / np.maximum(
        (weight > 0).sum(axis=(1, 2))[known] - 1, 1
    )
    return float(np.sqrt(between_variance(value, np.maximum(noise, 0.0)).variance))


def _composition(cells: DonorCells, types: Sequence[int]) -> float:
    """Return the spread of the log of the types' shares between donors, the mean over types."""
    shape = (len(cells.donors), len(cells.cell_types))
    n = np.bincount(np.ravel_multi_index((cells.donor, cells.cell_type), shape), minlength=int(np.prod(shape)))
    table = n.reshape(shape)[:, list(types)].astype(np.float64)
    table = table[table.sum(axis=1) > 0] + 0.5  # Haldane's half: a type that was not met has a log, too
    log_share = np.log(table / table.sum(axis=1, keepdims=True))
    centred = log_share - log_share.mean(axis=1, keepdims=True)
    variances = [between_variance(centred[:, i], 1.0 / table[:, i]).variance for i in range(table.shape[1])]
    return float(np.sqrt(np.mean(variances)))
