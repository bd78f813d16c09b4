"""The correlogram plot shows what the analysis says of the cells of the run."""

import numpy as np
import pytest
from twin_viz.plots import spatial_correlation

from twin.analysis.spatial import morans_i
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
