"""The arithmetic of the baselines: deltas of other contexts carried over to a target's control profile."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from twin.analysis.protocol.task import Float
from twin.analysis.scores import mse

# The grids of the reference tables; none of them has a unit.
TEMPERATURE_GRID: tuple[Mapping[str, float], ...] = tuple(
    {"temperature": t} for t in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0)
)
SLOPE_GRID: tuple[Mapping[str, float], ...] = tuple({"slope": s} for s in (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0))
LEVEL_GRID: tuple[Mapping[str, float], ...] = tuple(
    {"temperature": t, "slope": s}
    for t, s in itertools.product((0.02, 0.05, 0.1, 0.2, 1.0), (0.0, 0.3, 0.5, 0.7, 0.85, 1.0))
)
RIDGE_GRID: tuple[Mapping[str, float], ...] = tuple(
    {"components": c, "alpha": a} for c, a in itertools.product((1, 2, 3, 5), (0.01, 0.1, 0.3, 1.0, 3.0, 10.0))
)
DONOR_RIDGE_GRID: tuple[Mapping[str, float], ...] = tuple(
    {"components": c, "alpha": a} for c, a in itertools.product((2, 5, 10), (0.01, 0.1, 1.0))
)
NEIGHBOUR_GRID: tuple[Mapping[str, float], ...] = tuple({"neighbours": k} for k in (1, 2, 3, 5, 8))  # our choice

Rule = Callable[..., Float]
"""(profiles (unit, scored), deltas (unit, any), weights (unit,), target (scored,), **setting) -> delta (any,)."""


def likeness(profiles: Float, target: Float) -> Float:
    """Return the Pearson correlation of each profile with the target's, (unit,)."""
    a = profiles - profiles.mean(axis=1, keepdims=True)
    b = target - target.mean()
    return np.asarray(a @ b / np.sqrt((a**2).sum(axis=1) * (b @ b)))


def mean_shift(profiles: Float, deltas: Float, weights: Float, target: Float) -> Float:
    """Return the plain mean of the deltas."""
    return np.asarray(deltas.mean(axis=0))


def weighted_shift(profiles: Float, deltas: Float, weights: Float, target: Float) -> Float:
    """Return the mean of the deltas, each weighted by its cells."""
    return np.asarray(weights @ deltas / weights.sum())


def nearest_shift(profiles: Float, deltas: Float, weights: Float, target: Float) -> Float:
    """Return the delta of the unit whose control profile is most like the target's."""
    return np.asarray(deltas[np.argmax(likeness(profiles, target))])


def neighbour_shift(profiles: Float, deltas: Float, weights: Float, target: Float, *, neighbours: float) -> Float:
    """Return the mean delta of the `neighbours` units whose control profiles are most like the target's."""
    nearest = np.argsort(-likeness(profiles, target), kind="stable")[: int(neighbours)]
    return np.asarray(deltas[nearest].mean(axis=0))


def similarity(profiles: Float, weights: Float, target: Float, temperature: float) -> Float:
    """Return weights proportional to cells times exp(likeness / temperature), sum 1, (unit,)."""
    s = likeness(profiles, target)
    w = np.exp((s - s.max()) / temperature) * weights
    return np.asarray(w / w.sum())


def similarity_shift(profiles: Float, deltas: Float, weights: Float, target: Float, *, temperature: float) -> Float:
    """Return the mean of the deltas under the weights of `similarity`."""
    return np.asarray(similarity(profiles, weights, target, temperature) @ deltas)


def level_blend(profiles: Float, deltas: Float, weights: Float, target: Float, *, slope: float) -> Float:
    """Return mean treated level + slope * (own control - mean control), as a delta.

    Slope 1 is the mean shift, slope 0 one common treated level.
    """
    centre = profiles.mean(axis=0)
    return np.asarray(centre + deltas.mean(axis=0) + slope * (target - centre) - target)


def similarity_level(
    profiles: Float, deltas: Float, weights: Float, target: Float, *, temperature: float, slope: float
) -> Float:
    """Return `level_blend` with the weights of `similarity` in both means."""
    w = similarity(profiles, weights, target, temperature)
    return np.asarray(w @ (profiles + deltas) + slope * (target - w @ profiles) - target)


def ridge_paths(
    profiles: Float, deltas: Float, weights: Float, targets: Float, grid: Sequence[Mapping[str, float]]
) -> Iterator[Float]:
    """Yield, per setting, the ridge regression of the delta on the control profile at the targets, (target, scored).

    Features: scores on the first `components` principal axes of the profiles (centred with the cells as weights),
    over the first axis' standard deviation. The penalty `alpha` is in units of the total weight; the intercept, the
    weighted mean delta, is free. One decomposition serves all settings.
    """
    w = weights / weights.sum()
    centre, base = w @ profiles, w @ deltas
    _, s, axes = np.linalg.svd(np.sqrt(w)[:, None] * (profiles - centre), full_matrices=False)
    scale = s[0] if s[0] > 0 else 1.0  # one unit: no axis, the intercept alone
    scores, queries = (profiles - centre) @ axes.T / scale, (targets - centre) @ axes.T / scale  # (unit, axis)
    right = (scores * w[:, None]).T @ (deltas - base)  # (axis, scored)
    gram = (scores * w[:, None]).T @ scores
    for setting in grid:
        n = min(int(setting["components"]), len(axes))
        inner = gram[:n, :n] + setting["alpha"] * np.eye(n)
        yield base + queries[:, :n] @ np.linalg.solve(inner, right[:n])


def ridge_shift(
    profiles: Float,
    deltas: Float,
    weights: Float,
    target: Float,
    groups: NDArray[np.str_],
    grid: Sequence[Mapping[str, float]],
) -> Float:
    """Return the ridge prediction at the setting of least leave-one-group-out error over the units."""
    errors = np.zeros(len(grid))
    if len(np.unique(groups)) > 1:
        for group in np.unique(groups):
            out = groups == group
            paths = ridge_paths(profiles[~out], deltas[~out], weights[~out], profiles[out], grid)
            errors += [float(((p - deltas[out]) ** 2).mean(axis=1).sum()) for p in paths]
    best = int(np.argmin(errors))
    (path,) = ridge_paths(profiles, deltas, weights, target[None], [grid[best]])
    return np.asarray(path[0])


def tuned(
    rule: Rule,
    grid: Sequence[Mapping[str, float]],
    profiles: Float,
    deltas: Float,
    weights: Float,
) -> Mapping[str, float]:
    """Return the setting with the least mean squared error when each unit in turn is left out; the target is not seen.

    With a single unit there is nothing to tune on: the last setting, which is the most even one.
    """
    if len(profiles) < 2:
        return grid[-1]
    best, least = grid[-1], np.inf
    for setting in grid:
        errors = []
        for i in range(len(profiles)):
            keep = np.arange(len(profiles)) != i
            errors.append(mse(rule(profiles[keep], deltas[keep], weights[keep], profiles[i], **setting), deltas[i]))
        if float(np.mean(errors)) < least:
            best, least = setting, float(np.mean(errors))
    return best
