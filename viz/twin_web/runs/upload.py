"""Cells that a browser sent and that were accepted: what was found in them, noted beside the file."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.errors import InputError
from twin.results.layout import save_json


class Column(BaseModel):
    """A column that may name the types of the cells. types : n cells by name, the commonest first."""

    model_config = ConfigDict(frozen=True)

    name: str
    types: dict[str, int]


class Upload(BaseModel):
    """One file of accepted cells: a copy of ours, of raw counts, columns and places alone.

    path : of the copy. file : its name at the user's. created : ISO 8601. shared : genes that the model has, too.
    types_column : the obs column of types; None until one is chosen. columns : those that could be. known : their
    types that the model knows by name. spatial : whether cells have places. apart : of neighbours, the median, in the
    file's unit. counts_from : where the raw counts stood. bytes : of the copy. sent, sha256 : of the file as it came.
    told : what its owner should know of it, in sentences.
    """

    model_config = ConfigDict(frozen=True)

    path: Path = Field(exclude=True)
    id: str
    file: str
    created: str
    cells: int
    genes: int
    shared: int
    model: str
    columns: tuple[Column, ...] = ()
    types_column: str | None = None
    known: tuple[str, ...] = ()
    spatial: bool = False
    apart: float | None = None
    counts_from: str = "X"
    bytes: int
    sent: int
    sha256: str
    told: tuple[str, ...] = ()

    @property
    def types(self) -> dict[str, int]:
        """Return how many cells there are of each type, the commonest first; {} until a column is chosen."""
        return next((column.types for column in self.columns if column.name == self.types_column), {})


def read_upload(path: Path) -> Upload:
    """Return an upload by its file.

    Raises
    ------
    InputError
        If it, or what was noted of it, is not there or damaged.
    """
    try:
        if not path.is_file():
            raise FileNotFoundError(path)
        noted = json.loads(path.with_suffix(".json").read_text("utf-8"))
        return Upload(**{**noted, "path": path})
    except (OSError, ValueError, TypeError, ValidationError):
        raise InputError(f"there are no uploaded cells {path.stem[:16]!r}: upload the file again") from None


def save_upload(upload: Upload) -> None:
    """Note what was found, beside the file; it is on the disk when this returns."""
    save_json(upload.path.with_suffix(".json"), upload.model_dump())
