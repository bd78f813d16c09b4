"""The volcano's numbers are scipy's and the planted genes; its names lie apart."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation
from scipy.stats import false_discovery_control, mannwhitneyu
from twin_viz.plots import gene_table, volcano

from tests.viz.plots.stores import DOWN, GENES, UP
from twin.errors import InputError
from twin.results import Run

PLANTED = {GENES[i] for i in (*UP, *DOWN)}
HIGH = {"dose": 300.0}


def notes(figure: object) -> str:
    return str(figure._supxlabel.get_text()).replace("\n", " ")  # type: ignore[attr-defined]  # Matplotlib's place for it


def test_three_replicates_are_compared_as_pseudobulks_and_the_planted_genes_are_found(dosed: Run) -> None:
    table = gene_table(dosed, point=HIGH)  # the one branch against the trunk
    assert set(table["gene"][:10]) == PLANTED
    assert set(table["test"]) == {"moderated paired t, 3 replicates"}
    up = table.set_index("gene")["log2_fold_change"]
    assert (up[[GENES[i] for i in UP]] > 1).all()
    assert (up[[GENES[i] for i in DOWN]] < -1).all()
    assert "3 replicates" in notes(volcano(dosed, point=HIGH))


def test_without_replicates_p_is_the_rank_sum_over_cells_and_the_figure_says_what_that_is_worth(plain: Run) -> None:
    table = gene_table(plain).set_index("gene")  # last against first time
    sides = [plain.cells(time).X.toarray() for time in (2.0, 0.0)]
    logged = [np.log1p(side / side.sum(axis=1, keepdims=True) * 1e4) for side in sides]
    p = mannwhitneyu(*logged, method="asymptotic").pvalue
    np.testing.assert_allclose(table["p"].reindex(GENES), p, rtol=1e-4)
    np.testing.assert_allclose(table["fdr"].reindex(GENES), false_discovery_control(p), rtol=1e-4)
    change = np.log2(np.expm1(logged[0].mean(axis=0)) / np.expm1(logged[1].mean(axis=0)))
    np.testing.assert_allclose(table["log2_fold_change"].reindex(GENES), change, rtol=1e-4)
    assert "cells are no replicates" in notes(volcano(plain))


@pytest.mark.slow  # scanpy takes long to be imported
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of scanpy's imports
def test_scanpy_finds_the_same_genes_in_the_same_order(plain: Run) -> None:
    scanpy = pytest.importorskip("scanpy")
    cells = scanpy.AnnData(
        np.concatenate([plain.cells(time).X.toarray() for time in (2.0, 0.0)]).astype(np.float32),
        obs=pd.DataFrame({"when": pd.Categorical(["late"] * 60 + ["early"] * 60)}, index=[str(i) for i in range(120)]),
        var=pd.DataFrame(index=list(GENES)),
    )
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    scanpy.tl.rank_genes_groups(cells, "when", groups=["late"], reference="early", method="wilcoxon", tie_correct=True)
    theirs = scanpy.get.rank_genes_groups_df(cells, "late").set_index("names")
    ours = gene_table(plain).set_index("gene")
    np.testing.assert_allclose(np.log(ours["p"]), np.log(theirs["pvals"].reindex(ours.index)), rtol=0.02, atol=0.02)
    np.testing.assert_allclose(
        ours["log2_fold_change"], theirs["logfoldchanges"].reindex(ours.index), rtol=1e-3, atol=1e-3
    )


def test_names_do_not_overlap_and_stay_within_the_axes(dosed: Run) -> None:
    figure = volcano(dosed, point=HIGH)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    named = [text for text in axes.texts if isinstance(text, Annotation)]
    assert {text.get_text() for text in named} <= PLANTED
    assert len(named) >= 8
    boxes = [text.get_window_extent() for text in named]
    frame = axes.get_window_extent()
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_each_type_has_a_panel_and_cells_can_be_told_apart_by_a_column(dosed: Run) -> None:
    figure = volcano(dosed, point=HIGH, cell_type=["each"])
    assert [axes.get_title(loc="left").split(":")[0] for axes in figure.axes] == ["B cell", "monocyte"]
    table = gene_table(dosed, branch="treated", point=HIGH, versus="dose_IFNB1 > 0.5 nM")
    assert {"share of dose_IFNB1 > 0.5 nM", "share of the rest"} <= set(table.columns)
    assert not (table["fdr"] < 0.05).any()  # all cells of the branch answer alike
    kinds = gene_table(dosed, branch="treated", point=HIGH, versus="cell_type=B cell", cell_type=[])
    assert len(kinds) == len(GENES)


def test_the_table_is_written_beside_the_picture(plain: Run, tmp_path: Path) -> None:
    volcano(plain, csv=tmp_path / "genes.csv")
    written = pd.read_csv(tmp_path / "genes.csv")
    pd.testing.assert_frame_equal(written, gene_table(plain), check_dtype=False)
    assert [p.name for p in tmp_path.iterdir()] == ["genes.csv"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"versus": "0.5 h"}, "no cells were kept at 0.5 h; the nearest kept: 0 h and 2 h"),
        ({"versus": "2 h"}, "both sides are the cells at 2 h"),
        ({"versus": "trunk"}, "both sides are the same branch"),
        ({"versus": "nothing"}, "no branch, time or obs column is called 'nothing'"),
        ({"versus": "cycle_phase"}, "say which of its values are one side, like 'cycle_phase>…'"),
        ({"versus": "cell_type=T"}, "no cell_type is called 'T'; known: B cell, monocyte"),
        ({"versus": "cell_type>T"}, "holds words; write cell_type=word"),
        ({"versus": "cel_type=T"}, "did you mean cell_type"),
        ({"versus": "dose_IFNB1>1"}, "write a number and a unit, like '0.1 nM'"),
        ({"versus": "alive"}, "it holds of every living cell that alive"),
        ({"cell_type": ["monocytes"]}, "did you mean monocyte"),
        ({"time": "3 h"}, "no cells were kept at 3 h"),
        ({"branch": "trnk"}, "did you mean trunk"),
    ],
)
def test_sides_that_are_not_there_are_one_sentence(plain: Run, options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        volcano(plain, **options)  # type: ignore[arg-type]  # options are of many kinds


def test_who_stands_on_both_sides_is_said_of_a_test_over_cells(plain: Run) -> None:
    said = notes(volcano(plain))
    assert "The same cells, or their offspring, stand on both sides and are taken as independent" in said
    assert "5\N{NO-BREAK SPACE}% of either side" in said
    assert "independent" not in notes(volcano(plain, versus="cell_type=B cell"))


def test_one_type_and_a_path_in_words_are_enough(plain: Run, tmp_path: Path) -> None:
    volcano(plain, cell_type="B cell", csv=str(tmp_path / "genes.csv"))
    assert set(pd.read_csv(tmp_path / "genes.csv")["cells"]) == {"B cell"}
    assert set(gene_table(plain, cell_type="B cell")["cells"]) == {"B cell"}


def test_a_run_without_transcriptomes_has_no_volcano(family: Run) -> None:
    with pytest.raises(InputError, match="no transcriptomes"):
        volcano(family)
