"""What an experiment's own groups, left out one by one, say of how its effects are to be kriged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from twin.data.arms import Arm
from twin.model.kriging import LEVEL, RATE, Groups, Settings, left_out, left_out_residuals
from twin.model.likeness import Features, Likeness, background_of, several_doses
from twin.model.logmean import LogMean

Float = NDArray[np.float64]
Index = NDArray[np.intp]

NUGGET = 0.05  # a context's own deviation, beside what it shares with contexts like it
NUGGETS = (NUGGET, 0.5, 2.0, 8.0)  # tried where contexts were given several treatments each, which shows it
LEAST_TREATMENTS = 4  # of one context, from which it is told whether their effects' variance is to be stretched
LEAST_ARMS, LEAST_DOSES = 6, 4  # from which their likeness is chosen by leaving them out; our choice
DOSES = (0.5, 0.2, 0.0)  # shares of an effect that are bound to its dose, tried by leaving groups out
BESIDE = (0.3, 0.03)  # sizes of effects beside a background's, tried so, with …
SAMPLE = 0.3  # … every arm's own deviation: where an agent recurs it can be told from what the agent does; our choice
MOST_GENES = 1_000  # on which likenesses are compared, evenly picked; our choice
EVEN = 0.5  # weight of the level scale in the mean of both
LIKENESSES = (
    Likeness(1.0, 0.0, 0.0),
    Likeness(1.0, 1.0, 0.0),
    Likeness(1.0, 0.5, 0.1),
    Likeness(0.2, 2.0, 0.1),
    Likeness(0.2, 0.2, 0.0),
)


def chosen_likeness(
    level: Groups, near: Float, row_context: Index, row_arm: Index, arms: Sequence[Arm], features: Features
) -> Likeness:
    """Return the kernel of treatments that predicts left-out groups best; the plain one where there are few."""
    some = slice(None, None, -(-level.mean.shape[1] // MOST_GENES))
    part = replace(level, mean=level.mean[:, some], variance=level.variance[:, some])

    @cache
    def error(likeness: Likeness) -> float:
        by_arm = likeness.kernel(arms, arms, features)[np.ix_(row_arm, row_arm)]
        kernel = (LEVEL.common + near[np.ix_(row_context, row_context)]) * by_arm
        return float(np.nanmean(left_out(part, kernel, LEVEL)))

    n = len(set(row_arm.tolist()))
    best = LIKENESSES[0]
    if n >= LEAST_ARMS:
        found = list(LIKENESSES if features.names else LIKENESSES[:1])
        background = background_of(arms)
        if background:
            found += [replace(x, sample=SAMPLE, background=background, beside=b) for x in found for b in BESIDE]
        best = min(found, key=error)
    if n >= LEAST_DOSES and several_doses(arms):
        best = min((replace(best, dose=d, sample=s) for d in DOSES for s in (best.sample, SAMPLE)), key=error)
    return best


def own_nugget(
    level: Groups, genes: Index, near: Float, likeness: Likeness, arms: Sequence[Arm], features: Features
) -> float:
    """Return the nugget of contexts that predicts left-out groups best, on some genes.

    It can be seen only where several contexts were given several treatments each: else the plain one.
    """
    treated = level.arm >= 0
    context, arm = level.context[treated], level.arm[treated]
    several = np.bincount(context, minlength=1)
    if (several > 1).sum() < 2:
        return NUGGET
    part = replace(level, mean=level.mean[:, genes], variance=level.variance[:, genes])
    by_arm = likeness.kernel(arms, arms, features)[np.ix_(arm, arm)]

    def error(nugget: float) -> float:
        own = near + (nugget - NUGGET) * np.eye(len(near))
        kernel = (LEVEL.common + own[np.ix_(context, context)]) * by_arm
        return float(np.nanmean(left_out(part, kernel, LEVEL)))

    return min(NUGGETS, key=error)


def even_is_better(
    level: Groups, rate: Groups, kernel: Callable[[Settings], Float], settings: Settings, mean: LogMean, phi: Float
) -> bool:
    """Return whether the mean of both scales predicts left-out times of one context's course better than the levels.

    With one time there is nothing to leave out; then it is taken for better.
    """
    treated = level.arm >= 0
    if treated.sum() < 2:
        return True
    truth, logs = level.mean[treated], rate.mean[treated]
    predicted = truth - left_out_residuals(level, kernel(settings), settings)
    other = mean.forward(np.exp(logs - left_out_residuals(rate, kernel(RATE), RATE)), phi)
    both = EVEN * predicted + (1.0 - EVEN) * other
    return bool(np.nanmean((both - truth) ** 2) < np.nanmean((predicted - truth) ** 2))


def stretched(level: Groups, genes: Index, kernel: Float) -> Settings:
    """Return the settings of one context's treatments: with the fitted v_e as it is, if that predicts better.

    The stretch is for contexts left out. With fewer than `LEAST_TREATMENTS` it is left as it is.
    """
    plain = replace(LEVEL, stretch=1.0)
    if len(kernel) < LEAST_TREATMENTS:
        return LEVEL
    part = replace(level, mean=level.mean[:, genes], variance=level.variance[:, genes])
    return min((LEVEL, plain), key=lambda settings: float(np.nanmean(left_out(part, kernel, settings))))
