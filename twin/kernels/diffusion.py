"""Diffusion, decay, release and uptake of substances on a regular grid of cubic voxels.

Every step is exact in time for the grid's equations with rates held over the step, to 1e-8 of the top. Where losses are
the same everywhere, fast transforms diagonalise the seven-point Laplacian; where uptake differs from voxel to voxel, a
Chebyshev series of the exponential does (`diffusion_series`); a substance that has settled long before the step
ends may be given its steady state (`diffusion_steady`). Nothing is split: a split step leaves each voxel's source and
sink unmixed for a while, and is wrong unless it is shorter than the time to cross a voxel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels.diffusion_modes import CLOSED, Modes, Wall, Walls, modes_of, wall_layers
from twin.kernels.diffusion_series import passes_needed, phi1, phi2, propagate
from twin.kernels.diffusion_steady import SETTLED, Balance

__all__ = [
    "CLOSED",
    "Diffused",
    "QuasiSteady",
    "Wall",
    "Walls",
    "decay_length",
    "diffuse",
    "diffuse_with_uptake",
    "measured_decay_length",
]

Float = NDArray[np.float64]
QuasiSteady = Literal["auto", "always", "never"]

FLOOR = 1e-3  # of the largest concentration: below it errors count as absolute; our choice
UNBALANCED = 1e-3  # relative; more is no rounding but a steady state taken too early; our choice
WORTH = 1000.0  # passes of the series that cost what two steady solutions do; measured at 30³ and 64³ voxels


@dataclass(frozen=True)
class Diffused:
    """What came of a step.

    field : (substance, z, y, x) nM, at the end of the step.
    error : (substance,) its estimated largest error in time, relative to max(c, FLOOR × largest c).
    passes : (substance,) passes of the series; 0 where a transform was exact or the steady state was taken.
    is_steady : (substance,) whether the steady state was taken.
    mean : (substance, z, y, x) nM, the mean over the step, or None where it was not asked for. What is lost in the
        step is dt × loss × mean: it balances to rounding, but where "always" took a steady state too early.
    """

    field: Float
    error: Float
    passes: NDArray[np.intp]
    is_steady: NDArray[np.bool_]
    mean: Float | None = None


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
    return diffuse_with_uptake(field, diffusivity, decay, dt, spacing, no_sink, walls=walls, source=source).field


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
    quasi_steady: QuasiSteady | Sequence[QuasiSteady] = "auto",
    mean: bool = False,
) -> Diffused:
    """Advance concentrations by `dt` under ∂c/∂t = D ∇²c − (λ + k) c + s, k varying in space.

    Exact in time to 1e-8 of the top, for any `dt` and any k. The steady state is taken instead where it is cheaper and
    what is left of the transient is proved to be below `tolerance`.

    Parameters
    ----------
    field, diffusivity, decay, dt, spacing, walls, source : as in `diffuse`. Not modified.
    sink : (substance, z, y, x), k, 1/h, >= 0.
    tolerance : of the transient that a steady state leaves out, relative to max(c, FLOOR × the largest c of the step).
    quasi_steady : of all substances or of each: "always": the field is taken as settled; "never".
    mean : whether the mean over the step is wanted, too.

    Raises
    ------
    RunError
        If a substance that nothing removes should be taken as settled.
    """
    n = len(field)
    choices = [quasi_steady] * n if isinstance(quasi_steady, str) else list(quasi_steady)
    after, middle = np.empty_like(field), np.empty_like(field) if mean else None
    error, passes, steady = np.zeros(n), np.zeros(n, np.intp), np.zeros(n, np.bool_)
    for i in range(n):
        own = CLOSED if walls is None else walls[i]
        inflow, outflow = wall_layers(own, field.shape[1:], spacing)
        step = _Step(
            field[i],
            diffusivity[i] * inflow + (0.0 if source is None else source[i]),
            float(diffusivity[i]),
            decay[i] + sink[i],
            diffusivity[i] * outflow,
            dt,
            spacing,
            own,
            modes_of(own, field.shape[1:], spacing),
        )
        done = step.done(choices[i], tolerance, mean=mean)
        if mean:
            done = step.balanced(done)
        after[i], error[i], passes[i], steady[i] = done.field, done.error, done.passes, done.is_steady
        if middle is not None:
            middle[i] = done.mean
    return Diffused(after, error, passes, steady, middle)


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


@dataclass(frozen=True)
class _Done:
    """The end of one substance's step: see `Diffused`."""

    field: Float
    mean: Float | None
    error: float = 0.0
    passes: int = 0
    is_steady: bool = False


@dataclass(frozen=True)
class _Step:
    """One substance's step; arrays are (z, y, x). given : sources and what held walls let in, nM/h."""

    field: Float
    given: Float
    diffusivity: float
    loss: Float
    outflow: Float
    dt: float
    spacing: float
    walls: Walls
    modes: Modes

    def done(self, quasi_steady: QuasiSteady, tolerance: float, *, mean: bool) -> _Done:
        """Return the end of the step, by the cheapest way that is exact enough."""
        if quasi_steady == "always":
            return self._settled(mean=mean)
        if not self.field.any() and not self.given.any():
            return _Done(np.zeros_like(self.field), np.zeros_like(self.field))
        if self.diffusivity == 0:
            return self._still(mean=mean)
        if self.loss.min() == self.loss.max():
            return self._even(mean=mean)
        needed = passes_needed(self.diffusivity, self.modes, self.loss, self.dt)
        if quasi_steady == "auto" and needed > WORTH and self._may_settle(tolerance):
            settled = self._settled(mean=mean)
            if settled.error <= tolerance:
                return settled
        after, middle, passes, error = propagate(
            self.field,
            self.given,
            self.diffusivity,
            self.loss,
            self.dt,
            self.spacing,
            self.walls,
            self.modes,
            mean=mean,
        )
        after = np.maximum(after, 0.0, out=after)
        middle = None if middle is None else np.maximum(middle, 0.0, out=middle)
        return _Done(after, middle, self._relative(error, after), passes)

    def balanced(self, done: _Done) -> _Done:
        """Return the step with its field or its mean scaled, by less than their errors, so that mass balances.

        What is there at the end is scaled where it is more than what was lost, else what was lost.
        """
        assert done.mean is not None
        lost = self.dt * float(((self.loss + self.outflow) * done.mean).sum())
        stays, before = float(done.field.sum()), float(self.field.sum()) + self.dt * float(self.given.sum())
        factor = (before - lost) / stays if stays > lost else (before - stays) / max(lost, 1e-300)
        if abs(factor - 1.0) > UNBALANCED:
            return done
        if stays > lost:
            return replace(done, field=done.field * factor)
        return replace(done, mean=done.mean * factor)

    def _even(self, *, mean: bool) -> _Done:
        """Return the exact answer where the loss is the same everywhere."""
        z = self.dt * (self.diffusivity * self.modes.laplacian - self.loss.flat[0])
        first = phi1(z)
        field, given = self.modes.of(self.field.copy()), self.modes.of(self.given.copy())
        after = np.maximum(self.modes.back(np.exp(z) * field + self.dt * first * given), 0.0)
        middle = self.modes.back(first * field + self.dt * phi2(z, first) * given) if mean else None
        return _Done(after, middle)

    def _still(self, *, mean: bool) -> _Done:
        """Return the exact answer without diffusion, voxel by voxel."""
        z = -self.dt * self.loss
        first = phi1(z)
        after = np.exp(z) * self.field + self.dt * first * self.given
        middle = first * self.field + self.dt * phi2(z, first) * self.given if mean else None
        return _Done(after, middle)

    def _may_settle(self, tolerance: float) -> bool:
        """Return whether a transient can be below the tolerance, as far as the shortest relaxation tells."""
        shortest = Balance(self.diffusivity, self.loss, self.modes).shortest()
        return bool(self.dt > -np.log(tolerance) * shortest)

    def _settled(self, *, mean: bool) -> _Done:
        """Return the steady state, and how large a transient may be left beside it."""
        balance = Balance(self.diffusivity, self.loss, self.modes)
        if balance.is_lossless() or self.diffusivity == 0:
            raise RunError(
                "a steady field needs diffusion and a loss (decay, uptake or a held wall), and here is none: "
                "use quasi_steady: never"
            )
        after = balance.solve(self.given)
        stay = balance.relaxation()
        change = np.abs(self.field - after)
        left = float(np.max(change / stay)) * stay * np.exp(-self.dt / float(stay.max()))
        top = max(float(after.max()), float(self.field.max()), 1e-300)
        error = float(np.max(left / np.maximum(after, FLOOR * top))) + SETTLED / FLOOR
        middle = None
        if mean:  # A (dt × mean) = change − dt × given, the difference of two fields that are each >= 0
            rest = balance.solve(np.maximum(self.field - after, 0.0)) - balance.solve(
                np.maximum(after - self.field, 0.0)
            )
            middle = np.maximum(after + rest / self.dt, 0.0)
        return _Done(after, middle, error, is_steady=True)

    def _relative(self, error: float, after: Float) -> float:
        """Return an error in nM as one relative to max(c, FLOOR × largest c)."""
        top = max(float(after.max()), float(self.field.max()))
        return error / (FLOOR * top) if top > 0 else 0.0
