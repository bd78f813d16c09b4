"""The concentrations of substances as the page holds them: 8-bit levels on one logarithmic scale for all times."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from twin.errors import InputError
from twin_viz.camera import Float
from twin_viz.cloud import scale_of
from twin_viz.export.html.encode import LEVEL
from twin_viz.source import Run
from twin_viz.substance import DECADES, voxel_edges

LEVELS = 255  # steps of the colour bar: 3 % of the concentration each where it spans three decades
SAME_TIME = 1e-6  # h; as `tissue.kept_time` has it


@dataclass(frozen=True)
class Substance:
    """One substance: the ends of its colour bar, in `units`, and whether some of it is below `low`."""

    name: str
    units: str
    low: float
    high: float
    is_clipped: bool

    def record(self) -> dict[str, Any]:
        """Return what the page has to know, as JSON."""
        ends = {"low": self.low, "high": self.high, "clipped": self.is_clipped}
        return {"name": self.name, "units": self.units, **ends}

    def levels(self, concentration: Float) -> NDArray[np.uint8]:
        """Return the place of concentrations on the colour bar, 0 to 255."""
        share = np.log(np.clip(concentration, self.low, self.high) / self.low) / np.log(self.high / self.low)
        return np.asarray(np.rint(share * LEVELS), dtype=np.uint8)


def fields_of(run: Run, replicate: int, compartment: str | None) -> xr.Dataset | None:
    """Return the concentrations of a future, lazily; None where it keeps none."""
    if not run.scenario.get("substances"):
        return None
    try:
        return run.fields(replicate=replicate, compartment=compartment)
    except InputError:  # it keeps none
        return None


def substances_of(fields: Sequence[xr.Dataset | None]) -> list[Substance]:
    """Return the substances that are anywhere at any time, with one scale for all futures."""
    there = [data["concentration"] for data in fields if data is not None]
    names = dict.fromkeys(str(name) for data in there for name in data["substance"].values)
    made = []
    for name in names:
        own = [data.sel(substance=name) for data in there]
        if max(float(data.max()) for data in own) > 0:
            low, high = scale_of(own, DECADES)
            is_clipped = min(float(data.min()) for data in own) < low
            made.append(Substance(name, str(own[0].attrs.get("units", "nM")), low, high, is_clipped))
    return made


def grid_record(data: xr.Dataset) -> dict[str, Any]:
    """Return where the voxels of a future are, as JSON: their edges along x, y and z, µm."""
    return {axis: [float(f"{edge:.7g}") for edge in voxel_edges(data[axis])] for axis in "xyz"}


def volumes(data: xr.Dataset, substances: Sequence[Substance], times: Sequence[float]) -> Iterator[bytes | None]:
    """Yield the deflated levels (substance, z, y, x) at each of `times`, None where no field was kept then."""
    kept = np.asarray(data["time"].values, dtype=np.float64)
    for time in times:
        at = int(np.argmin(np.abs(kept - time)))
        if abs(kept[at] - time) > SAME_TIME:
            yield None
            continue
        now = data["concentration"].isel(time=at).load()
        levels = [s.levels(now.sel(substance=s.name).transpose("z", "y", "x").to_numpy()) for s in substances]
        yield zlib.compress(b"".join(level.tobytes() for level in levels), LEVEL)
