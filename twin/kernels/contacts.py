"""How much two touching cells touch: the disc in which two overlapping spheres meet."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Float = NDArray[np.float64]


def contact_areas(position: Float, radius: Float, contacts: sp.csr_array) -> sp.csr_array:
    """Return the area of each contact: that of the disc which the circle of two spheres' intersection bounds.

    With d the distance and R, r the radii its radius a is a² = R² − ((d² + R² − r²) / 2d)². Cells that touch without
    overlapping (`contact_graph` lets a gap of 1 % pass) share no area; a cell inside another counts with its own
    great circle. Two cells of radius R at PhysiCell's rest, d = 1.90 R, share 0.29 R².

    Parameters
    ----------
    position : (cell, 3) µm. Not modified.
    radius : (cell,) µm. Not modified.
    contacts : (cell, cell) CSR, who touches whom.

    Returns
    -------
    (cell, cell) CSR of float64, µm², with the entries of `contacts`, those of no area included.

    Source
    ------
    Weisstein, Sphere-Sphere Intersection, MathWorld, equation 8.
    """
    n = len(position)
    assert contacts.shape == (n, n), (contacts.shape, n)
    first = np.repeat(np.arange(n), np.diff(contacts.indptr))  # (contact,)
    second = contacts.indices
    apart = np.linalg.norm(position[first] - position[second], axis=1)
    one, other = radius[first], radius[second]
    least = np.minimum(one, other)
    inside = apart <= np.maximum(one, other) - least
    apart = np.where(inside, 1.0, apart)  # nothing is divided by zero
    plane = (apart**2 + one**2 - other**2) / (2.0 * apart)  # µm, from the first centre
    squared = np.where(inside, least**2, np.clip(one**2 - plane**2, 0.0, least**2))
    return sp.csr_array((np.pi * squared, contacts.indices.copy(), contacts.indptr.copy()), shape=(n, n))
