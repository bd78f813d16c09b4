"""`relax` against what overdamped spheres are known to do."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.errors import RunError
from twin.kernels import overdamped
from twin.kernels.mechanics import ADHESION, REPULSION, MechanicsParams, relax

Float = NDArray[np.float64]

OPEN = np.full(3, np.inf)  # no walls
RADIUS = (2494.0 * 3 / (4 * np.pi)) ** (1 / 3)  # µm; PhysiCell's default cell, 8.4127
LAW = MechanicsParams()


def cluster(seed: int, n: int = 60, width: float = 45.0) -> tuple[Float, Float]:
    """Cells of two sizes thrown at random, many of them overlapping."""
    random = np.random.default_rng(seed)
    return random.random((n, 3)) * width, np.where(random.random(n) < 0.7, 4.0, 6.0)


def close_packed_ball(n: int, spacing: float) -> Float:
    """The n sites of a hexagonal close packing nearest to the origin, (n, 3)."""
    k = int(2 * n ** (1 / 3))
    i, j, layer = np.meshgrid(*[np.arange(-k, k + 1)] * 3, indexing="ij")
    x, y = i + (j + layer) % 2 / 2, j * np.sqrt(3) / 2 + layer % 2 * np.sqrt(3) / 6
    sites = np.stack([x, y, layer * np.sqrt(2 / 3)], axis=-1).reshape(-1, 3) * spacing
    return np.asarray(sites[np.argsort((sites**2).sum(axis=1), kind="stable")[:n]])


def gap_after(start: float, duration: float, law: MechanicsParams) -> float:
    """Distance of two PhysiCell cells that start `start` apart."""
    pair = np.array([[0.0, 0.0, 0.0], [start / 3, start / 3 * 2, start / 3 * 2]])
    end, _, _ = relax(pair, np.full(2, RADIUS), -OPEN, OPEN, law, duration)
    return float(np.linalg.norm(end[1] - end[0]))


@pytest.mark.parametrize("start", [10.0, 20.0])
def test_two_cells_rest_where_push_and_pull_are_even(start: float) -> None:
    # 10 (1 − x)² = 0.4 (1 − x / 1.25)² at x = 4 / 4.2, which is 16.024 µm
    gap = gap_after(start, 200.0, MechanicsParams(rest_speed=1e-9))
    assert gap == pytest.approx(2 * RADIUS * 4 / 4.2, abs=1e-6)
    assert gap == pytest.approx(16.024, abs=1e-3)


def test_converges_to_the_analytic_parting_of_two_cells_at_second_order() -> None:
    # without adhesion u = 1 − d/R obeys u' = −(2 r / R) u², so u(t) = u0 / (1 + 2 r u0 t / R)
    reach, u0, end = 2 * RADIUS, 0.3, 0.2
    exact = reach * (1 - u0 / (1 + 2 * REPULSION * u0 * end / reach))
    errors = []
    for step in (0.01, 0.005, 0.0025):
        law = MechanicsParams(adhesion=0.0, rest_speed=0.0, max_step=step)
        errors.append(abs(gap_after(reach * (1 - u0), end, law) - exact))
    assert [np.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([2, 2], abs=0.15)


def test_the_chosen_substep_misplaces_cells_by_less_than_a_hundredth_of_a_radius() -> None:
    position, radius = cluster(3)
    chosen, _, few = relax(position, radius, -OPEN, OPEN, LAW, 0.25)
    fine, _, many = relax(position, radius, -OPEN, OPEN, MechanicsParams(max_step=1e-4), 0.25)
    assert few.substeps < many.substeps / 20
    assert np.sqrt(((chosen - fine) ** 2).sum(axis=1).mean()) < 0.04  # µm, root mean square


def test_a_ball_of_ten_thousand_relaxes_as_physicell_measures() -> None:
    # PhysiCell 1.14.2, 12 min at its dt of 0.1 min: radius of gyration 147.42803, farthest cell 190.29964 µm
    ball = close_packed_ball(10_000, 0.95 * 2 * RADIUS)
    end, contacts, stats = relax(ball, np.full(10_000, RADIUS), -OPEN, OPEN, LAW, 0.2)
    distance = np.linalg.norm(end, axis=1)
    assert np.sqrt((distance**2).mean()) == pytest.approx(147.42803, abs=1e-3)
    assert distance.max() == pytest.approx(190.29964, abs=1e-3)
    assert np.bincount(np.diff(contacts.indptr)).argmax() == 12  # close packing
    assert stats.substeps < 20


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31))
def test_internal_forces_leave_the_centre_of_mass(seed: int) -> None:
    position, radius = cluster(seed)
    end, _, stats = relax(position, radius, -OPEN, OPEN, LAW, 0.5)
    assert np.abs(end - position).max() > 0.5  # it did move
    assert stats.elapsed == pytest.approx(0.5)
    np.testing.assert_allclose(end.mean(axis=0), position.mean(axis=0), rtol=0, atol=1e-10)


def test_a_shifted_tissue_moves_alike() -> None:
    position, radius = cluster(1)
    low, high, shift = np.zeros(3), np.full(3, 45.0), np.array([100.0, -50.0, 7.0])
    here, _, _ = relax(position, radius, low, high, LAW, 0.2)
    there, _, _ = relax(position + shift, radius, low + shift, high + shift, LAW, 0.2)
    np.testing.assert_allclose(there - shift, here, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    position, radius = cluster(seed)
    position[5] = position[9]  # the way in which they part hangs on their ids, not on their rows
    ids = np.random.default_rng(seed).permutation(60).astype(np.uint64)
    adhesive = ids % 3 > 0
    rows = np.random.default_rng(seed + 1).permutation(60)
    box = np.zeros(3), np.full(3, 45.0)
    end, contacts, _ = relax(position, radius, *box, LAW, 0.3, ids=ids, adhesive=adhesive)
    other, graph, _ = relax(position[rows], radius[rows], *box, LAW, 0.3, ids=ids[rows], adhesive=adhesive[rows])
    np.testing.assert_array_equal(other, end[rows])
    np.testing.assert_array_equal(graph.toarray(), contacts.toarray()[np.ix_(rows, rows)])


def test_the_skin_of_the_neighbour_list_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    position, radius = cluster(2)
    thick, _, few = relax(position, radius, -OPEN, OPEN, LAW, 1.0)
    monkeypatch.setattr(overdamped, "SKIN", 1e-6)
    thin, _, many = relax(position, radius, -OPEN, OPEN, LAW, 1.0)
    assert few.rebuilds < few.substeps < many.rebuilds
    np.testing.assert_array_equal(thin, thick)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 60),
    box=st.tuples(*[st.floats(3.0, 40.0)] * 3),
    duration=st.sampled_from([0.01, 0.5]),
)
def test_nobody_leaves_the_box(seed: int, n: int, box: tuple[float, float, float], duration: float) -> None:
    low = np.array([-10.0, 0.0, 5.0])
    high = low + box
    position = low + np.random.default_rng(seed).normal(0.5, 0.5, (n, 3)) * box  # some start outside
    end, contacts, _ = relax(position, np.full(n, 4.0), low, high, MechanicsParams(max_substeps=100_000), duration)
    assert ((end >= low) & (end <= high)).all()
    assert contacts.shape == (n, n)


def test_a_wall_repels_as_a_mirror_image_would() -> None:
    law = MechanicsParams(adhesion=0.0)
    low = np.array([0.0, -np.inf, -np.inf])
    by_wall, _, _ = relax(np.array([[2.0, 0.0, 0.0]]), np.array([4.0]), low, OPEN, law, 0.01)
    mirrored, _, _ = relax(np.array([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0]]), np.full(2, 4.0), -OPEN, OPEN, law, 0.01)
    np.testing.assert_allclose(by_wall[0], mirrored[0], rtol=1e-12)
    assert by_wall[0, 0] > 2.5


def test_cells_at_one_point_part_to_an_equilibrium() -> None:
    position, radius = np.full((4, 3), 7.0), np.full(4, 4.0)
    end, contacts, stats = relax(position, radius, -OPEN, OPEN, LAW, np.inf)
    assert stats.at_rest
    assert contacts.nnz == 12  # a tetrahedron
    near = np.linalg.norm(end[:, None] - end[None], axis=2)[np.triu_indices(4, 1)]
    np.testing.assert_allclose(near, 8 * 4 / 4.2, rtol=1e-3)


def test_cells_that_do_not_adhere_are_pushed_but_not_pulled() -> None:
    pair, radius = np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]]), np.full(2, 4.0)
    mute = np.array([True, False])
    pulled, _, _ = relax(pair, radius, -OPEN, OPEN, LAW, 0.1)
    free, _, stats = relax(pair, radius, -OPEN, OPEN, LAW, 0.1, adhesive=mute)
    assert pulled[1, 0] - pulled[0, 0] < 9.0
    assert stats.at_rest
    np.testing.assert_array_equal(free, pair)
    pushed, _, _ = relax(pair / 3, radius, -OPEN, OPEN, LAW, 0.1, adhesive=mute)
    assert pushed[1, 0] - pushed[0, 0] > 3.0


def test_a_tissue_at_rest_takes_one_evaluation() -> None:
    pair = np.array([[0.0, 0.0, 0.0], [8 * 4 / 4.2, 0.0, 0.0]])
    end, _, stats = relax(pair, np.full(2, 4.0), -OPEN, OPEN, LAW, 1000.0)
    assert (stats.evaluations, stats.substeps, stats.at_rest) == (1, 0, True)
    np.testing.assert_array_equal(end, pair)


def test_too_many_substeps_are_an_error_that_says_what_would_do() -> None:
    position, radius = cluster(0)
    with pytest.raises(RunError, match=r"more than 3 substeps .* for 6 h .*raise max_substeps"):
        relax(position, radius, -OPEN, OPEN, MechanicsParams(max_substeps=3), 6.0)


def test_the_defaults_are_those_of_physicell_in_hours() -> None:
    assert [REPULSION / 60, ADHESION / 60, LAW.adhesion_range] == pytest.approx([10.0, 0.4, 1.25])
