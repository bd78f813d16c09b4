"""Tables of ligands and receptors: CellPhoneDB's, FANTOM5's, and what a scenario makes of them."""

import os
from pathlib import Path

import pytest

from twin.data.interactions import Interaction, read_interactions, receptors_of
from twin.data.substances import how_known, known_substances
from twin.errors import InputError

KNOWLEDGE = Path(os.environ.get("TWIN_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "knowledge"
CELLPHONE = KNOWLEDGE / "ligand_receptor_cellphonedb_v5.tsv"
FANTOM = KNOWLEDGE / "ligand_receptor_fantom5.tsv"
measured = pytest.mark.skipif(not CELLPHONE.exists(), reason="needs the knowledge tables under TWIN_DATA")

MADE = """partner_a\tpartner_b\tgenes_a\tgenes_b\tclassification\tdirectionality\tmodulatory_effect\tsource
P01574\tIFNAR\tIFNB1\tIFNAR1+IFNAR2\tSignaling by Interferon\tLigand-Receptor\t\tuniprot
P05112\tIL4 receptor\tIL4\tIL4R+IL2RG\tSignaling by Interleukin\tLigand-Receptor\t\tuniprot
P05112\tIL4 receptor\tIL4\tIL4R+IL13RA1\tSignaling by Interleukin\tLigand-Receptor\t\tuniprot
P05112\tIL4 receptor\tIL4\tIL4R+IL13RA1\tSignaling by Interleukin\tLigand-Receptor\t\tuniprot
P12830\tQ96E93\tCDH1\tITGA2+ITGB1\tAdhesion by Cadherin\tAdhesion-Adhesion\t\tPMID:12392763
"""


def test_cellphonedb_is_read_with_complexes_direction_and_classification(tmp_path: Path) -> None:
    file = tmp_path / "made.tsv"
    file.write_text(MADE)
    table = read_interactions(file)
    assert len(table) == 4  # one stands twice
    assert table[0] == Interaction(
        ("IFNB1",), ("IFNAR1", "IFNAR2"), "Ligand-Receptor", "Signaling by Interferon", "uniprot"
    )
    assert table[0].name == "IFNB1→IFNAR1+IFNAR2"
    assert receptors_of(table, "IL4") == (("IL4R", "IL2RG"), ("IL4R", "IL13RA1"))


def test_a_ligand_is_not_its_receptors_receptor_but_cells_adhere_both_ways(tmp_path: Path) -> None:
    file = tmp_path / "made.tsv"
    file.write_text(MADE)
    table = read_interactions(file)
    assert receptors_of(table, "IFNAR2+IFNAR1") == ()
    assert receptors_of(table, "CDH1") == (("ITGA2", "ITGB1"),)
    assert receptors_of(table, "ITGB1+ITGA2") == (("CDH1",),)


def test_fantom5_and_its_like_are_read_with_commas_too(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("ligand,receptor,evidence\nDLL1,NOTCH1,literature supported\nDLL1,NOTCH2,putative\n")
    table = read_interactions(file)
    assert receptors_of(table, "DLL1") == (("NOTCH1",), ("NOTCH2",))
    assert [one.evidence for one in table] == ["literature supported", "putative"]
    assert all(one.is_directed for one in table)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "is not there: give a table"),
        ("a\tb\n1\t2\n", "has the columns a, b; a table of ligands and receptors has genes_a"),
        ("", "columns of no table"),
        ("ligand\treceptor\nDLL1\tNOTCH1\nDLL1\t\n", "line 3: '' under receptor names no gene"),
        ("ligand\treceptor\nDLL1\tNOTCH1+\n", r"line 2: 'NOTCH1\+' under receptor names no gene"),
    ],
)
def test_a_file_that_is_no_table_of_pairs_is_told(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "pairs.tsv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=told):
        read_interactions(file)


@measured
def test_the_published_tables_are_read_whole() -> None:
    cellphone, fantom = read_interactions(CELLPHONE), read_interactions(FANTOM)
    assert 2_700 < len(cellphone) <= 2_911
    assert len(fantom) == 2_422
    assert sum(len(one.receptor) > 1 for one in cellphone) > 200
    words = {one.direction for one in cellphone}
    assert words == {"Ligand-Receptor", "Adhesion-Adhesion", "Gap-Gap", "Ligand-Ligand", "Receptor-Receptor"}
    assert ("IFNAR1", "IFNAR2") in [tuple(sorted(whole)) for whole in receptors_of(cellphone, "IFNB1")]
    assert {("NOTCH1",), ("NOTCH2",)} <= set(receptors_of(cellphone, "DLL1"))
    assert ("CXCR3",) in receptors_of(fantom, "CXCL10")


@measured
def test_the_built_in_receptors_are_those_of_the_published_tables() -> None:
    tables = (*read_interactions(CELLPHONE), *read_interactions(FANTOM))
    missing = []
    for known in known_substances().values():
        published = {gene for one in tables if set(known.genes) & set(one.ligand) for gene in one.receptor}
        missing += [(known.name, gene) for whole in known.receptors for gene in whole if gene not in published]
    assert missing == []


@measured
def test_receptors_that_were_looked_up_are_whole_complexes_of_cellphonedb() -> None:
    table = read_interactions(CELLPHONE)
    missing = []
    for known in known_substances().values():
        if not known.receptors or known.sources["receptors"] != "looked up: CellPhoneDB v5":
            continue
        published = {tuple(sorted(one.receptor)) for one in table if set(one.ligand) == set(known.genes)}
        missing += [(known.name, whole) for whole in known.receptors if tuple(sorted(whole)) not in published]
    assert missing == []
    recalled = {
        k.name for k in known_substances().values() if k.receptors and how_known(k.sources["receptors"]) == "recalled"
    }
    assert recalled == {"IL1RN", "IL15", "IL17A"}
