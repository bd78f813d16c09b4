"""What walls, membranes, springs and the cells' own traits do, and that threads change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels import blocks
from twin.kernels.blocks import Crew
from twin.kernels.forces import PRESSURE_SCALE
from twin.kernels.mechanics import MechanicsParams, Moved, Space, Springs, Traits, move_cells
from twin.kernels.motility import Motility, Scent
from twin.kernels.neighbours import contact_graph, neighbour_list
from twin.kernels.random import Streams

Float = NDArray[np.float64]

OPEN = Space(np.full(3, -np.inf), np.full(3, np.inf))
BOX = Space(np.zeros(3), np.full(3, 60.0))
LAW = MechanicsParams()
MINUTE = 1 / 60


def crowd(seed: int, n: int = 80, width: float = 60.0) -> tuple[Float, Float]:
    random = np.random.default_rng(seed)
    return random.random((n, 3)) * width, np.where(random.random(n) < 0.7, 4.0, 6.0)


def crawling(n: int, scent: Scent | None = None) -> Motility:
    none = np.zeros(n)
    return Motility(none + 60.0, none + MINUTE, none + 0.5, np.zeros((n, 3)), Streams(1, 2, 3), scent)


def pair_speed(distance: float, traits: Traits, law: MechanicsParams = LAW) -> float:
    """Speed (µm/h) at which two cells of radius 4 part, measured over an instant."""
    pair = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
    end = move_cells(pair, np.full(2, 4.0), OPEN, law, 1e-7, traits=traits).position
    return float((np.ptp(end[:, 0]) - distance) / 1e-7)


def test_a_pair_takes_the_geometric_mean_of_its_strengths() -> None:
    traits = Traits(repulsion=np.array([100.0, 900.0]), adhesion=np.array([4.0, 16.0]))
    law = 300 * (1 - 6 / 8) ** 2 - 8 * (1 - 6 / 10) ** 2
    assert pair_speed(6.0, traits) == pytest.approx(2 * law, rel=1e-4)


def test_the_reach_of_adhesion_is_the_sum_of_what_both_cells_reach() -> None:
    traits = Traits(adhesion_range=np.array([1.0, 2.0]))
    assert pair_speed(11.0, traits) == pytest.approx(-2 * 24 * (1 - 11 / 12) ** 2, rel=1e-4)
    assert pair_speed(12.1, traits) == 0.0


def test_affinities_weigh_adhesion_by_what_each_is_to_the_other() -> None:
    affinity = np.array([[1.0, 0.5], [0.08, 1.0]])  # (cell, type)
    traits = Traits(affinity=affinity, cell_type=np.array([0, 1]))
    assert pair_speed(9.0, traits) == pytest.approx(-2 * 24 * np.sqrt(0.5 * 0.08) * (1 - 0.9) ** 2, rel=1e-4)


def test_a_cell_that_cannot_be_moved_still_moves_others() -> None:
    pair, held = np.array([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]]), Traits(movable=np.array([False, True]))
    moved = move_cells(pair, np.full(2, 4.0), OPEN, LAW, 1.0, traits=held, motility=crawling(2)).position
    np.testing.assert_array_equal(moved[0], pair[0])
    assert np.linalg.norm(moved[1]) > 7.0


def test_a_pair_across_a_periodic_wall_is_a_pair() -> None:
    ring = Space(np.array([10.0, 0.0, 0.0]), np.array([70.0, 60.0, 60.0]), periodic=(True, False, False))
    inside = move_cells(np.array([[40.0, 30, 30], [45.0, 30, 30]]), np.full(2, 4.0), ring, LAW, 0.5)
    across = move_cells(np.array([[12.0, 30, 30], [67.0, 30, 30]]), np.full(2, 4.0), ring, LAW, 0.5)
    gap = float(np.ptp(inside.position[:, 0]))
    assert 60.0 - float(np.ptp(across.position[:, 0])) == pytest.approx(gap, abs=1e-9)
    assert across.contacts.nnz == 2
    np.testing.assert_allclose(across.pressure, inside.pressure, rtol=1e-9)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31))
def test_a_periodic_tissue_may_be_shifted_round(seed: int) -> None:
    position, radius = crowd(seed)
    ring = Space(np.zeros(3), np.full(3, 60.0), periodic=(True, True, False))
    shift = np.random.default_rng(seed + 1).random(3) * [60.0, 60.0, 0.0]
    here = move_cells(position, radius, ring, LAW, 0.1)
    there = move_cells(position + shift, radius, ring, LAW, 0.1)
    away = there.position - shift - here.position
    np.testing.assert_allclose(away - 60 * np.rint(away / 60), 0.0, atol=1e-9)
    assert ((there.position >= 0) & (there.position <= 60)).all()
    np.testing.assert_array_equal(there.contacts.toarray(), here.contacts.toarray())


def test_a_periodic_box_too_narrow_for_its_cells_is_refused() -> None:
    ring = Space(np.zeros(3), np.array([60.0, 60.0, 20.0]), periodic=(False, False, True))
    with pytest.raises(RunError, match=r"periodic box is 20 um along z, where cells reach 15 um .* make it 33 um"):
        move_cells(np.full((2, 3), 5.0), np.full(2, 6.0), ring, LAW, 0.1)


def test_cells_in_a_plane_stay_in_it_even_from_one_point() -> None:
    flat = Space(np.zeros(3), np.array([60.0, 60.0, 10.0]), plane=True)
    start = np.tile([30.0, 30.0, 5.0], (5, 1))
    moved = move_cells(start, np.full(5, 4.0), flat, LAW, 2.0, motility=crawling(5))
    np.testing.assert_array_equal(moved.position[:, 2], 5.0)
    assert moved.direction is not None
    np.testing.assert_array_equal(moved.direction[:, 2], 0.0)
    assert np.ptp(moved.position[:, 0]) > 5.0


def membrane(shape: list[float], start: list[float], hours: float = 50.0) -> Float:
    traits = Traits(membrane_repulsion=np.array([600.0]), membrane_adhesion=np.array([240.0]))
    space = Space(OPEN.low, OPEN.high, membranes=np.array([shape]))
    return np.asarray(move_cells(np.array([start]), np.array([4.0]), space, LAW, hours, traits=traits).position[0])


# 600 (1 − x)² = 240 (1 − x / 1.25)² where the cell rests at x radii from the membrane
REST = 4.0 * (1 - np.sqrt(0.4)) / (1 - np.sqrt(0.4) / 1.25)


@pytest.mark.parametrize("z", [1.0, 4.9, -1.0])
def test_a_cell_rests_at_its_distance_from_a_flat_membrane_on_its_own_side(z: float) -> None:
    end = membrane([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0], [3.0, -2.0, z])
    np.testing.assert_allclose(end, [3.0, -2.0, np.sign(z) * REST], atol=1e-3)


def test_beyond_its_reach_a_membrane_does_nothing() -> None:
    assert membrane([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 5.1])[2] == 5.1


@pytest.mark.parametrize("r", [17.0, 23.0])
def test_a_cell_keeps_to_a_round_membrane_from_inside_and_from_outside(r: float) -> None:
    along = np.array([2.0, -1.0, 2.0]) / 3.0
    end = membrane([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 20.0], list(1.0 + r * along))
    np.testing.assert_allclose(end, 1.0 + (20.0 + np.sign(r - 20.0) * REST) * along, atol=1e-3)


def test_a_spring_relaxes_exponentially_to_its_rest_length() -> None:
    spring = Springs(np.array([[0, 1]]), np.array([3.0]), np.array([10.0]))
    start = np.array([[0.0, 0.0, 0.0], [0.0, 14.0, 0.0]])
    law = MechanicsParams(repulsion=0.0, adhesion=0.0, rest_speed=0.0, max_step=1e-3)
    end = move_cells(start, np.full(2, 1.0), OPEN, law, 0.2, springs=spring).position
    assert np.ptp(end[:, 1]) == pytest.approx(10 + 4 * np.exp(-2 * 3 * 0.2), abs=1e-4)


def test_twelve_neighbours_in_a_dense_packing_press_with_one() -> None:
    # the scale's own definition: 12 neighbours at the distance √(π / (2 √3)) of two radii
    near = 8.0 * np.sqrt(np.pi / (2 * np.sqrt(3)))
    golden = (1 + np.sqrt(5)) / 2
    corners = np.array([[0, a, b * golden] for a in (-1, 1) for b in (-1, 1)], float)
    shell = np.concatenate([np.roll(corners, k, axis=1) for k in range(3)])
    position = np.concatenate([np.zeros((1, 3)), shell / np.linalg.norm(shell[0]) * near])
    pressure = move_cells(position, np.full(13, 4.0), OPEN, LAW, 0.0).pressure
    assert pressure[0] == pytest.approx(1.0, rel=1e-9)
    assert pressure[1] < 1.0
    assert pytest.approx(12 * (1 - np.sqrt(np.pi / (2 * np.sqrt(3)))) ** 2, rel=1e-9) == PRESSURE_SCALE


def test_contacts_are_those_of_the_contact_graph() -> None:
    position, radius = crowd(3)
    moved = move_cells(position, radius, BOX, LAW, 0.3, traits=Traits(adhesion_range=np.full(80, 0.5)))
    np.testing.assert_array_equal(moved.contacts.toarray(), contact_graph(moved.position, radius).toarray())
    assert moved.contacts.has_sorted_indices


def test_the_fixed_step_converges_at_second_order_to_the_adaptive_one() -> None:
    position, radius = crowd(1, 40, 40.0)
    position = move_cells(position, radius, OPEN, LAW, 0.5).position * 0.97  # shallow overlaps: the force is smooth
    exact = move_cells(position, radius, OPEN, MechanicsParams(max_step=2e-4, rest_speed=0.0), 0.1).position
    errors = []
    for step in (MINUTE / 2.5, MINUTE / 5, MINUTE / 10):
        end = move_cells(position, radius, OPEN, MechanicsParams(fixed_step=step), 0.1)
        assert end.stats.substeps == round(0.1 / step)
        errors.append(np.sqrt(((end.position - exact) ** 2).mean()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.5)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.5)


def test_a_fixed_step_above_the_stable_limit_is_divided() -> None:
    position, radius = crowd(0, 200, 20.0)  # a crush
    moved = move_cells(position, radius, OPEN, MechanicsParams(fixed_step=0.05), 0.5)
    assert moved.stats.substeps > 20
    assert np.isfinite(moved.position).all()
    with pytest.raises(RunError, match="more than 8 substeps"):
        move_cells(position, radius, OPEN, MechanicsParams(fixed_step=0.05, max_substeps=8), 0.5)


def everything(threads: int, rows: NDArray[np.intp]) -> Moved:
    """A tissue with every force there is, its rows in some order."""
    position, radius = crowd(5, 300, 70.0)
    random = np.random.default_rng(6)
    traits = Traits(
        repulsion=random.uniform(300, 900, 300)[rows],
        adhesion=random.uniform(0, 100, 300)[rows],
        adhesion_range=random.uniform(1, 1.5, 300)[rows],
        affinity=random.random((300, 3))[rows],
        cell_type=random.integers(0, 3, 300)[rows],
        movable=(random.random(300) > 0.1)[rows],
        membrane_repulsion=np.full(300, 600.0),
        membrane_adhesion=random.uniform(0, 200, 300)[rows],
    )
    scent = Scent(random.random((2, 4, 4, 4)), random.normal(size=(300, 2))[rows], np.zeros(3), 20.0)
    motility = Motility(
        random.uniform(0, 60, 300)[rows],
        np.full(300, MINUTE),
        random.random(300)[rows],
        np.zeros((300, 3)),
        Streams(0, 0, 9),
        scent,
    )
    place = np.argsort(rows)
    springs = Springs(place[random.integers(0, 300, (40, 2))], np.full(40, 2.0), np.full(40, 8.0))
    space = Space(
        np.zeros(3), np.full(3, 70.0), (True, False, False), membranes=np.array([[35.0, 35, 35, 0, 0, 0, 20.0]])
    )
    ids = np.arange(300, dtype=np.uint64)[rows] * 77
    return move_cells(position[rows], radius[rows], space, LAW, 0.2, ids, traits, motility, springs, threads)


def test_neither_threads_nor_the_order_of_rows_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LEAST_ROWS", 20)
    rows = np.arange(300)
    one, three = everything(1, rows), everything(3, rows)
    assert one.direction is not None
    assert three.direction is not None
    shuffled = np.random.default_rng(0).permutation(300)
    other = everything(2, shuffled)
    assert other.direction is not None
    np.testing.assert_array_equal(one.position, three.position)
    np.testing.assert_array_equal(one.direction, three.direction)
    np.testing.assert_array_equal(one.contacts.toarray(), three.contacts.toarray())
    np.testing.assert_array_equal(one.position[shuffled], other.position)
    np.testing.assert_array_equal(one.direction[shuffled], other.direction)
    np.testing.assert_allclose(one.pressure[shuffled], other.pressure, rtol=1e-12)


def test_a_list_made_by_threads_is_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LEAST_ROWS", 20)
    position, radius = crowd(9)
    with Crew(3) as crew:
        for mine, theirs in zip(
            neighbour_list(position, radius), neighbour_list(position, radius, crew=crew), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 60),
    edges=st.tuples(*[st.floats(40.0, 80.0)] * 3),
    periodic=st.tuples(*[st.booleans()] * 3),
)
def test_a_list_in_periodic_space_holds_each_nearest_image(
    seed: int, n: int, edges: tuple[float, float, float], periodic: tuple[bool, bool, bool]
) -> None:
    random = np.random.default_rng(seed)
    period = np.where(periodic, edges, 0.0)
    position, reach = random.normal(size=(n, 3)) * edges, random.random(n) * 10
    indptr, indices = neighbour_list(position, reach, period)
    away = position[:, None] - position[None]
    away -= period * np.rint(away / np.where(period > 0, period, 1.0))
    near = (np.linalg.norm(away, axis=2) < reach[:, None] + reach) & ~np.eye(n, dtype=bool)
    assert np.split(indices, indptr[1:-1]) if n else True
    for i in range(n):
        assert indices[indptr[i] : indptr[i + 1]].tolist() == np.flatnonzero(near[i]).tolist()


def test_a_position_that_is_no_number_is_refused() -> None:
    position = np.zeros((3, 3))
    position[1, 2] = np.nan
    with pytest.raises(RunError, match=r"cell 1 is at \[0.0, 0.0, nan\] um: a position must be finite"):
        move_cells(position, np.ones(3), BOX, LAW, 0.1)
