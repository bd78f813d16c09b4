"""Means over the replicates of a run, by their weights where a snapshot has given them some."""

import numpy as np
import xarray as xr

WEIGHT = "weight"  # coordinate along replicates, where a run has assimilated a snapshot by method: reweight


def mean_of(values: xr.DataArray, dim: str = "replicate") -> xr.DataArray:
    """Return the mean over replicates; NaN is left out."""
    if WEIGHT in values.coords:
        mean: xr.DataArray = values.weighted(values[WEIGHT].fillna(0.0)).mean(dim)
        return mean
    return values.mean(dim)


def seen_times(values: xr.DataArray) -> slice:
    """Return the places along `time` up to the last at which anything is known."""
    others = [dim for dim in values.dims if dim != "time"]
    known = np.flatnonzero(values.notnull().any(others).values)
    return slice(0, int(known[-1]) + 1 if len(known) else 1)


def last_of(values: xr.DataArray) -> xr.DataArray:
    """Return the last values of each replicate that are there: a trajectory may have ended before its time."""
    others = [dim for dim in values.dims if dim not in ("replicate", "time")]
    known = values.notnull().any(others).transpose("replicate", "time").values
    last = [int(np.flatnonzero(row)[-1]) if row.any() else -1 for row in known]
    rows = xr.DataArray(np.arange(len(last)), dims="replicate")
    picked: xr.DataArray = values.isel(replicate=rows, time=xr.DataArray(last, dims="replicate"))
    return picked.drop_vars("time")
