"""The correlogram plot shows what the analysis says of the cells of the run."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from twin_viz.plots import spatial_correlation
from twin_viz.plots.correlation import LEAST_CONTACTS, _draw_lines, _draw_moran

from twin.analysis.spatial import Correlogram, Moran, morans_i
from twin.errors import InputError
from twin.results import Run


def test_a_gradient_is_seen_and_luck_is_not(plain: Run) -> None:
    left, right = spatial_correlation(plain, ["pressure", "GENE20", "cell_type=B cell"]).axes
    lines = {str(line.get_label()): np.asarray(line.get_ydata(), dtype=float) for line in left.get_lines()}
    assert lines["pressure"][0] > 0.5
    assert abs(lines["GENE20"]).max() < 0.5
    cells = plain.cells()
    moran = morans_i(cells.obs[["pressure"]].to_numpy(), cells.obsp["contacts"])
    said = " ".join(text.get_text() for text in right.texts)
    assert f"I = {moran.statistic[0]:.2f}, p ≤ 0.005" in said
    assert moran.p_value[0] == 0.005
    assert [t.get_text() for t in right.get_yticklabels()] == ["pressure", "GENE20", "cell_type=B cell"]


def test_a_value_that_all_cells_have_is_said_to_tell_nothing(plain: Run) -> None:
    figure = spatial_correlation(plain, ["radius", "pressure"])
    assert "The same in all cells: radius" in figure._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]


def test_a_constant_takes_no_place_in_the_legend_and_the_band_is_whole(plain: Run) -> None:
    left, right = spatial_correlation(plain, ["radius", "pressure"]).axes
    legend = left.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["pressure"]
    band = np.asarray(left.collections[0].get_paths()[0].vertices)[:, 1]
    low, high = left.get_ylim()
    assert low < band.min()
    assert band.max() < high
    assert "the same in all cells" in " ".join(text.get_text() for text in right.texts)
    with pytest.raises(InputError, match="radius: the same in all living cells"):
        spatial_correlation(plain, "radius")  # a single one needs no list


def test_a_band_above_all_lines_is_not_cut() -> None:
    axes = Figure().subplots()
    line = Correlogram(np.array([1.0, 2.0]), np.array([40, 40]), *(np.full((2, 1), v) for v in (0.1, -0.5, 0.6)))
    _draw_lines(axes, line, ["a"])
    assert axes.get_ylim()[0] < -0.5
    assert axes.get_ylim()[1] > 0.6


def test_of_few_contacts_no_number_is_given(plain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    touching = plain.cells().obsp["contacts"].nnz // 2
    monkeypatch.setattr("twin_viz.plots.correlation.LEAST_CONTACTS", touching + 1)
    said = " ".join(text.get_text() for text in spatial_correlation(plain, "pressure").axes[1].texts)
    assert f"too few contacts: {touching}" in said
    assert "I = " not in said


def test_ticks_go_as_far_as_the_values() -> None:
    axes = Figure().subplots()
    _draw_moran(axes, Moran(np.array([3.77]), -0.01, np.ones(1), np.ones(1)), ["a"], LEAST_CONTACTS)
    assert max(axes.get_xticks()) >= 3


def test_what_is_not_there_is_one_sentence(plain: Run) -> None:
    for of, words in (
        ("cell_type", "holds words; write cell_type=B cell"),
        ("cell_type=T", "no living cell has cell_type = 'T'; there are B cell, monocyte"),
        ("GENE99", "--of: no gene, obs column or program is called 'GENE99'; did you mean GENE"),
        ("time_since_IFNB1", "60 living cells have none"),
    ):
        with pytest.raises(InputError, match=words):
            spatial_correlation(plain, [of])
    with pytest.raises(InputError, match="9 values are too many"):
        spatial_correlation(plain, [f"GENE{i}" for i in range(9)])
    with pytest.raises(InputError, match="no cells of replicate 3"):
        spatial_correlation(plain, ["pressure"], replicate=3)
