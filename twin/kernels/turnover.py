"""Turnover of messages: how many have been replaced after a while."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def replaced_fraction(half_life: Float, elapsed: float, kappa: float) -> Float:
    """Return ρ_g = 1 − 2^(−κ Δt / t½_g), (gene,).

    half_life : (gene,) h. elapsed : h. kappa : scale of the turnover.
    """
    return np.asarray(-np.expm1(-np.log(2.0) * kappa * elapsed / half_life))
