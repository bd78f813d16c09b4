"""What a cell notices of a field: dose-response curves, receptor gates, the field at a point."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def hill(dose: Float, half: Float | float, exponent: Float | float = 1.0) -> Float:
    """Return dose^n / (half^n + dose^n): 0 at no dose, 1/2 at `half`, 1 far above.

    Parameters
    ----------
    dose : any shape, >= 0.
    half : dose of half effect, > 0, in the unit of `dose`; broadcasts.
    exponent : n, > 0; broadcasts.
    """
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / (1.0 + (half / np.asarray(dose, np.float64)) ** exponent))


def dose_shift(antagonists: Float, constants: Float) -> Float:
    """Return by how much competitors for one site shift a ligand's dose-response curve: 1 + Σ b/K_B.

    A ligand's effect at c in their presence is that of c / shift without them; the maximum stays.

    Parameters
    ----------
    antagonists : (cell, antagonist), >= 0, in the unit of `constants`.
    constants : (antagonist,), equilibrium constants K_B, > 0.

    Returns
    -------
    (cell,), >= 1; 1 where there is no antagonist.

    Source
    ------
    Gaddum, The quantitative effects of antagonistic drugs, J Physiol 89 (1937), 7P; Arunlakshana and Schild, Some
    quantitative uses of drug antagonists, Br J Pharmacol 14 (1959), 48-58, equation 1.
    """
    return np.asarray(1.0 + (antagonists / constants).sum(axis=1))


def gate_receptor(type_rates: Float, factors: Float, cell_type: NDArray[np.integer], detection: float) -> Float:
    """Return each cell's receptor competence in [0, 1]: the scarcest subunit limits.

    A subunit counts for nothing in a cell whose type's mean expected rate is below `detection`, else
    for the cell's own clamp factor. Single cells' counts are not read: messages of both subunits of
    a receptor are seldom seen in one cell that has it.

    Parameters
    ----------
    type_rates : (type, subunit), mean expected rate, counts per 10,000.
    factors : (cell, subunit), clamp factor of the subunit's gene; 1 = free, 0 = knocked out.
    cell_type : (cell,) row of `type_rates`.
    detection : counts per 10,000.

    Returns
    -------
    (cell,); 1 everywhere where there is no subunit.
    """
    present = (type_rates >= detection)[cell_type]  # (cell, subunit)
    subunits = np.where(present, np.clip(factors, 0.0, 1.0), 0.0)
    return np.asarray(subunits.min(axis=1, initial=1.0))


def sample_field(field: Float, position: Float, origin: tuple[float, float, float], spacing: float) -> Float:
    """Return the concentration at each position by trilinear interpolation between voxel centres.

    Second order in the spacing. Within half a voxel of a wall, and outside the box, the nearest
    layer of centres counts (what a closed wall means; a held wall's value is at most half a voxel
    away).

    Parameters
    ----------
    field : (z, y, x), nM.
    position : (cell, 3), x, y, z in µm.
    origin : lower corner of the box, x, y, z in µm.
    spacing : edge of a voxel, µm.

    Returns
    -------
    (cell,), nM; between the smallest and the largest of `field`.
    """
    last = np.asarray(field.shape[::-1]) - 1  # voxels along x, y, z, less one
    place = np.clip((position - np.asarray(origin)) / spacing - 0.5, 0.0, last)  # (cell, 3)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, last)
    part = place - low
    value = np.zeros(len(position))
    for corner in range(8):
        upper = [(corner >> axis) & 1 for axis in range(3)]  # along x, y, z
        ix, iy, iz = ((high if up else low)[:, axis] for axis, up in enumerate(upper))
        wx, wy, wz = (part[:, a] if up else 1.0 - part[:, a] for a, up in enumerate(upper))
        value += wx * wy * wz * field[iz, iy, ix]
    return value
