"""Cells move of their own: a persistent random walk, biased along gradients of substances.

A cell keeps a direction and takes a new one at random moments, on average every persistence time τ. PhysiCell tosses
for it with probability dt / τ at the start of each step; here the waiting times are drawn from the exponential law
which that stands for, and a step may hold several directions: the walk has the same law for steps of any length.
The new direction is that of b · (chemotactic direction) + (1 − b) · (a random unit vector), b the bias.

Source
------
PhysiCell 1.14.2, `Cell::update_motility_vector` and `advanced_chemotaxis_function_normalized`. Mean squared
displacement of such a walk: Fürth, Zeitschrift für Physik 2 (1920) 244.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from twin.kernels.blocks import Crew
from twin.kernels.random import Streams

Float = NDArray[np.float64]
UInt64 = NDArray[np.uint64]

TURNS_A_STEP = 16.0  # our choice: a step lasts no more persistence times than this, which bounds what it costs
FLAT = 1e-9  # 1; our choice: a change by less of the concentration over a voxel is rounding, not a gradient
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Scent:
    """What cells smell: substances on a grid, and how much each cell is drawn to them.

    concentration : (substance, z, y, x), any unit: only the direction of a gradient counts.
    response : (cell, substance) weights; below 0 a cell flees.
    origin : (3,) µm, lower corner of the grid. spacing : µm.
    """

    concentration: Float
    response: Float
    origin: Float
    spacing: float


@dataclass(frozen=True)
class Motility:
    """How cells move of their own.

    speed : (cell,) µm/h; 0: it does not. persistence : (cell,) h. bias : (cell,) 0 to 1.
    direction : (cell, 3) unit vectors at the start; zero: the cell takes one at once.
    streams : where chance comes from, by cell id and substep.
    """

    speed: Float
    persistence: Float
    bias: Float
    direction: Float
    streams: Streams
    scent: Scent | None = None


def crawl(
    motility: Motility,
    position: Float,
    ids: UInt64,
    direction: Float,
    dt: float,
    substep: int,
    plane: bool,
    crew: Crew,
    way: Float,
) -> None:
    """Draw how far each cell crawls in the next `dt` hours, and its direction at their end.

    Exact in law for any `dt` but for the gradient, which is that at the start of the step.

    Parameters
    ----------
    motility : in the order of the rows here.
    position : (cell, 3 or more) µm; x, y, z first.
    ids : (cell,).
    direction : (cell, 3) unit vectors, read and written; where zero a direction is drawn at once.
    substep : number of the step within the tick, part of the key of chance.
    plane : directions in the plane of x and y.
    way : (cell, 3) µm, written.
    """
    key = np.uint64(motility.streams.stream("direction of motion", substep).key)
    scent = motility.scent
    if scent is None:
        scent = Scent(np.zeros((0, 1, 1, 1)), np.zeros((len(ids), 0)), np.zeros(3), 1.0)
    crew.over_rows(
        _crawl,
        len(ids),
        key,
        ids,
        position,
        motility.speed,
        motility.persistence,
        motility.bias,
        scent.concentration,
        scent.response,
        scent.origin,
        scent.spacing,
        plane,
        dt,
        direction,
        way,
    )


def gradient(concentration: Float, position: Float, origin: Float, spacing: float) -> Float:
    """Return the gradient of one substance at each position.

    Central differences of the trilinear interpolant over one voxel, which are exact for a field that is linear
    between the outermost voxel centres; one-sided differences within half a voxel of these, and beyond them.

    Parameters
    ----------
    concentration : (z, y, x), contiguous.
    position : (cell, 3) µm.
    origin : (3,) µm. spacing : µm.

    Returns
    -------
    (cell, 3), concentration per µm.
    """
    result = np.empty((len(position), 3))
    _gradients(concentration, position, origin, spacing, result)
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True, error_model="numpy")
def keyed_uniform(key: np.uint64, id: np.uint64, index: int) -> float:
    """Return the uniform in [0, 1) of `twin.kernels.random.Stream` with this key, for one cell and index."""
    bits = _mix(_mix(id ^ key) + (np.uint64(index) + np.uint64(1)) * _GOLDEN)
    return float(bits >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True, error_model="numpy")
def _sample(c: Float, x: float, y: float, z: float) -> float:
    """Interpolate (z, y, x) at a point counted in voxels from the first centre; level beyond the outermost centres."""
    nz, ny, nx = c.shape
    x, y, z = min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0), min(max(z, 0.0), nz - 1.0)
    i, j, k = int(min(x, max(nx - 2.0, 0.0))), int(min(y, max(ny - 2.0, 0.0))), int(min(z, max(nz - 2.0, 0.0)))
    fx, fy, fz = x - i, y - j, z - k
    i1, j1, k1 = min(i + 1, nx - 1), min(j + 1, ny - 1), min(k + 1, nz - 1)
    low = (c[k, j, i] * (1 - fx) + c[k, j, i1] * fx) * (1 - fy) + (c[k, j1, i] * (1 - fx) + c[k, j1, i1] * fx) * fy
    top = (c[k1, j, i] * (1 - fx) + c[k1, j, i1] * fx) * (1 - fy) + (c[k1, j1, i] * (1 - fx) + c[k1, j1, i1] * fx) * fy
    return low * (1 - fz) + top * fz  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")
def _slope(c: Float, x: float, y: float, z: float, axis: int) -> tuple[float, float]:
    """Return the difference over one voxel along an axis (0 = x), per voxel, and the concentration there."""
    n = c.shape[2 - axis]
    at = x if axis == 0 else (y if axis == 1 else z)
    at = min(max(at, 0.0), n - 1.0)
    ahead, behind = min(at + 0.5, n - 1.0), max(at - 0.5, 0.0)
    if ahead <= behind:
        return 0.0, 0.0
    if axis == 0:
        a, b = _sample(c, ahead, y, z), _sample(c, behind, y, z)
    elif axis == 1:
        a, b = _sample(c, x, ahead, z), _sample(c, x, behind, z)
    else:
        a, b = _sample(c, x, y, ahead), _sample(c, x, y, behind)
    return (a - b) / (ahead - behind), max(abs(a), abs(b))


@njit(cache=True, nogil=True, error_model="numpy")
def _gradients(concentration: Float, position: Float, origin: Float, spacing: float, result: Float) -> None:
    for i in range(position.shape[0]):
        x = (position[i, 0] - origin[0]) / spacing - 0.5
        y = (position[i, 1] - origin[1]) / spacing - 0.5
        z = (position[i, 2] - origin[2]) / spacing - 0.5
        for axis in range(3):
            result[i, axis] = _slope(concentration, x, y, z, axis)[0] / spacing


@njit(cache=True, nogil=True, error_model="numpy")
def _towards(
    i: int,
    position: Float,
    concentration: Float,
    response: Float,
    origin: Float,
    spacing: float,
    plane: bool,
    target: Float,
) -> None:
    """Write the chemotactic direction of a cell, (3,): a unit vector, or zero where nothing draws it."""
    target[:] = 0.0
    g = np.zeros(3)
    x = (position[i, 0] - origin[0]) / spacing - 0.5
    y = (position[i, 1] - origin[1]) / spacing - 0.5
    z = (position[i, 2] - origin[2]) / spacing - 0.5
    for s in range(concentration.shape[0]):
        if response[i, s] == 0.0:
            continue
        size, level = 0.0, 0.0
        for axis in range(2 if plane else 3):
            g[axis], here = _slope(concentration[s], x, y, z, axis)
            size += g[axis] * g[axis]
            level = max(level, here)
        size = np.sqrt(size)
        if size > FLAT * level:
            for axis in range(3):
                target[axis] += response[i, s] * g[axis] / size
    size = np.sqrt(target[0] ** 2 + target[1] ** 2 + target[2] ** 2)
    if size > 0.0:
        target /= size


@njit(cache=True, nogil=True, error_model="numpy")
def _crawl(
    first: int,
    last: int,
    key: np.uint64,
    ids: UInt64,
    position: Float,
    speed: Float,
    persistence: Float,
    bias: Float,
    concentration: Float,
    response: Float,
    origin: Float,
    spacing: float,
    plane: bool,
    dt: float,
    direction: Float,
    way: Float,
) -> int:
    target = np.zeros(3)
    for i in range(first, last):
        way[i, 0], way[i, 1], way[i, 2] = 0.0, 0.0, 0.0
        if speed[i] <= 0.0:
            continue
        ux, uy, uz = direction[i, 0], direction[i, 1], direction[i, 2]
        turning = ux == 0.0 and uy == 0.0 and uz == 0.0
        smelt = False
        left, draws = dt, 0
        while True:
            if turning:
                if not smelt:
                    smelt = True
                    target[:] = 0.0
                    if bias[i] > 0.0 and concentration.shape[0] > 0:
                        _towards(i, position, concentration, response, origin, spacing, plane, target)
                angle = 2.0 * np.pi * keyed_uniform(key, ids[i], draws)
                height = 0.0 if plane else 2.0 * keyed_uniform(key, ids[i], draws + 1) - 1.0
                flat = np.sqrt(1.0 - height * height)
                free = 1.0 - bias[i]
                ux = bias[i] * target[0] + free * flat * np.cos(angle)
                uy = bias[i] * target[1] + free * flat * np.sin(angle)
                uz = bias[i] * target[2] + free * height
                size = np.sqrt(ux * ux + uy * uy + uz * uz)
                if size > 0.0:
                    ux, uy, uz = ux / size, uy / size, uz / size
            wait = -persistence[i] * np.log(1.0 - keyed_uniform(key, ids[i], draws + 2))
            draws += 3
            span = speed[i] * min(wait, left)
            way[i, 0] += span * ux
            way[i, 1] += span * uy
            way[i, 2] += span * uz
            if wait >= left:
                break
            left -= wait
            turning = True
        direction[i, 0], direction[i, 1], direction[i, 2] = ux, uy, uz
    return 0
