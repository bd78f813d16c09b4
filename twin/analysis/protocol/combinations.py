"""Baselines for a condition that no visible cell was given: other perturbations, single effects, means of all."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from twin.analysis.protocol.task import CONTROL, Float, Prediction, Task
from twin.analysis.protocol.units import arms, effects
from twin.analysis.scores import mse

JOIN = "+"  # between the parts of a combination, in the data files
NEIGHBOURS = (1, 2, 3, 5, 8)  # perturbations; our choice
RANKS = (1, 2, 3, 5)  # principal axes of the effects; our choice
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the ridge, over a kernel of diagonal 1; our choice


def is_unseen(task: Task) -> bool:
    """Return whether no visible cell, in any context, was given what is asked."""
    return not bool(arms(task)[1].any())


def parts(condition: str) -> tuple[str, ...]:
    """Return the single perturbations of a condition."""
    return tuple(condition.split(JOIN))


def _others(task: Task) -> dict[str, Float] | None:
    """Return the effects of the other conditions in the target context, or None where this is not asked."""
    if task.condition == CONTROL or not is_unseen(task):
        return None
    return {k: v for k, v in effects(task).items() if k != task.condition} or None


def _plus(task: Task, delta: Float | None) -> Prediction | None:
    return None if delta is None else Prediction(task.means(task.start) + delta)


def other_mean(task: Task) -> Prediction | None:
    """Start cells plus the mean effect of all other perturbations that are visible in the context."""
    known = _others(task)
    return None if known is None else _plus(task, np.mean(list(known.values()), axis=0))


def peer_mean(task: Task) -> Prediction | None:
    """Start cells plus the mean effect of the peers: the singles beside a double, the other perturbations that move."""
    known = _others(task) or {}
    peers = [known[name] for name in task.peers if name in known]
    return _plus(task, np.mean(peers, axis=0)) if peers else None


def _known_parts(task: Task) -> list[Float]:
    known = _others(task) or {}
    named = parts(task.condition)
    return [known[name] for name in named if name in known] if len(named) > 1 else []


def additive(task: Task) -> Prediction | None:
    """Start cells plus the sum of the parts' effects; where one part is known, that one alone."""
    found = _known_parts(task)
    return _plus(task, np.sum(found, axis=0)) if found else None


def part_mean(task: Task) -> Prediction | None:
    """Start cells plus the mean of the parts' effects, where two are known."""
    found = _known_parts(task)
    return _plus(task, np.mean(found, axis=0)) if len(found) > 1 else None


def strongest_part(task: Task) -> Prediction | None:
    """Start cells plus the effect of the part with the largest mean squared effect, where two are known."""
    found = _known_parts(task)
    return _plus(task, max(found, key=lambda d: float(d @ d))) if len(found) > 1 else None


def additive_interaction(task: Task) -> Prediction | None:
    """The sum of the parts' effects, plus the mean deviation from that sum in other combinations that share a part."""
    own = _known_parts(task)
    if len(own) < 2:
        return None
    known = _others(task) or {}
    mine = set(parts(task.condition))
    deviations = []
    for name, delta in known.items():
        named = parts(name)
        if len(named) > 1 and mine & set(named) and all(p in known for p in named):
            deviations.append(delta - np.sum([known[p] for p in named], axis=0))
    return _plus(task, np.sum(own, axis=0) + np.mean(deviations, axis=0)) if deviations else None


def cell_mean(task: Task) -> Prediction | None:
    """The mean, over all visible perturbed pseudobulks (condition and context), of the level itself."""
    condition, context = task.column("condition"), task.column("context")
    perturbed = task.visible & (condition != CONTROL)
    if not (condition == CONTROL).any():
        return None
    pairs = sorted(set(zip(condition[perturbed].tolist(), context[perturbed].tolist(), strict=True)))
    means = [task.means(perturbed & (condition == c) & (context == k)) for c, k in pairs]
    return Prediction(np.mean(means, axis=0)) if means else None


def context_mean(task: Task) -> Prediction | None:
    """The mean of the visible perturbed cells of the target context, all conditions pooled."""
    is_control = task.column("condition") == CONTROL
    perturbed = task.visible & (task.column("context") == task.target) & ~is_control
    return Prediction(task.means(perturbed)) if perturbed.any() and is_control.any() else None


def neighbour_effect(task: Task) -> Prediction | None:
    """Start cells plus the mean effect of the k perturbations with the most similar gene features; k tuned on them."""
    found = _described(task)
    if found is None:
        return None
    kernel, own, deltas = found

    def predict(similar: Float, known: Float, k: int) -> Float:
        return np.asarray(known[np.argsort(-similar, kind="stable")[:k]].mean(axis=0))

    errors = []
    for k in NEIGHBOURS:
        left = [
            mse(predict(np.delete(kernel[i], i), np.delete(deltas, i, axis=0), k), deltas[i])
            for i in range(len(deltas))
        ]
        errors.append(float(np.mean(left)))
    return _plus(task, predict(own, deltas, NEIGHBOURS[int(np.argmin(errors))]))


def low_rank(task: Task) -> Prediction | None:
    """Start cells plus a linear low-rank effect: principal axes of the known effects, ridge on the gene features.

    Source
    ------
    Ahlmann-Eltze et al., Nat Methods (2025), 10.1038/s41592-025-02772-6: Y ~ G W P' + b, here with curated gene sets
    as P and rank and penalty tuned by leaving out each known perturbation.
    """
    found = _described(task)
    if found is None or len(found[2]) < 4:
        return None
    kernel, own, deltas = found
    grid = list(product(RANKS, PENALTIES))
    errors = np.zeros(len(grid))
    for i in range(len(deltas)):
        keep = np.arange(len(deltas)) != i
        fits = _low_rank(kernel[np.ix_(keep, keep)], kernel[i, keep], deltas[keep], grid)
        errors += [mse(fit, deltas[i]) for fit in fits]
    (best,) = _low_rank(kernel, own, deltas, [grid[int(np.argmin(errors))]])
    return _plus(task, best)


def _low_rank(kernel: Float, own: Float, deltas: Float, grid: Sequence[tuple[int, float]]) -> list[Float]:
    """Return the predicted effect per (rank, penalty), (scored,) each.

    kernel : (known, known) similarity of the perturbations, diagonal 1. own : (known,) to the asked one.
    """
    base = deltas.mean(axis=0)
    left, s, axes = np.linalg.svd(deltas - base, full_matrices=False)
    scores = left * s  # (known, axis)
    ridge = {p: own @ np.linalg.solve(kernel + p * np.eye(len(kernel)), scores) for p in {p for _, p in grid}}
    return [base + ridge[penalty][:rank] @ axes[:rank] for rank, penalty in grid]


def _described(task: Task) -> tuple[Float, Float, Float] | None:
    """Return (kernel of the known perturbations, similarity to the asked one, known effects); None without features."""
    known = _others(task)
    if known is None or describe(task.features, task.condition) is None:
        return None
    vectors = {name: describe(task.features, name) for name in known}
    names = [name for name in known if vectors[name] is not None]
    if len(names) < 2:
        return None
    table = np.stack([v for name in names if (v := vectors[name]) is not None])
    own = describe(task.features, task.condition)
    assert own is not None
    return table @ table.T, table @ own, np.stack([known[name] for name in names])


def describe(features: Mapping[str, Float], condition: str) -> Float | None:
    """Return a condition's features, the sum of its parts', of length 1; None where no part has any."""
    found = [features[p] for p in parts(condition) if p in features]
    total = np.sum(found, axis=0) if found else np.zeros(0)
    length = float(np.sqrt(total @ total))
    return total / length if length > 0 else None
