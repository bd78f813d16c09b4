"""Diffusion, decay, release and uptake of substances on a regular grid of cubic voxels.

Everything with constant coefficients (diffusion, decay, sources, walls) is exact in time, by fast
transforms that diagonalise the seven-point Laplacian. Uptake differs from voxel to voxel and enters
as an exponential Runge-Kutta term, not by splitting: a split step leaves each voxel's source and
sink unmixed for a while, and is wrong unless it is shorter than the time to cross a voxel.
"""

from collections.abc import Sequence
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
FLOOR = 1e-3  # of the largest concentration: below it errors count as absolute; our choice
FIRST_LEFT = 3.0  # error over the first difference: answers that gain only a quarter per doubling; our choice
SERIES_BELOW = 0.02  # |z| under which φ₂ is summed as a series; our choice, error < 1e-13 on both sides

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
Modes = NDArray[Any]  # float64, or complex128 where an axis is periodic


@dataclass(frozen=True)
class Diffused:
    """What came of a step.

    field : (substance, z, y, x) nM, at the end of the step.
    substeps : (substance,) how many substeps the last answer took.
    error : (substance,) its estimated largest error in time, relative to max(c, FLOOR × largest c).
    """

    field: Float
    substeps: NDArray[np.intp]
    error: Float


def diffuse(
    field: Float,
    diffusivity: Float,
    decay: Float,
    dt: float,
    spacing: float,
    *,
    walls: Sequence[Walls] | None = None,
    source: Float | None = None,
) -> Float:
    """Advance concentrations by `dt` under ∂c/∂t = D ∇²c − λ c + s, exactly in time.

    The error in space is O(spacing²). Between closed or periodic walls, without decay, the sum of
    each substance changes by what its source gives, to rounding. Never negative.

    Parameters
    ----------
    field : (substance, z, y, x), nM, cell-centred, >= 0. Not modified.
    diffusivity : (substance,), D, µm²/h.
    decay : (substance,), λ, 1/h.
    dt : h.
    spacing : edge of a voxel, µm.
    walls : per substance its six walls; None: all closed. A held value holds at the voxels' face.
    source : (substance, z, y, x), s, nM/h, >= 0; None: none.

    Returns
    -------
    (substance, z, y, x), nM.

    Source
    ------
    Strang, The Discrete Cosine Transform, SIAM Review 41 (1999): the transforms of each pair of walls.
    """
    no_sink = np.zeros_like(field)
    done = diffuse_with_uptake(field, diffusivity, decay, dt, spacing, no_sink, walls=walls, source=source)
    return done.field


def diffuse_with_uptake(
    field: Float,
    diffusivity: Float,
    decay: Float,
    dt: float,
    spacing: float,
    sink: Float,
    *,
    walls: Sequence[Walls] | None = None,
    source: Float | None = None,
    tolerance: float = 1e-3,
    max_substeps: int = 1024,
) -> Diffused:
    """Advance concentrations by `dt` under ∂c/∂t = D ∇²c − (λ + k) c + s, k varying in space.

    An exponential Runge-Kutta step of second order in time, about the largest k: it keeps a steady
    state to rounding and no concentration becomes negative, for any `dt`. A uniform k is exact in
    one step. Else the number of substeps doubles until the error estimated from the last answers is
    below `tolerance`, or the next doubling would pass `max_substeps`: the caller looks at the error.

    Parameters
    ----------
    field, diffusivity, decay, dt, spacing, walls, source : as in `diffuse`. Not modified.
    sink : (substance, z, y, x), k, 1/h, >= 0.
    tolerance : accepted error, relative to max(c, FLOOR × the largest c of the step).
    max_substeps : the most substeps per call.

    Source
    ------
    Cox and Matthews, Exponential time differencing for stiff systems, J. Comput. Phys. 176 (2002), eq. 22.
    """
    after = np.empty_like(field)
    substeps = np.ones(len(field), dtype=np.intp)
    error = np.zeros(len(field))
    for i, c in enumerate(field):
        modes = _modes_of(CLOSED if walls is None else walls[i], c.shape, spacing)
        given = diffusivity[i] * _inflow(CLOSED if walls is None else walls[i], c.shape, spacing)  # nM/h
        if source is not None:
            given = given + source[i]
        if not c.any() and not given.any():
            after[i] = 0.0
            continue
        step = _Step(modes, c, given, sink[i], float(diffusivity[i]), float(decay[i]), dt)
        answer = step.march(1)
        if not step.is_exact:
            answer, substeps[i], error[i] = _refine(step, answer, tolerance, max_substeps)
        after[i] = answer
    return Diffused(after, substeps, error)


def decay_length(diffusivity: float, decay: float, sink: float = 0.0) -> float:
    """Return √(D/(λ + k)), µm: over it a steady profile falls by a factor e; inf without any loss.

    Parameters
    ----------
    diffusivity : D, µm²/h.
    decay, sink : λ and the mean uptake k, 1/h.
    """
    loss = decay + sink
    return float(np.sqrt(diffusivity / loss)) if loss > 0 else float("inf")


def measured_decay_length(profile: Float, x: Float) -> float:
    """Return the distance over which a profile falls by a factor e, µm, from the slope of its logarithm.

    Fitted by least squares where the profile lies between 1e-3 and 0.5 of its largest value; NaN
    where fewer than two points do, or where it does not fall with `x`.

    Parameters
    ----------
    profile : (point,) concentrations, nM.
    x : (point,) distances from the source, µm.
    """
    top = float(np.max(profile, initial=0.0))
    used = (profile >= 1e-3 * top) & (profile <= 0.5 * top) & (profile > 0)
    if used.sum() < 2:
        return float("nan")
    away = x[used] - x[used].mean()
    slope = float(away @ np.log(profile[used])) / float(away @ away)
    return -1.0 / slope if slope < 0 else float("nan")


def _refine(step: "_Step", coarse: Float, tolerance: float, most: int) -> tuple[Float, int, float]:
    """Double the substeps until two answers agree: (answer, substeps, estimated error).

    The differences of successive answers shrink by a factor q (1/4 where the order shows, hardly at
    all where steps are still too long); what is left is then q/(1 − q) times the last one, and is
    taken as no less than the difference itself. The first difference has no q yet and counts thrice.
    """
    n, before = 1, None
    while True:
        n *= 2
        fine = step.march(n)
        scale = FLOOR * max(float(fine.max()), float(step.field.max()))
        difference = float(np.max(np.abs(fine - coarse) / np.maximum(fine, scale)))
        left = FIRST_LEFT
        if before is not None:
            q = min(difference / before, 0.9) if before > 0 else 0.0
            left = max(q / (1 - q), 1.0)
        if left * difference <= tolerance or 2 * n > most:
            return fine, n, left * difference
        coarse, before = fine, difference


@dataclass(frozen=True)
class _Modes:
    """The transforms along each axis of (z, y, x) under which the Laplacian is a number per mode."""

    shape: tuple[int, ...]
    kinds: tuple[Kind, ...]
    laplacian: Float  # 1/µm², <= 0; (z, y, x) of modes

    def _axes(self, kind: Kind) -> tuple[int, ...]:
        return tuple(axis for axis, own in enumerate(self.kinds) if own == kind)

    def of(self, c: Float) -> Modes:
        """Return the modes of `c` (z, y, x), complex where an axis is periodic. Overwrites `c`."""
        out: Modes = c
        for kind in sorted(set(self.kinds) - {PERIODIC}):
            transform = scipy.fft.dctn if kind[0] == "cosine" else scipy.fft.dstn
            out = transform(out, type=kind[1], axes=self._axes(kind), overwrite_x=True, workers=1)
        if axes := self._axes(PERIODIC):
            out = scipy.fft.rfftn(out, axes=axes, workers=1)
        return out

    def back(self, modes: Modes) -> Float:
        """Return the concentrations (z, y, x) of `modes`, rounding below zero cut off. Overwrites `modes`."""
        out = modes
        if axes := self._axes(PERIODIC):
            shape = [self.shape[axis] for axis in axes]
            out = scipy.fft.irfftn(out, s=shape, axes=axes, overwrite_x=True, workers=1)
        for kind in sorted(set(self.kinds) - {PERIODIC}):
            transform = scipy.fft.idctn if kind[0] == "cosine" else scipy.fft.idstn
            out = transform(out, type=kind[1], axes=self._axes(kind), overwrite_x=True, workers=1)
        return np.asarray(np.maximum(out, 0.0, out=out))


class _Step:
    """One substance's step of `dt` hours: what does not depend on the number of substeps."""

    def __init__(
        self,
        modes: _Modes,
        field: Float,
        given: Float,
        sink: Float,
        diffusivity: float,
        decay: float,
        dt: float,
    ) -> None:
        self.modes, self.field, self.dt = modes, field, dt
        shift = float(sink.max())
        self.spared = shift - sink  # 1/h, >= 0: what the uniform sink takes too much
        self.is_exact = not self.spared.any()
        self.rate = diffusivity * modes.laplacian - (decay + shift)  # 1/h, <= 0
        self.field_modes: Modes = modes.of(field.copy())
        self.given_modes: Modes = modes.of(given)

    def march(self, n: int) -> Float:
        """Return the field after `n` equal substeps, (z, y, x)."""
        t = self.dt / n
        z = self.rate * t
        keep, phi1 = np.exp(z), _phi1(z)
        once = t * phi1
        given = once * self.given_modes
        if self.is_exact:
            assert n == 1, n
            return self.modes.back(keep * self.field_modes + given)
        twice = t * _phi2(z, phi1)
        c = self.field
        modes: Modes = self.field_modes.copy()
        for _ in range(n):
            spared = self.modes.of(self.spared * c)
            modes *= keep
            modes += given
            modes += once * spared  # the first-order answer
            change = self.modes.of(self.spared * self.modes.back(modes.copy()))
            change -= spared
            change *= twice
            modes += change
            c = self.modes.back(modes.copy())
        return c


def _phi1(z: Float) -> Float:
    """Return (exp(z) − 1)/z for z <= 0."""
    return np.asarray(np.where(z == 0, 1.0, np.expm1(z) / np.where(z == 0, 1.0, z)))


def _phi2(z: Float, phi1: Float) -> Float:
    """Return (φ₁ − 1)/z for z <= 0."""
    phi2 = (phi1 - 1) / np.where(z == 0, 1.0, z)
    small = np.abs(z) < SERIES_BELOW
    y = z[small]
    phi2[small] = 1 / 2 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (1 / 720 + y / 5040))))
    return phi2


def _modes_of(walls: Walls, shape: tuple[int, ...], spacing: float) -> _Modes:
    """Return the transforms for six walls (x low, x high, …) on a grid (z, y, x)."""
    words = [wall if isinstance(wall, str) else "held" for wall in walls]
    kinds = tuple(_KINDS[words[2 * i], words[2 * i + 1]] for i in (2, 1, 0))  # z, y, x
    return _modes(tuple(shape), float(spacing), kinds)


@lru_cache(maxsize=16)
def _modes(shape: tuple[int, ...], spacing: float, kinds: tuple[Kind, ...]) -> _Modes:
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
    return _Modes(shape, kinds, laplacian)


def _inflow(walls: Walls, shape: tuple[int, ...], spacing: float) -> Float:
    """Return what held walls add to ∇²c in the voxels that touch them, (z, y, x), nM/µm²."""
    inflow = np.zeros(shape)
    for i, wall in enumerate(walls):
        if not isinstance(wall, str):
            face = np.moveaxis(inflow, 2 - i // 2, 0)[-(i % 2)]  # a view: first or last layer
            face += 2 * float(wall) / spacing**2
    return inflow
