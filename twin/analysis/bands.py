"""How sure a mean over replicates is."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import t as student

LEVEL = 0.95  # of the interval that is shown where replicates are averaged


def mean_and_margin(values: NDArray[np.float64], axis: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean along an axis and half the width of its 95 % confidence interval, NaNs left out.

    Student's interval of a mean: the replicates are independent draws. The margin is NaN where there are fewer than
    two, the mean where there is none.
    """
    there = np.isfinite(values)
    n = there.sum(axis=axis)
    some, several = np.maximum(n, 1), np.maximum(n - 1, 1)
    mean = np.where(n > 0, np.where(there, values, 0.0).sum(axis=axis) / some, np.nan)
    apart = np.where(there, values - np.expand_dims(mean, axis), 0.0)
    spread = np.sqrt((apart**2).sum(axis=axis) / several)
    margin = student.ppf(0.5 + LEVEL / 2, several) * spread / np.sqrt(some)
    return mean, np.where(n > 1, margin, np.nan)


def band(values: xr.DataArray, dim: str = "replicate") -> tuple[xr.DataArray, xr.DataArray]:
    """Return the mean along a dimension and half the width of its 95 % confidence interval: `mean_and_margin`."""
    order = (dim, *(d for d in values.dims if d != dim))
    first = values.transpose(*order)
    mean, margin = mean_and_margin(np.asarray(first, dtype=np.float64))
    like = first.isel({dim: 0}, drop=True)
    return like.copy(data=mean), like.copy(data=margin)
