"""How sure a mean over replicates is."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import t as student

from twin.analysis.ensemble import WEIGHT

LEVEL = 0.95  # of the interval that is shown where replicates are averaged


def mean_and_margin(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean along the first axis and half the width of its 95 % confidence interval, NaNs left out.

    Student's interval of a mean: the replicates are independent draws. With weights it is that of as many draws as
    they are worth, (Σ w)² / Σ w² (Kish, Survey Sampling, 1965). The margin is NaN where there are fewer than two, the
    mean where there is none.

    values : (replicate, ...). weights : (replicate,); None: all alike.
    """
    given = np.ones(len(values)) if weights is None else np.nan_to_num(weights)
    there = np.isfinite(values)
    w = np.where(there, given.reshape(-1, *(1,) * (values.ndim - 1)), 0.0)
    total = w.sum(axis=0)
    known = total > 0
    share = w / np.where(known, total, 1.0)
    n = np.where(known, 1.0 / np.where(known, (share**2).sum(axis=0), 1.0), 0.0)
    mean = np.where(known, (share * np.where(there, values, 0.0)).sum(axis=0), np.nan)
    apart = np.where(there, values - mean, 0.0)
    several = n > 1 + 1e-9
    spread = np.sqrt((share * apart**2).sum(axis=0) / np.where(several, 1 - 1 / np.maximum(n, 1.0), 1.0))
    margin = student.ppf(0.5 + LEVEL / 2, np.where(several, n - 1, 1.0)) * spread / np.sqrt(np.maximum(n, 1.0))
    return mean, np.where(several, margin, np.nan)


def band(values: xr.DataArray, dim: str = "replicate") -> tuple[xr.DataArray, xr.DataArray]:
    """Return the mean along a dimension and half the width of its 95 % confidence interval: `mean_and_margin`.

    Replicates that snapshots have given a weight count by it.
    """
    order = (dim, *(d for d in values.dims if d != dim))
    first = values.transpose(*order)
    weights = first[WEIGHT].values if WEIGHT in first.coords and first[WEIGHT].dims == (dim,) else None
    mean, margin = mean_and_margin(np.asarray(first, dtype=np.float64), weights)
    like = first.isel({dim: 0}, drop=True)
    return like.copy(data=mean), like.copy(data=margin)
