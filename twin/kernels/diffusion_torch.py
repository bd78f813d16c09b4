"""The field's step in torch, on the device of its input: the same law as `diffusion`, for a GPU.

Along each axis the Laplacian between its two walls is a small symmetric matrix; its eigenvectors take the place of the
fast transforms, for every kind of wall alike, and a pass of the series is three matrix products. Up to a few hundred
voxels an edge that is work that suits a GPU. Results agree with `diffusion` to 1e-9 of the top where the loss is even,
and to its own 1e-8 where it is not.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from twin.kernels.diffusion_modes import CLOSED, Walls, modes_of, wall_layers
from twin.kernels.diffusion_series import coefficients, least_top, spectrum_of


def diffuse_on_device(
    field: Tensor,
    diffusivity: Sequence[float],
    decay: Sequence[float],
    dt: float,
    spacing: float,
    sink: Tensor,
    *,
    walls: Sequence[Walls] | None = None,
    source: Tensor | None = None,
) -> Tensor:
    """Advance concentrations by `dt` under ∂c/∂t = D ∇²c − (λ + k) c + s, exactly in time to 1e-8 of the top.

    Parameters
    ----------
    field : (substance, z, y, x), nM, >= 0, float64. Not modified.
    diffusivity, decay : (substance,), D in µm²/h and λ in 1/h.
    dt : h. spacing : edge of a voxel, µm.
    sink : (substance, z, y, x), k, 1/h, >= 0.
    walls : per substance its six walls; None: all closed.
    source : (substance, z, y, x), s, nM/h, >= 0; None: none.

    Returns
    -------
    (substance, z, y, x), nM, on the device of `field`.
    """
    after = torch.empty_like(field)
    for i, c in enumerate(field):
        own = CLOSED if walls is None else walls[i]
        shape = tuple(c.shape)
        inflow = torch.as_tensor(wall_layers(own, shape, spacing)[0], dtype=c.dtype, device=c.device)
        given = diffusivity[i] * inflow if source is None else diffusivity[i] * inflow + source[i]
        lines = [_second_difference(own[2 * a], own[2 * a + 1], shape[2 - a], spacing).to(c) for a in (2, 1, 0)]
        loss = decay[i] + sink[i]
        least, most = float(loss.min()), float(loss.max())
        if least == most or diffusivity[i] == 0:
            after[i] = _even(c, given, diffusivity[i], loss, dt, lines)
        else:
            ends = spectrum_of(diffusivity[i], modes_of(own, shape, spacing), least, most)
            after[i] = _uneven(c, given, diffusivity[i], loss, dt, lines, ends)
    return after.clamp_(min=0.0)


def _second_difference(low: object, high: object, n: int, spacing: float) -> Tensor:
    """Return the Laplacian along an axis of n voxels between two walls, (n, n), 1/µm², symmetric."""
    line = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    if low == "periodic":
        line[0, n - 1] += 1.0
        line[n - 1, 0] += 1.0
    for end, wall in ((0, low), (n - 1, high)):
        if wall != "periodic":
            line[end, end] += 1.0 if wall == "closed" else -1.0
    return torch.as_tensor(line / spacing**2)


def _along(c: Tensor, z: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return `c` (z, y, x) with the rows of a symmetric or orthogonal matrix applied along each axis."""
    return torch.einsum("az,zyx->ayx", z, torch.einsum("by,zyx->zbx", y, c @ x.T))


def _even(c: Tensor, given: Tensor, diffusivity: float, loss: Tensor, dt: float, lines: list[Tensor]) -> Tensor:
    """Return the exact answer where the loss is the same everywhere, or nothing diffuses."""
    if diffusivity == 0:
        z = -dt * loss
        return torch.exp(z) * c + dt * _phi1(z) * given
    (wz, qz), (wy, qy), (wx, qx) = (torch.linalg.eigh(line) for line in lines)
    z = dt * (diffusivity * (wz[:, None, None] + wy[:, None] + wx) - loss.max())
    modes = torch.exp(z) * _along(c, qz.T, qy.T, qx.T) + dt * _phi1(z) * _along(given, qz.T, qy.T, qx.T)
    return _along(modes, qz, qy, qx)


def _uneven(
    c: Tensor,
    given: Tensor,
    diffusivity: float,
    loss: Tensor,
    dt: float,
    lines: list[Tensor],
    ends: tuple[float, float],
) -> Tensor:
    """Return c + dt φ₁(dt A) (A c + g) by the Chebyshev series of `diffusion_series`."""
    z, y, x = lines

    def change(v: Tensor) -> Tensor:
        spread = v @ x + torch.matmul(y, v) + torch.einsum("az,zyx->ayx", z, v)
        return diffusivity * spread - loss * v

    now = change(c) + given
    unit = dt * float(now.abs().max())
    if unit == 0.0:
        return c.clone()
    top = least_top(float(c.max()), float(given.mean()), float(loss.max()), dt)
    low, high = ends
    weights = coefficients(dt * low, dt * high, top / unit, mean=False)[0][0]
    factor, shift = 2.0 / (high - low), (high + low) / (high - low)
    after = c + dt * float(weights[0]) * now
    before, now = now, factor * change(now) - shift * now
    for weight in weights[1:]:
        after += dt * float(weight) * now
        before, now = now, 2.0 * (factor * change(now) - shift * now) - before
    return after


def _phi1(z: Tensor) -> Tensor:
    """Return (exp(z) − 1)/z for z <= 0."""
    return torch.where(z == 0, 1.0, torch.expm1(z) / torch.where(z == 0, 1.0, z))
