"""How a cell's volume follows its targets: fluid, nuclear solid and cytoplasmic solid, exact in time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class VolumeTargets:
    """Where the parts of each cell's volume go, and how fast.

    fluid_fraction : (cell,) 1, share of the whole volume that is to be fluid, 0 … 1.
    nuclear, cytoplasmic : (cell,) µm³, solid volumes aimed at.
    fluid_rate, nuclear_rate, cytoplasmic_rate : (cell,) 1/h.
    """

    fluid_fraction: Float
    nuclear: Float
    cytoplasmic: Float
    fluid_rate: Float
    nuclear_rate: Float
    cytoplasmic_rate: Float


def relax_volume(
    fluid: Float, nuclear: Float, cytoplasmic: Float, targets: VolumeTargets, dt: float
) -> tuple[Float, Float, Float]:
    """Advance fluid F, nuclear solid N and cytoplasmic solid C by `dt` hours.

        dN/dt = r_N (N* − N),  dC/dt = r_C (C* − C),  dF/dt = r_F (f (F + N + C) − F)

    The three are linear with constant coefficients, so the step is exact for any `dt`: two half steps are one.
    Volumes that are not negative stay so.

    Parameters
    ----------
    fluid, nuclear, cytoplasmic : (cell,) µm³, >= 0. Not modified.
    targets : per cell.
    dt : h.

    Returns
    -------
    fluid, nuclear, cytoplasmic : (cell,) µm³.

    Source
    ------
    `standard_volume_update_function` of PhysiCell 1.14, which takes Euler steps of the same equations.
    """
    t = targets
    left = t.fluid_rate * (1.0 - t.fluid_fraction)  # 1/h, at which the fluid forgets
    source = t.fluid_rate * t.fluid_fraction  # 1/h, at which solids draw fluid in
    new_fluid = fluid * np.exp(-left * dt) + source * (t.nuclear + t.cytoplasmic) * _memory(left, np.zeros(1), dt)
    parts = []
    for now, target, rate in (
        (nuclear, t.nuclear, t.nuclear_rate),
        (cytoplasmic, t.cytoplasmic, t.cytoplasmic_rate),
    ):
        parts.append(target + (now - target) * np.exp(-rate * dt))
        new_fluid = new_fluid + source * (now - target) * _memory(left, rate, dt)
    return np.maximum(new_fluid, 0.0), parts[0], parts[1]


def _memory(left: Float, rate: Float, dt: float) -> Float:
    """Return ∫₀^dt exp(−left (dt − s)) exp(−rate s) ds, h, also where the two rates are the same."""
    x = (left - rate) * dt
    near = np.abs(x) < 1e-8  # there the series' next term is below rounding
    shape = np.where(near, 1.0 + 0.5 * x, np.expm1(x) / np.where(near, 1.0, x))
    return np.asarray(np.exp(-left * dt) * dt * shape, dtype=np.float64)
