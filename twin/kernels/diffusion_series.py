"""A step of diffusion with losses that differ from voxel to voxel: a Chebyshev series of the exponential.

The grid's right-hand side is a symmetric matrix A with eigenvalues in [−ρ, −μ], so that any smooth function of A is a
short series of Chebyshev polynomials of A, each one pass of the seven-point stencil over the grid. It needs about
√(ρ dt) passes, however uneven the losses are, and its error falls faster than any power of their number.
"""

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from twin.kernels.diffusion_modes import Modes, Walls

Float = NDArray[np.float64]
Sides = NDArray[np.int64]

INSIDE = (slice(1, -1),) * 3  # without the layer beyond the walls

ACCURACY = 1e-8  # of the largest concentration: the series is cut below it; our choice
MARGIN = 10.0  # the cut lies so far below it, as norms of a series are only bounded; our choice
ROUNDING = 1e-15  # relative; below it sums of coefficients are rounding
MOST = 2**20  # coefficients; a step of 1e10 times the shortest time of the grid
SERIES_BELOW, TERMS = 0.5, 14  # |z| under which φ₂ is summed as a series; our choice, error < 1e-15 on both sides


def passes_needed(diffusivity: float, modes: Modes, loss: Float, dt: float) -> float:
    """Return about how many passes a step takes, before it is done.

    Parameters
    ----------
    diffusivity : D, µm²/h.
    loss : (z, y, x), λ + k, 1/h.
    dt : h.
    """
    low, high = spectrum_of(diffusivity, modes, float(loss.min()), float(loss.max()))
    return 10.0 + 5.0 * float(np.sqrt(dt * (high - low)))  # measured: 1.5 to 5 times the root


def propagate(
    field: Float,
    given: Float,
    diffusivity: float,
    loss: Float,
    dt: float,
    spacing: float,
    walls: Walls,
    modes: Modes,
    *,
    mean: bool,
) -> tuple[Float, Float | None, int, float]:
    """Return (field after `dt`, its mean over `dt` or None, passes, estimated largest error in nM).

    c(dt) = c + dt φ₁(dt A) (A c + g) and its mean c + dt φ₂(dt A) (A c + g).

    Parameters
    ----------
    field : (z, y, x), nM. Not modified.
    given : (z, y, x), g: sources and what held walls let in, nM/h.
    diffusivity : D > 0, µm²/h.
    loss : (z, y, x), λ + k, 1/h.
    dt : h.
    spacing : edge of a voxel, µm.
    walls, modes : the six walls, and `modes_of` them.
    mean : whether the mean is wanted, too.

    Source
    ------
    Tal-Ezer, Spectral methods in time for parabolic problems, SIAM J. Numer. Anal. 26 (1989) 1-11.
    """
    low, high = spectrum_of(diffusivity, modes, float(loss.min()), float(loss.max()))
    stencil, side = diffusivity / spacing**2, _sides(walls)
    c, new = _padded(field), np.zeros(tuple(n + 2 for n in field.shape))
    _fill(c, side)
    _pass(new, c, _padded(-6.0 * stencil - loss), stencil, 0.0, new, 0.0, side)
    new[INSIDE] += given  # r = A c + g, the change an hour at the start
    unit = dt * float(np.max(np.abs(new[INSIDE])))
    if unit == 0.0:
        return field.copy(), field.copy() if mean else None, 1, 0.0
    top = least_top(float(field.max()), float(given.mean()), float(loss.max()), dt)
    weights, tail = coefficients(dt * low, dt * high, top / unit, mean=mean)
    _fill(new, side)
    now, before = new, np.zeros_like(new)
    after, middle = c, c.copy() if mean else c
    # T₁ = B T₀ and T_{j+1} = 2 B T_j − T_{j−1}, where B = (2 A − low − high)/(high − low) has its spectrum in [−1, 1]
    beside = 4.0 / (high - low) * stencil
    centre = _padded(-4.0 / (high - low) * (6.0 * stencil + loss + (high + low) / 2))
    _add(after, now, dt * weights[0, 0])
    if mean:
        _add(middle, now, dt * weights[1, 0])
    for j in range(1, weights.shape[1]):
        half = 0.5 if j == 1 else 1.0
        _pass(
            before,
            now,
            half * centre if j == 1 else centre,
            half * beside,
            2 * half - 1,
            after,
            dt * weights[0, j],
            side,
        )
        before, now = now, before
        if mean:
            _add(middle, now, dt * weights[1, j])
    error = (MARGIN * tail + ROUNDING) * unit
    return after[INSIDE].copy(), middle[INSIDE].copy() if mean else None, weights.shape[1], error


def _padded(c: Float) -> Float:
    return np.pad(c, 1)


def spectrum_of(diffusivity: float, modes: Modes, least: float, most: float) -> tuple[float, float]:
    """Return the ends of the spectrum of A, 1/h, for losses between `least` and `most`, 1/h."""
    low = diffusivity * float(modes.laplacian.min()) - most
    return low, min(diffusivity * float(modes.laplacian.max()) - least, 0.0)


def least_top(top: float, given: float, most: float, dt: float) -> float:
    """Return a concentration that the top of a step reaches at least, nM.

    Parameters
    ----------
    top : at the start, nM. given : mean of what is given, nM/h. most : the largest loss, 1/h. dt : h.
    """
    return max(top, min(dt, 1.0 / max(most, 1e-300)) * given)


def coefficients(low: float, high: float, scale: float, *, mean: bool) -> tuple[Float, float]:
    """Return the Chebyshev coefficients of φ₁ (and φ₂) on [low, high], (1 or 2, degree + 1), and what was cut off.

    Parameters
    ----------
    low, high : ends of the spectrum times dt.
    scale : the top of the field over dt × the largest change an hour: the cut is ACCURACY of it, with MARGIN.
    """
    cut = max(ACCURACY * scale / MARGIN, ROUNDING)
    n = 32
    while True:
        half_angle = np.pi * (np.arange(n) + 0.5) / (2 * n)
        z = high + (low - high) * np.sin(half_angle) ** 2  # exact also near `high`, where φ bends
        first = phi1(z)
        both = scipy.fft.dct(np.stack([first, phi2(z, first)] if mean else [first]), type=2, axis=1) / n
        both[:, 0] /= 2
        size = np.abs(both).max(axis=0)
        left = np.cumsum(size[::-1])[::-1]  # what a cut before each degree leaves out
        if size[3 * n // 4 :].max() <= max(cut / n, 1e-17) or n >= MOST:
            break
        n *= 2
    small = np.flatnonzero(left <= cut)
    degree = max(int(small[0]) if len(small) else 3 * n // 4, 1)
    return np.ascontiguousarray(both[:, :degree]), float(left[degree])


def phi1(z: Float) -> Float:
    """Return (exp(z) − 1)/z for z <= 0."""
    return np.asarray(np.where(z == 0, 1.0, np.expm1(z) / np.where(z == 0, 1.0, z)))


def phi2(z: Float, first: Float) -> Float:
    """Return (φ₁ − 1)/z for z <= 0; `first` is φ₁(z)."""
    second = (first - 1) / np.where(z == 0, 1.0, z)
    small = np.abs(z) < SERIES_BELOW
    y = z[small]
    total = np.ones_like(y)
    for k in range(TERMS, 0, -1):  # 1/2 + y/6 + y²/24 + … = (1 + y/3 (1 + y/4 (1 + …)))/2
        total = 1 + y / (k + 2) * total
    second[small] = total / 2
    return np.asarray(second)


def _sides(walls: Walls) -> Sides:
    """Return what stands for the neighbour beyond each wall, (6,): 0 the voxel opposite, ±1 the voxel itself."""
    return np.array([{"periodic": 0, "closed": 1}.get(str(wall), -1) for wall in walls], dtype=np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def _pass(
    new: Float, now: Float, centre: Float, beside: float, old: float, total: Float, weight: float, side: Sides
) -> None:
    """Make `new` = centre × now + beside × its six neighbours − old × new, and add weight × new to `total`.

    Arrays are (z, y, x) with a layer more on every side; that of `new` is filled for the pass that follows.
    """
    nz, ny, nx = now.shape
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                six = now[z, y, x - 1] + now[z, y, x + 1] + now[z, y - 1, x] + now[z, y + 1, x]
                six += now[z - 1, y, x] + now[z + 1, y, x]
                value = centre[z, y, x] * now[z, y, x] + beside * six - old * new[z, y, x]
                new[z, y, x] = value
                total[z, y, x] += weight * value
    _fill(new, side)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(c: Float, side: Sides) -> None:
    """Fill the outer layers with what stands for the neighbours beyond the walls."""
    nz, ny, nx = c.shape
    for y in range(1, ny - 1):
        for x in range(1, nx - 1):
            c[0, y, x] = c[nz - 2, y, x] if side[4] == 0 else side[4] * c[1, y, x]
            c[nz - 1, y, x] = c[1, y, x] if side[5] == 0 else side[5] * c[nz - 2, y, x]
    for z in range(1, nz - 1):
        for x in range(1, nx - 1):
            c[z, 0, x] = c[z, ny - 2, x] if side[2] == 0 else side[2] * c[z, 1, x]
            c[z, ny - 1, x] = c[z, 1, x] if side[3] == 0 else side[3] * c[z, ny - 2, x]
        for y in range(1, ny - 1):
            c[z, y, 0] = c[z, y, nx - 2] if side[0] == 0 else side[0] * c[z, y, 1]
            c[z, y, nx - 1] = c[z, y, 1] if side[1] == 0 else side[1] * c[z, y, nx - 2]


@njit(cache=True, nogil=True, error_model="numpy")
def _add(total: Float, values: Float, weight: float) -> None:
    """Add weight × values to `total`, (z, y, x)."""
    nz, ny, nx = values.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                total[z, y, x] += weight * values[z, y, x]
