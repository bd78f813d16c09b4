"""What a field settles to, and how long that takes, where losses differ from voxel to voxel.

Both are solutions of D ∇²c − loss × c + s = 0 on the grid. Conjugate gradients find them, preconditioned by the exact
inverse for the mean loss (a transform): six to ten iterations where diffusion across a voxel is faster than the loss
in it, as it is for everything that reaches more than one cell.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels.diffusion_modes import Modes

Float = NDArray[np.float64]

SETTLED = 1e-8  # of the largest concentration: what a solution may be off; our choice
MOST = 2000  # iterations; a spread of losses over voxels of 1e6 takes a few hundred


@dataclass(frozen=True)
class Balance:
    """The steady problem of one substance in one box.

    diffusivity : D, µm²/h. loss : (z, y, x), λ + k, 1/h. modes : of the walls, where nothing is held.
    """

    diffusivity: float
    loss: Float
    modes: Modes

    def is_lossless(self) -> bool:
        """Whether nothing removes the substance: then it has no steady state."""
        return not self.loss.any() and not self.modes.laplacian.max() < 0

    def solve(self, given: Float, start: Float | None = None) -> Float:
        """Return c >= 0 (z, y, x) with D ∇²c − loss × c + given = 0, to SETTLED of its largest value.

        Parameters
        ----------
        given : (z, y, x), >= 0, nM/h. start : where to begin, (z, y, x) nM.

        Raises
        ------
        RunError
            If it is not found: losses are too uneven.

        Source
        ------
        Concus, Golub, O'Leary, A generalized conjugate gradient method for the numerical solution of elliptic
        partial differential equations, 1976 (a fast solver as preconditioner).
        """
        mean = float(self.loss.mean())
        rate = mean - self.diffusivity * self.modes.laplacian  # 1/h, of modes
        rough = self.loss - mean
        x = np.zeros_like(given) if start is None else start.copy()
        residual = given.copy() if start is None else given - self._applied(start, rate, rough)
        answer, left = conjugate_gradients(x, residual, rough, lambda r: self.modes.divided(r, rate))
        if left > SETTLED:
            raise RunError(
                f"a steady field was not found: after {MOST} iterations it is {left:.2g} of its top off; "
                "uptake is too uneven for these voxels: use quasi_steady: never"
            )
        return np.asarray(np.maximum(answer, 0.0))

    def relaxation(self) -> Float:
        """Return how long a molecule stays on average before it is lost, by where it is, (z, y, x), h.

        Its largest value τ bounds the slowest transient: any deviation u from the steady state obeys
        |u(t)| <= max|u(0)/τ(x)| τ(x) exp(−t/τ), voxel by voxel.
        """
        return self.solve(np.ones_like(self.loss))

    def shortest(self) -> float:
        """Return a time that the longest stay cannot be below, h: 1 / the mean of all losses, walls included."""
        whole = self.loss.mean() - self.diffusivity * self.modes.laplacian.max()
        return 1.0 / float(max(whole, 1e-300))

    def _applied(self, c: Float, rate: Float, rough: Float) -> Float:
        modes = self.modes.of(c.copy())
        modes *= rate
        return self.modes.back(modes) + rough * c


def conjugate_gradients(x: Any, residual: Any, rough: Any, divide: Any) -> tuple[Any, float]:
    """Return (the solution of (M + rough) x = b, the part of its top that the last correction was).

    Parameters
    ----------
    x : the start; residual : b − (M + rough) x. Both NumPy or torch arrays, overwritten.
    rough : what is added to M, a number per voxel.
    divide : r ↦ M⁻¹ r.
    """
    step = divide(residual)
    slope, seen = step + 0.0, residual + 0.0  # the direction p, and M p without applying M
    strength = float((residual * step).sum())
    left = float("inf")
    for _ in range(MOST):
        if strength <= 0.0:
            return x, 0.0
        pushed = seen + rough * slope
        amount = strength / float((slope * pushed).sum())
        x += amount * slope
        residual -= amount * pushed
        step = divide(residual)
        left = float(abs(step).max()) / max(float(abs(x).max()), 1e-300)
        if left <= SETTLED:
            return x + step, left
        before, strength = strength, float((residual * step).sum())
        slope *= strength / before
        slope += step
        seen *= strength / before
        seen += residual
    return x, left
