"""How much groups really differ: the variance between them, freed of the noise with which each is known."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from twin.errors import InputError

Float = NDArray[np.float64]

LEAST_GROUPS = 2
LEVEL = 0.95
WIDEST = 1e4  # times the spread of the values: beyond it an end of an interval is infinite; our choice


@dataclass(frozen=True)
class BetweenVariance:
    """The variance between groups, τ², in the square of the values' unit.

    low, high : its interval at `level`, by the Q-profile; high is infinite where the groups do not bound it.
    mean, error : of the groups' values, and its standard error.
    q : Cochran's Q, chi-square of n − 1 degrees of freedom where the groups do not differ.
    noise : mean sampling variance of a group's value.
    """

    variance: float
    low: float
    high: float
    level: float
    mean: float
    error: float
    q: float
    n: int
    noise: float

    def holds(self, variance: float) -> bool:
        """Say whether a variance lies within the interval."""
        return self.low <= variance <= self.high


def between_variance(
    values: Float, noise: Float, *, method: Literal["reml", "dl"] = "reml", level: float = LEVEL
) -> BetweenVariance:
    """Return the variance between groups of which each value is known with a noise of its own.

    y_i ~ N(μ, τ² + v_i). "reml" maximises the restricted likelihood, "dl" is DerSimonian and Laird's method of
    moments; both are cut at 0. The interval is the Q-profile: the τ² at which Q(τ²) = Σ (y_i − μ̂)² / (τ² + v_i) lies
    between the quantiles of chi-square with n − 1 degrees of freedom. It is exact where y_i is normal and v_i known,
    with as few groups as there are, and does not depend on the method.

    Parameters
    ----------
    values : (group,) y. Not modified.
    noise : (group,) v, variance of the sampling error of each value. Not modified.

    Raises
    ------
    InputError
        With fewer than two groups, or values or noises that are not finite, or a negative noise.

    Source
    ------
    Viechtbauer, Stat Med 26:37 (2007), for the Q-profile; DerSimonian and Laird, Control Clin Trials 7:177 (1986).
    """
    y, v = np.asarray(values, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    if len(y) < LEAST_GROUPS:
        raise InputError(f"the variance between groups needs {LEAST_GROUPS} of them, there is {len(y)}")
    if not (np.isfinite(y).all() and np.isfinite(v).all() and (v >= 0).all()):
        raise InputError("the variance between groups needs finite values, each with a noise of 0 or more")
    n = len(y)
    spread = float(y.var(ddof=1))
    if spread == 0.0:
        return BetweenVariance(0.0, 0.0, 0.0, level, float(y[0]), 0.0, 0.0, n, float(v.mean()))
    least = 1e-12 * spread  # stands in for a noise of 0, where 1/v has no value
    v = np.maximum(v, least)
    tau2 = _reml(y, v, spread) if method == "reml" else _moments(y, v)
    weight = 1.0 / (tau2 + v)
    low, high = chi2.ppf([(1 - level) / 2, (1 + level) / 2], n - 1)
    return BetweenVariance(
        variance=tau2,
        low=_at(y, v, float(high), spread),
        high=_at(y, v, float(low), spread),
        level=level,
        mean=float((weight * y).sum() / weight.sum()),
        error=float(weight.sum() ** -0.5),
        q=_q(0.0, y, v),
        n=n,
        noise=float(v.mean()),
    )


def shared_part(values: Float, spread: Float) -> float:
    """Return the correlation of groups' effects between kinds of measurement, in [0, 1], by the method of moments.

    The noise of two kinds is independent, so that the products of two kinds' deviations are free of it.

    Parameters
    ----------
    values : (kind, group), NaN where a group was not measured.
    spread : (kind,) standard deviation between groups, of `between_variance`; a kind with 0 tells nothing.

    Source
    ------
    Searle, Casella, McCulloch, Variance Components (1992), section 5: cross products of crossed random effects.
    """
    told = 0.0
    weight = 0.0
    for i in range(len(values)):
        for j in range(i):
            both = np.isfinite(values[i]) & np.isfinite(values[j])
            if both.sum() < LEAST_GROUPS + 1 or spread[i] <= 0 or spread[j] <= 0:
                continue
            covariance = float(np.cov(values[i, both], values[j, both])[0, 1])
            n = float(both.sum() - 1)
            told += n * spread[i] * spread[j] * covariance
            weight += n * (spread[i] * spread[j]) ** 2
    return min(max(told / weight, 0.0), 1.0) if weight > 0 else 0.0


def _q(tau2: float, y: Float, v: Float) -> float:
    weight = 1.0 / (tau2 + v)
    mean = (weight * y).sum() / weight.sum()
    return float((weight * (y - mean) ** 2).sum())


def _at(y: Float, v: Float, wanted: float, spread: float) -> float:
    """Return the τ² at which Q, which falls with it, is as wanted; 0 where it is below that everywhere."""
    if _q(0.0, y, v) <= wanted:
        return 0.0
    top = spread
    while _q(top, y, v) > wanted:
        top *= 4.0
        if top > WIDEST * spread:
            return float("inf")
    return float(brentq(lambda tau2: _q(tau2, y, v) - wanted, 0.0, top, xtol=1e-14 * spread))


def _moments(y: Float, v: Float) -> float:
    weight = 1.0 / v
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    return float(max((_q(0.0, y, v) - (len(y) - 1)) / scale, 0.0))


def _reml(y: Float, v: Float, spread: float) -> float:
    """Maximise the restricted likelihood over τ² ≥ 0; it may have several tops, so that it is looked at on a grid."""

    def minus(tau2: float) -> float:
        total = tau2 + v
        return float(0.5 * (np.log(total).sum() + np.log((1.0 / total).sum()) + _q(tau2, y, v)))

    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e2, 65) * (spread + float(v.mean()))])
    best = int(np.argmin([minus(t) for t in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(minus, bounds=(low, high), method="bounded", options={"xatol": 1e-10 * spread})
    return float(found.x) if minus(float(found.x)) < minus(0.0) else 0.0
