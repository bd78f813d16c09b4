"""Several files become one experiment: one gene axis, contexts told apart or joined, nothing lost silently."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.made import cells
from twin.data.columns import Columns
from twin.data.counts import CountData, read_counts
from twin.data.experiment import assemble
from twin.data.orthologs import Orthologs
from twin.errors import InputError, UnknownNameError


def half(n: int, **columns: object) -> CountData:
    """Cells of which the second half had IFN-β."""
    return cells(2 * n, condition=["control"] * n + ["IFNB1"] * n, **columns)  # type: ignore[arg-type]


def test_counts_land_on_the_joint_axis_and_what_a_file_lacks_is_not_measured() -> None:
    a, b = cells(6, genes=("A", "B"), source="a.h5ad"), cells(7, genes=("C", "B"), source="b.h5ad", seed=1)
    e = assemble([a, b])
    assert e.genes == ("A", "B", "C")
    assert e.measured.tolist() == [[True, True, False], [False, True, True]]
    np.testing.assert_array_equal(e.counts[:6].toarray()[:, :2], a.counts.toarray())
    np.testing.assert_array_equal(e.counts[6:].toarray()[:, [2, 1]], b.counts.toarray())
    assert e.counts.dtype == np.int32
    pairs = np.diff(e.counts.indices) > 0
    pairs[e.counts.indptr[1:-1] - 1] = True  # from one cell to the next
    assert pairs.all()
    assert e.file.tolist() == [0] * 6 + [1] * 7
    assert e.row.tolist() == [*range(6), *range(7)]
    assert e.names[:2] == ("cell0", "cell1")


def test_files_that_share_a_donor_share_contexts() -> None:
    a = cells(6, source="a.h5ad", donor=["d1"] * 3 + ["d2"] * 3, tissue="PBMC")
    b = cells(6, source="b.h5ad", donor=["d2"] * 3 + ["d3"] * 3, tissue="PBMC")
    (context,) = assemble([a, b]).contexts
    assert (context.name, context.files) == ("T", (0, 1))


@pytest.mark.parametrize("word", ["unknown", "pool", "cell line", "healthy"])
def test_a_word_for_any_donor_joins_nothing(word: str) -> None:
    e = assemble([cells(6, source="a.h5ad", donor=word), cells(6, source="b.h5ad", donor=word)])
    assert [(c.name, c.files) for c in e.contexts] == [("T", (0,)), ("T (b)", (1,))]


@pytest.mark.parametrize(
    ("what", "one", "other", "name"),
    [
        ("tissue", "lung", "liver", "T (liver)"),
        ("species", "Homo sapiens", "Mus musculus", "T (Mus musculus)"),
        ("technology", "10x", "CRISPRa", "T (CRISPRa)"),
    ],
)
def test_contexts_are_named_by_what_tells_them_apart(what: str, one: str, other: str, name: str) -> None:
    same: dict[str, Any] = {"tissue": "blood", "species": "Danio rerio", "technology": "bulk"}
    files = [cells(6, source=f"{i}.h5ad", donor="d1", **same) for i in range(2)]
    for data, value in zip(files, (one, other), strict=True):
        data.obs[what] = value
    e = assemble(files)
    assert [c.name for c in e.contexts] == ["T", name]
    assert getattr(e.contexts[1], what) == other


def test_small_contexts_are_left_out_and_named() -> None:
    e = assemble([cells(12, cell_type=["T"] * 9 + ["rare"] * 3)])
    assert [c.name for c in e.contexts] == ["T"]
    assert e.n_cells == 9
    assert e.notes == ("made: left out, of fewer than 5 cells: rare (3)",)
    assert len(assemble([cells(12, cell_type=["T"] * 9 + ["rare"] * 3)], least_cells=2).contexts) == 2


def test_a_context_may_be_known_by_treated_cells_only() -> None:
    e = assemble([cells(20, cell_type=["T"] * 10 + ["B"] * 10, condition=["control"] * 10 + ["IFNB1"] * 10)])
    assert {c.name: bool(has) for c, has in zip(e.contexts, e.has_control, strict=True)} == {"B": False, "T": True}
    assert int((e.arm == 0).sum()) == 10


def test_files_without_any_control_are_refused() -> None:
    with pytest.raises(InputError, match=r"made.h5ad: no control cells: conditions are IFNB1; name the control"):
        assemble([cells(10, condition="IFNB1")])
    assert assemble([cells(10, condition="IFNB1"), cells(10)]).n_cells == 20


def test_a_control_word_holds_where_it_is_found_and_is_refused_where_it_is_nowhere() -> None:
    a = cells(10, source="a.h5ad", condition=["WT"] * 5 + ["KO"] * 5)
    e = assemble([a, half(5, source="b.h5ad")], Columns(control="WT"))
    assert sorted(arm.name for arm in e.arms) == ["IFNB1", "KO"]
    with pytest.raises(InputError, match="no condition is 'wild'; conditions are KO, WT"):
        assemble([a], Columns(control="wild"))


def test_every_column_can_be_named_by_the_user() -> None:
    words = {
        "cell_type": "ct",
        "condition": "what",
        "donor": "who",
        "batch": "lane",
        "dose": "amount",
        "dose_unit": "of",
        "time": "when",
        "time_unit": "clock",
        "species": "animal",
        "tissue": "where",
        "technology": "how",
        "perturbation_type": "sort",
        "total": "all",
    }
    values = {
        "cell_type": "B",
        "condition": ["control"] * 5 + ["X"] * 5,
        "donor": "d7",
        "batch": "L3",
        "dose": 2.0,
        "dose_unit": "nM",
        "time": 30,
        "time_unit": "min",
        "species": "Mus musculus",
        "tissue": "lung",
        "technology": "10x",
        "perturbation_type": "drug",
        "total": 1e4,
    }
    data = cells(10, **{words[key]: value for key, value in values.items()})  # type: ignore[arg-type]
    e = assemble([data], Columns(**words))
    (context,), (arm,) = e.contexts, e.arms
    assert (context.cell_type, context.species, context.tissue, context.technology) == (
        "B",
        "Mus musculus",
        "lung",
        "10x",
    )
    assert (arm.name, arm.agents[0].kind, arm.agents[0].dose, arm.time) == ("X", "drug", 2.0, 0.5)
    assert (e.donors, e.batches) == (("d7",), ("made: L3",))
    assert (e.depth == 1e4).all()
    with pytest.raises(UnknownNameError, match="no obs column is called 'tisue'"):
        assemble([data], Columns(**{**words, "tissue": "tisue"}))


def test_depth_is_the_files_total_only_where_it_can_be_one() -> None:
    data = cells(6, total_counts=[1000.0, 1.0, np.nan, 1000.0, 1000.0, 0.0])
    e = assemble([data])
    assert e.depth.tolist() == [1000.0, data.totals[1], data.totals[2], 1000.0, 1000.0, data.totals[5]]


def test_taken_cells_keep_their_axes() -> None:
    e = assemble([half(6, donor=["a", "b"] * 6)])
    part = e.take(e.arm == 0)
    assert part.n_cells == 6
    assert (part.contexts, part.arms, part.donors, part.genes) == (e.contexts, e.arms, e.donors, e.genes)
    np.testing.assert_array_equal(part.counts.toarray(), e.counts[e.arm == 0].toarray())
    assert part.names == e.names[6:]
    assert not part.has_control.any()
    np.testing.assert_array_equal(e.take(np.array([3, 1])).row, [3, 1])


def test_read_counts_are_thinned_to_the_depth_and_molecules_are_not() -> None:
    reads = cells(400, genes=[f"g{i}" for i in range(100)], source="r.h5ad", technology="SMART-seq, read counts")
    umis = cells(10, genes=reads.genes, source="u.h5ad", technology="10x UMI")
    e = assemble([reads, umis], max_depth=60.0)
    assert e.notes == ("r: 400 cells thinned to 60 counts",)
    thinned = e.counts[e.file == 0]
    sums = np.asarray(thinned.sum(axis=1)).ravel()
    assert sums.mean() == pytest.approx(60.0, abs=5 * np.sqrt(60.0 / 400))
    assert sums.std() > 4.0  # a draw, not a scaling
    np.testing.assert_array_equal(e.depth[:400], sums)
    assert (thinned.toarray() <= reads.counts.toarray()).all()
    np.testing.assert_array_equal(e.counts[400:].toarray(), umis.counts.toarray())


def test_thinning_is_the_cells_own_whatever_stands_beside_it() -> None:
    data = cells(50, genes=[f"g{i}" for i in range(40)], source="r.h5ad", technology="bulk")
    whole = assemble([data], max_depth=50.0)
    part = assemble([data.take(np.arange(49, 9, -1))], max_depth=50.0)
    np.testing.assert_array_equal(part.counts.toarray(), whole.counts.toarray()[49:9:-1])
    np.testing.assert_array_equal(part.depth, whole.depth[49:9:-1])


def test_thinning_a_panel_thins_what_it_does_not_show_too() -> None:
    e = assemble([cells(300, technology="bulk", total_counts=3000.0)], max_depth=1000.0)
    assert e.depth.mean() == pytest.approx(1000.0, abs=5 * np.sqrt(3000 * (1 / 3) * (2 / 3) / 300))


def test_deep_files_of_no_told_technology_are_thinned_too() -> None:
    assert assemble([cells(10, genes=[f"g{i}" for i in range(40)])], max_depth=50.0).notes == (
        "made: 10 cells thinned to 50 counts",
    )


def test_no_files_and_no_depth_are_refused() -> None:
    with pytest.raises(InputError, match="no files of cells"):
        assemble([])
    with pytest.raises(InputError, match="greatest depth is 0: a number of counts above 0"):
        assemble([cells(6)], max_depth=0.0)


def test_files_of_one_species_that_share_no_gene_are_refused_and_of_two_species_kept_apart() -> None:
    a = cells(6, genes=("A", "B"), source="a.h5ad", species="Homo sapiens")
    ensembl = cells(6, genes=("ENSG1", "ENSG2"), source="b.h5ad", species="human")
    with pytest.raises(InputError, match=r"a.h5ad shares no gene .*A, B.*ENSG1"):
        assemble([a, ensembl])
    yeast = cells(6, genes=("A", "Y"), source="y.h5ad", species="Saccharomyces cerevisiae")
    assert assemble([a, yeast]).genes == ("A", "B", "yeast:A", "yeast:Y")
    assert assemble([yeast]).genes == ("A", "Y")


def test_orthologs_put_species_on_one_axis() -> None:
    orthologs = Orthologs("human", frozenset({"ISG15"}), {"mouse": {"Isg15": ("ISG15", 9.0)}})
    human = cells(6, genes=("ISG15", "MX1"), source="h.h5ad", species="Homo sapiens")
    mouse = cells(6, genes=("Gm1", "Isg15"), source="m.h5ad", species="Mus musculus", seed=1)
    e = assemble([human, mouse], orthologs=orthologs)
    assert e.genes == ("ISG15", "MX1", "mouse:Gm1")
    np.testing.assert_array_equal(e.counts[6:].toarray()[:, [2, 0]], mouse.counts.toarray())


def test_each_file_is_told_once_read() -> None:
    told: list[str] = []
    assemble([cells(6, source="x/a.h5ad"), cells(6, source="x/b.h5ad")], on_file=told.append)
    assert told == ["a.h5ad", "b.h5ad"]


def test_the_two_interferon_files_are_one_data_set(data_folder: Path) -> None:
    files = [read_counts(data_folder / f"kang2018_pbmc_ifnb{end}.h5ad") for end in ("", "_extra")]
    e = assemble(files)
    assert e.n_cells == 3741
    assert len(e.contexts) == 13
    assert all(context.files == (0, 1) for context in e.contexts)
    (arm,) = e.arms
    assert arm.label == "IFNB1 100 U/mL, 6 h"
    assert arm.agents[0].dose == pytest.approx(0.02)
    assert len(e.donors) == 7
    assert len(e.genes) == 14053
    assert int((e.arm < 0).sum()) == 1853


def test_the_crispr_panel_has_combinations_and_whole_transcriptome_depths(data_folder: Path) -> None:
    e = assemble([read_counts(data_folder / "crispr_k562_gbm_500genes.h5ad")])
    assert {c.name: c.technology for c in e.contexts} == {
        "K562": "CRISPRa",
        "A172": "CRISPRi",
        "T98G": "CRISPRi",
        "U87MG": "CRISPRi",
    }
    assert "MAP2K3+MAP2K6" in {arm.name for arm in e.arms}
    assert all(np.isnan(agent.dose) for arm in e.arms for agent in arm.agents)
    assert np.median(e.depth) > 40 * np.median(np.asarray(e.counts.sum(axis=1)))


def test_each_dose_of_dexamethasone_is_an_arm(data_folder: Path) -> None:
    e = assemble([read_counts(data_folder / "sciplex_a549_dexamethasone_dose_198genes.h5ad")])
    assert [arm.agents[0].dose for arm in e.arms] == pytest.approx([100.0, 500.0, 1e3, 1e4, 5e4, 1e5])
    assert [int((e.arm == i).sum()) for i in range(-1, 6)] == [56, 61, 42, 47, 69, 74, 85]
