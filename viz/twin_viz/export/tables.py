"""A run as plain tables: a CSV file a readout, and the cells, births and deaths as rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from twin.results import Run
from twin_viz.coloring import column
from twin_viz.export.folder import made_whole

PURE = ("", "1", "count")  # units that no head needs to name
DOSES = {"dose_": "dose", "time_since_": "time_since"}  # families of columns, and what their unit is kept under


def write_tables(
    run: Run, out: Path, colors: Sequence[str] = (), compartment: str | None = None, replicate: int = 0
) -> Path:
    """Write a run into the new folder `out` and return it.

    `readouts/NAME.csv` one row a value, with its coordinates (time in h) and its unit in the head of the column;
    `cells.csv` one row a cell and kept time (h), with its columns and their units in their heads ("radius (um)"), its
    place in µm, and what `colors` names;
    `lineage.csv` births and deaths; `log.json` what happened.

    Parameters
    ----------
    colors : genes and programs that the cells carry: log(1 + counts per 10,000).

    Raises
    ------
    InputError
        If `out` is there already or cannot be written, or a color is not known.
    """
    with made_whole(out) as draft:
        (draft / "readouts").mkdir(parents=True)
        readouts = run.readouts
        for name in readouts.data_vars:
            data = readouts[name].load()
            unit = data.attrs.get("units", "1")
            head = f"{name} ({unit})" if unit not in ("", "1") else str(name)
            rows = data.to_dataframe(name=head).reset_index().dropna(subset=[head])
            rows.to_csv(draft / "readouts" / f"{name}.csv", index=False)
        for i, time in enumerate(np.unique(run.times(replicate))):
            table = _cells(run, float(time), colors, compartment, replicate)
            table.to_csv(draft / "cells.csv", index=False, mode="a" if i else "w", header=not i)
        run.lineage(replicate, compartment).to_csv(draft / "lineage.csv", index=False)
        (draft / "log.json").write_text(json.dumps(run.log(replicate), indent=1), "utf-8")
    return out


def _cells(run: Run, time: float, colors: Sequence[str], compartment: str | None, replicate: int) -> pd.DataFrame:
    cells = run.cells(time, replicate, compartment)
    place = np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)
    programs = run.scenario.get("observe", {}).get("programs", {})
    table: pd.DataFrame = cells.obs.reset_index(drop=True)
    for axis, values in zip("xyz", place.T, strict=True):
        table[f"{axis} (um)"] = values
    for color in colors:
        chosen = column(cells, color, programs)[1]
        if color not in table:  # a column is there as the run holds it
            table[color] = chosen.to_numpy()
    units = cells.uns["twin"].get("units", {})
    return table.rename(columns={name: _head(str(name), units) for name in cells.obs.columns if name != "time"})


def _head(name: str, units: Mapping[str, str]) -> str:
    """Return the head of a column of cells, with its unit where it has one; times are named as in the readouts."""
    family = next((key for prefix, key in DOSES.items() if name.startswith(prefix)), name)
    unit = str(units.get(family, "1"))
    return name if unit in PURE else f"{name} ({unit})"
