"""Concentrations of substances on a compartment's grid."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Wall = Literal["closed", "periodic"] | float  # no flux; wrapped round; or held at a concentration in nM


@dataclass(frozen=True)
class Grid:
    """A box of cubic voxels.

    shape : voxels along (z, y, x).
    spacing : edge of a voxel, µm.
    origin : lower corner of the box as (x, y, z), µm.
    """

    shape: tuple[int, int, int]
    spacing: float
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def size(self) -> Float:
        """Edges of the box along (x, y, z), µm."""
        nz, ny, nx = self.shape
        return np.asarray([nx * self.spacing, ny * self.spacing, nz * self.spacing], dtype=np.float64)

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel, µm³."""
        return self.spacing**3

    def voxel_of(self, position: Float) -> NDArray[np.intp]:
        """Return the flat index (z, y, x order) of the voxel that holds each position (cell, 3)."""
        index = np.floor((position - np.asarray(self.origin)) / self.spacing).astype(np.intp)
        nz, ny, nx = self.shape
        index = np.clip(index, 0, np.array([nx, ny, nz]) - 1)  # (cell, 3) as x, y, z
        return np.asarray((index[:, 2] * ny + index[:, 1]) * nx + index[:, 0])

    def centres(self, axis: int) -> Float:
        """Return the voxel centres along axis 0 = x, 1 = y, 2 = z, µm."""
        n = self.shape[::-1][axis]
        return np.asarray(self.origin[axis] + (np.arange(n) + 0.5) * self.spacing, dtype=np.float64)


@dataclass(frozen=True)
class Substances:
    """What the soluble factors of a scenario are; one entry a substance, in scenario order.

    names : the substances' words.
    diffusivity : (substance,) µm²/h.
    decay : (substance,) 1/h.
    walls : per substance the six walls (x low, x high, y low, y high, z low, z high).
    initial : (substance,) nM everywhere at the start.
    molar_mass : g/mol or None.
    specific_activity : U/mg or None.
    """

    names: tuple[str, ...]
    diffusivity: Float
    decay: Float
    walls: tuple[tuple[Wall, Wall, Wall, Wall, Wall, Wall], ...]
    initial: Float
    molar_mass: tuple[float | None, ...]
    specific_activity: tuple[float | None, ...]

    def index(self, name: str) -> int:
        """Return the place of a substance."""
        return self.names.index(name)
