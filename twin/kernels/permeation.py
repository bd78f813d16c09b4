"""A substance passes a membrane between two well-mixed volumes, exactly."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def permeate(inside: Float, outside: Float, ratio: Float, rate: float, dt: float) -> tuple[Float, Float]:
    """Return the concentrations inside and outside after `dt` of dc_in/dt = k (c_out − c_in).

    What the cell gains its surroundings lose: V_in c_in + V_out c_out is conserved to rounding, and the difference
    decays as exp(−k (1 + V_in/V_out) t). Exact for any `dt`.

    Parameters
    ----------
    inside, outside : (cell,), nM. Not modified.
    ratio : (cell,) V_in/V_out, >= 0.
    rate : k, permeability × surface over the volume inside, 1/h.
    dt : h.

    Returns
    -------
    inside, outside : (cell,), nM.

    Source
    ------
    Two compartments with linear exchange; the eigenvalues 0 and −k (1 + V_in/V_out) by hand.
    """
    passed = (outside - inside) * -np.expm1(-rate * (1.0 + ratio) * dt) / (1.0 + ratio)
    return np.asarray(inside + passed), np.asarray(outside - ratio * passed)
