"""Columns are found by the user's name or by convention, and their words mean what they say."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.data.made import cells
from twin.data.columns import COLUMN_WORDS, components, distinct, find_column, hours, is_control, text_column, times_of
from twin.errors import InputError, UnknownNameError


@pytest.mark.parametrize(("what", "word"), [(what, word) for what, words in COLUMN_WORDS.items() for word in words])
def test_every_conventional_name_is_found_in_any_case(what: str, word: str) -> None:
    for spelt in (word, word.upper()):
        assert find_column(pd.DataFrame({"other": [1], spelt: [1]}), what, None, "f") == spelt


def test_the_users_column_wins_over_convention_and_a_wrong_one_is_refused_with_the_nearest() -> None:
    obs = pd.DataFrame({"condition": ["a"], "my_condition": ["b"]})
    assert find_column(obs, "condition", "my_condition", "f") == "my_condition"
    with pytest.raises(UnknownNameError, match="did you mean my_condition"):
        find_column(obs, "condition", "my_conditon", "f")


def test_the_first_conventional_name_leads() -> None:
    obs = pd.DataFrame({"gene": ["a"], "target_gene": ["b"]})
    assert find_column(obs, "condition", None, "f") == "target_gene"


def test_a_needed_column_that_is_missing_is_named_with_what_was_looked_for() -> None:
    with pytest.raises(InputError, match=r"made.h5ad: no obs column says the tissue; looked for tissue, organ"):
        cells(3).column("tissue")


def test_words_that_say_nothing_are_missing() -> None:
    obs = pd.DataFrame({"tissue": pd.Categorical(["unknown", "lung", None, " lung "])})
    assert text_column(obs, "tissue", None, "f").tolist() == ["", "lung", "", "lung"]
    assert text_column(obs, "donor", None, "f", missing="unknown").tolist() == ["unknown"] * 4


@pytest.mark.parametrize(
    "word", ["control", "CTRL", "non-targeting", "DMSO", "vehicle", "ctrl+ctrl", "[('DMSO_TF', 0.0, 'uM')]", "DMSO_TF"]
)
def test_control_words_are_known(word: str) -> None:
    assert is_control(np.array([word, "IFNB1", "ctrl+MAPK1", "[('Drug', 0.5, 'uM')]"])).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_the_users_control_word_replaces_the_convention() -> None:
    assert is_control(np.array(["WT", "control"]), "wt").tolist() == [True, False]


def test_combinations_and_listed_doses_are_taken_apart() -> None:
    assert components("MAP2K3+MAP2K6") == (("MAP2K3", ""), ("MAP2K6", ""))
    assert components("LAT+anti-CD3/CD28") == (("LAT", ""), ("anti-CD3/CD28", ""))
    assert components("A+A") == (("A", ""),)
    assert components("[('Drug', 0.5, 'uM'), ('Other', 10, 'nM')]") == (("Drug", "0.5 uM"), ("Other", "10 nM"))
    assert components("CD34+") == (("CD34+", ""),)


def test_a_broken_list_is_refused_and_never_run() -> None:
    for text in ("[('Drug', 0.5)]", "[(__import__('os').getcwd(), 1, 'uM')]", "[('Drug', 0.5, 'uM'"):
        with pytest.raises(InputError, match="a list of"):
            components(text)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("6", "h", 6.0),
        ("2", "d", 48.0),
        ("18.0", "d post coitum", 432.0),
        ("90", "min of development", 1.5),
        ("6h", "", 6.0),
        ("24 hours", "", 24.0),
        ("day 3", "", 72.0),
        ("D3", "unknown", 72.0),
        ("6", "", math.nan),
        ("6", "unknown", math.nan),
        ("nan", "h", math.nan),
        ("late", "h", math.nan),
        ("5", "furlongs", math.nan),
    ],
)
def test_times_are_hours_and_bare_numbers_are_not_times(value: str, unit: str, expected: float) -> None:
    assert hours(value, unit) == pytest.approx(expected, nan_ok=True)
    both = np.array([value, value], dtype=object), np.array([unit, unit], dtype=object)
    np.testing.assert_allclose(times_of(*both), [expected, expected])


def test_distinct_rows_give_the_columns_back() -> None:
    a, b = np.array(["x", "y", "x", "x"], dtype=object), np.array(["1", "1", "2", "1"], dtype=object)
    rows, code = distinct(a, b)
    assert rows == [("x", "1"), ("y", "1"), ("x", "2")]
    assert [rows[i] for i in code] == list(zip(a, b, strict=True))
