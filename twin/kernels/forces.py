"""What cells do to each other and what walls, membranes and springs do to them: velocities of overdamped spheres.

One row of 64 bytes a cell, `BODY` columns, holds all that a neighbour must know of it, so that a pair costs one
access to memory. Each cell gathers over its own neighbours in ascending order of rows: no thread writes to another's
row, and the two sides of a pair are computed alike, so that forces cancel to rounding.

Source
------
PhysiCell 1.14.2, `Cell::add_potentials` and `standard_add_basement_membrane_interactions`.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Rows = NDArray[np.int32]

BODY = 8  # columns of a body: x, y, z, radius, reach of adhesion, √repulsion, √adhesion, type
RADIUS, REACH, ROOT_REPULSION, ROOT_ADHESION, TYPE = 3, 4, 5, 6, 7
COINCIDENT = 1e-9  # µm; nearer than this, the direction between two centres is rounding noise
PRESSURE_SCALE = 0.027288820670331  # 1; PhysiCell 1.14, simple_pressure_scale, 12 (1 − √(π / (2 √3)))²


@njit(cache=True, nogil=True, error_model="numpy")
def velocities(
    first: int,
    last: int,
    body: Float,
    parting: Float,
    indptr: Int,
    indices: Rows,
    root_affinity: Float,
    movable: NDArray[np.bool_],
    low: Float,
    high: Float,
    period: Float,
    plane: bool,
    membranes: Float,
    membrane_strength: Float,
    spring_start: Int,
    spring_end: Rows,
    spring: Float,
    velocity: Float,
) -> tuple[float, float]:
    """Write the velocities of the rows `first` to `last`; return their largest speed and a bound on the stiffness.

    The bound, 1/h, is twice the largest sum of a cell's contact stiffnesses: no mode is stiffer (Gershgorin). Slopes
    of pulls count with the others: a cell that falls into reach gains speed at that rate.

    Parameters
    ----------
    body : (cell, `BODY`) µm, and roots of µm/h.
    parting : (cell, 3) µm; cells at one point part along the difference of theirs.
    indptr, indices : who may be within reach of whom.
    root_affinity : (cell, type), √ of the affinity to cells of a type; (0, 0): 1 for all.
    movable : (cell,) whom forces move.
    low, high : (3,) µm, walls; infinite where there are none.
    period : (3,) µm; 0 where space does not repeat.
    plane : motion along x and y only.
    membranes : (membrane, 7): x, y, z of a point of a plane and its unit normal, and 0; or the centre of a sphere,
        three numbers that do not matter, and its radius.
    membrane_strength : (cell, 2) µm/h, repulsion and adhesion; (0, 2) without membranes.
    spring_start, spring_end : (cell + 1,), (spring twice,) who is attached to whom; (0,) without springs.
    spring : (spring twice, 2) rate 1/h and rest length µm.
    velocity : (cell, 3) µm/h, written.
    """
    fastest, stiffest = 0.0, 0.0
    lx, ly, lz = period
    wraps = lx > 0.0 or ly > 0.0 or lz > 0.0
    chosen = root_affinity.shape[0] > 0
    for i in range(first, last):
        if not movable[i]:
            velocity[i, 0], velocity[i, 1], velocity[i, 2] = 0.0, 0.0, 0.0
            continue
        x, y, z, own = body[i, 0], body[i, 1], body[i, 2], body[i, 3]
        reach, push, pull = body[i, 4], body[i, 5], body[i, 6]
        vx, vy, vz, stiffness = 0.0, 0.0, 0.0, 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            dx, dy, dz = x - body[j, 0], y - body[j, 1], z - body[j, 2]
            if wraps:
                if lx > 0.0:
                    dx -= lx * np.rint(dx / lx)
                if ly > 0.0:
                    dy -= ly * np.rint(dy / ly)
                if lz > 0.0:
                    dz -= lz * np.rint(dz / lz)
            square = dx * dx + dy * dy + dz * dz
            touch, far = own + body[j, 3], reach + body[j, 4]
            if square >= far * far and square >= touch * touch:
                continue
            d = np.sqrt(square)
            force, slope = 0.0, 0.0
            if d < far:
                strength = pull * body[j, 6]
                if chosen:
                    strength *= root_affinity[i, int(body[j, 7])] * root_affinity[j, int(body[i, 7])]
                inverse = 1.0 / far
                gap = 1.0 - d * inverse  # 1 − d/S
                force = -strength * gap * gap
                slope = -2.0 * strength * gap * inverse  # −df/dd
            if d < touch:
                strength = push * body[j, 5]
                inverse = 1.0 / touch
                overlap = 1.0 - d * inverse  # 1 − d/R
                force += strength * overlap * overlap
                slope += 2.0 * strength * overlap * inverse
            if d < COINCIDENT:
                dx, dy = parting[i, 0] - parting[j, 0], parting[i, 1] - parting[j, 1]
                dz = parting[i, 2] - parting[j, 2]
                d = np.sqrt(dx * dx + dy * dy + dz * dz)
            along = force / d
            vx += along * dx
            vy += along * dy
            vz += along * dz
            stiffness += 2.0 * max(abs(slope), -along)  # along the line of centres, where they pull too, and across it
        repulsion = push * push
        for axis in range(2 if plane else 3):
            wall = 0.0
            for distance, inward in ((body[i, axis] - low[axis], 1.0), (high[axis] - body[i, axis], -1.0)):
                if distance < own:
                    overlap = 1.0 - distance / own
                    wall += inward * repulsion * overlap * overlap
                    stiffness += 2.0 * repulsion * overlap / own
            if axis == 0:
                vx += wall
            elif axis == 1:
                vy += wall
            else:
                vz += wall
        for m in range(membranes.shape[0]):
            dx, dy, dz = x - membranes[m, 0], y - membranes[m, 1], z - membranes[m, 2]
            if membranes[m, 6] > 0.0:
                way = np.sqrt(dx * dx + dy * dy + dz * dz)
                if way < COINCIDENT:
                    continue  # at the centre of a sphere, no side of it is nearer
                distance = way - membranes[m, 6]
                dx, dy, dz = dx / way, dy / way, dz / way
            else:
                distance = dx * membranes[m, 3] + dy * membranes[m, 4] + dz * membranes[m, 5]
                dx, dy, dz = membranes[m, 3], membranes[m, 4], membranes[m, 5]
            if distance < 0.0:  # it parts two rooms: away from it, on either side
                distance, dx, dy, dz = -distance, -dx, -dy, -dz
            force, slope = 0.0, 0.0
            if distance < own:
                overlap = 1.0 - distance / own
                force += membrane_strength[i, 0] * overlap * overlap
                slope += 2.0 * membrane_strength[i, 0] * overlap / own
            if distance < reach:
                gap = 1.0 - distance / reach
                force -= membrane_strength[i, 1] * gap * gap
                slope -= 2.0 * membrane_strength[i, 1] * gap / reach
            vx += force * dx
            vy += force * dy
            vz += force * dz
            stiffness += 2.0 * abs(slope)
        if spring_start.shape[0] > 0:
            for k in range(spring_start[i], spring_start[i + 1]):
                j = spring_end[k]
                dx, dy, dz = body[j, 0] - x, body[j, 1] - y, body[j, 2] - z
                if wraps:
                    if lx > 0.0:
                        dx -= lx * np.rint(dx / lx)
                    if ly > 0.0:
                        dy -= ly * np.rint(dy / ly)
                    if lz > 0.0:
                        dz -= lz * np.rint(dz / lz)
                d = np.sqrt(dx * dx + dy * dy + dz * dz)
                along = spring[k, 0] * (1.0 - spring[k, 1] / d) if d > COINCIDENT else 0.0
                vx += along * dx
                vy += along * dy
                vz += along * dz
                stiffness += 2.0 * spring[k, 0]
        if plane:
            vz = 0.0
        velocity[i, 0], velocity[i, 1], velocity[i, 2] = vx, vy, vz
        fastest = max(fastest, vx * vx + vy * vy + vz * vz)
        stiffest = max(stiffest, stiffness)
    return np.sqrt(fastest), stiffest


@njit(cache=True, nogil=True, error_model="numpy")
def move(
    first: int,
    last: int,
    body: Float,
    velocity: Float,
    other: Float,
    of_velocity: float,
    of_other: float,
    own: Float,
    low: Float,
    high: Float,
    reference: Float,
    moved: Float,
) -> float:
    """Write x + of_velocity · velocity + of_other · other + own to `moved`, held in the box; return the farthest way.

    of_velocity, of_other : h. own : (cell, 3) µm that cells crawl in this step; (0, 3): none.
    reference : (cell, 3) µm, from where the way is measured.
    """
    farthest = 0.0
    for i in range(first, last):
        way = 0.0
        for axis in range(3):
            x = body[i, axis] + (of_velocity * velocity[i, axis] + of_other * other[i, axis])
            if own.shape[0] > 0:
                x += own[i, axis]
            x = min(max(x, low[axis]), high[axis])
            moved[i, axis] = x
            way += (x - reference[i, axis]) ** 2
        farthest = max(farthest, way)
    return np.sqrt(farthest)  # type: ignore[no-any-return]  # numpy's scalar


@njit(cache=True, nogil=True, error_model="numpy")
def touches(
    first: int,
    last: int,
    body: Float,
    order: Int,
    place: Int,
    indptr: Int,
    indices: Rows,
    period: Float,
    tolerance: float,
    start: Int,
    found: Rows,
    pressure: Float,
) -> int:
    """Count (where `found` is empty) or write who touches whom, by the caller's rows, and each cell's pressure.

    Parameters
    ----------
    order, place : (cell,) the caller's row of each row of `body`, and the other way round.
    tolerance : two spheres touch below (1 + tolerance) times their radii.
    start : (cell + 1,); counting writes the number of row i to start[i + 1], writing reads where row i begins.
    pressure : (cell,) 1, written.
    """
    lx, ly, lz = period
    for row in range(first, last):
        i = place[row]
        n, total = 0, 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            dx, dy, dz = body[i, 0] - body[j, 0], body[i, 1] - body[j, 1], body[i, 2] - body[j, 2]
            if lx > 0.0:
                dx -= lx * np.rint(dx / lx)
            if ly > 0.0:
                dy -= ly * np.rint(dy / ly)
            if lz > 0.0:
                dz -= lz * np.rint(dz / lz)
            both = body[i, 3] + body[j, 3]
            far = (1.0 + tolerance) * both
            square = dx * dx + dy * dy + dz * dz
            if square < far * far:
                if found.shape[0] > 0:
                    other, at = order[j], start[row] + n
                    while at > start[row] and found[at - 1] > other:
                        found[at] = found[at - 1]
                        at -= 1
                    found[at] = other
                n += 1
                if square < both * both:
                    overlap = 1.0 - np.sqrt(square) / both
                    total += overlap * overlap
        pressure[row] = total / PRESSURE_SCALE
        if found.shape[0] == 0:
            start[row + 1] = n
    return 0
