"""Which voxels of a compartment vessels supply."""

import numpy as np
from numpy.typing import NDArray

from twin.anatomy.vessels import axes_of, wall_radius
from twin.scenario.builders import VesselSlab
from twin.scenario.schema import Compartment
from twin.state.fields import Grid


def supplied_voxels(compartment: Compartment, grid: Grid) -> NDArray[np.bool_]:
    """Return where blood meets the tissue, (z, y, x): in a slab with vessels their lumen and wall, else everywhere.

    A voxel counts where its middle lies in a vessel, or a vessel's axis passes through it: a vessel thinner than the
    voxels still is there.
    """
    cells = compartment.cells
    if not isinstance(cells, VesselSlab):
        return np.ones(grid.shape, np.bool_)
    box = np.asarray(compartment.box)
    size = box if cells.size is None else np.array(cells.size)
    along = "xyz".index(cells.vessels.along)
    first, second = (axis for axis in range(3) if axis != along)
    axes = axes_of(cells, size) + np.delete((box - size) / 2.0, along)  # (vessel, 2) µm from the box's corner
    a = grid.centres(first)[:, None, None] - grid.origin[first] - axes[:, 0]  # (first, 1, vessel)
    b = grid.centres(second)[None, :, None] - grid.origin[second] - axes[:, 1]  # (1, second, vessel)
    within = np.hypot(a, b) <= wall_radius(cells)
    half = grid.spacing / 2.0 * (1.0 + 1e-9)
    passed = (np.abs(a) <= half) & (np.abs(b) <= half)
    across = (within | passed).any(axis=2)  # (first, second)
    shape = np.expand_dims(across, along)  # (x, y, z), 1 long along the vessels
    return np.ascontiguousarray(np.broadcast_to(shape, grid.shape[::-1]).transpose(2, 1, 0))
