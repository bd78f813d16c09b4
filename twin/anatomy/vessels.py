"""Where the vessels of a slab are."""

import numpy as np
from numpy.typing import NDArray

from twin.anatomy.parts import mean_radius
from twin.errors import InputError
from twin.kernels.shapes.solid import Solid, tube
from twin.scenario.builders import VesselSlab

Float = NDArray[np.float64]


def wall_radius(cells: VesselSlab) -> float:
    """Return how far from a vessel's middle its wall, one layer of cells, reaches, µm."""
    return cells.vessels.diameter / 2.0 + 2.0 * mean_radius(cells, cells.endothelium)


def axes_of(cells: VesselSlab, size: Float) -> Float:
    """Return where vessels pass, (vessel, 2) µm from the slab's lower corner, in the two axes across them.

    A square or hexagonal array about the middle, as many as lie in the slab with their walls.

    size : (3,) µm, edges of the slab.

    Raises
    ------
    InputError
        If the slab is too thin for one.
    """
    across = np.delete(np.asarray(size, np.float64), "xyz".index(cells.vessels.along))
    spacing, reach = cells.vessels.spacing, wall_radius(cells)
    if (across < 2.0 * reach).any():
        raise InputError(
            f"a vessel {2 * reach:.4g} um wide with its wall does not fit into a slab of {across[0]:.4g} x "
            f"{across[1]:.4g} um across: widen the slab"
        )
    step = spacing * np.sqrt(3.0) / 2.0 if cells.vessels.arrangement == "hexagonal" else spacing
    rows = np.arange(-int(across[1] / step) - 1, int(across[1] / step) + 2)
    columns = np.arange(-int(across[0] / spacing) - 2, int(across[0] / spacing) + 3)
    row, column = (a.ravel() for a in np.meshgrid(rows, columns, indexing="ij"))
    shift = 0.5 * (row % 2) if cells.vessels.arrangement == "hexagonal" else 0.0 * row
    places = across / 2.0 + np.stack([(column + shift) * spacing, row * step], axis=1)
    inside = ((places >= reach - 1e-9) & (places <= across - reach + 1e-9)).all(axis=1)
    return np.asarray(places[inside])


def lumina(along: str, axes: Float, low: Float, high: Float, radius: float) -> list[Solid]:
    """Return a tube of a radius (µm) around each vessel's axis, (vessel, 2) µm, through a block."""
    return [tube("xyz".index(along), at, radius, low, high) for at in axes]
