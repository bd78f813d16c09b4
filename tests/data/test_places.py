"""Tables of cells: read as PhysiCell writes them, or refused with file and line."""

from pathlib import Path

import pytest

from twin.data.places import read_places
from twin.errors import InputError

TYPES = ("tumour", "T cell")


def write(folder: Path, text: str) -> Path:
    file = folder / "cells.csv"
    file.write_text(text)
    return file


def test_a_table_with_a_header_names_its_types(tmp_path: Path) -> None:
    file = write(tmp_path, "x,y,z,type\n// two cells\n1, 2.5 ,-3,T cell\n\n4e1,5,6,tumour\n")
    found = read_places(file)
    assert found.cell_type.tolist() == ["T cell", "tumour"]
    assert found.position.tolist() == [[1, 2.5, -3], [40, 5, 6]]
    assert found.line.tolist() == [3, 5]


def test_a_table_without_a_header_counts_its_types(tmp_path: Path) -> None:
    found = read_places(write(tmp_path, "0,0,0,1\n-1,0,0,1.0e0\n0,1,0,0\n"), TYPES)
    assert found.cell_type.tolist() == ["T cell", "T cell", "tumour"]


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    found = read_places(write(tmp_path, "X,type,Z,y\n1,tumour,3,2\n"))
    assert found.position.tolist() == [[1, 2, 3]]


def test_an_empty_table_has_no_cells(tmp_path: Path) -> None:
    found = read_places(write(tmp_path, "x,y,z,type\n"))
    assert (found.n_cells, found.position.shape) == (0, (0, 3))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0,0,0\n", "line 1: 3 values, a cell has four"),
        ("x,y,z,type\n1,2,three,tumour\n", "line 2: 'three' is no place"),
        ("1,2,nan,0\n", "line 1: 'nan' is no place"),
        ("1,2,3,2\n", "line 1: type 2 is none of 0 to 1, the 2 names under `types`"),
        ("1,2,3,0.5\n", "type 0.5 is none of"),
        ("1,2,3,\n", "the cell has no type"),
        ("x,y,z,type,volume\n", "column 'volume' is not known; a table of cells has x, y, z, type"),
        ("x,y,type\n", "column 'z' is missing"),
    ],
)
def test_what_is_no_cell_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=r"cells\.csv, line 1|cells\.csv, line 2") as caught:
        read_places(write(tmp_path, text), TYPES)
    assert told in str(caught.value)


def test_a_number_needs_the_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="type 0 is a number: name the types in this order under `types`"):
        read_places(write(tmp_path, "1,2,3,0\n"))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        read_places(tmp_path / "none.csv")
    (tmp_path / "cells.csv").write_bytes(b"x,y,z,type\n\xff")
    with pytest.raises(InputError, match="is not text in UTF-8"):
        read_places(tmp_path / "cells.csv")
