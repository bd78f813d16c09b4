"""The process `dosing`: each kind of event, when it is due, and what is refused."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from twin_dosing import Dosing
from twin_dosing.process import clamp_gene

from twin.conformance.trial import GENES, UniformModel, clamp_of, make_scenario, make_view
from twin.process import CLAMP, CONCENTRATION, Add, Set, Structure, Update, View
from twin.scenario.schema import Scenario

ISG15 = GENES.index("ISG15")


def events(*timeline: dict[str, Any], **sections: Any) -> Scenario:
    return make_scenario(timeline=list(timeline), **sections)


def updates(view: View) -> list[Update]:
    return list(Dosing(Dosing.Config()).step(view, 0.5))


def added(view: View) -> np.ndarray:
    (update,) = updates(view)
    assert isinstance(update, Add)
    assert update.port == CONCENTRATION
    return update.value


def new_clamp(view: View) -> sp.csr_array:
    (update,) = updates(view)
    assert isinstance(update, Set)
    assert update.port == CLAMP
    assert isinstance(update.value, sp.csr_array)
    return update.value


def removed(view: View) -> Structure:
    (update,) = updates(view)
    assert isinstance(update, Structure)
    return update


def stored(clamp: sp.csr_array) -> dict[tuple[int, int], float]:
    coo = clamp.tocoo()
    return {(int(r), int(c)): float(v) for r, c, v in zip(coo.row, coo.col, coo.data, strict=True)}


def test_an_event_happens_at_its_tick_only() -> None:
    scenario = events({"do": "add", "at": "2 h", "substance": "IFNB1", "dose": "1 nM"})
    due = [tick for tick in range(48) if updates(make_view(scenario, tick=tick))]
    assert due == [4]


def test_an_event_repeats_every_so_often_until_its_end() -> None:
    event = {"do": "wash_out", "at": "1 h", "every": "2 h", "until": "6 h"}
    due = [tick for tick in range(48) if updates(make_view(events(event), tick=tick))]
    assert due == [2, 6, 10]


def test_a_dose_is_added_everywhere_in_nanomolar() -> None:
    for dose, activity in (("5 nM", None), ("100 ng/mL", None), ("1000 U/mL", "1e7 U/mg")):
        ifnb = {"diffusivity": "30 um^2/s", "molar_mass": "20 kDa", "specific_activity": activity}
        add = {"do": "add", "at": "0 h", "substance": "IFNB1", "dose": dose}
        np.testing.assert_allclose(added(make_view(events(add, substances={"IFNB1": ifnb}))), 5.0)


def test_a_wash_out_leaves_exactly_nothing_of_the_substance_or_of_all() -> None:
    factor = {"diffusivity": "30 um^2/s"}
    both = {"A": factor, "B": factor}
    c = np.random.default_rng(0).random((2, 3, 4, 5))
    one = make_view(events({"do": "wash_out", "at": "0 h", "substance": "B"}, substances=both), concentration=c)
    after = c + added(one)
    np.testing.assert_array_equal(after[0], c[0])
    assert not after[1].any()
    everything = make_view(events({"do": "wash_out", "at": "0 h"}, substances=both), concentration=c)
    assert not (c + added(everything)).any()


def test_events_of_one_tick_happen_in_their_order() -> None:
    wash = {"do": "wash_out", "at": "0 h"}
    add = {"do": "add", "at": "0 h", "substance": "IFNB1", "dose": "2 nM"}
    np.testing.assert_array_equal(1.0 + added(make_view(events(wash, add), concentration=1.0)), 2.0)
    np.testing.assert_array_equal(1.0 + added(make_view(events(add, wash), concentration=1.0)), 0.0)


def test_an_event_of_another_compartment_does_not_happen_here() -> None:
    cells = {"source": "model", "count": 6}
    two = {name: {"box": ["50 um", "40 um", "30 um"], "cells": cells} for name in ("node", "blood")}
    wash = {"do": "wash_out", "at": "0 h"}
    assert updates(make_view(events(wash | {"compartment": "blood"}, compartments=two))) == []
    assert len(updates(make_view(events(wash | {"compartment": "node"}, compartments=two)))) == 1


def test_a_knock_out_is_a_stored_zero_in_the_cells_of_its_types() -> None:
    scenario = events({"do": "knock_out", "at": "0 h", "gene": "ISG15", "cell_types": ["Monocyte"]})
    clamp = new_clamp(make_view(scenario))
    assert stored(clamp) == {(2, ISG15): 0.0, (3, ISG15): 0.0}
    assert clamp.shape == (6, len(GENES))
    assert clamp.has_sorted_indices


def test_knock_downs_multiply_and_leave_other_genes_alone() -> None:
    half = {"do": "knock_out", "at": "0 h", "gene": "ISG15", "residual": 0.5}
    before = {(0, 0): 0.0, (0, ISG15): 0.4, (3, ISG15): 0.0, (5, 4): 2.0}
    view = make_view(events(half, half), clamp=before)
    after = stored(new_clamp(view))
    assert after.pop((0, ISG15)) == pytest.approx(0.1)
    assert after == {(0, 0): 0.0, (5, 4): 2.0, (3, ISG15): 0.0} | {(i, ISG15): 0.25 for i in (1, 2, 4, 5)}
    assert stored(view.clamp) == before


@given(
    keys=st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 4)), st.sampled_from([0.0, 0.3, 2.0]), max_size=12
    ),
    rows=st.lists(st.integers(0, 5), unique=True),
    gene=st.integers(0, 4),
)
def test_clamping_a_gene_multiplies_its_factors_and_keeps_all_others(
    keys: dict[tuple[int, int], float], rows: list[int], gene: int
) -> None:
    after = stored(clamp_gene(clamp_of(6, keys), np.asarray(rows, np.intp), gene, 0.5))
    assert after == keys | {(row, gene): 0.5 * keys.get((row, gene), 1.0) for row in rows}


def hit(n: int = 4000, index: int = 0, fraction: float = 0.3, **view: Any) -> np.ndarray:
    """Which of n cells a partial knock-out at a place of the timeline hits."""
    later = {"do": "wash_out", "at": "12 h"}
    event = {"do": "knock_out", "at": "0 h", "gene": "ISG15", "fraction": fraction}
    scenario = events(*([later] * index), event)
    clamp = new_clamp(make_view(scenario, types=(0,) * n, **view))
    return np.unique(clamp.tocoo().row)


def test_a_share_of_the_cells_is_hit_at_random_by_a_keyed_choice() -> None:
    n, p = 4000, 0.3
    rows = hit(n)
    assert abs(len(rows) - n * p) < 5 * np.sqrt(n * p * (1 - p))
    np.testing.assert_array_equal(hit(n), rows)
    for other in (hit(n, seed=8), hit(n, index=1)):  # another seed, another event: independent
        both = len(np.intersect1d(rows, other))
        assert abs(both - n * p**2) < 5 * np.sqrt(n * p**2 * (1 - p**2))


def test_who_is_hit_depends_on_no_other_cell_and_a_larger_share_holds_the_smaller() -> None:
    assert set(hit(100)) == {row for row in hit(4000) if row < 100}
    assert set(hit(4000, fraction=0.2)) < set(hit(4000, fraction=0.5))


def test_removed_cells_are_the_living_of_the_types() -> None:
    remove = {"do": "remove", "at": "0 h", "cell_types": ["Monocyte", "Dendritic"]}
    alive = np.array([True, True, True, False, True, True])
    update = removed(make_view(events(remove), alive=alive))
    assert update.die.tolist() == [2, 4, 5]
    assert update.cause == "removed by the timeline"


def test_two_removals_in_one_tick_remove_a_cell_once() -> None:
    one = {"do": "remove", "at": "0 h", "cell_types": ["Monocyte"]}
    two = {"do": "remove", "at": "0 h", "cell_types": ["Monocyte", "Dendritic"], "fraction": 1.0}
    assert removed(make_view(events(one, two))).die.tolist() == [2, 3, 4, 5]


ADD = {"do": "add", "at": "0 h", "substance": "IFNB1", "dose": "1 nM"}
KNOCK = {"do": "knock_out", "at": "0 h", "gene": "ISG15"}
FAULTS: list[tuple[dict[str, Any], str]] = [
    (ADD | {"at": "1.2 h"}, "timeline[0].at: 1.2 h is no multiple of the tick 0.5 h; 1 or 1.5 h is"),
    (ADD | {"every": "0.7 h"}, "timeline[0].every: 0.7 h is no multiple of the tick"),
    (ADD | {"at": "24 h"}, "timeline[0].at: 24 h never comes: the run ends at 24 h"),
    (ADD | {"substance": "IFNG1"}, "timeline[0].substance: no substance is called 'IFNG1'; did you mean IFNB1?"),
    (ADD | {"dose": "100 U/mL"}, "timeline[0].dose: '100 U/mL' needs the specific activity of IFNB1"),
    ({"do": "wash_out", "at": "0 h", "substance": "X"}, "timeline[0].substance: no substance is called 'X'"),
    (KNOCK | {"gene": "ISG16"}, "timeline[0].gene: no gene of the world model is called 'ISG16'; did you mean ISG15"),
    (KNOCK | {"compartment": "nodes"}, "timeline[0].compartment: no compartment is called 'nodes'; did you mean node?"),
]


@pytest.mark.parametrize(("event", "message"), FAULTS)
def test_an_event_that_cannot_happen_is_named(event: dict[str, Any], message: str) -> None:
    (fault,) = Dosing.check(Dosing.Config(), events(event), UniformModel())
    assert message in fault


def test_all_faults_are_told_at_once_and_good_events_have_none() -> None:
    bad = [event for event, _ in FAULTS]
    assert len(Dosing.check(Dosing.Config(), events(*bad), UniformModel())) == len(bad)
    assert Dosing.check(Dosing.Config(), events(ADD, KNOCK), UniformModel()) == []


def test_the_record_says_that_mixing_is_instant_where_substances_are_handled() -> None:
    assert Dosing(Dosing.Config()).assumptions(events(KNOCK), UniformModel()) == []
    assert "everywhere" in Dosing(Dosing.Config()).assumptions(events(ADD), UniformModel())[0]
