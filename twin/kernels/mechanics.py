"""How cells push, pull, crawl and come to rest: overdamped centre-based mechanics.

Inertia is nothing against friction at the scale of a cell, so velocity follows force at once:

    v_i = Σ_j n_ij [ √(r_i r_j) (1 − d/R)² (where d < R) − √(a_ij a_ji) (1 − d/S)² (where d < S) ] + …

with R = R_i + R_j, S = s_i R_i + s_j R_j (s: relative range of adhesion), a_ij the adhesion of i times its affinity
to the type of j, and n_ij pointing from j to i; r and a are speeds. Walls, membranes, springs and the cells' own
motion add to it.

Source
------
Ghaffarizadeh et al., PhysiCell, PLoS Computational Biology 14 (2018) e1005991, and
`Cell::add_potentials` of PhysiCell 1.14. The adaptive time step is ours; the fixed one is PhysiCell's.
"""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels.blocks import Crew
from twin.kernels.mechanics_law import (
    ADHESION,
    ADHESION_RANGE,
    REPULSION,
    MechanicsParams,
    Moved,
    RelaxStats,
    Space,
    Springs,
    Traits,
)
from twin.kernels.motility import Motility
from twin.kernels.neighbours import CONTACT_TOLERANCE, bins_of, graph_of
from twin.kernels.overdamped import SKIN, Tissue, per_cell

__all__ = [
    "ADHESION",
    "ADHESION_RANGE",
    "REPULSION",
    "MechanicsParams",
    "Moved",
    "RelaxStats",
    "Space",
    "Springs",
    "Traits",
    "move_cells",
    "relax",
]

Float = NDArray[np.float64]


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
    """Move cells that are all alike between closed walls: `move_cells` for the simplest case.

    adhesive : (cell,) who pulls; all where not given.
    """
    pulls = None if adhesive is None else np.where(adhesive, params.adhesion, 0.0)
    space = Space(np.asarray(box_low, np.float64), np.asarray(box_high, np.float64))
    moved = move_cells(position, radius, space, params, duration, ids, Traits(adhesion=pulls))
    return moved.position, moved.contacts, moved.stats


def move_cells(
    position: Float,
    radius: Float,
    space: Space,
    params: MechanicsParams,
    duration: float,
    ids: NDArray[np.uint64] | None = None,
    traits: Traits | None = None,
    motility: Motility | None = None,
    springs: Springs | None = None,
    threads: int = 1,
    make: Callable[..., Tissue] = Tissue,
) -> Moved:
    """Move cells under all forces and of their own for `duration` hours; no centre leaves the box.

    Heun's method, second order in the substep (first order at the instant when a centre is held
    at the face of the box). The substep is the largest that keeps dt λ <= `STABILITY`, where λ bounds
    the stiffest mode (twice the largest sum of a cell's contact stiffnesses, by Gershgorin), and the
    fastest cell within `LARGEST_MOVE` of the smallest radius. A wall repels as the cell's own mirror
    image behind it would, so PhysiCell's law for a membrane: r (1 − d/R_i)². Without walls the centre of
    mass of cells that do not crawl stays.

    Cells are computed in the order of (bin, id): the result does not depend, bitwise, on the order of
    the rows, nor on the number of threads. Cells at one point part in a direction given by their ids.

    Parameters
    ----------
    position : (cell, 3) µm; centres outside the box are first put on its face, or round a periodic axis. Not modified.
    radius : (cell,) µm, > 0.
    space : the box.
    params : law of force and time step.
    duration : h; infinity: until the tissue is at rest (with an adaptive step, without motility).
    ids : (cell,) unique; the rows' numbers where not given.
    traits, motility, springs : in the order of the rows.
    threads : how many.
    make : what computes; `Tissue` on the processor, or `twin.kernels.mechanics_torch.on_device`.

    Raises
    ------
    RunError
        If more than `params.max_substeps` substeps would be needed, a position is not finite, or a periodic box is
        narrower than twice the reach of the largest cells.
    """
    n = len(position)
    assert position.shape == (n, 3), position.shape
    assert radius.shape == (n,), radius.shape
    assert bool((radius > 0).all()), "radii must be positive"
    if not np.isfinite(position).all():
        row = int(np.flatnonzero(~np.isfinite(position).all(axis=1))[0])
        raise RunError(f"mechanics: cell {row} is at {position[row].tolist()} um: a position must be finite")
    traits = Traits() if traits is None else traits
    start = space.inside(np.asarray(position, np.float64))
    if n == 0:
        empty = graph_of(0, np.zeros(1, np.int64), np.empty(0, np.int32))
        direction = None if motility is None else np.empty((0, 3))
        return Moved(start, empty, np.empty(0), direction, RelaxStats(0, 0, 0, 0.0, 0.0, at_rest=True))
    names = np.arange(n, dtype=np.uint64) if ids is None else np.asarray(ids, np.uint64)
    reach = per_cell(traits.adhesion_range, params.adhesion_range, n) * radius
    widest = 2.0 * max(float(reach.max()), (1.0 + CONTACT_TOLERANCE) * float(radius.max()))
    needed = 2.0 * (1.0 + SKIN) * widest  # so that a cell has one image of each neighbour
    for axis, length in enumerate(space.period):
        if space.periodic[axis] and length < needed:
            raise RunError(
                f"mechanics: the periodic box is {length:g} um along {'xyz'[axis]}, where cells reach {widest:.4g} um "
                f"and would meet their own images: make it {needed:.4g} um or more, or its walls closed"
            )
    # neighbours in space become neighbours in memory, in an order that the rows do not decide
    bins, _ = bins_of(start, widest, space.period)
    order = np.lexsort((names, bins))
    with Crew(threads) as crew:
        tissue = make(start, radius, reach, names, order, space, params, traits, motility, springs, crew)
        stats = tissue.advance(duration)
        contacts, pressure = tissue.contacts_and_pressure()
    end = np.empty_like(start)
    end[order] = tissue.places()
    direction = None
    if tissue.direction is not None:
        direction = np.empty_like(start)
        direction[order] = tissue.direction
    return Moved(space.inside(end), contacts, pressure, direction, stats)
