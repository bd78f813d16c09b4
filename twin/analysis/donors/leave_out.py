"""Simulated donors beside measured ones: spreads are calibrated without a donor, and held to all of them and to it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twin.analysis.donors.calibrate import effects_from, scores, slopes_of
from twin.analysis.donors.measured import (
    CONTROL,
    TREATED,
    DonorCells,
    Levels,
    levels_of,
    over_types,
    variance_of,
)
from twin.analysis.random_effects import LEVEL, BetweenVariance, between_variance
from twin.kernels.random import Streams
from twin.kernels.variation import vary_by_kind
from twin.model.contract import WorldModel
from twin.scenario.variation import DonorEffects

Float = NDArray[np.float64]
Index = NDArray[np.intp]

ALL_TYPES = "all types"
NOBODY = "nobody"  # what a fold is called that leaves nobody out
SIMULATED = 42  # donors of a fold; our choice: a variance is then known to about a fifth


@dataclass(frozen=True)
class Row:
    """One number of one fold.

    measured : variance between all measured donors. simulated : between the donors simulated with the fold's spreads.
    mean : of the simulated donors' response; NaN over all types, where it is 0 by its making.
    left_out : the response of the donor that was left out; NaN where it has too few cells of the type.
    score : how many standard deviations of what is predicted for it (spread, noise of its cells, and how well the mean
        of the others is known) it is off the mean of the others.
    without : the same, if donors did not differ.
    """

    cell_type: str
    measured: BetweenVariance
    simulated: BetweenVariance
    mean: float
    left_out: float
    score: float
    without: float

    @property
    def holds(self) -> bool:
        """Whether the simulated variance lies in the interval of the measured one."""
        return self.measured.holds(self.simulated.variance)


@dataclass(frozen=True)
class Fold:
    """What one calibration gives; `left_out` names the donor that it has not seen, "nobody" where it has seen all.

    differ : False where donors were simulated that do not differ.
    """

    left_out: str
    rows: tuple[Row, ...]
    differ: bool = True


def folds(
    model: WorldModel,
    cells: DonorCells,
    types: Sequence[int],
    *,
    n: int = SIMULATED,
    seed: int = 0,
    on_fold: Callable[[int, int], None] | None = None,
) -> Iterator[Fold]:
    """Yield a fold without spreads, one calibrated on all donors, and one for each donor that is left out.

    Parameters
    ----------
    model, types : of `twin.analysis.donors.calibrate.model_for`.
    n : donors simulated in each. Each is given the numbers of cells, and their library sizes, of a measured one.
    on_fold : called with (folds done, folds in all).
    """
    slopes = slopes_of(model, cells, types)
    known = np.unique(cells.donor)
    asked: list[int | None] = [None, None, *known.tolist()]
    for done, donor in enumerate(asked):
        others = cells if donor is None else cells.without(donor)
        given = effects_from(others, types, slopes) if done else {}
        effects = DonorEffects.model_validate(given)
        drawn = simulate_donors(model, cells, types, effects, n, seed + done)
        name = NOBODY if donor is None else cells.donors[donor]
        yield Fold(name, tuple(_rows(cells, others, drawn, types, donor)), differ=done > 0)
        if on_fold is not None:
            on_fold(done + 1, len(asked))


def simulate_donors(
    model: WorldModel, cells: DonorCells, types: Sequence[int], effects: DonorEffects, n: int, seed: int
) -> DonorCells:
    """Return cells of n simulated donors, each with the numbers and depths of cells of a measured one, in turns."""
    known = np.unique(cells.donor)
    like = known[np.arange(n) % len(known)]
    names = [cells.cell_types[t] for t in types]
    p = cells.perturbation
    luck, ids = Streams(seed, 0, 0), np.arange(n, dtype=np.uint64)
    tone = vary_by_kind(
        luck, "baseline", ids, names, [effects.of_type("baseline", p, t) for t in names], effects.common("baseline")
    )
    gain = np.exp(
        vary_by_kind(luck, "gain", ids, names, [effects.of_type("gain", p, t) for t in names], effects.common("gain"))
    )
    parts: list[tuple[Float, Float, Index, Index, Index]] = []
    first = 0
    for i, t in enumerate(types):
        for arm in (CONTROL, TREATED):
            own = [cells.depth[cells.rows(d, t, arm)] for d in like]
            donor = np.repeat(np.arange(n), [len(x) for x in own])
            depth = np.concatenate(own)
            with_gain = gain[donor, i] if arm == TREATED else None
            score = scores(model, cells.program, names[i], depth, luck, first, gain=with_gain, tone=tone[donor, i])
            first += len(depth)
            parts.append((score, depth, donor, np.full(len(depth), t), np.full(len(depth), arm)))
    score, depth, donor, kind, arms = (np.concatenate(column) for column in zip(*parts, strict=True))
    made = tuple(f"simulated {k + 1}" for k in range(n))
    return DonorCells(score, depth, donor, kind, arms, made, cells.cell_types, cells.program, p, model.name)


def _rows(
    cells: DonorCells,
    others: DonorCells,
    drawn: DonorCells,
    types: Sequence[int],
    donor: int | None,
) -> Iterator[Row]:
    whole, rest, made = levels_of(cells), levels_of(others), levels_of(drawn)
    for t in types:
        response, noise = (x[:, t] for x in whole.of("response"))
        value, own = (float("nan"), float("nan")) if donor is None else (float(response[donor]), float(noise[donor]))
        found = variance_of(made, "response", t)
        spread = found.variance
        score, without = (_score(value, own, rest.of("response"), t, s) for s in (spread, 0.0))
        yield Row(cells.cell_types[t], variance_of(whole, "response", t), found, found.mean, value, score, without)
    weight = whole.n.sum(axis=(0, 2))[list(types)].astype(np.float64)
    measured, simulated = (_overall(levels, types, weight) for levels in (whole, made))
    off, noise = over_types(whole, types, weight)
    value, own = (float("nan"), float("nan")) if donor is None else (float(off[donor]), float(noise[donor]))
    known = np.isfinite(off) & (np.arange(len(off)) != (-1 if donor is None else donor))
    pair = (off[known][:, None], noise[known][:, None])
    score, without = (_score(value, own, pair, 0, s) for s in (simulated.variance, 0.0))
    yield Row(ALL_TYPES, measured, simulated, float("nan"), value, score, without)


def _overall(levels: Levels, types: Sequence[int], weight: Float) -> BetweenVariance:
    value, noise = over_types(levels, types, weight)
    known = np.isfinite(value)
    return between_variance(value[known], noise[known])


def _score(value: float, noise: float, others: tuple[Float, Float], column: int, variance: float) -> float:
    """Return how many standard deviations a left-out value is off the mean of the others, if donors vary so much."""
    y, v = (x[:, column] for x in others)
    known = np.isfinite(y) & np.isfinite(v)
    if not np.isfinite(value) or not known.any():
        return float("nan")
    weight = 1.0 / (variance + v[known])
    mean = float((weight * y[known]).sum() / weight.sum())
    return (value - mean) / float(np.sqrt(variance + noise + 1.0 / weight.sum()))


def covered(rows: Sequence[Row], *, differ: bool = True) -> tuple[int, int]:
    """Return how many left-out responses lie in their 95 % predictive interval, and of how many."""
    told = [row.score if differ else row.without for row in rows]
    told = [score for score in told if np.isfinite(score)]
    limit = float(norm.ppf((1 + LEVEL) / 2))
    return sum(abs(score) <= limit for score in told), len(told)
