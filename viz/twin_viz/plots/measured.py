"""The measured cells that simulated ones are held against: a file that is named, or the scenario's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.counts import onto_axis, read_counts
from twin.errors import InputError
from twin.results import Run
from twin.units import quantity

GIVE = "give the measured cells with --measured FILE.h5ad"


@dataclass(frozen=True)
class Measured:
    """Measured cells on the genes that they share with the run.

    counts : (cell, shared gene). shared : (shared gene,) columns of the run. types : (cell,).
    words : file and filter.
    """

    counts: sp.csr_array
    shared: NDArray[np.intp]
    types: NDArray[np.str_]
    source: Path
    words: str


def measured_cells(
    run: Run, compartment: str, hour: float, file: Path | None, where: Mapping[str, str], type_column: str | None
) -> Measured:
    """Return measured cells to hold a compartment against at a time (h).

    Parameters
    ----------
    file : without it what the scenario names: the snapshot nearest in time, else what the cells were made of; the
        filter is then the scenario's, unless `where` is given.
    type_column : obs column of their types; without it the scenario's, or found by its name.

    Raises
    ------
    InputError
        If there is no such file, column or value, or the file holds no raw counts or no gene of the run.
    """
    if file is None:
        file, chosen, type_column = _of_scenario(run, compartment, hour, type_column)
        where = where or chosen
    data = read_counts(file)
    for column, value in where.items():
        words = data.column(column, column)
        if not (words == value).any():
            there = ", ".join(sorted(set(map(str, words)))[:8])
            raise InputError(f"{file}: no cell has {column} = {value!r}; there are {there}")
        data = data.take(words == value)
    counts, known = onto_axis(data, run.genes_of(compartment))
    shared = np.flatnonzero(known)
    filters = "".join(f", {column} = {value}" for column, value in where.items())
    types = data.column("cell_type", type_column)
    return Measured(sp.csr_array(counts[:, shared]), shared, types, file, f"{file.name}{filters}")


def _of_scenario(
    run: Run, compartment: str, hour: float, type_column: str | None
) -> tuple[Path, dict[str, str], str | None]:
    """Return the file of measured cells that a scenario names, its filter, and the column of the types."""
    events = [e for e in run.scenario.get("timeline", ()) if e.get("do") == "assimilate"]
    events = [e for e in events if e.get("compartment") in (None, compartment)]
    cells = run.scenario.get("compartments", {}).get(compartment, {}).get("cells", {})
    source = min(events, key=lambda e: abs(_hours(e.get("at")) - hour), default=None)
    if cells.get("source") == "h5ad" and (source is None or hour == 0):
        source = cells
    if source is None:
        raise InputError(f"the scenario names no measured cells of {compartment}: {GIVE}")
    name = str(source["file"])
    places = (Path(name), run.path.parent / name, run.path / name)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise InputError(f"{name}, which the scenario names, is not here nor beside the run: {GIVE}")
    where = {str(column): str(value) for column, value in (source.get("where") or {}).items()}
    return found, where, type_column or source.get("cell_type")


def _hours(text: Any) -> float:
    return quantity(text, "hour", "a time", "6 h") if isinstance(text, str) else float(text or 0.0)
