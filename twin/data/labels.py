"""What a file says of each of its cells, in one form for all files."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.data.arms import Agent, treatments
from twin.data.columns import Columns, Text, find_column, needed_column, said, text_column, times_of


@dataclass(frozen=True)
class Labels:
    """The cells of one file.

    cell_type, donor, batch, species, tissue, technology : (cell,) text, "" where not told (the first three: "unknown").
    treatments : each several agents; treatment : (cell,) index into them, −1: control.
    time : (cell,) h, NaN where not told.
    total : (cell,) counts of the whole transcriptome, NaN where not told.
    names : (cell,) obs names.
    keep : (cell,) cells that can be used.
    since : h, time of the reference cells where they were exposed too.
    """

    source: str
    cell_type: Text
    donor: Text
    batch: Text
    species: Text
    tissue: Text
    technology: Text
    treatments: tuple[tuple[Agent, ...], ...]
    treatment: NDArray[np.intp]
    time: NDArray[np.float64]
    total: NDArray[np.float64]
    names: tuple[str, ...]
    keep: NDArray[np.bool_]
    since: float = math.nan
    notes: tuple[str, ...] = field(default=())


def read_labels(
    obs: pd.DataFrame, genes: tuple[str, ...], source: str, columns: Columns, control: str | None
) -> Labels:
    """Read the labels of a file's cells.

    control : the word of control cells in this file; None: by convention.

    Raises
    ------
    InputError
        If no column says the cell type or the condition, or a column that the user names is not there.
    """
    found, treatment = treatments(obs, columns, genes, source, control)
    times = text_column(obs, "time", columns.time, source)
    time = times_of(times, text_column(obs, "time_unit", columns.time_unit, source))
    mute = int(((times != "") & np.isnan(time)).sum())
    notes = (f"{Path(source).name}: the times of {mute} cells have no unit of time and are not used",) if mute else ()
    total = find_column(obs, "total", columns.total, source)
    return Labels(
        source=source,
        cell_type=said(needed_column(obs, "cell_type", columns.cell_type, source), "unknown"),
        donor=text_column(obs, "donor", columns.donor, source, missing="unknown"),
        batch=text_column(obs, "batch", columns.batch, source, missing="unknown"),
        species=text_column(obs, "species", columns.species, source),
        tissue=text_column(obs, "tissue", columns.tissue, source),
        technology=text_column(obs, "technology", columns.technology, source),
        treatments=found,
        treatment=treatment,
        time=time,
        total=np.full(len(obs), np.nan)
        if total is None
        else pd.to_numeric(obs[total], errors="coerce").to_numpy(float),
        names=tuple(map(str, obs.index)),
        keep=np.ones(len(obs), np.bool_),
        notes=notes,
    )
