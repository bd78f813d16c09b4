"""From a raw score to a probability: how well it ranks, and what it is worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata

from twin.errors import InputError

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

STEPS = 100  # of Newton's method; a handful suffice
TOLERANCE = 1e-10


def auroc(label: Bool, score: Float) -> float:
    """Return the probability that a true case has a higher score than a false one; ties count one half.

    NaN where all labels are equal.

    label, score : (case,).

    Source
    ------
    Hanley & McNeil, Radiology 143:29 (1982): U / (n1 n0) of Mann and Whitney.
    """
    yes, no = int(label.sum()), int((~label).sum())
    if yes == 0 or no == 0:
        return float("nan")
    return float((rankdata(score)[label].sum() - yes * (yes + 1) / 2) / (yes * no))


@dataclass(frozen=True)
class Calibration:
    """P(true | score) = 1 / (1 + exp(−(slope · score + intercept))), never falling with the score."""

    slope: float
    intercept: float

    def probability(self, score: Float) -> Float:
        """Return the calibrated probability of each case, (case,)."""
        return np.asarray(expit(self.slope * np.asarray(score, dtype=np.float64) + self.intercept))


def fit_calibration(label: Bool, score: Float) -> Calibration:
    """Fit a logistic calibration to cases that were left out.

    The labels are replaced by (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), so that few and perfectly separated cases do not
    give certainty. A score that ranks the wrong way round gets slope 0: the base rate for every case.

    Parameters
    ----------
    label, score : (case,); say label = "the error is not above the baseline's" and score = the raw support.

    Raises
    ------
    InputError
        If there are fewer than two cases, or a score is not finite.

    Source
    ------
    Platt, Probabilistic outputs for support vector machines (1999); the optimum by Newton's method with halving.
    """
    score = np.asarray(score, dtype=np.float64)
    if len(score) < 2 or len(score) != len(label) or not np.isfinite(score).all():
        raise InputError(
            f"{len(score)} scores and {len(label)} labels cannot be calibrated; two or more finite pairs are needed"
        )
    yes, no = int(label.sum()), int((~label).sum())
    target = np.where(label, (yes + 1) / (yes + 2), 1 / (no + 2))
    centre, width = float(score.mean()), float(score.std())
    base = float(logit(target.mean()))
    if width == 0:
        return Calibration(0.0, base)
    design = np.column_stack([(score - centre) / width, np.ones(len(score))])
    weights = np.array([0.0, base])
    for _ in range(STEPS):
        p = expit(design @ weights)
        gradient = design.T @ (p - target)
        step = np.linalg.solve((design.T * (p * (1 - p))) @ design + 1e-12 * np.eye(2), gradient)
        length = 1.0
        while _loss(design @ (weights - length * step), target) > _loss(design @ weights, target) and length > 1e-6:
            length /= 2
        weights = weights - length * step
        if np.abs(length * step).max() < TOLERANCE:
            break
    if weights[0] <= 0:
        return Calibration(0.0, base)
    slope = float(weights[0]) / width
    return Calibration(slope, float(weights[1]) - slope * centre)


def _loss(z: Float, target: Float) -> float:
    return float(np.sum(np.logaddexp(0.0, z) - target * z))
