"""A user's own cells as the cells of a tissue: what a scenario says of them."""

from math import ceil, sqrt
from pathlib import Path
from typing import Any

from twin.data.coordinates import LEAST_SPACING
from twin.errors import InputError
from twin_web.runs.upload import Upload

OWN_CELLS = Path(__file__).with_name("own_cells.yaml")  # a small culture, made for them
MOST = 2_000  # cells that a culture takes where nobody says how many; our choice: some minutes for 24 h
PITCH = "15 um"  # between neighbours, where the file's places are in no µm; our choice: cells of a tissue
TWINS = "0.1 um"  # cells nearer to each other than this were counted twice
HEIGHT, EACH = 40.0, 2000.0  # µm of a culture, µm³ of it a cell; our choice: cells of 10 µm, half of it medium


def cells_of(upload: Upload, file: str, count: int | None = None, *, placed: bool = True) -> dict[str, Any]:
    """Return what a compartment's `cells` say, so that it has these cells.

    file : what the scenario calls the file. count : how many; None: all, up to `MOST`.
    placed : whether they stand where the file says, if it does; the compartment then needs no box.

    Raises
    ------
    InputError
        If nobody has said yet which column names their types.
    """
    if upload.types_column is None:
        raise InputError(f"{upload.file}: choose the column that names the types of its cells first (Runs, your files)")
    many = min(upload.cells, MOST if count is None else count)
    cells: dict[str, Any] = {"source": "h5ad", "file": file, "cell_type": upload.types_column}
    if many < upload.cells:
        cells["count"] = many
    if placed and upload.spatial:
        in_um = upload.apart is not None and upload.apart >= LEAST_SPACING
        cells["spatial"] = {**({"scale": "1 um"} if in_um else {"pitch": PITCH}), "drop_within": TWINS}
    return cells


def box_for(n: int) -> list[str]:
    """Return the edges of a flat culture that holds `n` cells."""
    edge = 10 * ceil(sqrt(max(n, 20) * EACH / HEIGHT) / 10)
    return [f"{edge} um", f"{edge} um", f"{HEIGHT:g} um"]


def compartment_of(upload: Upload, file: str, count: int | None = None) -> dict[str, Any]:
    """Return a compartment of these cells: where the file has places, a section of tissue; else a culture."""
    cells = cells_of(upload, file, count)
    box = {} if "spatial" in cells else {"box": box_for(cells.get("count", upload.cells))}
    return {"organ": "culture", "spacing": "10 um", **box, "cells": cells}
