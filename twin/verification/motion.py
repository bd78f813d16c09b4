"""Cases of the verification suite: forces between cells, crawling, and sorting by differential adhesion."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from twin.kernels.mechanics import (
    MechanicsParams,
    Moved,
    Space,
    Springs,
    Traits,
    move_cells,
    relax,
)
from twin.kernels.motility import Motility, Scent
from twin.kernels.random import Streams
from twin.verification.case import Case, Row

Float = NDArray[np.float64]

RADIUS = (2494.0 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)  # µm; PhysiCell's default cell, 8.4127
MINUTE = 1.0 / 60.0  # h
OPEN = Space(np.full(3, -np.inf), np.full(3, np.inf))
SORTING_SPEED, SORTING_ADHESION = 30.0, 240.0  # µm/h; our choice: cells change places, tissues do not dissolve
FREE = MechanicsParams(repulsion=0.0, adhesion=0.0)  # cells that crawl through each other

# OpenVT chain of 11 cells, k such that it is 90 % wide at t = 1: widths in rest lengths
CHAIN_SPRING = 18.2816648  # 1 / time
CHAIN_WIDTHS = (
    (0.1, 6.07885),
    (0.25, 6.94457),
    (0.5, 7.90215),
    (1.0, 9.0),
    (2.0, 9.77261),
    (3.0, 9.94829),
    (5.0, 9.99733),
)


def two_cells() -> Iterator[Row]:
    """Yield the distance at which two default cells rest, from an overlap and from a gap."""
    for start in (10.0, 20.0):
        pair = np.array([[0.0, 0.0, 0.0], [start, 0.0, 0.0]])
        end, _, _ = relax(pair, np.full(2, RADIUS), OPEN.low, OPEN.high, MechanicsParams(rest_speed=1e-9), 200.0)
        yield Row(f"rest distance from {start:g} um, um", 2 * RADIUS * 4 / 4.2, float(end[1, 0] - end[0, 0]), 1e-6)


def spring_chain() -> Iterator[Row]:
    """Yield the width of a chain of 11 cells on linear springs at the published times."""
    ends = np.stack([np.arange(10), np.arange(1, 11)], axis=1)
    springs = Springs(ends, np.full(10, CHAIN_SPRING), np.ones(10))
    law = MechanicsParams(repulsion=0.0, adhesion=0.0, rest_speed=0.0, max_step=0.002)
    position, now = np.zeros((11, 3)), 0.0
    position[:, 0] = 0.5 * np.arange(11)
    for time, width in CHAIN_WIDTHS:
        position = move_cells(position, np.full(11, 0.5), OPEN, law, time - now, springs=springs).position
        now = time
        yield Row(f"width at t = {time:g}, rest lengths", width, float(np.ptp(position[:, 0])), 5e-4)


def repulsive_chain() -> Iterator[Row]:
    """Yield when a chain of 11 cells (R = 5 µm, 10 µm/min) is 90 % wide, and its width at two published times."""
    position = np.zeros((11, 3))
    position[:, 0] = 5.0 * np.arange(11)
    law = MechanicsParams(repulsion=600.0, adhesion=0.0, rest_speed=0.0)
    published = {40.0: (8.24, 5e-3), 870.0: (9.874, 5e-4)}  # min: width in diameters, and half of its last digit
    now = 0.0
    reached, last = np.nan, 5.0
    rows = []
    for minute in (*np.arange(1.0, 101.0), *published):
        if minute in published and minute <= now:
            continue
        position = move_cells(position, np.full(11, 5.0), OPEN, law, (minute - now) * MINUTE).position
        width = float(np.ptp(position[:, 0])) / 10.0
        if last < 9.0 <= width:
            reached = now + (minute - now) * (9.0 - last) / (width - last)
        now, last = float(minute), width
        if now in published:
            what = f"width at {now:g} min, diameters"
            rows.append(
                Row(what, published[now][0], width, published[now][1], "0: the law and the numbers are PhysiCell's")
            )
    yield Row("90 % of the width is reached, min", 88.7, reached, 0.1, "0: the law and the numbers are PhysiCell's")
    yield from rows


def pushes() -> Iterator[Row]:
    """Yield what pushed cells do without inertia: one stops where the push ends, two settle without a bounce."""
    pushed = _pushed(np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0]]), 10.0, 0.1)
    later = move_cells(pushed, np.full(1, RADIUS), OPEN, MechanicsParams(), 10 * MINUTE).position
    yield Row("way of one cell pushed at 10 um/min for 0.1 min, um", 1.0, float(pushed[0, 0]), 1e-9)
    yield Row("its way in the 10 min after it, um", 0.0, float(later[0, 0] - pushed[0, 0]), 1e-12)
    pair = np.array([[-15.0, 0.0, 0.0], [15.0, 0.0, 0.0]])
    pair = _pushed(pair, np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]), 10.0, 1.0)
    ways = [float(np.ptp(pair[:, 0]))]
    for _ in range(100):
        pair = move_cells(pair, np.full(2, RADIUS), OPEN, MechanicsParams(), MINUTE / 2).position
        ways.append(float(np.ptp(pair[:, 0])))
    bounces = int((np.diff(np.sign(np.round(np.diff(ways), 9))) < 0).sum() - 1) if ways[0] < 16 else -1
    yield Row("turns of two cells pushed together from 30 um", 0.0, float(max(bounces, 0)), 0.0)
    yield Row("their distance 50 min after, um", 2 * RADIUS * 4 / 4.2, ways[-1], 0.05, "PhysiCell's went on moving")


def walks() -> Iterator[Row]:
    """Yield the mean squared displacement of persistent random walks in three and in two dimensions."""
    speed, persistence, n = 60.0, 5 * MINUTE, 8_000
    for plane in (False, True):
        start = _apart(n)
        position, direction, now = start, np.zeros((n, 3)), 0.0
        space = Space(OPEN.low, OPEN.high, plane=plane)
        for tick, multiple in enumerate((0.5, 1.0, 4.0, 16.0)):
            motility = Motility(
                np.full(n, speed), np.full(n, persistence), np.zeros(n), direction, Streams(7, int(plane), tick)
            )
            moved = move_cells(
                position, np.full(n, RADIUS), space, FREE, multiple * persistence - now, motility=motility
            )
            assert moved.direction is not None
            position, direction, now = moved.position, moved.direction, multiple * persistence
            square = ((position - start) ** 2).sum(axis=1)
            law = 2 * speed**2 * persistence**2 * (multiple - 1 + np.exp(-multiple))
            chance = 5.0 * float(square.std()) / np.sqrt(n)
            where = "plane" if plane else "space"
            yield Row(f"mean square at {multiple:g} tau in {where}, um^2", law, float(square.mean()), chance)


def chemotaxis() -> Iterator[Row]:
    """Yield how far a cell goes towards a source in the corner, and how fast biased cells drift."""
    spacing, n = 5.0, 24
    centre = (np.arange(n) + 0.5) * spacing
    z, y, x = np.meshgrid(centre, centre, centre, indexing="ij")
    distance = np.sqrt(x**2 + y**2 + z**2)
    field = (10.0 / distance * np.exp(-distance / 200.0))[None]  # a source in the corner, steady
    position = np.array([[70.0, 60.0, 50.0]])
    scent = Scent(field, np.ones((1, 1)), np.zeros(3), spacing)
    box = Space(np.zeros(3), np.full(3, 120.0))
    direction = np.zeros((1, 3))
    motility = Motility(np.full(1, 60.0), np.full(1, MINUTE), np.ones(1), direction, Streams(1, 0, 0), scent)
    moved = move_cells(position, np.full(1, RADIUS), box, MechanicsParams(), 30 * MINUTE, motility=motility)
    nearer = float(np.linalg.norm(position) - np.linalg.norm(moved.position))
    yield Row("way towards a corner source, 30 min at 1 um/min, um", 30.0, nearer, 0.05)
    n = 20_000
    steady = Scent(
        np.arange(1.0, 12.0)[None, None, None, :].repeat(3, 2).repeat(3, 1), np.ones((n, 1)), np.zeros(3), 1e3
    )
    start = np.stack([np.full(n, 5_000.0), 100.0 * (np.arange(n) // 150), 100.0 * (np.arange(n) % 150)], axis=1)
    crowd = Motility(np.full(n, 60.0), np.full(n, MINUTE), np.full(n, 0.5), np.zeros((n, 3)), Streams(2, 0, 0), steady)
    end = move_cells(start, np.full(n, RADIUS), OPEN, FREE, 20 * MINUTE, motility=crowd).position
    drift = (end[:, 0] - start[:, 0]) / (20 * MINUTE)
    # the mean of cos(θ/2) over directions, of a unit vector halfway between the gradient's and a random one
    yield Row("drift at bias 0.5, um/h", 40.0, float(drift.mean()), 5 * float(drift.std()) / np.sqrt(n))


def invariance() -> Iterator[Row]:
    """Yield how far a shifted, turned tissue is from the tissue shifted and turned, and what moves its centre."""
    random = np.random.default_rng(4)
    position, radius = random.random((200, 3)) * 60.0, np.where(random.random(200) < 0.7, 4.0, 6.0)
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    law, hours = MechanicsParams(rest_speed=0.0), 0.3
    end = relax(position, radius, OPEN.low, OPEN.high, law, hours)[0]
    shift = np.array([100.0, -50.0, 7.0])
    shifted = relax(position + shift, radius, OPEN.low, OPEN.high, law, hours)[0] - shift
    turned = relax(position @ turn.T, radius, OPEN.low, OPEN.high, law, hours)[0] @ turn
    size = float(np.abs(end).max())
    yield Row("shifted tissue, relative", 0.0, float(np.abs(shifted - end).max()) / size, 1e-10)
    yield Row("turned tissue, relative", 0.0, float(np.abs(turned - end).max()) / size, 1e-10)
    way = float(np.abs(end.mean(axis=0) - position.mean(axis=0)).max())
    yield Row("way of the centre of mass, relative", 0.0, way / size, 1e-10)


def sorting(hours: float = 24.0, n: int = 400) -> Iterator[Row]:
    """Yield the share of contacts between two types at the start and the end, and the class of the final state.

    The reference's final state for J(AA) = J(BB) < J(AB) is two domains; a lattice of 20 x 20 cells there, 400 cells
    in a plane here. Cells that adhere to all alike stay mixed.
    """
    start, end, kind = sort_cells(hours, n, cross=0.1)
    before, after = heterotypic(start.contacts, kind), heterotypic(end.contacts, kind)
    yield Row("heterotypic share of contacts at the start", 0.5, before, 0.06)
    yield Row(f"the same after {hours:g} h, of that at the start", 0.25, after / before, 0.15)
    mixed, sorted_out = domains(start.contacts, kind), domains(end.contacts, kind)
    yield Row("domains, of those at the start", 0.3, len(sorted_out) / len(mixed), 0.2)
    yield Row("share of the cells in domains of 20 and more", 0.9, float(sorted_out[sorted_out >= 20].sum() / n), 0.1)
    start, end, kind = sort_cells(hours, n, cross=1.0)
    kept = heterotypic(end.contacts, kind) / heterotypic(start.contacts, kind)
    yield Row("the heterotypic share kept where all adhere alike", 1.0, kept, 0.15)


def sort_cells(hours: float, n: int, cross: float) -> tuple[Moved, Moved, NDArray[np.bool_]]:
    """Move two types of cells, mixed at random in a plane, for some hours.

    cross : affinity to cells of the other type.

    Returns
    -------
    The state after half an hour without differences and motility, the last one, and who is of the first type.
    """
    law = MechanicsParams(repulsion=600.0, adhesion=SORTING_ADHESION)
    kind = np.random.default_rng(5).permutation(n) < n // 2
    side = 2.0 * np.sqrt(n) * RADIUS * 0.75
    space = Space(np.zeros(3), np.array([side, side, 20.0]), plane=True)
    start = np.full((n, 3), 10.0)
    start[:, :2] = np.random.default_rng(6).random((n, 2)) * side
    affinity = np.where(kind[:, None] == np.array([True, False]), 1.0, cross)  # (cell, type)
    traits = Traits(affinity=affinity, cell_type=np.where(kind, 0, 1))
    radius, none = np.full(n, RADIUS), np.zeros(n)
    first = now = move_cells(start, radius, space, law, 0.5)
    direction = np.zeros((n, 3))
    for tick in range(round(hours)):
        motility = Motility(none + SORTING_SPEED, none + 5 * MINUTE, none, direction, Streams(3, 0, tick))
        now = move_cells(now.position, radius, space, law, 1.0, traits=traits, motility=motility)
        assert now.direction is not None
        direction = now.direction
    return first, now, kind


def heterotypic(contacts: sp.csr_array, kind: NDArray[np.bool_]) -> float:
    """Return the share of contacts that join cells of two kinds."""
    pairs = contacts.tocoo()
    return float((kind[pairs.row] != kind[pairs.col]).mean())


def domains(contacts: sp.csr_array, kind: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the sizes of the domains: cells of one kind that hang together by contacts, (domain,)."""
    pairs = contacts.tocoo()
    same = kind[pairs.row] == kind[pairs.col]
    alike = sp.csr_array((np.ones(int(same.sum())), (pairs.row[same], pairs.col[same])), shape=contacts.shape)
    return np.bincount(connected_components(alike, directed=False)[1])


def _apart(n: int) -> Float:
    """Return places 100 µm apart in a plane, (n, 3): cells that never meet."""
    side = int(np.ceil(np.sqrt(n)))
    return np.stack([100.0 * (np.arange(n) // side), 100.0 * (np.arange(n) % side), np.zeros(n)], axis=1)


def _pushed(position: Float, direction: Float, speed: float, minutes: float) -> Float:
    """Return where cells are after a push at a speed (µm/min) in a direction."""
    n = len(position)
    steady = Motility(np.full(n, 60.0 * speed), np.full(n, 1e9), np.zeros(n), direction, Streams(0, 0, 0))
    return move_cells(position, np.full(n, RADIUS), OPEN, MechanicsParams(), minutes * MINUTE, motility=steady).position


_PHYSICELL = "PhysiCell 1.14 potentials"
CASES: tuple[Case, ...] = (
    Case("M1", "two PhysiCell cells at rest", f"{_PHYSICELL}, analytic", two_cells),
    Case(
        "M2", "chain of 11 cells on linear springs", "OpenVT monolayer reference, Chaste/OpenVtMonolayer", spring_chain
    ),
    Case("M3", "chain of 11 cells that repel", "rheiland/PhysiCell_monolayer, pc_plot_11cells.csv", repulsive_chain),
    Case("M4", "cells that are pushed, overdamped", "PerMedCoE observatory benchmark", pushes),
    Case("M5", "persistent random walk", "Fürth, Zeitschrift für Physik 2 (1920) 244", walks),
    Case("M6", "chemotaxis", "PerMedCoE observatory benchmark; drift analytic", chemotaxis),
    Case("M7", "invariance and momentum", "Newton's third law", invariance),
    Case("G8", "two types sort by differential adhesion", "OpenVT 2026 cell sorting; Osborne 2017", sorting),
)
