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

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels.blocks import Crew
from twin.kernels.forces import BODY, RADIUS, REACH, ROOT_ADHESION, ROOT_REPULSION, TYPE, move, touches, velocities
from twin.kernels.motility import TURNS_A_STEP, Motility, Scent, crawl
from twin.kernels.neighbours import CONTACT_TOLERANCE, bins_of, graph_of, neighbour_list
from twin.kernels.random import Stream, hash_words

Float = NDArray[np.float64]
Order = NDArray[np.int64]

REPULSION = 10.0 * 60.0  # µm/h; PhysiCell 1.14, cell_cell_repulsion_strength 10 µm/min
ADHESION = 0.4 * 60.0  # µm/h; PhysiCell 1.14, cell_cell_adhesion_strength 0.4 µm/min
ADHESION_RANGE = 1.25  # 1, of the sum of radii; PhysiCell 1.14, relative_maximum_adhesion_distance
REST_SPEED = 0.01  # µm/h; our choice: at this speed a lymphocyte needs 17 days to cross its own radius
LARGEST_MOVE = 0.1  # 1, of the smallest radius, in one substep; our choice
STABILITY = 1.6  # 1; our choice: Heun's method is stable on the real axis up to dt λ = 2
FIXED_STABILITY = 0.9  # 1; our choice: Adams and Bashforth's second order is stable on the real axis up to dt λ = 1
SKIN = 0.1  # 1, of the smallest diameter; our choice, from timing; it changes no result

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
    fixed_step : h; instead of the adaptive step, this one, with Adams and Bashforth's second order as in
        PhysiCell; the first substep of a call, and each that would be unstable, is made by Heun's method.
    """

    repulsion: float = REPULSION
    adhesion: float = ADHESION
    adhesion_range: float = ADHESION_RANGE
    rest_speed: float = REST_SPEED
    max_step: float = np.inf
    max_substeps: int = 10_000
    fixed_step: float | None = None


@dataclass(frozen=True)
class Traits:
    """What differs from cell to cell; where not given, `MechanicsParams` holds for all.

    repulsion, adhesion : (cell,) µm/h, >= 0. adhesion_range : (cell,) of the cell's own radius, >= 0.
    affinity : (cell, type) factor on adhesion to cells of each type, >= 0; with cell_type : (cell,) codes.
    movable : (cell,) whom forces move; the others push and pull all the same.
    membrane_repulsion, membrane_adhesion : (cell,) µm/h; needed where there are membranes.
    """

    repulsion: Float | None = None
    adhesion: Float | None = None
    adhesion_range: Float | None = None
    affinity: Float | None = None
    cell_type: NDArray[np.integer] | None = None
    movable: NDArray[np.bool_] | None = None
    membrane_repulsion: Float | None = None
    membrane_adhesion: Float | None = None


@dataclass(frozen=True)
class Springs:
    """Linear springs between attached cells: v_i = k (d − rest) towards the other one.

    ends : (spring, 2) rows. rate : (spring,) k, 1/h. rest : (spring,) µm; 0 as in PhysiCell's elastic attachments.
    """

    ends: NDArray[np.integer]
    rate: Float
    rest: Float


@dataclass(frozen=True)
class Space:
    """Where cells are: a box with closed or periodic walls, membranes in it.

    low, high : (3,) µm, corners of the box; infinite where there is no wall.
    periodic : along x, y, z.
    plane : motion along x and y only; z stays as it is, and walls across z do not push.
    membranes : (membrane, 7), see `twin.kernels.forces.velocities`.
    """

    low: Float
    high: Float
    periodic: tuple[bool, bool, bool] = (False, False, False)
    plane: bool = False
    membranes: Float = field(default_factory=lambda: np.zeros((0, 7)))

    @property
    def period(self) -> Float:
        """After how many µm space repeats along each axis, (3,); 0 where it does not."""
        return np.where(self.periodic, self.high - self.low, 0.0) if any(self.periodic) else np.zeros(3)

    @property
    def walls(self) -> tuple[Float, Float]:
        """Low and high walls, (3,) µm each; infinite across a periodic axis, and across a plane."""
        none = np.asarray(self.periodic) | np.array([False, False, self.plane])
        return np.where(none, -np.inf, self.low), np.where(none, np.inf, self.high)

    def inside(self, position: Float) -> Float:
        """Return positions put into the box: to its nearest face, or round a periodic axis."""
        low, high = np.asarray(self.low, np.float64), np.asarray(self.high, np.float64)
        if any(self.periodic):
            length = np.where(self.periodic, high - low, 1.0)
            offset = position - np.where(self.periodic, low, 0.0)
            wrapped = position - np.floor(offset / length) * length
            position = np.where(self.periodic, wrapped, position)
        return np.asarray(np.clip(position, low, high), dtype=np.float64)


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


@dataclass(frozen=True)
class Moved:
    """Cells after a step.

    position : (cell, 3) µm. contacts : (cell, cell) CSR, 1 where two cells touch (`contact_graph`).
    pressure : (cell,) 1, PhysiCell's simple pressure: Σ (1 − d/R)² over overlaps, 1 in a dense packing of twelve.
    direction : (cell, 3) unit vectors of the cells' own motion, or None.
    """

    position: Float
    contacts: sp.csr_array
    pressure: Float
    direction: Float | None
    stats: RelaxStats


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
    reach = _per_cell(traits.adhesion_range, params.adhesion_range, n) * radius
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
        tissue = _Tissue(start, radius, reach, names, order, space, params, traits, motility, springs, crew)
        stats = tissue.advance(duration)
        contacts, pressure = tissue.contacts_and_pressure()
    end = np.empty_like(start)
    end[order] = tissue.body[:, :3]
    direction = None
    if tissue.direction is not None:
        direction = np.empty_like(start)
        direction[order] = tissue.direction
    return Moved(space.inside(end), contacts, pressure, direction, stats)


def _per_cell(values: Float | None, otherwise: float, n: int) -> Float:
    return np.full(n, otherwise) if values is None else np.asarray(values, np.float64)


class _Tissue:
    """Cells sorted in space, and what their forces are computed from; `advance` moves them in place."""

    def __init__(
        self,
        start: Float,
        radius: Float,
        reach: Float,
        names: NDArray[np.uint64],
        order: Order,
        space: Space,
        params: MechanicsParams,
        traits: Traits,
        motility: Motility | None,
        springs: Springs | None,
        crew: Crew,
    ) -> None:
        n = len(order)
        self.n, self.order, self.params, self.space, self.crew = n, order, params, space, crew
        self.names = names[order]
        self.body = np.empty((n, BODY))
        self.body[:, :3] = start[order]
        self.body[:, RADIUS] = radius[order]
        self.body[:, REACH] = reach[order]
        for column, values, otherwise in (
            (ROOT_REPULSION, traits.repulsion, params.repulsion),
            (ROOT_ADHESION, traits.adhesion, params.adhesion),
        ):
            self.body[:, column] = np.sqrt(_per_cell(values, otherwise, n))[order]
        self.body[:, TYPE] = 0.0 if traits.cell_type is None else traits.cell_type[order]
        self.other = self.body.copy()  # the same cells at the end of a substep
        self.smallest = float(radius.min())
        self.skin = SKIN * 2.0 * self.smallest
        self.list_reach = np.maximum(self.body[:, REACH], (1.0 + CONTACT_TOLERANCE) * self.body[:, RADIUS])
        self.list_reach += self.skin / 2.0
        self.low, self.high = space.walls
        self.period = space.period
        affinity = np.zeros((0, 0)) if traits.affinity is None else np.sqrt(traits.affinity[order])
        movable = np.ones(n, np.bool_) if traits.movable is None else traits.movable[order]
        strength = np.zeros((0, 2))
        if len(space.membranes):
            assert traits.membrane_repulsion is not None, "membranes need the cells' strengths"
            assert traits.membrane_adhesion is not None, "membranes need the cells' strengths"
            strength = np.stack([traits.membrane_repulsion, traits.membrane_adhesion], axis=1)[order]  # (cell, 2)
        self.motility = None if motility is None else _sorted_motility(motility, order, movable)
        self.direction = None if self.motility is None else self.motility.direction.copy()
        self.own = np.zeros((0 if motility is None else n, 3))  # ways that the cells crawl in a substep
        self.parting = _parting(self.names, space.plane)
        self.laws = (
            np.ascontiguousarray(affinity),
            movable,
            self.low,
            self.high,
            self.period,
            space.plane,
            np.ascontiguousarray(space.membranes),
            strength,
            *_spring_lists(springs, order),
        )
        self.velocity, self.velocity_other = np.zeros((n, 3)), np.zeros((n, 3))
        self.rebuilds = self.evaluations = 0
        self._list(self.body)

    def advance(self, duration: float) -> RelaxStats:
        """Integrate for `duration` hours; what it took."""
        p = self.params
        if p.fixed_step is not None:
            return self._advance_fixed(duration, p.fixed_step)
        left, elapsed, substeps, speed, at_rest = duration, 0.0, 0, 0.0, False
        longest, crawling = p.max_step, 0.0
        if self.motility is not None and (mobile := self.motility.speed > 0.0).any():
            crawling = float(self.motility.speed.max())
            longest = min(longest, TURNS_A_STEP * float(self.motility.persistence[mobile].min()))
        while left > 0.0:
            speed, stiffness = self._velocities(self.body, self.velocity)
            speed += crawling
            if speed <= p.rest_speed:
                at_rest = True
                break
            dt = min(longest, left, LARGEST_MOVE * self.smallest / speed)
            if stiffness > 0.0:
                dt = min(dt, STABILITY / stiffness)
            self._refuse_more_than(p.max_substeps, substeps, dt, duration, speed)
            self._heun(dt, substeps)
            left, elapsed = left - dt, elapsed + dt
            substeps += 1
        return RelaxStats(substeps, self.evaluations, self.rebuilds, elapsed, speed, at_rest)

    def _advance_fixed(self, duration: float, step: float) -> RelaxStats:
        """Adams and Bashforth's second order at a fixed step, as PhysiCell does."""
        p = self.params
        steps = max(round(duration / step), 1)
        dt = duration / steps
        self._refuse_more_than(p.max_substeps, 0 if steps <= p.max_substeps else p.max_substeps, dt, duration, 0.0)
        substeps, speed, known = 0, 0.0, False  # whether the velocity of the step before is known
        for _ in range(steps):
            speed, stiffness = self._velocities(self.body, self.velocity)
            if known and stiffness * dt <= FIXED_STABILITY:
                self._crawl(dt, substeps)
                self._move(self.velocity, self.velocity_other, 1.5 * dt, -0.5 * dt)
                self.body, self.other = self.other, self.body
                substeps += 1
            else:
                pieces = max(int(np.ceil(stiffness * dt / STABILITY)), 1)
                for piece in range(pieces):
                    if piece:
                        self._velocities(self.body, self.velocity)
                    self._refuse_more_than(p.max_substeps, substeps, dt / pieces, duration, speed)
                    self._heun(dt / pieces, substeps)
                    substeps += 1
                known = pieces == 1
            self.velocity, self.velocity_other = self.velocity_other, self.velocity
        return RelaxStats(substeps, self.evaluations, self.rebuilds, duration, speed, at_rest=False)

    def contacts_and_pressure(self) -> tuple[sp.csr_array, Float]:
        """Return who touches whom (cell, cell) and each cell's pressure (cell,), in the caller's order."""
        self._list_if_strayed(self.body)
        place = np.empty_like(self.order)
        place[self.order] = np.arange(self.n)
        start, pressure = np.zeros(self.n + 1, np.int64), np.empty(self.n)
        given = (self.body, self.order, place, *self.pairs, self.period, CONTACT_TOLERANCE, start)
        self.crew.over_rows(touches, self.n, *given, np.empty(0, np.int32), pressure)
        np.cumsum(start, out=start)
        found = np.empty(int(start[-1]), np.int32)
        if len(found):
            self.crew.over_rows(touches, self.n, *given, found, pressure)
        return graph_of(self.n, start, found), pressure

    def _heun(self, dt: float, substep: int) -> None:
        """One step of Heun's method from velocities that are known."""
        self._crawl(dt, substep)
        self._move(self.velocity, self.velocity, 0.5 * dt, 0.5 * dt)
        self._velocities(self.other, self.velocity_other)
        self._move(self.velocity, self.velocity_other, 0.5 * dt, 0.5 * dt)
        self.body, self.other = self.other, self.body

    def _velocities(self, body: Float, result: Float) -> tuple[float, float]:
        """Write velocities; return the largest speed, µm/h, and the bound on the stiffness, 1/h."""
        self._list_if_strayed(body)
        self.evaluations += 1
        told = self.crew.over_rows(velocities, self.n, body, self.parting, *self.pairs, *self.laws, result)
        return max(speed for speed, _ in told), max(stiffness for _, stiffness in told)

    def _move(self, velocity: Float, other: Float, of_velocity: float, of_other: float) -> None:
        """Write the cells' places after a step to `self.other`."""
        told = self.crew.over_rows(
            move,
            self.n,
            self.body,
            velocity,
            other,
            of_velocity,
            of_other,
            self.own,
            self.low,
            self.high,
            self.listed_at,
            self.other,
        )
        self.strayed = max(told)

    def _crawl(self, dt: float, substep: int) -> None:
        """Draw the ways that cells crawl of their own in a substep."""
        if self.motility is not None:
            assert self.direction is not None
            plane = self.space.plane
            crawl(self.motility, self.body, self.names, self.direction, dt, substep, plane, self.crew, self.own)

    def _list_if_strayed(self, body: Float) -> None:
        if self.strayed > self.skin / 2.0:  # two cells may have come nearer by a whole skin
            self._list(body)

    def _list(self, body: Float) -> None:
        self.listed_at = body[:, :3].copy()
        self.pairs = neighbour_list(self.listed_at, self.list_reach, self.period, self.crew)
        self.strayed = 0.0
        self.rebuilds += 1

    @staticmethod
    def _refuse_more_than(most: int, substeps: int, dt: float, duration: float, speed: float) -> None:
        if substeps >= most:
            raise RunError(
                f"mechanics needs more than {most} substeps of {dt:.2g} h for {duration:g} h "
                f"(fastest cell {speed:.3g} um/h): raise max_substeps, shorten the tick or seed fewer cells"
            )


def _sorted_motility(motility: Motility, order: Order, movable: NDArray[np.bool_]) -> Motility:
    scent = motility.scent
    if scent is not None:
        scent = Scent(
            np.ascontiguousarray(scent.concentration, np.float64),
            np.ascontiguousarray(scent.response[order]),
            np.asarray(scent.origin, np.float64),
            float(scent.spacing),
        )
    return Motility(
        np.where(movable, motility.speed[order], 0.0),
        motility.persistence[order],
        motility.bias[order],
        motility.direction[order],
        motility.streams,
        scent,
    )


def _spring_lists(springs: Springs | None, order: Order) -> tuple[NDArray[np.int64], NDArray[np.int32], Float]:
    """Return per cell (sorted) where its springs begin, their other ends, and (rate, rest)."""
    if springs is None or len(springs.rate) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int32), np.empty((0, 2))
    n = len(order)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    ends = place[np.asarray(springs.ends, np.int64)]  # (spring, 2)
    owner, other = np.concatenate([ends[:, 0], ends[:, 1]]), np.concatenate([ends[:, 1], ends[:, 0]])
    law = np.tile(np.stack([springs.rate, springs.rest], axis=1), (2, 1))  # (spring twice, 2)
    by_cell = np.lexsort((other, owner))
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]).astype(np.int64)
    return start, other[by_cell].astype(np.int32), np.ascontiguousarray(law[by_cell], np.float64)


def _parting(ids: NDArray[np.uint64], plane: bool) -> Float:
    """Return a unit vector for each id, (cell, 3), even over the sphere, or over the circle in a plane."""
    u = _PARTING.uniform(ids, 2)
    height, angle = 2.0 * u[:, 0] - 1.0, 2.0 * np.pi * u[:, 1]
    if plane:
        height = np.zeros(len(ids))
    flat = np.sqrt(1.0 - height**2)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)  # (cell, axis)
