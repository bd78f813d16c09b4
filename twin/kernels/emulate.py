"""Parameters given observations, by an emulator of the ensemble: Bayes' rule where a prediction bends.

Source: Cleary et al., Calibrate, emulate, sample, J Comput Phys 424 (2021) 109716; kriging with a linear trend and
restricted likelihood after Stein, Interpolation of Spatial Data (1999).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Float = NDArray[np.float64]

LENGTHS = (0.5, 1.0, 2.0, 4.0)  # of the emulator, in standard deviations of the ensemble; the likeliest is taken
NUGGETS = (0.01, 0.1, 0.5)  # of a member's own noise, as a share of the emulator's variance; the likeliest is taken
NOISE = 0.5  # variance along an axis, in those of the observation error, below which the ensemble says nothing there


@dataclass(frozen=True)
class Emulator:
    """A Gaussian process with a linear trend through the members' predictions along a few axes.

    points : (member, parameter) standardised. length, nugget : of its kernel. inverse : (member, member) of the
    kernel. trend : (1 + parameter, axis). weights : (member, axis). scale : (axis,) variance.
    """

    points: Float
    length: float
    nugget: float
    inverse: Float
    trend: Float
    weights: Float
    scale: Float

    def __call__(self, at: Float) -> tuple[Float, Float]:
        """Return means and variances (point, axis) at points (point, parameter)."""
        near, design = _kernel(at, self.points, self.length), _design(at)
        own = _design(self.points)
        mean = design @ self.trend + near @ self.weights
        left = design - near @ self.inverse @ own
        spread = np.linalg.pinv(own.T @ self.inverse @ own)
        variance = 1 - np.einsum("ij,jk,ik->i", near, self.inverse, near) + np.einsum("ij,jk,ik->i", left, spread, left)
        return mean, np.maximum(variance, 0.0)[:, None] * self.scale


def emulated_update(parameters: Float, predicted: Float, observed: Float, variance: Float, luck: Float) -> Float | None:
    """Return the members' parameters after observations, (member, parameter); None where there are too few of them.

    The prior is the Gaussian of the ensemble. Candidates drawn from it are weighed by how likely the observations are
    under the emulator, whose own uncertainty counts; as many as there are members are taken at even steps of their
    weight, and each member moves to one of them, all together as little as they can.

    Parameters
    ----------
    parameters : (member, parameter). predicted : (member, observation). observed : (observation,).
    variance : (observation,) of the observation error. luck : (candidate, parameter) standard normals.
    """
    n, p = parameters.shape
    if n < p + 3:
        return None
    centre, width = parameters.mean(axis=0), np.maximum(parameters.std(axis=0, ddof=1), 1e-12)
    points = (parameters - centre) / width
    scores, target = _axes(predicted, observed, variance)
    emulator = emulate(points, scores)
    candidates = luck @ np.linalg.cholesky(np.atleast_2d(np.cov(points.T)) + 1e-9 * np.eye(p)).T
    mean, uncertain = emulator(candidates)
    uncertain = uncertain + emulator.nugget * emulator.scale  # what was observed had luck of its own, as a member has
    off = (target - mean) ** 2 / (1 + uncertain) + np.log(1 + uncertain)
    logs = -0.5 * off.sum(axis=1)
    weights = np.exp(logs - logs.max())
    chosen = candidates[_evenly(candidates, weights / weights.sum(), n)]
    apart = ((points[:, None] - chosen[None]) ** 2).sum(axis=2)
    rows, columns = linear_sum_assignment(apart)
    out = np.empty_like(points)
    out[rows] = chosen[columns]
    return np.asarray(centre + width * out, dtype=np.float64)


def emulated_predictions(parameters: Float, predicted: Float, variance: Float, at: Float) -> Float | None:
    """Return what the emulator of an ensemble predicts at other parameters, (point, observation); None as above.

    Arguments as in `emulated_update`; at : (point, parameter).
    """
    n, p = parameters.shape
    if n < p + 3:
        return None
    centre, width = parameters.mean(axis=0), np.maximum(parameters.std(axis=0, ddof=1), 1e-12)
    middle, error = predicted.mean(axis=0), np.sqrt(np.maximum(variance, 1e-300))
    scores, axes = _scores((predicted - middle) / error)
    mean, _ = emulate((parameters - centre) / width, scores)((at - centre) / width)
    return np.asarray(middle + error * (mean @ axes), dtype=np.float64)


def emulate(points: Float, scores: Float) -> Emulator:
    """Return the likeliest emulator of scores (member, axis) at points (member, parameter)."""
    inverse: Any
    trend: Any
    design = _design(points)
    free = len(points) - design.shape[1]
    found: list[tuple[float, Emulator]] = []
    for length in LENGTHS:
        for nugget in NUGGETS:
            inverse = np.linalg.inv(_kernel(points, points, length) + nugget * np.eye(len(points)))
            middle = design.T @ inverse @ design
            trend = np.linalg.solve(middle, design.T @ inverse @ scores)
            left = scores - design @ trend
            scale = np.maximum(np.einsum("ik,ij,jk->k", left, inverse, left) / free, 1e-12)  # (axis,)
            likely = -0.5 * (free * np.log(scale).sum() + scores.shape[1] * np.linalg.slogdet(middle)[1])
            likely += 0.5 * scores.shape[1] * np.linalg.slogdet(inverse)[1]
            found.append((float(likely), Emulator(points, length, nugget, inverse, trend, inverse @ left, scale)))
    return max(found, key=lambda pair: pair[0])[1]


def _axes(predicted: Float, observed: Float, variance: Float) -> tuple[Float, Float]:
    """Return members (member, axis) and observations (axis,) along the axes on which the ensemble says anything.

    In units of the observation error, whose variance is 1 along each.
    """
    middle = predicted.mean(axis=0)
    error = np.sqrt(np.maximum(variance, 1e-300))
    scores, axes = _scores((predicted - middle) / error)
    return scores, ((observed - middle) / error) @ axes.T


def _scores(anomalies: Float) -> tuple[Float, Float]:
    """Return members (member, axis) along the axes (axis, observation) on which they differ by more than noise."""
    _, size, axes = np.linalg.svd(anomalies, full_matrices=False)
    keep = max(1, int((size**2 / (len(anomalies) - 1) > NOISE).sum()))
    return anomalies @ axes[:keep].T, axes[:keep]


def _evenly(candidates: Float, weights: Float, n: int) -> NDArray[np.intp]:
    """Return the places of n candidates at even steps of weight, along the axis on which they vary most."""
    centre = weights @ candidates
    spread = ((candidates - centre) * weights[:, None]).T @ (candidates - centre)
    order = np.argsort(candidates @ np.linalg.eigh(spread)[1][:, -1], kind="stable")
    steps = np.cumsum(weights[order])
    return np.asarray(order[np.searchsorted(steps, (np.arange(n) + 0.5) / n * steps[-1])], dtype=np.intp)


def _kernel(a: Float, b: Float, length: float) -> Float:
    return np.asarray(np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=2) / length**2), dtype=np.float64)


def _design(points: Float) -> Float:
    return np.column_stack([np.ones(len(points)), points])
