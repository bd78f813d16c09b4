"""Cells whose types and places stand in a table: PhysiCell's cells.csv."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError

COLUMNS = ("x", "y", "z", "type")
LARGEST_TABLE = 2_000_000_000  # bytes; our choice: some 50 million cells


@dataclass(frozen=True)
class Places:
    """Cells of a table, in its order.

    cell_type : (cell,) names. position : (cell, 3) x, y, z in µm, as the table has them.
    line : (cell,) where each stands in the file.
    """

    cell_type: NDArray[np.str_]
    position: NDArray[np.float64]
    line: NDArray[np.intp]

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return len(self.cell_type)


def read_places(path: Path, types: Sequence[str] = ()) -> Places:
    """Read a table of cells: x, y, z in µm and a type, with a header line or without; `//` begins a comment.

    types : names of the types that the table counts from 0; without it, it has to name them.

    Raises
    ------
    InputError
        If it cannot be read or a line is not a cell; file and line are named.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"{path} has {path.stat().st_size} bytes, at most {LARGEST_TABLE} are read")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise InputError(f"{path} {'is not there' if missing else f'cannot be read: {error.strerror}'}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 (byte {error.start})") from error
    names: list[str] = []
    places: list[tuple[float, ...]] = []
    numbers: list[int] = []
    order: tuple[int, ...] | None = None  # where x, y, z and type stand
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.split(",")]
        if not line.strip() or cells[0].startswith("//"):
            continue
        if order is None:
            header = cells[0].lower() == "x"
            order = _order(path, number, cells) if header else tuple(range(4))
            if header:
                continue
        if len(cells) != 4:
            raise InputError(f"{path}, line {number}: {len(cells)} values, a cell has four: x, y, z and its type")
        picked = [cells[column] for column in order]
        places.append(tuple(_coordinate(path, number, text) for text in picked[:3]))
        names.append(_type(path, number, picked[3], types))
        numbers.append(number)
    return Places(np.array(names, dtype=np.str_), np.array(places).reshape(-1, 3), np.array(numbers, dtype=np.intp))


def _order(path: Path, number: int, header: list[str]) -> tuple[int, ...]:
    found = [cell.lower() for cell in header]
    if sorted(found) != sorted(COLUMNS):
        extra = [cell for cell in header if cell.lower() not in COLUMNS]
        missing = [column for column in COLUMNS if column not in found]
        what = f"column {extra[0]!r} is not known" if extra else f"column {(missing or found)[0]!r} is missing or twice"
        raise InputError(f"{path}, line {number}: {what}; a table of cells has {', '.join(COLUMNS)}")
    return tuple(found.index(column) for column in COLUMNS)


def _coordinate(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"{path}, line {number}: {text!r} is no place: write a finite number of um")
    return value


def _type(path: Path, number: int, text: str, types: Sequence[str]) -> str:
    try:
        index = float(text)
    except ValueError:
        if not text:
            raise InputError(f"{path}, line {number}: the cell has no type") from None
        return text
    if not types:
        raise InputError(f"{path}, line {number}: type {text} is a number: name the types in this order under `types`")
    if not (index.is_integer() and 0 <= index < len(types)):
        raise InputError(
            f"{path}, line {number}: type {text} is none of 0 to {len(types) - 1}, the {len(types)} names under `types`"
        )
    return types[int(index)]
