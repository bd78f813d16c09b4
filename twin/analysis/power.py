"""How many replicates an experiment needs: power of t tests, exact, and how sure a pilot makes of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr
from scipy.stats import chi2
from scipy.stats import t as student

from twin.errors import InputError

Float = NDArray[np.float64]
Design = Literal["paired", "unpaired"]

LEAST = 2  # replicates of a test; of unpaired ones in each group
MOST = 1_000_000  # beyond it no number of replicates is looked for; our choice
LEVEL = 0.95  # of the intervals that a pilot gives
PANELS = 40  # of Gauss and Legendre's rule with ten points each: 1e-9 of what scipy gives where it gives something
NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)
UNSEEN = 1e-17  # of a law's mass on either side that an integral leaves out; our choice


@dataclass(frozen=True)
class Pilot:
    """What replicates tell of an effect.

    effect : mean difference of the first to the second group. spread : standard deviation, of the paired differences,
        or within the groups. size : effect / spread, Cohen's d (d_z where paired).
    low, high : interval of the effect. size_low, size_high : of |size|, at 95 %; low is 0 where the sign is not sure.
    n : replicates, of unpaired designs of each group.
    """

    design: Design
    effect: float
    low: float
    high: float
    spread: float
    spread_low: float
    spread_high: float
    size: float
    size_low: float
    size_high: float
    n: int


def power(size: float, n: int, design: Design, alpha: float = 0.05) -> float:
    """Return the chance that a two-sided t test tells the effect, by the noncentral t distribution.

    Parameters
    ----------
    size : Cohen's d; of a paired design mean over standard deviation of the differences.
    n : replicates; of an unpaired design in each group.

    Source
    ------
    Cohen, Statistical Power Analysis (1988), chapter 2; as G*Power's "difference between two (in)dependent means".
    """
    df, centre = _law(size, n, design)
    limit = float(student.isf(alpha / 2, df))
    return 1.0 - below(limit, df, centre) + below(-limit, df, centre)


def below(t: float, df: float, centre: float) -> float:
    """Return P(T ≤ t) of the noncentral t, E[Φ(t s − δ)] over s² ~ χ²(df)/df, by quadrature.

    scipy's own gives NaN where the result is near 0, as it is for a test's far side.

    df : degrees of freedom. centre : δ, the noncentrality.
    """
    low, high = (float(np.sqrt(q / df)) for q in (chi2.ppf(UNSEEN, df), chi2.isf(UNSEEN, df)))
    turn = centre / t + np.array([-8.0, -2.0, 0.0, 2.0, 8.0]) / abs(t) if t else np.empty(0)  # where Φ goes from 0 to 1
    edges = np.unique(np.clip(np.concatenate([np.linspace(low, high, PANELS + 1), turn]), low, high))
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    s = (middle[:, None] + half[:, None] * NODES).ravel()
    weight = (half[:, None] * WEIGHTS).ravel()
    log_density = (df - 1) * np.log(s) - df * s * s / 2 + (df / 2) * np.log(df / 2) + np.log(2.0) - gammaln(df / 2)
    return min(float((weight * ndtr(t * s - centre) * np.exp(log_density)).sum()), 1.0)


def needed(size: float, design: Design, wanted: float = 0.8, alpha: float = 0.05) -> float:
    """Return the least number of replicates with the wanted power; infinite where a million do not give it."""
    size = abs(size)
    if size == 0.0 or power(size, MOST, design, alpha) < wanted:
        return float("inf")
    low, high = LEAST - 1, LEAST
    while power(size, high, design, alpha) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(size, middle, design, alpha) >= wanted else (middle, high)
    return float(high)


def pilot_of(first: Float, second: Float, design: Design) -> Pilot:
    """Return what a pilot tells of an effect, with intervals: of the effect by Student, of its size by noncentral t.

    Parameters
    ----------
    first, second : (replicate,) values; row by row of the same replicate where the design is paired.

    Raises
    ------
    InputError
        With fewer than two replicates, numbers that are not known, or no spread at all.

    Source
    ------
    Steiger and Fouladi (1997), in What If There Were No Significance Tests?, for the interval of a standardised effect.
    """
    n = len(first)
    if n < LEAST:
        raise InputError(
            f"{n} replicate tells nothing of how much replicates differ: {LEAST} are needed, and six or more make "
            "something of it; take --pilot 6"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("some replicates have no number of this readout at this time: take another, or another time")
    if design == "paired":
        apart = first - second
        effect, spread, df, scale = float(apart.mean()), float(apart.std(ddof=1)), n - 1, float(np.sqrt(n))
    else:
        effect = float(first.mean() - second.mean())
        spread, df = float(np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)), 2 * n - 2
        scale = float(np.sqrt(n / 2))
    if not spread > 1e-12 * max(abs(effect), 1e-300):
        raise InputError(
            f"the replicates of this pilot do not differ ({'the differences are' if design == 'paired' else 'all are'} "
            f"the same, {effect:.6g}): nothing says how many are needed; declare donors under variation, or take "
            "another readout"
        )
    margin = float(student.ppf((1 + LEVEL) / 2, df)) * spread / scale
    ends = chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], df)
    size = effect / spread
    low, high = _size_interval(abs(size) * scale, df)
    return Pilot(
        design=design,
        effect=effect,
        low=effect - margin,
        high=effect + margin,
        spread=spread,
        spread_low=spread * float(np.sqrt(df / ends[0])),
        spread_high=spread * float(np.sqrt(df / ends[1])),
        size=size,
        size_low=low / scale,
        size_high=high / scale,
        n=n,
    )


def assumed(pilot: Pilot, effect: float) -> Pilot:
    """Return a pilot's spread with an effect that somebody wants to see; the interval of its size is the spread's.

    Raises
    ------
    InputError
        If the effect is 0.
    """
    if effect == 0 or not np.isfinite(effect):
        raise InputError(
            "an effect of 0 is seen by no number of replicates: give --effect another value, or leave it out"
        )
    size = effect / pilot.spread
    low, high = abs(effect) / pilot.spread_high, abs(effect) / pilot.spread_low
    spread = (pilot.spread, pilot.spread_low, pilot.spread_high)
    return Pilot(pilot.design, effect, effect, effect, *spread, size, low, high, pilot.n)


def corrected(alpha: float, tests: int, how: Literal["none", "bonferroni", "sidak"]) -> float:
    """Return the level of each of several tests that keeps that of all of them together."""
    if how == "bonferroni":
        return alpha / tests
    return float(-np.expm1(np.log1p(-alpha) / tests)) if how == "sidak" else alpha


def _law(size: float, n: int, design: Design) -> tuple[float, float]:
    """Return degrees of freedom and noncentrality of a test's t."""
    if design == "paired":
        return n - 1.0, abs(size) * float(np.sqrt(n))
    return 2.0 * n - 2.0, abs(size) * float(np.sqrt(n / 2))


def _size_interval(t: float, df: float) -> tuple[float, float]:
    """Return the noncentralities under which |t| is at either end of what is likely; the lower is 0 at least."""
    tail = (1 - LEVEL) / 2

    def at(wanted: float) -> float:
        def above(centre: float) -> float:
            return below(t, df, centre) - wanted

        if above(0.0) <= 0:
            return 0.0
        top = t + 10.0
        while above(top) > 0:
            top *= 1.5
        return float(brentq(above, 0.0, top, xtol=1e-10))

    return at(1 - tail), at(tail)
