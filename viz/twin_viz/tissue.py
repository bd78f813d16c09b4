"""What a picture shows, read from a run: cells, their colour, the field beside them.

Nothing is drawn here; the 3-D picture and the plain one are two drawings of one `View`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
from anndata import AnnData
from numpy.typing import NDArray

from twin.analysis.lineage import founders_of
from twin.errors import InputError, UnknownNameError
from twin.units import quantity
from twin_viz.camera import Camera, Float, look_at
from twin_viz.cloud import Cloud, Style, scale_of
from twin_viz.coloring import DEATH, Coloring, column, shared_colors
from twin_viz.cut import Cut, middle_of, parse_cut
from twin_viz.links import Links, links_key, links_of

SEEN_THROUGH = 0.35  # opacity of cells in a field that surrounds them; our choice
CLONE = "clone"  # a colour: the founder that a cell descends from
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

    def lineage(self, replicate: int = 0, compartment: str | None = None) -> pd.DataFrame:
        """Return births and deaths, in order."""

    def times(self, replicate: int = 0) -> Any:
        """Return the times at which whole cells were kept, h."""

    def cells(self, time: float | str | None = None, replicate: int = 0, compartment: str | None = None) -> AnnData:
        """Return the cells of one kept time."""

    def fields(self, replicate: int = 0, compartment: str | None = None) -> xr.Dataset:
        """Return the concentrations at all kept times."""


@dataclass(frozen=True)
class Tissue:
    """The cells of a compartment at one time of one future.

    position : (cell, 3) µm. radius : (cell,) µm.
    value : (cell,) a number or the code of a category; NaN in dead cells.
    label : of the future, where several are shown. links : lines between cells, None without.
    cloud : (z, y, x) concentrations around the cells, as `View.cloud` shows them; None without.
    """

    time: float
    position: Float
    radius: Float
    value: Float
    label: str = ""
    links: Links | None = None
    cloud: Float | None = None


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


@dataclass(frozen=True)
class View:
    """One picture: a compartment at some times and in some futures, and a field beside or around its cells.

    tissues : a panel each, in the order of the futures, each at all times.
    box : (2, axis) lower and upper corner of what is shown, µm.
    measured_until : h; beyond it the cells' response is extrapolated. None where not known.
    cloud : the field around the cells, None without. cut : what was taken away of cells and field.
    links : what the lines stand for, empty without. strongest : of all lines. opacity : of the cells, 1 for none to see
    through.
    """

    title: str
    compartment: str
    tissues: tuple[Tissue, ...]
    coloring: Coloring
    field: Field | None
    box: Float
    measured_until: float | None = None
    cloud: Cloud | None = None
    cut: Cut | None = None
    links: str = ""
    strongest: float = 1.0
    opacity: float = 1.0

    @property
    def camera(self) -> Camera:
        """The one camera of all panels."""
        return look_at(self.box)


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
    *,
    style: Style = "block",
    links: str | None = None,
    opacity: float | None = None,
    close: bool = False,
    label: str = "",
    others: Sequence[tuple[str, Run]] = (),
) -> View:
    """Read what a picture shows.

    Parameters
    ----------
    times : one panel of cells each; None is the last that was kept.
    color : a gene, a column of `obs`, a program of the scenario, or "clone".
    field : a substance; None takes the first that is anywhere, "none" shows no field.
    cut : part of the tissue that stays, like "y>20 um"; "y=20 um" takes away the side that is nearer to the viewer.
    style : "block" shows the field at the last time in a panel of its own, the others around the cells of each panel;
        without a cut the cells before a slice are taken away.
    links : lines between cells: "contacts", or "LIGAND:RECEPTOR".
    opacity : of the cells, above 0 up to 1; None is 1, and `SEEN_THROUGH` where a field fills what is between them.
    close : fill the picture with the cells, not with the compartment's box.
    others : (label, run) of other futures, beside `run`, whose own is `label`: one camera and one colour scale for all.

    Raises
    ------
    InputError
        If a time, colour, field, cut, gene of links or compartment is not there, or there are no cells.
    """
    surrounded = field != "none" and style in ("iso", "volume") and bool(run.scenario.get("substances"))
    if opacity is None:
        opacity = SEEN_THROUGH if surrounded else 1.0
    if not 0 < opacity <= 1:
        raise InputError(f"opacity: {opacity:g} is not above 0 and at most 1")
    known = [str(c) for c in run.attrs["compartments"]]
    name = known[0] if compartment is None else compartment
    if name not in known:
        raise UnknownNameError("compartment", name, known)
    asked = parse_cut(cut) if cut is not None else None
    is_cut = asked is not None or (style == "slice" and field != "none" and bool(run.scenario.get("substances")))
    hours = list(dict.fromkeys(kept_time(run, time, replicate) for time in times))
    panels = [_Panel(words, one, kept_time(one, t, replicate)) for words, one in ((label, run), *others) for t in hours]
    programs = run.scenario.get("observe", {}).get("programs", {})
    columns: dict[int, Any] = {}
    seen: list[_Seen] = []
    for i, panel in enumerate(panels):  # of each time only what is shown is held: a film has many
        cells = panel.run.cells(panel.hour, replicate=replicate, compartment=name)
        if color == CLONE and CLONE not in cells.obs:
            lineage = panel.run.lineage(replicate, name)
            cells.obs[CLONE] = [f"of cell {i}" for i in founders_of(lineage, cells.obs["id"])]
        columns[i] = column(cells, color, programs)
        seen.append(_Seen.of(cells))
        if links is not None and not is_cut:
            seen[-1].links.append(links_of(cells, links, np.ones(cells.n_obs, np.bool_)))
    if not any(len(one.radius) for one in seen):
        raise InputError(f"{name}: no cells are there at {', '.join(f'{h:g} h' for h in hours)}")
    coloring, values = shared_colors(columns)
    box = _box({} if close else run.scenario, name, seen)
    camera = look_at(box)
    kept = (asked or middle_of(camera)).settled(box, camera) if is_cut else None
    if kept is not None and links is not None:
        for one, panel in zip(seen, panels, strict=True):
            cells = panel.run.cells(panel.hour, replicate=replicate, compartment=name)
            one.links.append(links_of(cells, links, kept.keeps(one.position)))
    tissues = tuple(
        _tissue(one, panel, values[i], kept, with_dead=color == DEATH)
        for i, (one, panel) in enumerate(zip(seen, panels, strict=True))
    )
    title = str(run.scenario.get("name", "twin"))
    view = View(title, name, tissues, coloring, None, box, measured_until(run), cut=kept, opacity=opacity)
    if links is not None:
        words, strongest = links_key(links, [one.links[0] for one in seen])
        view = replace(view, links=words, strongest=strongest)
    if field == "none" or (style == "block" and others and field is None):
        return view
    if style == "block":
        if others:
            raise InputError("field: a block is of one future; beside several show it as slice, iso or volume")
        return replace(view, field=_field(run, field, name, replicate, hours[-1], cells))
    return _with_cloud(view, panels, style, field, replicate)


@dataclass(frozen=True)
class _Panel:
    """One future at one time."""

    label: str
    run: Run
    hour: float


def _with_cloud(view: View, panels: Sequence[_Panel], style: Style, wanted: str | None, replicate: int) -> View:
    """Return the view with a substance around its cells; without it where the run has none and none was asked for."""
    first = panels[0].run
    if not first.scenario.get("substances"):
        if wanted is not None:
            raise InputError(f"field: {wanted} was asked for, but the run has no substances")
        return view
    found = [_concentrations(p.run, view.compartment, replicate, p.hour) for p in panels]
    if any(f is None for f in found):
        hour = panels[[f is None for f in found].index(True)].hour
        if wanted is None:
            return view
        raise InputError(f"field: {wanted} was not kept at {hour:g} h")
    data = [f for f in found if f is not None]
    substance = _substance(data, wanted)
    if substance is None:
        return view
    values = [d.sel(substance=substance).transpose("z", "y", "x") for d in data]
    edges = (voxel_edges(values[0]["x"]), voxel_edges(values[0]["y"]), voxel_edges(values[0]["z"]))
    low, high = scale_of(values, DECADES)
    axis, at = (view.cut.axis, view.cut.at) if view.cut is not None else (0, 0.0)
    units = str(data[0].attrs.get("units", "nM"))
    is_clipped = min(float(v.min()) for v in values) < low
    cloud = Cloud(substance, units, style, edges, low, high, axis, at, is_clipped)
    tissues = tuple(
        replace(t, cloud=np.asarray(v, dtype=np.float64)) for t, v in zip(view.tissues, values, strict=True)
    )
    return replace(view, tissues=tissues, cloud=cloud)


def _concentrations(run: Run, name: str, replicate: int, hour: float) -> xr.DataArray | None:
    """Return (substance, z, y, x) at a time, None where it was not kept then."""
    data = run.fields(replicate=replicate, compartment=name)["concentration"]
    times = np.asarray(data["time"].values, dtype=np.float64)
    at = int(np.argmin(np.abs(times - hour)))
    return data.isel(time=at).load() if abs(times[at] - hour) <= 1e-6 else None


def _substance(data: Sequence[xr.DataArray], wanted: str | None) -> str | None:
    """Return the substance that is shown: the one that is asked for, else the first that is anywhere, if any."""
    known = [str(s) for s in data[0]["substance"].values]
    if wanted is not None and wanted not in known:
        raise UnknownNameError("substance", wanted, known, where="field: ")
    there = (s for s in known if any(float(d.sel(substance=s).max()) > 0 for d in data))
    return wanted or next(there, None)


def _position(cells: AnnData) -> Float:
    return np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)


@dataclass(frozen=True)
class _Seen:
    """What is shown of the cells of one time: position (cell, 3) µm, radius (cell,) µm, alive (cell,)."""

    position: Float
    radius: Float
    alive: NDArray[np.bool_]
    links: list[Links]

    @classmethod
    def of(cls, cells: AnnData) -> "_Seen":
        alive = cells.obs["alive"] if "alive" in cells.obs else np.ones(cells.n_obs)
        radius = np.asarray(cells.obs["radius"], dtype=np.float64)
        return cls(_position(cells), radius, np.asarray(alive, dtype=np.bool_), [])


def _tissue(seen: _Seen, panel: _Panel, value: Float, cut: Cut | None, *, with_dead: bool = False) -> Tissue:
    value = np.where(seen.alive | with_dead, value, np.nan)
    stays = cut.keeps(seen.position) if cut is not None else np.ones(len(value), bool)
    if cut is not None and len(stays) and not stays.any():
        place = seen.position[:, cut.axis]
        raise InputError(
            f"cut: no cell is left in the part that stays ({cut.words}); cells are between {place.min():.4g} and "
            f"{place.max():.4g} µm"
        )
    links = seen.links[0] if seen.links else None
    return Tissue(panel.hour, seen.position[stays], seen.radius[stays], value[stays], panel.label, links)


def _box(scenario: Mapping[str, Any], name: str, seen: Sequence[_Seen]) -> Float:
    """Return the compartment's box, widened to hold every cell, (2, axis) µm; around the cells where it has none."""
    points = np.concatenate([one.position for one in seen])
    reach = np.concatenate([one.radius for one in seen])[:, None]
    low, high = (points - reach).min(axis=0), (points + reach).max(axis=0)
    size = scenario.get("compartments", {}).get(name, {}).get("box")
    if size is not None:
        edges = [v if isinstance(v, int | float) else quantity(v, "um", "a length", "10 um") for v in size]
        low, high = np.minimum(low, 0.0), np.maximum(high, edges)
    return np.stack([low, high])


def _field(run: Run, wanted: str | None, name: str, replicate: int, hour: float, cells: AnnData) -> Field | None:
    if wanted is None and not run.scenario.get("substances"):
        return None
    now = _concentrations(run, name, replicate, hour)
    if now is None:
        if wanted is not None:
            raise InputError(f"field: {wanted} was not kept at {hour:g} h")
        return None
    substance = _substance([now], wanted)
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
    source = np.asarray(cells.obs["cell_type"].astype(str).isin(by))
    return Field(
        substance=substance,
        units=str(now.attrs.get("units", "nM")),
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
