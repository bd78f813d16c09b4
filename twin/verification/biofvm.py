"""BioFVM's time step, written down again so that its error can stand beside ours.

Local one-dimensional splitting: along each axis in turn (1 + λ dt/3 − D dt δ²) c = c_old, implicit and first order;
before it the cells of a voxel act by c = c_old/(1 + k dt).

Source
------
Ghaffarizadeh, Friedman, Macklin, BioFVM, Bioinformatics 32:1256 (2016), eq. 3-6; PhysiCell 1.14.2.
"""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def biofvm(
    c: Float,
    diffusivity: float,
    decay: float,
    dt: float,
    n_steps: int,
    spacing: float,
    *,
    sink: Float | float = 0.0,
    held: float | None = None,
) -> Float:
    """Return the field after `n_steps` of `dt`, (z, y, x).

    Parameters
    ----------
    c : (z, y, x). diffusivity : µm²/h. decay : 1/h. dt : h. spacing : µm.
    sink : (z, y, x), first-order removal by cells, 1/h.
    held : what all voxels along the walls are held at, as BioFVM's Dirichlet nodes are; None: closed walls.
    """
    matrices = []
    for n in c.shape:
        line = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
        line[0, 0] = line[-1, -1] = -1.0 if n > 1 else 0.0
        matrices.append(np.linalg.inv((1 + decay * dt / 3) * np.eye(n) - diffusivity * dt / spacing**2 * line))
    z, y, x = matrices
    wall = np.ones(c.shape, bool)
    wall[1:-1, 1:-1, 1:-1] = False
    held_at = np.where(wall, 0.0 if held is None else held, 0.0)
    free = np.ones(c.shape) if held is None else (~wall).astype(np.float64)
    left = 1.0 / (1.0 + dt * np.asarray(sink))
    for _ in range(n_steps):
        c = c * left
        c = (c @ x.T) * free + held_at
        c = np.matmul(y, c) * free + held_at
        c = np.tensordot(z, c, 1) * free + held_at
    return c
