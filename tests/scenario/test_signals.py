"""Signals in a document: pairs of a table, contact signals, antagonists, the built-in table; what `explain` says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.tiny import TINY, write_tiny
from twin.engine.plan import check_file
from twin.errors import ScenarioError
from twin.scenario.load import load_scenario

PAIRS = """ligand\treceptor
IFNB1\tIFNAR1+IFNAR2
IFNB1\tNOT_MEASURED
CD40LG\tCD40
HLA-A\tNOT_MEASURED
"""


def write_signals(folder: Path, **signalling: Any) -> Path:
    """Write the tiny scenario with substances of the table and these signals."""
    document = json.loads(json.dumps(TINY))
    document["substances"] = {"IFNB1": {"from_table": "IFNB1", "half_life": "5 h"}, "IL10": {"from_table": "IL10"}}
    document["signalling"] = document["signalling"] | signalling
    document["processes"] |= {"contact": {}}
    file = write_tiny(folder)
    file.write_text(json.dumps(document, indent=1))
    (folder / "pairs.tsv").write_text(PAIRS)
    return file


def test_pairs_become_receptions_and_contact_signals(tmp_path: Path) -> None:
    pairs = [{"file": "pairs.tsv", "ligands": ["IFNB1", "CD40LG"]}]
    signalling = load_scenario(write_signals(tmp_path, reception=[], pairs=pairs)).scenario.signalling
    (felt,), (touched,) = signalling.reception, signalling.contact
    assert (felt.substance, felt.perturbation) == ("IFNB1", "IFNB1")
    assert felt.complexes == ("IFNAR1+IFNAR2", "NOT_MEASURED")
    assert (touched.ligand, touched.complexes, touched.column) == ("CD40LG", ("CD40",), "contact_CD40LG")


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ({"file": "pairs.tsv", "ligands": ["DLL1", "CD40LG"]}, "no pair of the table has the ligand DLL1; write it"),
        ({"file": "none.tsv", "ligands": ["DLL1"]}, "none.tsv is not there"),
        ({"file": "../pairs.tsv", "ligands": ["DLL1"]}, "lies outside the scenario's folder"),
        ({"file": "pairs.tsv", "ligands": []}, "needs at least 1 entries"),
    ],
)
def test_pairs_that_cannot_be_are_told_at_their_line(tmp_path: Path, pairs: dict[str, Any], told: str) -> None:
    with pytest.raises(ScenarioError, match=r"line \d+, signalling.pairs") as caught:
        load_scenario(write_signals(tmp_path, pairs=[pairs]))
    assert told in str(caught.value)


def test_a_signal_of_pairs_must_not_be_written_too(tmp_path: Path) -> None:
    pairs = [{"file": "pairs.tsv", "ligands": ["CD40LG"]}]
    with pytest.raises(ScenarioError, match="two contact signals would be the column contact_CD40LG"):
        load_scenario(write_signals(tmp_path, pairs=pairs, contact=[{"ligand": "CD40LG"}]))


def test_a_pair_whose_genes_the_model_lacks_is_told_at_the_pairs(tmp_path: Path) -> None:
    file = write_signals(tmp_path, pairs=[{"file": "pairs.tsv", "ligands": ["HLA-A"]}])
    with pytest.raises(
        ScenarioError, match=r"line \d+, signalling.pairs: the world model lacks genes of every receptor"
    ):
        check_file(file)


def test_explain_says_what_reaches_the_model_as_what_and_where_numbers_are_from(tmp_path: Path) -> None:
    file = write_signals(
        tmp_path,
        reception=[
            {
                "substance": "IFNB1",
                "perturbation": "IFNB1",
                "antagonists": [{"substance": "IL10", "ki": "37.3 ng/mL"}],
            }
        ],
        contact=[{"ligand": "CD40LG", "by": ["pDC"], "perturbation": "IFNB1", "dose": "10 U/mL"}],
        pairs=[{"file": "pairs.tsv", "ligands": ["HLA-A"]}],
    )
    (tmp_path / "pairs.tsv").write_text(PAIRS.replace("HLA-A\tNOT_MEASURED", "HLA-A\tCD8A+X\nHLA-A\tB2M"))
    text = check_file(file)[1].describe()
    for line in (
        "IFNB1 through IFNAR1+IFNAR2 (the table's) → IFNB1 of the world model: trained at 100 U/mL = 0.02 nM after 6 h",
        "IL10 competes, K_B 1 nM: dose and uptake / (1 + c/K_B)",
        "CD40LG on touching cells of pDC → column contact_CD40LG → IFNB1 of the world model",
        "a signal of 1 is 0.002 nM, the model's EC50 0.002 nM",
        "HLA-A on touching cells of any type through B2M (the model lacks genes of CD8A+X) → column contact_HLA-A, not",
        "from the pairs of pairs.tsv: HLA-A",
        "IFNB1 as the table's IFNB1: D = 31.",
        "2.5e+08 U/mg (our choice: an order of magnitude; 2.0e8 IU/mg of 22.5 kDa with sugars, label of Avonex)",
        "half-life 24 h (our choice: nothing found)",
        "5e+06 U/mg (recalled: NIBSC 93/722, 5,000 U/µg)",
        "recalled: from general knowledge of the source that is named, which was not read again; our choice: nobody",
    ):
        assert line in text, (line, text)
    assert "half-life 5 h" not in text  # the scenario's own


@pytest.mark.parametrize(
    ("drop", "told"),
    [
        ("contact", "no process writes contact_CD40LG; add one, like 'contact:'"),
        ("mechanics", "no process finds who touches whom; add one, like 'mechanics:'"),
    ],
)
def test_a_contact_signal_needs_who_carries_it_out(tmp_path: Path, drop: str, told: str) -> None:
    file = write_signals(tmp_path, contact=[{"ligand": "CD40LG"}])
    document = json.loads(file.read_text())
    del document["processes"][drop]
    file.write_text(json.dumps(document))
    with pytest.raises(ScenarioError, match=told):
        check_file(file)


def test_faults_of_signals_are_told_once_each_with_their_key(tmp_path: Path) -> None:
    file = write_signals(
        tmp_path,
        reception=[
            {"substance": "IFNB1", "perturbation": "IFNB1", "antagonists": [{"substance": "IL11", "ki": "1 nM"}]}
        ],
        contact=[{"ligand": "CD40LGX", "by": ["pDCs"], "competence": {"nobody": 1.0}}],
    )
    with pytest.raises(ScenarioError) as caught:
        check_file(file)
    told = str(caught.value).splitlines()[1:]
    assert len(told) == 4, told
    for key in ("antagonists[0].substance", "contact[0].ligand", "contact[0].by[0]", "contact[0].competence.nobody"):
        assert sum(f"signalling.{key}" in line or f".{key}: " in line for line in told) == 1, (key, told)
