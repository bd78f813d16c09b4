"""Walls of a box, and the transforms under which diffusion between them is a number per mode."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Float = NDArray[np.float64]
Wall = Literal["closed", "periodic"] | float  # no flux; wrapped round; or held at this concentration, nM
Walls = tuple[Wall, Wall, Wall, Wall, Wall, Wall]  # x low, x high, y low, y high, z low, z high

CLOSED: Walls = ("closed",) * 6

# What each pair of walls makes of an axis: (transform, its type, offset of the mode number).
Kind = tuple[str, Literal[2, 4], float]
PERIODIC: Kind = ("fourier", 2, 0.0)  # it has no types and no offset
_KINDS: dict[tuple[str, str], Kind] = {
    ("closed", "closed"): ("cosine", 2, 0.0),
    ("held", "held"): ("sine", 2, 1.0),
    ("closed", "held"): ("cosine", 4, 0.5),
    ("held", "closed"): ("sine", 4, 0.5),
    ("periodic", "periodic"): PERIODIC,
}
Spectrum = NDArray[Any]  # float64, or complex128 where an axis is periodic


@dataclass(frozen=True)
class Modes:
    """The transforms along each axis of (z, y, x) under which the Laplacian is a number per mode."""

    shape: tuple[int, ...]
    kinds: tuple[Kind, ...]
    laplacian: Float  # 1/µm², <= 0; (z, y, x) of modes

    def _axes(self, kind: Kind) -> tuple[int, ...]:
        return tuple(axis for axis, own in enumerate(self.kinds) if own == kind)

    def of(self, c: Float) -> Spectrum:
        """Return the modes of `c` (z, y, x), complex where an axis is periodic. Overwrites `c`."""
        out: Spectrum = c
        for kind in sorted(set(self.kinds) - {PERIODIC}):
            transform = scipy.fft.dctn if kind[0] == "cosine" else scipy.fft.dstn
            out = transform(out, type=kind[1], axes=self._axes(kind), overwrite_x=True, workers=1)
        if axes := self._axes(PERIODIC):
            out = scipy.fft.rfftn(out, axes=axes, workers=1)
        return out

    def back(self, modes: Spectrum) -> Float:
        """Return the values (z, y, x) of `modes`. Overwrites `modes`."""
        out = modes
        if axes := self._axes(PERIODIC):
            shape = [self.shape[axis] for axis in axes]
            out = scipy.fft.irfftn(out, s=shape, axes=axes, overwrite_x=True, workers=1)
        for kind in sorted(set(self.kinds) - {PERIODIC}):
            transform = scipy.fft.idctn if kind[0] == "cosine" else scipy.fft.idstn
            out = transform(out, type=kind[1], axes=self._axes(kind), overwrite_x=True, workers=1)
        return np.asarray(out)

    def divided(self, c: Float, rate: Float) -> Float:
        """Return `c` (z, y, x) with each mode divided by `rate` (of modes): the inverse of what has these rates."""
        modes = self.of(c.copy())
        modes /= rate
        return self.back(modes)


def modes_of(walls: Walls, shape: tuple[int, ...], spacing: float) -> Modes:
    """Return the transforms for six walls (x low, x high, …) on a grid (z, y, x)."""
    words = [wall if isinstance(wall, str) else "held" for wall in walls]
    kinds = tuple(_KINDS[words[2 * i], words[2 * i + 1]] for i in (2, 1, 0))  # z, y, x
    return _modes(tuple(shape), float(spacing), kinds)


@lru_cache(maxsize=16)
def _modes(shape: tuple[int, ...], spacing: float, kinds: tuple[Kind, ...]) -> Modes:
    """Return the transforms and the Laplacian of each mode, −(2 sin(θ/2)/h)² summed over the axes."""
    periodic = [axis for axis, kind in enumerate(kinds) if kind[0] == "fourier"]
    laplacian = np.zeros((1, 1, 1))
    for axis, (n, (name, _, offset)) in enumerate(zip(shape, kinds, strict=True)):
        if name == "fourier":  # rfftn keeps half of the modes of its last axis
            half_angle = np.pi * np.arange(n // 2 + 1 if axis == periodic[-1] else n) / n
        else:
            half_angle = np.pi * (np.arange(n) + offset) / (2 * n)
        along = -((2 * np.sin(half_angle) / spacing) ** 2)
        laplacian = laplacian + np.expand_dims(along, tuple({0, 1, 2} - {axis}))
    laplacian.flags.writeable = False
    return Modes(shape, kinds, laplacian)


def wall_layers(walls: Walls, shape: tuple[int, ...], spacing: float) -> tuple[Float, Float]:
    """Return what held walls do to the voxels that touch them, two (z, y, x): inflow, nM/µm², and loss, 1/µm².

    The seven-point Laplacian of `c` there is that of its neighbours + inflow − loss × c: the wall is half a voxel away.
    """
    inflow, loss = np.zeros(shape), np.zeros(shape)
    for i, wall in enumerate(walls):
        if not isinstance(wall, str):
            layer = (slice(None),) * (2 - i // 2) + (-(i % 2),)  # first or last along z, y or x
            inflow[layer] += 2 * float(wall) / spacing**2
            loss[layer] += 2 / spacing**2
    return inflow, loss
