"""Genes of other species come onto one axis one to one, and never collide."""

from pathlib import Path

import pytest

from twin.data.counts import read_counts
from twin.data.orthologs import Orthologs, read_orthologs, species_word
from twin.errors import InputError

TABLE = """human\tmouse\tmouse_support\tmouse_unique\tfly\tfly_support\tfly_unique
ISG15\tIsg15\t9\tTrue\t\t\t
MX1\tMx1\t8\tTrue\tmx\t2\tTrue
ACTB\tActb\t12\tFalse\tAct5C\t5\tTrue
ACTG1\tActb\t7\tFalse\t\t\t
"""


def table(tmp_path: Path, text: str = TABLE, name: str = "orthologs.tsv") -> Orthologs:
    (tmp_path / name).write_text(text)
    return read_orthologs(tmp_path / name)


def test_mapped_genes_take_the_axis_symbol_and_others_their_own(tmp_path: Path) -> None:
    orthologs = table(tmp_path)
    assert orthologs.to_axis(["Isg15", "Gm1", "Mx1"], "Mus musculus") == ("ISG15", "mouse:Gm1", "MX1")
    assert orthologs.to_axis(["Act5C"], "Drosophila melanogaster") == ("ACTB",)


def test_orthologs_that_are_not_unique_or_little_supported_are_not_used(tmp_path: Path) -> None:
    orthologs = table(tmp_path)
    assert orthologs.to_axis(["Actb"], "mouse") == ("mouse:Actb",)
    assert orthologs.to_axis(["mx"], "fly") == ("fly:mx",)


def test_a_gene_that_stands_for_two_is_used_for_none_and_of_two_the_better_keeps_it(tmp_path: Path) -> None:
    orthologs = table(tmp_path, "human,mouse,mouse_support\nA,a,3\nB,a,9\nC,c1,4\nC,c2,8\n", "orthologs.csv")
    assert orthologs.to_axis(["a", "c1", "c2"], "mouse") == ("mouse:a", "mouse:c1", "C")
    assert orthologs.to_axis(["c1"], "mouse") == ("C",)


def test_species_without_a_map_keep_their_own_names_unless_they_use_the_axis(tmp_path: Path) -> None:
    orthologs = table(tmp_path)
    assert orthologs.to_axis(["YBL072C", "MX1", "YBL074C"], "yeast") == ("yeast:YBL072C", "yeast:MX1", "yeast:YBL074C")
    assert orthologs.to_axis(["MX1", "ISG15", "LOC1"], "Gorilla gorilla") == ("MX1", "ISG15", "gorilla:LOC1")
    assert orthologs.to_axis(["whatever"], "Homo sapiens") == ("whatever",)


def test_a_file_in_lower_case_is_read_in_the_tables_spelling(tmp_path: Path) -> None:
    assert table(tmp_path).to_axis(["isg15", "mx1", "gm1"], "mouse") == ("ISG15", "MX1", "mouse:gm1")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Homo sapiens", "human"),
        ("Mus_musculus", "mouse"),
        ("Macaca fascicularis", "macaque"),
        ("Gorilla gorilla", "gorilla"),
        ("Caenorhabditis elegans", "worm"),
        ("Saccharomyces cerevisiae", "yeast"),
        ("Danio rerio", "zebrafish"),
        ("unknown", ""),
        ("Axolotl", "axolotl"),
    ],
)
def test_species_have_short_words(text: str, word: str) -> None:
    assert species_word(text) == word


def test_a_table_without_the_axis_or_without_another_species_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column holds the human genes"):
        table(tmp_path, "mouse\tfly\na\tb\n")
    with pytest.raises(InputError, match="no column holds another species"):
        table(tmp_path, "human\tmouse_support\na\t3\n")
    with pytest.raises(InputError, match="is not there"):
        read_orthologs(tmp_path / "no.tsv")


def test_measured_files_find_most_of_their_genes(data_folder: Path) -> None:
    orthologs = read_orthologs(data_folder / "knowledge" / "orthologs_human_to_species.tsv.gz")
    for file, species, least in (
        ("baron2016_mouse_pancreas_subset", "Mus musculus", 0.9),
        ("spatial_wang2018_mouse_mpfc_starmap", "Mus musculus", 0.8),
        ("pig_small_airway_cftr_ko_1339genes", "Sus scrofa", 0.8),
        ("croconet_primate_neural_300genes", "Gorilla gorilla", 0.9),
        ("fly_gut_fca_subset", "Drosophila melanogaster", 0.15),
        ("tang2017_zebrafish_kidney_marrow", "Danio rerio", 0.3),
    ):
        genes = read_counts(data_folder / f"{file}.h5ad").genes
        axis = orthologs.to_axis(genes, species)
        share = sum(":" not in gene for gene in axis) / len(axis)
        assert share > least, (file, share)
        assert len(set(axis)) == len(axis)
