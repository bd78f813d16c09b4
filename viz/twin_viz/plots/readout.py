"""One readout of a run as a plot follows it: of all cells or one type, along branches, sweep, replicates and time."""

import numpy as np
import xarray as xr

from twin.errors import InputError, UnknownNameError

LABELLED = {"gene": "gene_mean", "program": "program_score", "column": "column_mean"}  # axis: whose values it names
COUNTS = ("n_cells", "n_dead")  # summed over types of cell
MEANS = ("response_by_type", "gene_mean", "program_score", "column_mean", "library_size", "support")  # averaged
OF_CELLS = ("gene", "program", "column", "substance", "perturbation", "distance", "cycle_phase")
PARTS = (*OF_CELLS, "drug", "drug_site")  # axes of readouts
RESPONSE = "response_by_type"
RESPONSE_LABEL = "response (0 control, 1 full dose)"


def followed(data: xr.Dataset) -> tuple[xr.DataArray, str]:
    """Return what is followed where nobody says: the response of all cells, or how many live; and its name."""
    if "n_cells" not in data:
        raise InputError("the run has no readout to plot: ask for one under 'observe' in the scenario")
    if RESPONSE not in data:
        return data["n_cells"].sum("cell_type", min_count=1), "living cells"
    return _over_types(data, data[RESPONSE]), RESPONSE_LABEL


def readout_of(
    data: xr.Dataset, compartment: str, name: str | None = None, cell_type: str | None = None
) -> tuple[xr.DataArray, str]:
    """Return a readout along branches, axes of the sweep, replicates and time, and its name with its unit.

    Parameters
    ----------
    data : `Run.readouts`.
    name : a readout, or a gene, program or column that the run observes; where a readout has further axes
        "NAME:WHICH", like "concentration_mean:IFNB1". Without it the response of all cells, or how many live.
    cell_type : of which cells; without it of all, types counting by how many live.

    Raises
    ------
    InputError
        If there is none of that name or type (the nearest are offered), or an axis is left open.
    """
    data = data.sel(compartment=compartment) if "compartment" in data.dims else data
    types = [str(t) for t in data["cell_type"].values] if "cell_type" in data.coords else []
    if cell_type is not None and cell_type not in types:
        raise UnknownNameError("cell type", cell_type, types)
    if name is None and cell_type is None:
        values, label = followed(data)
    else:
        values, label = _named(data, name or (RESPONSE if RESPONSE in data else "n_cells"))
        if "cell_type" in values.dims:
            values = _over_types(data, values) if cell_type is None else values.sel(cell_type=cell_type)
        elif cell_type is not None:
            raise InputError(f"{values.name} is not told by cell type: leave --cell-type out")
        label += f" of {cell_type}" if cell_type is not None else ""
    return values.load(), label


def _named(data: xr.Dataset, name: str) -> tuple[xr.DataArray, str]:
    """Return a readout by its name, its axes beside the types chosen, and what it is called."""
    word, _, which = name.partition(":")
    for axis, home in LABELLED.items():
        if word not in data and home in data and name in _labels(data, axis):
            word, which = home, name
    if word not in data:
        known = [str(v) for v in data.data_vars]
        known += [label for axis, home in LABELLED.items() if home in data for label in _labels(data, axis)]
        raise UnknownNameError("readout", name, known)
    values = data[word]
    parts = []
    for axis in (a for a in PARTS if a in values.dims):
        labels = _labels(data, axis)
        if which in labels or len(labels) == 1:
            at = labels.index(which) if which in labels else 0
            which = "" if which in labels else which
            values = values.isel({axis: at})
            parts.append(f"{labels[at]} µm" if axis == "distance" else labels[at])
        elif which:
            raise UnknownNameError(f"{axis} of {word}", which, labels)
        else:
            shown = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
            raise InputError(f"{word} has several: say which, like '{word}:{labels[0]}'; there are {shown}")
    if which:
        raise InputError(f"{name}: {word} has no parts; write {word} alone")
    about = str(values.attrs.get("long_name", "")) or word.replace("_", " ")
    unit = str(values.attrs.get("units", "1"))
    text = RESPONSE_LABEL if word == RESPONSE else f"{' '.join(parts)}: {about}" if parts else about
    return values, text if unit in ("", "1") else f"{text} ({unit})"


def _labels(data: xr.Dataset, axis: str) -> list[str]:
    values = data[axis].values if axis in data.coords else ()
    return [f"{float(v):g}" if isinstance(v, float | np.floating) else str(v) for v in values]


def _over_types(data: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """Return what all cells have of a readout that is told by type.

    Raises
    ------
    InputError
        If it is a quantity of the scenario's own: only its author knows whether to add it up.
    """
    if values.name in COUNTS:
        return values.sum("cell_type", min_count=1)
    if values.name not in MEANS:
        raise InputError(f"{values.name} is told by cell type: say of which, with --cell-type")
    weight = data["n_cells"].where(np.isfinite(values), 0)
    total = weight.sum("cell_type")
    return (values.fillna(0) * weight).sum("cell_type") / total.where(total > 0)
