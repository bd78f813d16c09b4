"""What a picture shows, read from a run: cells, their colour, the field beside them.

Nothing is drawn here; the 3-D picture and the plain one are two drawings of one `View`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from anndata import AnnData
from numpy.typing import NDArray

from twin.errors import InputError, UnknownNameError
from twin.units import quantity
from twin_viz.camera import Camera, Float, look_at
from twin_viz.coloring import DEATH, Coloring, column, shared_colors

DECADES = 3.0  # of concentration that a colour bar spans; our choice: a Hill response spans two


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

    def times(self, replicate: int = 0) -> Any:
        """Return the times at which whole cells were kept, h."""

    def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> AnnData:
        """Return the cells of one kept time."""

    def fields(self, replicate: int = 0, compartment: str | None = None) -> xr.Dataset:
        """Return the concentrations at all kept times."""


@dataclass(frozen=True)
class Tissue:
    """The cells of a compartment at one time.

    position : (cell, 3) µm. radius : (cell,) µm.
    value : (cell,) a number or the code of a category; NaN in dead cells.
    """

    time: float
    position: Float
    radius: Float
    value: Float


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


@dataclass(frozen=True)
class View:
    """One picture: a compartment at some times, and a field at the last of them.

    box : (2, axis) lower and upper corner of what is shown, µm.
    measured_until : h; beyond it the cells' response is extrapolated. None where not known.
    """

    title: str
    compartment: str
    tissues: tuple[Tissue, ...]
    coloring: Coloring
    field: Field | None
    box: Float
    measured_until: float | None = None

    @property
    def camera(self) -> Camera:
        """The one camera of all panels."""
        return look_at(self.box)


@dataclass(frozen=True)
class Cut:
    """Cells stay where their place along `axis` (0 = x) lies on one side of `at` (µm)."""

    axis: int
    below: bool
    at: float

    def keeps(self, points: Float) -> NDArray[np.bool_]:
        """Say of each of `points` (…, axis) whether it stays."""
        place = points[..., self.axis]
        return np.asarray(place <= self.at if self.below else place >= self.at)


def parse_cut(text: str) -> Cut:
    """Read "y>20 um": what stays is where that is true.

    Raises
    ------
    InputError
        If it is spelt otherwise.
    """
    found = re.fullmatch(r"\s*([xyz])\s*([<>])=?\s*(.+)", text)
    try:
        if found is None:
            raise ValueError
        return Cut("xyz".index(found[1]), found[2] == "<", quantity(found[3], "um", "a place", "20 um"))
    except ValueError as error:
        raise InputError(
            f"cut: {text!r} is not a cut: write an axis, < or >, and a place, like 'y>20 um' (this part stays)"
        ) from error


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
    starts += [e["at"] for e in scenario.get("timeline", ()) if e.get("do") == "add" and "when" not in e]
    starts += [entry["time"] for entry in run.log() if entry["what"] == "add"][:1]  # doses that waited for something
    hours = [quantity(t, "hour", "a time", "2 h") if isinstance(t, str) else float(t) for t in starts]
    if not hours and any(s.get("initial") for s in scenario.get("substances", {}).values()):
        return 0.0
    return min(hours, default=None)


def measured_until(run: Run) -> float | None:
    """Return the time (h) up to which the model's training data reach, None where not known or nothing was trained."""
    last, start = run.attrs.get("last_measured_time_h"), exposure_start(run)
    return start + float(last) if last and start is not None else None


def read_view(
    run: Run,
    times: Sequence[float | str | None] = (None,),
    color: str = "ISG15",
    field: str | None = None,
    compartment: str | None = None,
    cut: str | None = None,
    replicate: int = 0,
) -> View:
    """Read what a picture shows.

    Parameters
    ----------
    times : one panel of cells each; None is the last that was kept.
    color : a gene, a column of `obs`, or a program of the scenario.
    field : a substance; None takes the first that is anywhere, "none" shows no field.
    cut : part of the tissue that stays, like "y>20 um".

    Raises
    ------
    InputError
        If a time, colour, field, cut or compartment is not there, or there are no cells.
    """
    known = [str(c) for c in run.attrs["compartments"]]
    name = known[0] if compartment is None else compartment
    if name not in known:
        raise UnknownNameError("compartment", name, known)
    hours = list(dict.fromkeys(kept_time(run, time, replicate) for time in times))
    kept = parse_cut(cut) if cut is not None else None
    programs = run.scenario.get("observe", {}).get("programs", {})
    columns: dict[float, Any] = {}
    seen: list[_Seen] = []
    for hour in hours:  # of each time only what is shown is held: a film has many
        cells = run.cells(hour, replicate=replicate, compartment=name)
        columns[hour] = column(cells, color, programs)
        seen.append(_Seen.of(cells))
    if not any(len(one.radius) for one in seen):
        raise InputError(f"{name}: no cells are there at {', '.join(f'{h:g} h' for h in hours)}")
    coloring, values = shared_colors(columns)
    tissues = tuple(
        _tissue(one, hour, values[hour], kept, with_dead=color == DEATH) for one, hour in zip(seen, hours, strict=True)
    )
    box = _box(run, name, seen)
    shown = None
    if field != "none":
        shown = _field(run, field, name, replicate, hours[-1], cells)
    title = str(run.scenario.get("name", "twin"))
    return View(title, name, tissues, coloring, shown, box, measured_until(run))


def _position(cells: AnnData) -> Float:
    return np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)


@dataclass(frozen=True)
class _Seen:
    """What is shown of the cells of one time: position (cell, 3) µm, radius (cell,) µm, alive (cell,)."""

    position: Float
    radius: Float
    alive: NDArray[np.bool_]

    @classmethod
    def of(cls, cells: AnnData) -> "_Seen":
        alive = cells.obs["alive"] if "alive" in cells.obs else np.ones(cells.n_obs)
        radius = np.asarray(cells.obs["radius"], dtype=np.float64)
        return cls(_position(cells), radius, np.asarray(alive, dtype=np.bool_))


def _tissue(seen: _Seen, hour: float, value: Float, cut: Cut | None, *, with_dead: bool = False) -> Tissue:
    value = np.where(seen.alive | with_dead, value, np.nan)
    stays = cut.keeps(seen.position) if cut is not None else np.ones(len(value), bool)
    if len(stays) and not stays.any():
        raise InputError("cut: no cell is left in the part that stays")
    return Tissue(hour, seen.position[stays], seen.radius[stays], value[stays])


def _box(run: Run, name: str, seen: Sequence[_Seen]) -> Float:
    """Return the compartment's box, widened to hold every cell, (2, axis) µm."""
    points = np.concatenate([one.position for one in seen])
    reach = np.concatenate([one.radius for one in seen])[:, None]
    low, high = (points - reach).min(axis=0), (points + reach).max(axis=0)
    size = run.scenario.get("compartments", {}).get(name, {}).get("box")
    if size is not None:
        edges = [v if isinstance(v, int | float) else quantity(v, "um", "a length", "10 um") for v in size]
        low, high = np.minimum(low, 0.0), np.maximum(high, edges)
    return np.stack([low, high])


def _field(run: Run, wanted: str | None, name: str, replicate: int, hour: float, cells: AnnData) -> Field | None:
    if wanted is None and not run.scenario.get("substances"):
        return None
    data = run.fields(replicate=replicate, compartment=name)
    known = [str(s) for s in data["substance"].values]
    if wanted is not None and wanted not in known:
        raise UnknownNameError("substance", wanted, known, where="field: ")
    times = np.asarray(data["time"].values, dtype=np.float64)
    at = int(np.argmin(np.abs(times - hour)))
    if abs(times[at] - hour) > 1e-6:
        if wanted is not None:
            raise InputError(f"field: {wanted} was not kept at {hour:g} h")
        return None
    now = data["concentration"].isel(time=at).load()
    there = [s for s in known if float(now.sel(substance=s).max()) > 0]
    if wanted is None and not there:
        return None
    substance = wanted or there[0]
    values = now.sel(substance=substance).transpose("z", "y", "x")
    high = float(values.max()) or 1.0
    low = max(float(values.min()), high / 10**DECADES)
    low = high / 10 if low > high / 2 else low  # a nearly even field: one decade shows that it is
    by = [
        cell_type
        for secretion in run.scenario.get("signalling", {}).get("secretion", ())
        if secretion["substance"] == substance
        for cell_type in secretion["by"]
    ]
    source = np.asarray(cells.obs["cell_type"].astype(str).isin(by))
    return Field(
        substance=substance,
        units=str(data["concentration"].attrs.get("units", "nM")),
        time=hour,
        concentration=np.asarray(values, dtype=np.float64),
        edges=(voxel_edges(values["x"]), voxel_edges(values["y"]), voxel_edges(values["z"])),
        low=low,
        high=high,
        source=_position(cells)[source],
        source_radius=np.asarray(cells.obs["radius"], dtype=np.float64)[source],
    )


def voxel_edges(centres: xr.DataArray) -> Float:
    """Return the edges of voxels from their centres along one axis."""
    middle = np.asarray(centres, dtype=np.float64)
    step = middle[1] - middle[0] if len(middle) > 1 else 2 * abs(middle[0]) or 1.0  # one voxel from 0 on
    return np.append(middle - step / 2, middle[-1] + step / 2)
