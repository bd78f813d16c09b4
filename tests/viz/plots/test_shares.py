"""Shares and numbers are those of the cells."""

import numpy as np
import pandas as pd
import pytest
from twin_viz.plots import composition
from twin_viz.plots.shares import _most, words_of

from tests.viz.plots.stores import N
from twin.errors import InputError
from twin.results import Run


def test_areas_are_shares_and_lines_are_numbers(dosed: Run) -> None:
    shares, numbers = composition(dosed).axes
    border = np.asarray(shares.collections[0].get_paths()[0].vertices)[:, 1]
    assert (border.min(), border.max()) == (0.0, 0.5)
    lines = {str(line.get_label()): np.asarray(line.get_ydata(), dtype=float) for line in numbers.get_lines()}
    assert lines["B cell"].tolist() == lines["monocyte"].tolist() == [N / 2] * 3


def test_any_column_of_few_values_can_be_shown(dosed: Run) -> None:
    numbers = composition(dosed, by="cycle_phase", branch="treated", point={"dose": 3.0}).axes[1]
    lines = {str(line.get_label()): np.asarray(line.get_ydata(), dtype=float) for line in numbers.get_lines()}
    assert {name: y.tolist() for name, y in lines.items()} == {k: [N / 3] * 2 for k in ("0", "1", "2")}


def test_a_kind_whose_name_begins_with_a_line_is_in_the_legend(dosed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = np.arange(3.0), ["_unknown", "B cell"], np.ones((1, 3, 2))
    monkeypatch.setattr("twin_viz.plots.shares._of_readouts", lambda scene: found)
    legend = composition(dosed).axes[1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["_unknown", "B cell"]


def test_the_dead_do_not_count_but_where_death_is_asked_for(family: Run) -> None:
    numbers = composition(family).axes[1]
    total = sum(np.asarray(line.get_ydata(), dtype=float) for line in numbers.get_lines())
    assert np.asarray(total).tolist() == [3, 3, 3]  # at the end the fourth is dying


def test_rare_kinds_are_one_where_there_are_more_than_colours() -> None:
    n = np.ones((1, 2, 20)) * np.arange(1, 21)
    _, names, joined = _most(np.arange(2.0), [f"k{i}" for i in range(20)], n)
    assert (len(names), names[-1]) == (14, "other")
    assert joined.sum() == n.sum()
    assert joined[0, 0, -1] == sum(range(1, 8))


def test_what_is_no_kind_is_refused(dosed: Run) -> None:
    with pytest.raises(InputError, match="holds 20 different numbers, not kinds"):
        words_of(pd.Series(np.linspace(0, 1, 20)), "pressure")
    with pytest.raises(InputError, match="did you mean cycle_phase"):
        composition(dosed, by="cycle_fase")
    assert words_of(pd.Series([0.0, 1.0, 2.0]), "death_phase").tolist() == ["living", "apoptotic", "necrotic, swelling"]
