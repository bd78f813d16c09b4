"""Prior knowledge is read from gene sets, tables and structures, and faults are named by line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from twin.errors import InputError
from twin.model.features import fingerprints, read_features


def test_genes_of_one_rare_set_are_more_alike_than_those_of_a_common_one(tmp_path: Path) -> None:
    file = tmp_path / "sets.gmt"
    file.write_text("rare\tx\tA\tB\ncommon\tx\tA\tC\tD\tE\tF\nother\tx\tG\tH\n")
    features = read_features(file)
    cosines = features.cosines(["A"], ["A", "B", "C", "G", "unheard of"])[0]
    assert cosines[0] == pytest.approx(1.0)
    assert cosines[1] > cosines[2] > cosines[3] == 0.0
    assert cosines[4] == 0.0


def test_a_table_of_numbers_is_read_gzipped_too(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv.gz"
    with gzip.open(file, "wt") as out:
        out.write("gene\tx\ty\nA\t3\t4\nB\t4\t-3\nC\t6\t8\n")
    features = read_features(file)
    assert np.allclose(features.cosines(["A"], ["A", "B", "C"]), [[1.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.gmt", "only\ttwo\n", "line 1"),
        ("a.tsv", "gene\tx\nA\tfour\n", "line 2"),
        ("a.tsv", "gene\n", "at least one column"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says):
        read_features(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        read_features(tmp_path / "none.gmt")


def test_structures_make_fingerprints_where_rdkit_is_and_are_refused_where_not() -> None:
    drugs = {"ethanol": "CCO", "propanol": "CCCO", "benzene": "c1ccccc1"}
    try:
        import rdkit  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match="pip install rdkit"):
            fingerprints(drugs)
        return
    cosines = fingerprints(drugs).cosines(["ethanol"], ["propanol", "benzene"])[0]
    assert cosines[0] > cosines[1]
    with pytest.raises(InputError, match="cannot be read"):
        fingerprints({"nothing": "not a structure"})
