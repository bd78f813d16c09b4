"""How strongly a dose acts, as a share of the trained dose's effect."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def strength(dose: Float, reference: float, ec50: float, hill: float, ec50_factor: Float) -> Float:
    """Return h = Hill(d; f·EC50) / Hill(d_ref; EC50), capped at 1: 0 without a dose, 1 at the trained one.

    Above the trained dose nothing was measured, so the effect stays that of the trained dose.

    Parameters
    ----------
    dose : (cell,) nM. Not modified.
    reference : trained dose, nM; not finite: the perturbation has no dose, any dose above 0 is full.
    ec50 : nM. hill : exponent.
    ec50_factor : (cell,) each cell's factor on the EC50.
    """
    if not np.isfinite(reference):
        return np.asarray((dose > 0).astype(np.float64))
    d, k = np.maximum(dose, 0.0) ** hill, (ec50 * ec50_factor) ** hill
    full = reference**hill / (reference**hill + ec50**hill)
    return np.asarray(np.minimum(d / (d + k) / full, 1.0))


def of_donor(h: Float, gain: Float | None, tone: Float | None) -> Float:
    """Return how strongly a donor's cells feel what is done to them: g·h + t·(1 − h).

    At the trained dose the donor's gain alone counts, without a dose the tone alone: a pathway that is on already
    has as much less to rise.

    Parameters
    ----------
    h : (cell, …) share of the trained effect that the dose has, in [0, 1]. Not modified.
    gain : the donor's factor on the effect, shape as `h`; None: 1.
    tone : where the donor stands along the effect without a dose, shape as `h`; None: 0.
    """
    felt = h if gain is None else gain * h
    return np.asarray(felt if tone is None else felt + tone * (1.0 - h))
