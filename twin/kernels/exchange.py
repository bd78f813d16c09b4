"""What cells give to and take from the voxels they are in, as a source and a first-order sink.

With `diffuse_with_uptake` this steps a field and its cells together, exactly for cells that stay where they are:

    source, sink = exchange_rates(grid.voxel_of(position), volume, grid.shape, grid.spacing, uptake=uptake)
    done = diffuse_with_uptake(field[None], D, decay, dt, spacing, sink[None], walls=[walls], source=source[None])
"""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

NANOMOLAR_UM3_PER_AMOL = 1e6  # nM·µm³/amol; units.py


def exchange_rates(
    voxel: NDArray[np.intp],
    volume: Float,
    shape: tuple[int, int, int],
    spacing: float,
    *,
    uptake: Float | float = 0.0,
    secretion: Float | float = 0.0,
    target: Float | float = 0.0,
    export: Float | float = 0.0,
) -> tuple[Float, Float]:
    """Return what all cells release (nM/h) and remove (1/h) in each voxel, two (z, y, x).

    Each cell acts on its voxel by dρ/dt = S (ρ* − ρ) V/V_voxel − U ρ V/V_voxel + E/V_voxel: the source is
    (S ρ* V + E)/V_voxel, the sink (S + U) V/V_voxel, summed over the cells of the voxel.

    Parameters
    ----------
    voxel : (cell,) flat index of the voxel of each cell (`Grid.voxel_of`).
    volume : (cell,) V, µm³.
    shape : voxels along z, y, x. spacing : edge of a voxel, µm.
    uptake, secretion : (cell,) or one number, U and S, 1/h, >= 0.
    target : (cell,) or one number, ρ*, nM, >= 0.
    export : (cell,) or one number, E, amol/h, >= 0.

    Source
    ------
    Ghaffarizadeh, Friedman, Macklin, BioFVM, Bioinformatics 32:1256 (2016), eq. 1; PhysiCell 1.14.2.
    """
    one = np.ones(len(voxel))
    given = np.multiply(secretion, target) * volume + np.multiply(export, NANOMOLAR_UM3_PER_AMOL) * one
    taken = np.add(secretion, uptake) * volume
    return per_voxel(voxel, given, shape, spacing), per_voxel(voxel, taken, shape, spacing)


def per_voxel(voxel: NDArray[np.intp], amount: Float, shape: tuple[int, int, int], spacing: float) -> Float:
    """Return the sum of `amount` (cell,) in each voxel per µm³, (z, y, x)."""
    total = np.bincount(voxel, weights=amount, minlength=int(np.prod(shape)))
    return np.asarray(total.reshape(shape) / spacing**3, dtype=np.float64)
