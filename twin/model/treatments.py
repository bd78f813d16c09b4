"""What a model can do to cells: its perturbations, their doses and times, and the measured arms behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.data.arms import Arm
from twin.kernels.dose import of_donor, strength
from twin.model.condition import Condition, Perturbation

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Treatment:
    """One arm that can be asked for: its effect at full strength is one column of the decoder's table.

    family : index of the effect family that measured it. agents : indices of the model's perturbations.
    """

    arm: Arm
    family: int
    agents: tuple[int, ...]

    @property
    def dose(self) -> float:
        """The dose, nM; NaN of a combination."""
        return self.arm.agents[0].dose if len(self.agents) == 1 else float("nan")


def strengths(treatments: Sequence[Treatment], perturbations: Sequence[Perturbation], condition: Condition) -> Float:
    """Return how strongly each cell feels each treatment, (cell, treatment).

    A perturbation's dose and time since exposure fall between the doses and times at which it was measured, and the
    measured effects are mixed linearly in log dose and in time. Below the lowest dose the effect follows the Hill
    curve, above the highest it stays; before the first time it is that of the first, after the last that of the last.
    A measured combination adds, in proportion to the product of its parts' strengths, what it does beyond their sum.
    A donor's gain and tone (`twin.kernels.dose.of_donor`) act along the same mix of effects; the tone of a cell that is
    not exposed, along that of the lowest dose after the last time.
    """
    out = np.zeros((condition.n, len(treatments)))
    felt = np.zeros((condition.n, len(perturbations)))
    for p, perturbation in enumerate(perturbations):
        exposed = np.flatnonzero(condition.dose[:, p] > 0)
        columns = np.array([i for i, t in enumerate(treatments) if t.agents == (p,)], dtype=np.intp)
        if condition.tone is not None and condition.tone[:, p].any():
            exposed = np.arange(condition.n)
        if not len(exposed) or not len(columns):
            continue
        doses = np.array([treatments[i].dose for i in columns])
        times = np.array([treatments[i].arm.time for i in columns])
        known = doses[np.isfinite(doses)]
        factor = condition.ec50_factor[exposed]
        dose = condition.dose[exposed, p]
        lowest = float(known.min()) if len(known) else float("nan")
        below = strength(dose, lowest, perturbation.ec50, perturbation.hill, factor)
        by_dose = _mixed(np.log(np.maximum(dose / factor, 1e-300)), np.log(doses))
        since = condition.time_since[exposed, p]
        by_time = _mixed(np.where(np.isnan(since), np.inf, since), times)
        weight = by_dose * by_time
        whole = weight.sum(axis=1, keepdims=True)
        weight = np.where(whole > 0, weight / np.where(whole > 0, whole, 1.0), 1.0 / len(columns))
        below = of_donor(below, _of(condition.gain, exposed, p), _of(condition.tone, exposed, p))
        out[np.ix_(exposed, columns)] = below[:, None] * weight
        felt[exposed, p] = below
    for i, t in enumerate(treatments):
        if len(t.agents) > 1:
            out[:, i] = np.prod(felt[:, list(t.agents)], axis=1)
    return out


def _of(values: Float | None, rows: NDArray[np.intp], column: int) -> Float | None:
    return None if values is None else values[rows, column]


def _mixed(value: Float, knots: Float) -> Float:
    """Return linear interpolation weights of knots, (cell, knot); knots that are not known weigh alike."""
    out = np.zeros((len(value), len(knots)))
    known = np.unique(knots[np.isfinite(knots)])
    if len(known) == 0:
        return np.ones_like(out)
    at = np.clip(value, known[0], known[-1])
    high = np.clip(np.searchsorted(known, at), 1 if len(known) > 1 else 0, len(known) - 1)
    low = np.maximum(high - 1, 0)
    gap = known[high] - known[low]
    share = np.where(gap > 0, (at - known[low]) / np.where(gap > 0, gap, 1.0), 0.0)
    for k, knot in enumerate(known):
        weight = np.where(low == k, 1 - share, 0.0) + np.where((high == k) & (high != low), share, 0.0)
        out[:, knots == knot] = weight[:, None]
    return out
