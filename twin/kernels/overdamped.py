"""Overdamped cells stepped in time: neighbours kept by a skin, velocities, Heun's or Adams and Bashforth's method."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels.blocks import Crew
from twin.kernels.forces import BODY, RADIUS, REACH, ROOT_ADHESION, ROOT_REPULSION, TYPE, move, touches, velocities
from twin.kernels.mechanics_law import MechanicsParams, RelaxStats, Space, Springs, Traits
from twin.kernels.motility import TURNS_A_STEP, Motility, Scent, crawl
from twin.kernels.neighbours import CONTACT_TOLERANCE, graph_of, neighbour_list
from twin.kernels.random import Stream, hash_words

Float = NDArray[np.float64]
Order = NDArray[np.int64]

LARGEST_MOVE = 0.1  # 1, of the smallest radius, in one substep; our choice
STABILITY = 1.6  # 1; our choice: Heun's method is stable on the real axis up to dt λ = 2
FIXED_STABILITY = 0.9  # 1; our choice: Adams and Bashforth's second order is stable on the real axis up to dt λ = 1
SKIN = 0.1  # 1, of the smallest diameter; our choice, from timing; it changes no result

_PARTING = Stream(hash_words("direction in which coincident cells part"))


class Tissue:
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
            self.body[:, column] = np.sqrt(per_cell(values, otherwise, n))[order]
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
        self._begin()

    def _begin(self) -> None:
        """Make the first list of neighbours."""
        self._list(self.body)

    def places(self) -> Float:
        """Return where the cells are, (cell, 3) µm, in their sorted order."""
        return self.body[:, :3]

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


def per_cell(values: Float | None, otherwise: float, n: int) -> Float:
    """Return values of each cell; the same for all where none are given, (cell,)."""
    return np.full(n, otherwise) if values is None else np.asarray(values, np.float64)
