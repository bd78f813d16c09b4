"""Numbers of observables on six cells that are known in every number."""

import numpy as np
import pytest

from tests.engine.small_body import small_body, small_world
from twin.engine.measure import Moment, groups_of

WORLD = small_world(
    observe={
        "programs": {"both": ["ISG15", "IFNAR1"]},
        "quantities": {"n": "count()", "half": "n / 2", "isg": "mean(gene:ISG15, cell_type='T cell')"},
    }
)


def number(text: str) -> np.ndarray:
    return Moment(WORLD, small_body(WORLD, tick=4), (text,)).number(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count()", 5),
        ("count(dead=true)", 1),
        ("count(cell_type=['T cell', Monocyte])", 5),
        ("count(radius > 4 um and damage < 3)", 2),
        ("share(gene:ISG15 > 1 or radius > 8 um)", 4 / 5),
        ("share(not gene:ISG15 > 1)", 2 / 5),
        ("mean(radius, cell_type=Monocyte)", 8.5),
        ("median(radius)", 6),
        ("percentile(radius, 25)", 5),
        ("max(radius) - min(radius) + 1 um", 6),
        ("std(radius, cell_type=Monocyte)", 0.5),
        ("sum(volume, cell_type='T cell') / (4.18879020478639 * 1 um^3)", 64 + 125 + 216),
        ("mean(gene:ISG15, cell_type='T cell')", 19_000 / 3),
        ("isg / 1000", 19 / 3),
        ("mean(log1p(gene:ISG15), cell_type='T cell')", (np.log1p(9000) + np.log1p(10_000)) / 3),
        ("mean(program:both, cell_type=Monocyte)", (2 * np.log1p(5000) + np.log1p(10_000)) / 4),
        ("mean(library_size)", 10),
        ("half", 2.5),
        ("-half^2 * 2", -12.5),
        ("time", 2),
        ("mean(age)", 2),
        ("mean(x, cell_type='T cell')", 3),
        ("mean(dose:IFNB1)", 4),
        ("mean(dose:TNF, cell_type=Monocyte)", 8),
        ("field(IFNB1)", 25),
        ("field_max(IFNB1, y=[0 um, 10 um])", 45),
        ("field(IFNB1, x=[0 um, 20 um])", 10),
        ("field(IFNB1, at=[42 um, 5 um, 5 um])", 45),
        ("mean(concentration:IFNB1)", (5 + 5 + 5 + 5 + 15) / 5),
        ("mean_degree()", (1 + 2 + 1 + 3 + 2) / 5),
        ("mean_degree(cell_type='T cell')", 4 / 3),
        ("clones()", 3),
        ("largest_clone()", 3),
        ("mean_clone(cell_type=Monocyte)", 1),
        ("effective_clones()", 25 / (9 + 1 + 1)),
        # 4 contacts of the living from both sides, 2 of unlike ones; 2·3·2/(5·4) of them by chance
        ("mixing('T cell', Monocyte)", (4 / 8) / (2 * 3 * 2 / 20)),
        ("enrichment('T cell', Monocyte)", 2 / (8 * 3 * 2 / 20)),
        ("enrichment(Monocyte, Monocyte)", 2 / (8 * 2 * 1 / 20)),
    ],
)
def test_a_number_is_what_its_words_say(text: str, expected: float) -> None:
    assert float(number(text)) == pytest.approx(expected)


def test_a_quantity_can_be_split() -> None:
    assert groups_of(WORLD, "cell_type") == ("Dendritic", "Monocyte", "T cell")
    np.testing.assert_array_equal(number("count(by=cell_type)"), [0, 2, 3])
    np.testing.assert_array_equal(number("mean(radius, by=cell_type) / 1 um"), [np.nan, 8.5, 5.0])
    np.testing.assert_array_equal(number("count(by=cycle_phase, dead=false)"), [1, 2, 2, 0, 0, 0])


@pytest.mark.parametrize(
    "text",
    [
        "mean(radius, cell_type=Dendritic)",
        "1 / (count() - 5)",
        "mixing('T cell', Dendritic)",
        "field(IFNB1, at=[60 um, 5 um, 5 um])",
    ],
)
def test_where_there_is_nothing_to_measure_nothing_is_said_and_no_condition_holds(text: str) -> None:
    assert np.isnan(number(text))
    condition = f"{text} > -1000000 um" if "radius" in text else f"{text} > -1000000"
    assert not Moment(WORLD, small_body(WORLD), (condition,)).holds(condition)
