"""Substances of a compartment, read from a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from anndata import AnnData

from twin.errors import InputError, UnknownNameError
from twin_viz.camera import Float
from twin_viz.cloud import scale_of
from twin_viz.source import Run

DECADES = 3.0  # of concentration that a colour bar spans; our choice: a Hill response spans two


@dataclass(frozen=True)
class Field:
    """One substance in a compartment at one time.

    concentration : (z, y, x). edges : of the voxels along x, y and z, µm.
    low, high : ends of the logarithmic colour bar, in `units`.
    source : (cell, 3) µm and source_radius (cell,) µm of the cells that release it.
    """

    substance: str
    units: str
    time: float
    concentration: Float
    edges: tuple[Float, Float, Float]
    low: float
    high: float
    source: Float
    source_radius: Float

    @property
    def is_clipped(self) -> bool:
        """Whether there is less than `low` somewhere."""
        return float(self.concentration.min()) < self.low


def read_field(run: Run, wanted: str | None, name: str, replicate: int, hour: float, cells: AnnData) -> Field | None:
    """Return a substance at a time, None where there is none, or none was kept then and none was asked for.

    wanted : without it the first that is anywhere. cells : of that time, for those that release it.

    Raises
    ------
    InputError
        If it is asked for and not there, or was not kept at that time.
    """
    if wanted is None and not run.scenario.get("substances"):
        return None
    now = concentrations(run, name, replicate, hour)
    if now is None:
        if wanted is not None:
            raise InputError(f"field: {wanted} was not kept at {hour:g} h")
        return None
    substance = substance_of([now], wanted)
    if substance is None:
        return None
    values = now.sel(substance=substance).transpose("z", "y", "x")
    low, high = scale_of([values], DECADES)
    by = [
        cell_type
        for secretion in run.scenario.get("signalling", {}).get("secretion", ())
        if secretion["substance"] == substance
        for cell_type in secretion["by"]
    ]
    source = np.asarray(cells.obs["cell_type"].astype(str).isin(by), dtype=np.bool_)
    if "alive" in cells.obs:
        source &= cells.obs["alive"].to_numpy(dtype=np.bool_)
    return Field(
        substance=substance,
        units=str(now.attrs.get("units", "nM")),
        time=hour,
        concentration=np.asarray(values, dtype=np.float64),
        edges=(voxel_edges(values["x"]), voxel_edges(values["y"]), voxel_edges(values["z"])),
        low=low,
        high=high,
        source=position_of(cells)[source],
        source_radius=np.asarray(cells.obs["radius"], dtype=np.float64)[source],
    )


def position_of(cells: AnnData) -> Float:
    """Return where cells are, (cell, 3) µm."""
    return np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)


def voxel_edges(centres: xr.DataArray) -> Float:
    """Return the edges of voxels from their centres along one axis."""
    middle = np.asarray(centres, dtype=np.float64)
    step = middle[1] - middle[0] if len(middle) > 1 else 2 * abs(middle[0]) or 1.0  # one voxel from 0 on
    return np.append(middle - step / 2, middle[-1] + step / 2)


def concentrations(run: Run, name: str, replicate: int, hour: float) -> xr.DataArray | None:
    """Return (substance, z, y, x) at a time, None where it was not kept then."""
    data = run.fields(replicate=replicate, compartment=name)["concentration"]
    times = np.asarray(data["time"].values, dtype=np.float64)
    at = int(np.argmin(np.abs(times - hour)))
    return data.isel(time=at).load() if abs(times[at] - hour) <= 1e-6 else None


def substance_of(data: Sequence[xr.DataArray], wanted: str | None) -> str | None:
    """Return the substance that is shown: the one that is asked for, else the first that is anywhere, if any."""
    known = [str(s) for s in data[0]["substance"].values]
    if wanted is not None and wanted not in known:
        raise UnknownNameError("substance", wanted, known, where="field: ")
    there = (s for s in known if any(float(d.sel(substance=s).max()) > 0 for d in data))
    return wanted or next(there, None)


def _position(cells: AnnData) -> Float:
    return np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)
