"""What drawing needs of a run, and which of its times it shows."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
from anndata import AnnData

from twin.errors import InputError, UnknownNameError
from twin.units import quantity

DOSES = ("add", "dose")  # events by which cells are exposed


class Run(Protocol):
    """What drawing needs of `twin.results.Run`."""

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The run's record."""

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The resolved scenario."""

    @property
    def readouts(self) -> xr.Dataset:
        """All readouts (replicate, time, …)."""

    def log(self, replicate: int = 0) -> list[dict[str, Any]]:
        """Return what happened in a trajectory, in order."""

    def lineage(self, replicate: int = 0, compartment: str | None = None) -> pd.DataFrame:
        """Return births and deaths, in order."""

    def times(self, replicate: int = 0) -> Any:
        """Return the times at which whole cells were kept, h."""

    def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> AnnData:
        """Return the cells of one kept time."""

    def fields(self, replicate: int = 0, compartment: str | None = None) -> xr.Dataset:
        """Return the concentrations at all kept times."""


def is_pool(run: Run, compartment: str) -> bool:
    """Whether a compartment is well mixed: its cells have no places, and there is nothing of it to look at."""
    return run.scenario.get("compartments", {}).get(compartment, {}).get("volume") is not None


def compartment_of(run: Run, name: str | None) -> str:
    """Return the compartment of this name; without one the first tissue, or where all are well mixed the first.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    known = [str(c) for c in run.attrs["compartments"]]
    if name is not None and name not in known:
        raise UnknownNameError("compartment", name, known)
    return next((c for c in known if not is_pool(run, c)), known[0]) if name is None else name


def box_of(run: Run, compartment: str) -> list[float] | None:
    """Return the edges of a compartment's box, µm; that of built cells may stand in the record. None without one."""
    written = run.scenario.get("compartments", {}).get(compartment, {}).get("box")
    size = run.attrs.get("boxes_um", {}).get(compartment) if written is None else written
    if size is None:
        return None
    return [v if isinstance(v, int | float) else quantity(v, "um", "a length", "10 um") for v in size]


def kept_time(run: Run, time: float | str | None, replicate: int = 0) -> float:
    """Return the time (h) of kept cells that `time` names; without one the last.

    Raises
    ------
    InputError
        If it is no time, or no cells were kept then; the nearest kept times are named.
    """
    kept = np.unique(np.asarray(run.times(replicate), dtype=np.float64))
    if not kept.size:
        raise InputError(f"the run holds no cells yet (replicate {replicate}): nothing can be shown")
    if time is None:
        return float(kept[-1])
    try:
        wanted = quantity(time, "hour", "a time", "24 h") if isinstance(time, str) else float(time)
    except ValueError as error:
        raise InputError(f"time: {error}") from error
    nearest = kept[np.argsort(np.abs(kept - wanted))]
    if abs(nearest[0] - wanted) > 1e-6:
        shown = " or ".join(f"{t:g} h" for t in sorted(nearest[:2]))
        raise InputError(
            f"time: no cells were kept at {wanted:g} h; the nearest kept are {shown} "
            f"({kept.size} times from {kept[0]:g} h to {kept[-1]:g} h)"
        )
    return float(nearest[0])


def exposure_start(run: Run) -> float | None:
    """Return when cells are first exposed: the first release or dose of a substance, h."""
    scenario = run.scenario
    starts = [s.get("start", 0.0) for s in scenario.get("signalling", {}).get("secretion", ())]
    starts += [e["at"] for e in scenario.get("timeline", ()) if e.get("do") in DOSES and "when" not in e]
    starts += [entry["time"] for entry in run.log() if entry["what"] in DOSES][:1]  # doses that waited for something
    hours = [quantity(t, "hour", "a time", "2 h") if isinstance(t, str) else float(t) for t in starts]
    if not hours and any(s.get("initial") for s in scenario.get("substances", {}).values()):
        return 0.0
    return min(hours, default=None)


def measured_until(run: Run) -> float | None:
    """Return the time (h) up to which the model's training data reach, None where not known or nothing was trained."""
    last, start = run.attrs.get("last_measured_time_h"), exposure_start(run)
    return start + float(last) if last and start is not None else None


def assay_end(run: Run, cells: AnnData, hour: float) -> float | None:
    """Return the time (h) up to which the assay reaches after the first exposure, None where not known.

    cells : of the time `hour`; what they know of their exposure comes first: of a branch, the trunk's timeline says
        nothing.
    """
    last = run.attrs.get("last_measured_time_h")
    columns = [c for c in cells.obs.columns if str(c).startswith("time_since_") and cells.obs[c].notna().any()]
    if last and columns:
        return hour - max(float(cells.obs[c].max()) for c in columns) + float(last)
    return measured_until(run)
