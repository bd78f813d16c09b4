"""The tab-separated tables of a PEtab problem: rows that know their file and line."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isnan, nan
from pathlib import Path

from twin.errors import InputError

LARGEST_FILE = 200_000_000  # bytes; our choice
ABSENT = ("", "nan", "na", "none")


@dataclass(frozen=True)
class Row:
    """One row of a table. cells : by column, stripped. place : "file, line 3", for messages."""

    cells: Mapping[str, str]
    place: str

    def text(self, column: str, default: str = "") -> str:
        """Return what is in a column; the default where it is empty or there is none."""
        return self.cells.get(column, "") or default

    def number(self, column: str) -> float:
        """Return the number in a column, nan where it holds none.

        Raises
        ------
        InputError
            If it holds something else.
        """
        text = self.text(column)
        if text.lower() in ABSENT:
            return nan
        try:
            return float(text)
        except ValueError as error:
            raise InputError(f"{self.place}: {column} is {text!r}, a number should stand there") from error

    def needed(self, column: str) -> float:
        """Return the number in a column.

        Raises
        ------
        InputError
            If it holds none.
        """
        value = self.number(column)
        if isnan(value):
            raise InputError(f"{self.place}: {column} is empty, a number should stand there")
        return value

    def listed(self, column: str) -> tuple[str, ...]:
        """Return the entries of a cell, which semicolons divide."""
        text = self.text(column)
        return tuple(entry.strip() for entry in text.split(";")) if text else ()


@dataclass(frozen=True)
class Table:
    """A table. columns : in the file's order."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(file: Path, needed: Sequence[str], unique: str = "") -> Table:
    """Read a table.

    Parameters
    ----------
    needed : columns that it has to have.
    unique : the column whose entries name the rows; each is there once.

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, has a row of another length, or names a row twice or not at all.
    """
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(f"{file} has {size} bytes, at most {LARGEST_FILE} are read")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8") from error
    reader = csv.reader(StringIO(text), delimiter="\t")
    columns = tuple(name.strip() for name in next(reader, []))
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(f"{file} has no column {missing[0]}; its columns: {', '.join(columns) or 'none'}")
    rows, seen = [], dict[str, int]()
    for cells in reader:
        place = f"{file}, line {reader.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            raise InputError(f"{place} has {len(cells)} cells, its table {len(columns)} columns")
        row = Row({name: cell.strip() for name, cell in zip(columns, cells, strict=False)}, place)
        if unique:
            name = row.text(unique)
            if not name:
                raise InputError(f"{place}: {unique} is empty")
            if name in seen:
                raise InputError(f"{place}: {unique} {name!r} is there already, in line {seen[name]}")
            seen[name] = reader.line_num
        rows.append(row)
    return Table(file, columns, tuple(rows))


def read_tables(files: Sequence[Path], needed: Sequence[str], unique: str = "") -> tuple[Row, ...]:
    """Return the rows of several tables, one after the other.

    Raises
    ------
    InputError
        If one cannot be read, or two name the same row.
    """
    rows = [row for file in files for row in read_table(file, needed, unique).rows]
    if unique:
        seen: dict[str, str] = {}
        for row in rows:
            if row.text(unique) in seen:
                raise InputError(
                    f"{row.place}: {unique} {row.text(unique)!r} is there already, {seen[row.text(unique)]}"
                )
            seen[row.text(unique)] = row.place
    return tuple(rows)
