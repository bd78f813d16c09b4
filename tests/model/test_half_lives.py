"""Half-lives come from a table, gene by gene."""

from pathlib import Path

import pytest

from twin.errors import InputError
from twin.model.half_lives import half_lives_of


def test_genes_of_the_table_take_theirs_and_the_others_its_median(tmp_path: Path) -> None:
    file = tmp_path / "half.tsv"
    file.write_text("gene\thours\nA\t2\nB\t4\nZ\t9\n")
    found = half_lives_of(file, ["B", "C", "A"])
    assert found is not None
    assert found.tolist() == [4.0, 4.0, 2.0]


def test_without_a_table_there_are_none() -> None:
    assert half_lives_of(None, ["A"]) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gene\thours\nA\t-1\n", "line 2"),
        ("gene\thours\nQ\t3\n", "none of its 1 genes"),
        ("gene\thours\nA\n", "line 2"),
    ],
)
def test_faults_are_told(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "half.tsv"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        half_lives_of(file, ["A"])
