"""Births, deaths and rates: applied in the order of ids, nothing lost, nothing invented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.results.bodies import body
from twin.engine.apply import Pending, apply_structure, apply_updates, joined_rate
from twin.kernels.curve import mean_step
from twin.kernels.random import Streams, daughter_ids
from twin.process import POSITION, SOURCE, Add, Port, Rate, Structure
from twin.state import locality
from twin.state.body import Compartment

HAZARD = Port("hazard", ("cell",), "1/h")
SPEED = Port("speed", ("cell",), "1", combine="multiply")


def tissue() -> Compartment:
    return next(iter(body().compartments.values()))


def divide(home: Compartment, rows: list[int], die: list[int] | None = None) -> None:
    pending = Pending()
    structure = Structure(divide=np.array(rows, np.intp), die=np.array(die or [], np.intp), cause="tested")
    apply_updates(home, "test", [structure], pending)
    apply_structure(home, pending, 7, Streams(0, 0, 7))


def test_daughters_take_over_from_their_mother() -> None:
    home = tissue()
    before, counts = home.cells.take(np.arange(home.cells.n)), home.expression.to_counts(home.cells.id)
    divide(home, [3, 5])
    cells = home.cells
    assert cells.n == before.n + 2
    mothers = before.id[[3, 5]]
    assert not np.isin(mothers, cells.id).any()
    for sibling in (0, 1):
        for mother, row in zip(mothers, (3, 5), strict=True):
            daughter = daughter_ids(np.array([mother]), 7, sibling)[0]
            (place,) = np.flatnonzero(cells.id == daughter)
            assert cells.parent[place] == mother
            assert cells.birth[place] == 7
            np.testing.assert_array_equal(cells.z[place], before.z[row])
            assert cells.ec50_factor[place] == before.ec50_factor[row]
            assert cells.depth[place] == before.depth[row] / 2
            assert cells.volume[place] == pytest.approx(before.volume[row] / 2)
            assert (cells.clamp[[place]] != before.clamp[[row]]).nnz == 0
    after = home.expression.to_counts(cells.id)
    rows = [int(np.flatnonzero(cells.id == daughter_ids(mothers[:1], 7, s)[0])[0]) for s in (0, 1)]
    shared = np.asarray(after[rows].sum(axis=0)).ravel()
    exact = np.asarray(counts[[3]].todense()).ravel() < 100
    np.testing.assert_array_equal(shared[exact], np.asarray(counts[[3]].todense()).ravel()[exact])
    assert home.lineage.event.count("birth") == 4


def test_daughters_stay_in_the_box() -> None:
    home = tissue()
    low = np.asarray(home.grid.origin)
    home.cells.position[:] = low
    home.cells.position[5] = low + home.grid.size
    divide(home, list(range(10)))
    assert (home.cells.position >= low).all()
    assert (home.cells.position[home.cells.birth == 7] < low + home.grid.size).all()


def test_the_dead_are_gone_and_a_dying_mother_does_not_divide() -> None:
    home = tissue()
    ids = home.cells.id.copy()
    divide(home, [1, 2], die=[2, 4])
    assert not np.isin(ids[[1, 2, 4]], home.cells.id).any()
    assert home.cells.n == len(ids) - 3 + 2
    assert home.expression.n_cells == home.contacts.shape[0] == home.cells.n
    assert home.lineage.event.count("death: tested") == 2


@settings(max_examples=20, deadline=None)
@given(st.permutations([0, 2, 4, 6, 8]))
def test_the_order_of_asking_does_not_matter(order: list[int]) -> None:
    straight, shuffled = tissue(), tissue()
    divide(straight, [0, 2, 4, 6, 8])
    divide(shuffled, order)
    np.testing.assert_array_equal(straight.cells.id, shuffled.cells.id)
    np.testing.assert_array_equal(straight.cells.position, shuffled.cells.position)
    a, b = (h.expression.to_counts(h.cells.id) for h in (straight, shuffled))
    assert (a != b).nnz == 0


def test_transcripts_are_dealt_one_by_one_and_fairly() -> None:
    home = tissue()
    total = np.asarray(home.expression.to_counts(home.cells.id).sum(axis=1)).ravel()
    mothers = home.cells.id.copy()
    divide(home, list(range(home.cells.n)))
    counts = np.asarray(home.expression.to_counts(home.cells.id).sum(axis=1)).ravel()
    first = counts[np.isin(home.cells.id, daughter_ids(mothers, 7, 0))].sum()
    whole = total.sum()
    assert abs(first - whole / 2) < 5 * np.sqrt(whole) + 0.02 * whole  # bins of large counts are two digits wide


def test_hazards_add_and_modifiers_multiply_whoever_speaks_first() -> None:
    home, n = tissue(), tissue().cells.n
    for name, factor in (("b", 2.0), ("a", 3.0), ("c", 5.0)):
        rates = [Rate(HAZARD, np.full(n, factor)), Rate(SPEED, np.full(n, factor))]
        apply_updates(home, name, rates, Pending())
    assert (joined_rate(home, HAZARD, (n,)) == 10.0).all()
    assert (joined_rate(home, SPEED, (n,)) == 30.0).all()
    apply_updates(home, "b", [Rate(HAZARD, np.full(n, 1.0))], Pending())
    assert (joined_rate(home, HAZARD, (n,)) == 9.0).all()  # the newest word of each process holds
    assert (joined_rate(home, Port("other", ("cell",), "1/h"), (n,)) == 0.0).all()


def test_rates_follow_their_cells_through_a_division() -> None:
    home = tissue()
    hazard = np.arange(home.cells.n, dtype=np.float64)
    source = np.ones_like(home.concentration)
    apply_updates(home, "p", [Rate(HAZARD, hazard), Rate(SOURCE, source)], Pending())
    mother = home.cells.id[3]
    divide(home, [3], die=[0])
    joined = joined_rate(home, HAZARD, (home.cells.n,))
    assert joined[home.cells.parent == mother].tolist() == [3.0, 3.0]
    assert joined.sum() == hazard.sum() + 3.0
    assert home.rates["source"]["p"].shape == home.concentration.shape


def test_increments_are_summed() -> None:
    home = tissue()
    before = home.cells.position.copy()
    push = np.ones_like(before)
    apply_updates(home, "p", [Add(POSITION, push), Add(POSITION, 2 * push)], Pending())
    np.testing.assert_allclose(home.cells.position, before + 3)


def test_rows_that_no_longer_follow_space_are_put_in_order_and_nothing_else_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, ordered = tissue(), tissue()
    for home in (plain, ordered):
        rates = [Rate(HAZARD, home.cells.id.astype(np.float64)), Rate(SOURCE, np.ones_like(home.concentration))]
        apply_updates(home, "p", rates, Pending())
    divide(plain, [3, 5], die=[0])
    monkeypatch.setattr(locality, "LEAST_ORDERED", 2)
    monkeypatch.setattr(locality, "SCATTERED", 0.0)
    divide(ordered, [3, 5], die=[0])
    assert mean_step(ordered.cells.position) < mean_step(plain.cells.position)
    monkeypatch.setattr(locality, "SCATTERED", 1.5)
    assert locality.is_scattered(plain)
    assert not locality.is_scattered(ordered)
    a, b = np.argsort(plain.cells.id), np.argsort(ordered.cells.id)
    for name, values in plain.cells.arrays().items():
        np.testing.assert_array_equal(values[a], ordered.cells.arrays()[name][b])
    counts = [home.expression.to_counts(home.cells.id).toarray() for home in (plain, ordered)]
    np.testing.assert_array_equal(counts[0][a], counts[1][b])
    contacts = [home.contacts.toarray() for home in (plain, ordered)]
    np.testing.assert_array_equal(contacts[0][np.ix_(a, a)], contacts[1][np.ix_(b, b)])
    np.testing.assert_array_equal(plain.cells.clamp.toarray()[a], ordered.cells.clamp.toarray()[b])
    hazards = [joined_rate(home, HAZARD, (home.cells.n,)) for home in (plain, ordered)]
    np.testing.assert_array_equal(hazards[0][a], hazards[1][b])
