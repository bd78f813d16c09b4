"""How fast messages turn over in an experiment: κ fitted where two or more times were measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from twin.data.experiment import Experiment
from twin.errors import InputError
from twin.kernels.turnover import replaced_fraction

Float = NDArray[np.float64]

LEAST_CELLS = 10  # of a group at one time
GENES = 200  # that change most between the first and the last time
BOUNDS = (1e-4, 1e3)  # of κ
RESAMPLES = 50


@dataclass(frozen=True)
class Turnover:
    """A fitted scale of the messages' turnover.

    kappa : median of the fits over random halves of the cells; low, high : their 5th and 95th percentile.
    courses : what it was fitted on, in words. at_bound : whether a bound was met, so that the times say little.
    """

    kappa: float
    low: float
    high: float
    courses: tuple[str, ...]
    at_bound: bool


@dataclass(frozen=True)
class _Course:
    """Cells of one treatment in one context: rows at the reference time and at each later time, h."""

    words: str
    start: float
    reference: NDArray[np.intp]
    times: tuple[float, ...]
    rows: tuple[NDArray[np.intp], ...]


def fit_kappa(data: Experiment, half_life: Float, seed: int = 0) -> Turnover:
    """Fit κ of 1 − 2^(−κ Δt / t½): how far each gene has gone, at each time, of the way it has gone at the last one.

    On mean rates x: x(t) − x(t₀) = r(t) (x(T) − x(t₀)), r(t) = ρ(t − t₀) / ρ(T − t₀), over the genes that change
    most. The interval is that of random halves of the cells.

    Parameters
    ----------
    half_life : (gene,) of the data's genes, h.

    Raises
    ------
    InputError
        If nothing was measured at two times after the reference.
    """
    courses = _courses(data)
    if not courses:
        raise InputError(
            "κ cannot be fitted: it needs one treatment of one context at two or more times (columns time, time_unit), "
            f"{LEAST_CELLS} cells each, beside its controls; with one time it stays a convention"
        )
    luck = np.random.default_rng(seed)
    fits = []
    for _ in range(RESAMPLES):
        terms = [_change(data, course, luck) for course in courses]
        fits.append(_fitted(courses, terms, half_life))
    low, high = np.quantile(fits, [0.05, 0.95])
    at_bound = bool(low < 2 * BOUNDS[0] or high > 0.5 * BOUNDS[1])
    return Turnover(float(np.median(fits)), float(low), float(high), tuple(c.words for c in courses), at_bound)


def _courses(data: Experiment) -> list[_Course]:
    found = []
    for c in np.unique(data.context):
        mine = data.context == c
        reference = np.flatnonzero(mine & (data.arm < 0))
        by_name: dict[tuple[str, ...], list[int]] = {}
        for a in np.unique(data.arm[mine & (data.arm >= 0)]):
            arm = data.arms[a]
            if np.isfinite(arm.time):
                by_name.setdefault(tuple(agent.label for agent in arm.agents), []).append(int(a))
        for names, arms in by_name.items():
            timed = sorted((data.arms[a].time, a) for a in arms)
            rows = [(t, np.flatnonzero(mine & (data.arm == a))) for t, a in timed]
            rows = [(t, r) for t, r in rows if len(r) >= LEAST_CELLS]
            since = data.arms[arms[0]].since
            if len({t for t, _ in rows}) >= 2 and len(reference) >= LEAST_CELLS:
                found.append(
                    _Course(
                        f"{' + '.join(names)} in {data.contexts[c].name} at {', '.join(f'{t:g}' for t, _ in rows)} h",
                        float(since) if np.isfinite(since) else 0.0,
                        reference,
                        tuple(t for t, _ in rows),
                        tuple(r for _, r in rows),
                    )
                )
    return found


def _change(data: Experiment, course: _Course, luck: np.random.Generator) -> tuple[NDArray[np.intp], Float, Float]:
    """Return the genes that change most, how far they are at each time from the reference, and a second reading.

    The cells are halved: genes are chosen and weighted by the change up to the last time in one half (gene,), and the
    changes (time, gene) are those of the other, so that noise does not pass for agreement (instrumental variables).
    """

    def rates(rows: NDArray[np.intp]) -> list[Float]:
        shuffled = luck.permutation(rows)
        found = []
        for half in (shuffled[: len(rows) // 2], shuffled[len(rows) // 2 :]):
            total = np.asarray(data.counts[half].sum(axis=0), dtype=np.float64).ravel()
            found.append(total / data.depth[half].sum() * 1e4)
        return found

    start = rates(course.reference)
    levels = [rates(rows) for rows in course.rows]
    moved = np.abs(np.log1p(levels[-1][1]) - np.log1p(start[1]))
    genes = np.argsort(-moved, kind="stable")[:GENES]
    scale = np.sqrt(1.0 + start[1][genes])
    changes = np.stack([(first - start[0])[genes] / scale for first, _ in levels])
    return genes, changes, (levels[-1][1] - start[1])[genes] / scale


def _fitted(courses: list[_Course], terms: list[tuple[NDArray[np.intp], Float, Float]], half_life: Float) -> float:
    def error(log_kappa: float) -> float:
        total = 0.0
        for course, (genes, change, other) in zip(courses, terms, strict=True):
            gone = [
                replaced_fraction(half_life[genes], t - course.start, float(np.exp(log_kappa))) for t in course.times
            ]
            size = max(float(other @ other), 1e-12)
            for k in range(len(gone) - 1):
                total += float(other @ (change[k] - gone[k] / gone[-1] * change[-1]) / size) ** 2
        return total

    found = minimize_scalar(error, bounds=(np.log(BOUNDS[0]), np.log(BOUNDS[1])), method="bounded")
    return float(np.exp(found.x))
