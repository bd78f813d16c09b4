"""How cells push, pull and come to rest: overdamped centre-based mechanics.

Inertia is nothing against friction at the scale of a cell, so velocity follows force at once:

    v_i = Σ_j n_ij [ √(r_i r_j) (1 − d/R)² (where d < R) − √(a_i a_j) (1 − d/S)² (where d < S) ]

with R = R_i + R_j, S = adhesion range × R, and n_ij pointing from j to i; r and a are speeds.

Source
------
Ghaffarizadeh et al., PhysiCell, PLoS Computational Biology 14 (2018) e1005991, and
`Cell::add_potentials` of PhysiCell 1.14. The time step is ours.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels.neighbours import bins_of, contact_graph, neighbour_list
from twin.kernels.random import Stream, hash_words

Float = NDArray[np.float64]

REPULSION = 10.0 * 60.0  # µm/h; PhysiCell 1.14, cell_cell_repulsion_strength 10 µm/min
ADHESION = 0.4 * 60.0  # µm/h; PhysiCell 1.14, cell_cell_adhesion_strength 0.4 µm/min
ADHESION_RANGE = 1.25  # 1, of the sum of radii; PhysiCell 1.14, relative_maximum_adhesion_distance
REST_SPEED = 0.01  # µm/h; our choice: at this speed a lymphocyte needs 17 days to cross its own radius
LARGEST_MOVE = 0.1  # 1, of the smallest radius, in one substep; our choice
STABILITY = 1.6  # 1; our choice: Heun's method is stable on the real axis up to dt λ = 2
SKIN = 0.1  # 1, of the smallest diameter; our choice, from timing; it changes no result
COINCIDENT = 1e-9  # µm; nearer than this, the direction between two centres is rounding noise

_PARTING = Stream(hash_words("direction in which coincident cells part"))


@dataclass(frozen=True)
class MechanicsParams:
    """The law of force and the limits of the time step.

    repulsion, adhesion : µm/h, speeds at full overlap; adhesion is the smaller, or cells merge.
    adhesion_range : reach of adhesion as a multiple of the sum of radii, >= 1.
    rest_speed : µm/h; when no cell is faster, the tissue is at rest and the rest of the time is
        not computed: each cell is then misplaced by less than rest_speed × the time left.
    max_step : h; substeps are no longer than this, whatever stability allows.
    max_substeps : more than this is an error.
    """

    repulsion: float = REPULSION
    adhesion: float = ADHESION
    adhesion_range: float = ADHESION_RANGE
    rest_speed: float = REST_SPEED
    max_step: float = np.inf
    max_substeps: int = 10_000


@dataclass(frozen=True)
class RelaxStats:
    """What a relaxation took: substeps, evaluations of all forces, and builds of the neighbour list.

    elapsed : h really integrated; less than asked for where the tissue came to rest.
    max_speed : µm/h, of the fastest cell when the velocities were last computed at a substep's start.
    """

    substeps: int
    evaluations: int
    rebuilds: int
    elapsed: float
    max_speed: float
    at_rest: bool


def relax(
    position: Float,
    radius: Float,
    box_low: Float,
    box_high: Float,
    params: MechanicsParams,
    duration: float,
    ids: NDArray[np.uint64] | None = None,
    adhesive: NDArray[np.bool_] | None = None,
) -> tuple[Float, sp.csr_array, RelaxStats]:
    """Move cells under their mutual forces for `duration` hours; no centre leaves the box.

    Heun's method, second order in the substep (first order at the instant when a centre is held
    at the face of the box). The substep is the largest that keeps dt λ <= `STABILITY`, where λ bounds
    the stiffest mode (twice the largest sum of a cell's contact stiffnesses, by Gershgorin), and the
    fastest cell within `LARGEST_MOVE` of the smallest radius. A wall repels as the cell's own mirror
    image behind it would, so PhysiCell's law for a membrane: r (1 − d/R_i)². Without walls the centre
    of mass stays.

    One thread. Cells are computed in the order of (bin, id): the result does not depend, bitwise,
    on the order of the rows. Cells at one point part in a direction given by their ids.

    Parameters
    ----------
    position : (cell, 3) µm; centres outside the box are first put on its face. Not modified.
    radius : (cell,) µm, > 0.
    box_low, box_high : (3,) µm, corners of the box; infinite where there is no wall.
    params : law of force and time step.
    duration : h; infinity: until the tissue is at rest.
    ids : (cell,) unique; the rows' numbers where not given.
    adhesive : (cell,) who pulls; all where not given.

    Returns
    -------
    position : (cell, 3) µm.
    contacts : (cell, cell) CSR, 1 where two cells touch at the end (`contact_graph`).
    stats : what it took.

    Raises
    ------
    RunError
        If more than `params.max_substeps` substeps would be needed.
    """
    n = len(position)
    assert position.shape == (n, 3), position.shape
    assert radius.shape == (n,), radius.shape
    assert bool((radius > 0).all()), "radii must be positive"
    low, high = np.array(box_low, np.float64), np.array(box_high, np.float64)
    start = np.clip(np.asarray(position, np.float64), low, high)
    if n == 0:
        return start, contact_graph(start, radius), RelaxStats(0, 0, 0, 0.0, 0.0, at_rest=True)
    names = np.arange(n, dtype=np.uint64) if ids is None else ids
    pulls = np.ones(n) if adhesive is None else adhesive.astype(np.float64)
    # neighbours in space become neighbours in memory, in an order that the rows do not decide
    bins, _ = bins_of(start, 2.0 * params.adhesion_range * float(radius.max()))
    order = np.lexsort((names, bins))
    moved, stats = _integrate(
        start[order], radius[order], pulls[order], _parting(names[order]), low, high, params, duration
    )
    end = np.empty_like(start)
    end[order] = moved
    return end, contact_graph(end, radius), stats


def _integrate(
    x: Float,
    radius: Float,
    pulls: Float,
    parting: Float,
    low: Float,
    high: Float,
    params: MechanicsParams,
    duration: float,
) -> tuple[Float, RelaxStats]:
    """Return positions after `duration` and what it took; arguments as in `relax`, sorted."""
    smallest = float(radius.min())
    skin = SKIN * 2.0 * smallest
    reach = params.adhesion_range * radius + skin / 2.0
    law = np.array([params.repulsion, params.adhesion, 1.0 / params.adhesion_range])
    predicted, corrected, listed_at = np.empty_like(x), np.empty_like(x), x.copy()
    v, v_end = np.empty_like(x), np.empty_like(x)
    pairs = neighbour_list(x, reach)
    left, elapsed, speed, strayed = duration, 0.0, 0.0, 0.0
    substeps, evaluations, rebuilds, at_rest = 0, 0, 1, False
    while left > 0.0:
        if strayed > skin / 2.0:  # two cells may have come nearer by a whole skin
            pairs, listed_at, rebuilds = neighbour_list(x, reach), x.copy(), rebuilds + 1
        speed, stiffness = _velocities(x, radius, pulls, parting, pairs[0], pairs[1], low, high, law, v)
        evaluations += 1
        if speed <= params.rest_speed:
            at_rest = True
            break
        dt = min(LARGEST_MOVE * smallest / speed, params.max_step, left)
        if stiffness > 0.0:
            dt = min(dt, STABILITY / stiffness)
        if substeps == params.max_substeps:
            raise RunError(
                f"mechanics needs more than {params.max_substeps} substeps of {dt:.2g} h for {duration:g} h "
                f"(fastest cell {speed:.3g} um/h): raise max_substeps, shorten the tick or seed fewer cells"
            )
        strayed = _move(x, v, v, dt, low, high, listed_at, predicted)
        if strayed > skin / 2.0:
            pairs, listed_at, rebuilds = neighbour_list(predicted, reach), predicted.copy(), rebuilds + 1
        _velocities(predicted, radius, pulls, parting, pairs[0], pairs[1], low, high, law, v_end)
        evaluations += 1
        strayed = _move(x, v, v_end, dt, low, high, listed_at, corrected)
        x, corrected = corrected, x
        left, elapsed = left - dt, elapsed + dt
        substeps += 1
    return x, RelaxStats(substeps, evaluations, rebuilds, elapsed, speed, at_rest)


def _parting(ids: NDArray[np.uint64]) -> Float:
    """Return a unit vector for each id, (cell, 3), even over the sphere."""
    u = _PARTING.uniform(ids, 2)
    height, angle = 2.0 * u[:, 0] - 1.0, 2.0 * np.pi * u[:, 1]
    flat = np.sqrt(1.0 - height**2)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)  # (cell, axis)


@njit(cache=True, nogil=True, error_model="numpy")
def _velocities(
    position: Float,
    radius: Float,
    pulls: Float,
    parting: Float,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    low: Float,
    high: Float,
    law: Float,
    velocity: Float,
) -> tuple[float, float]:
    """Write the velocities (cell, 3) µm/h; return the largest speed and a bound on the stiffness, 1/h."""
    repulsion, adhesion, inverse_range = law
    fastest, stiffest = 0.0, 0.0
    for i in range(len(position)):
        x, y, z, own = position[i, 0], position[i, 1], position[i, 2], radius[i]
        vx, vy, vz, stiffness = 0.0, 0.0, 0.0, 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            dx, dy, dz = x - position[j, 0], y - position[j, 1], z - position[j, 2]
            inverse_sum = 1.0 / (own + radius[j])
            d = np.sqrt(dx * dx + dy * dy + dz * dz)
            overlap = 1.0 - d * inverse_sum  # 1 − d/R
            gap = 1.0 - d * inverse_sum * inverse_range  # 1 − d/S
            if gap <= 0.0:
                continue
            pull = adhesion * pulls[i] * pulls[j]
            force = -pull * gap * gap
            slope = -2.0 * pull * gap * inverse_sum * inverse_range  # −df/dd
            if overlap > 0.0:
                force += repulsion * overlap * overlap
                slope += 2.0 * repulsion * overlap * inverse_sum
            if d < COINCIDENT:
                dx, dy = parting[i, 0] - parting[j, 0], parting[i, 1] - parting[j, 1]
                dz = parting[i, 2] - parting[j, 2]
                d = np.sqrt(dx * dx + dy * dy + dz * dz)
            along = force / d
            vx += along * dx
            vy += along * dy
            vz += along * dz
            stiffness += 2.0 * max(slope, -along, 0.0)  # along the line of centres and across it
        for axis in range(3):
            push = 0.0
            for distance, inward in (
                (position[i, axis] - low[axis], 1.0),
                (high[axis] - position[i, axis], -1.0),
            ):
                if distance < own:
                    overlap = 1.0 - distance / own
                    push += inward * repulsion * overlap * overlap
                    stiffness += 2.0 * repulsion * overlap / own
            velocity[i, axis] = push
        velocity[i, 0] += vx
        velocity[i, 1] += vy
        velocity[i, 2] += vz
        square = velocity[i, 0] ** 2 + velocity[i, 1] ** 2 + velocity[i, 2] ** 2
        fastest = max(fastest, square)
        stiffest = max(stiffest, stiffness)
    return np.sqrt(fastest), stiffest


@njit(cache=True, nogil=True, error_model="numpy")
def _move(
    position: Float,
    velocity: Float,
    velocity_end: Float,
    dt: float,
    low: Float,
    high: Float,
    reference: Float,
    moved: Float,
) -> float:
    """Write position + dt × mean velocity, held in the box; return the farthest way from `reference`."""
    farthest = 0.0
    for i in range(len(position)):
        way = 0.0
        for axis in range(3):
            x = position[i, axis] + 0.5 * dt * (velocity[i, axis] + velocity_end[i, axis])
            x = min(max(x, low[axis]), high[axis])
            moved[i, axis] = x
            way += (x - reference[i, axis]) ** 2
        farthest = max(farthest, way)
    return np.sqrt(farthest)  # type: ignore[no-any-return]  # numpy's scalar
