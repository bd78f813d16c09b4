"""What a picture shows, read from a run: cells, their colour, the field beside them.

Nothing is drawn here; the 3-D picture and the plain one are two drawings of one `View`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from anndata import AnnData
from numpy.typing import NDArray

from twin.analysis.lineage import founders_of
from twin.errors import InputError
from twin_viz.camera import Camera, Float, look_at
from twin_viz.cloud import Cloud, Style, scale_of
from twin_viz.coloring import DEATH, Coloring, column, shared_colors
from twin_viz.cut import Cut, middle_of, parse_cut
from twin_viz.links import Links, links_key, links_of
from twin_viz.source import Run, assay_end, box_of, compartment_of, kept_time
from twin_viz.substance import DECADES, Field, concentrations, position_of, read_field, substance_of, voxel_edges

SEEN_THROUGH = 0.35  # opacity of cells in a field that surrounds them; our choice
CLONE = "clone"  # a colour: the founder that a cell descends from


@dataclass(frozen=True)
class Tissue:
    """The cells of a compartment at one time of one future.

    position : (cell, 3) µm. radius : (cell,) µm.
    value : (cell,) a number or the code of a category; NaN in dead cells.
    label : of the future, where several are shown. links : lines between cells, None without.
    cloud : (z, y, x) concentrations around the cells, as `View.cloud` shows them; None without.
    n_dead : how many of the cells are bodies. is_late : whether the assay does not reach so far: it is extrapolated.
    """

    time: float
    position: Float
    radius: Float
    value: Float
    label: str = ""
    links: Links | None = None
    cloud: Float | None = None
    n_dead: int = 0
    is_late: bool = False

    @property
    def counted(self) -> str:
        """How many cells are shown, in words."""
        n = len(self.radius) - self.n_dead
        bodies = f", {self.n_dead:,} {'body' if self.n_dead == 1 else 'bodies'}" if self.n_dead else ""
        return f"{n:,} {'cell' if n == 1 else 'cells'}{bodies}"


@dataclass(frozen=True)
class View:
    """One picture: a compartment at some times and in some futures, and a field beside or around its cells.

    tissues : a panel each, in the order of the futures, each at all times.
    box : (2, axis) lower and upper corner of what is shown, µm.
    future : which one it is, where all panels are of one; empty where there is but one, or several are shown.
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
    future: str = ""
    cloud: Cloud | None = None
    cut: Cut | None = None
    links: str = ""
    strongest: float = 1.0
    opacity: float = 1.0

    @property
    def camera(self) -> Camera:
        """The one camera of all panels: it turns to what a cut opened, and to iso-surfaces across a long box."""
        opened = None
        if self.cut is not None:
            opened = (self.cut.axis, 1 if self.cut.below else -1)
        elif self.cloud is not None and self.cloud.style == "iso":
            opened = (int(np.argmax((self.box[1] - self.box[0])[:2])), 1)
        return look_at(self.box, opened)


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
    others : (label, run) of other futures, beside `run`: one camera and one colour scale for all.
    label : which future `run` is, in words.

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
    name = compartment_of(run, compartment)
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
            cells.obs[CLONE] = clone_names(lineage, cells)
        columns[i] = column(cells, color, programs)
        limit = assay_end(panel.run, cells, panel.hour)
        seen.append(_Seen.of(cells, limit is not None and panel.hour > limit + 1e-6))
        if links is not None and not is_cut:
            seen[-1].links.append(links_of(cells, links, np.ones(cells.n_obs, np.bool_)))
    if not any(len(one.radius) for one in seen):
        raise InputError(f"{name}: no cells are there at {', '.join(f'{h:g} h' for h in hours)}")
    box = _box(None if close else box_of(run, name), seen)
    camera = look_at(box)
    kept = (asked or middle_of(camera)).settled(box, camera) if is_cut else None
    if kept is not None and links is not None:
        for one, panel in zip(seen, panels, strict=True):
            cells = panel.run.cells(panel.hour, replicate=replicate, compartment=name)
            one.links.append(links_of(cells, links, kept.keeps(one.position)))
    coloring, values = _colored(columns, seen, kept, with_dead=color == DEATH)
    tissues = tuple(
        _tissue(one, panel, values[i], kept) for i, (one, panel) in enumerate(zip(seen, panels, strict=True))
    )
    title = str(run.scenario.get("name", "twin"))
    future = "" if others else label
    view = View(title, name, tissues, coloring, None, box, future, cut=kept, opacity=opacity)
    if links is not None:
        words, strongest = links_key(links, [one.links[0] for one in seen])
        view = replace(view, links=words, strongest=strongest)
    if field == "none" or (style == "block" and others and field is None):
        return view
    if style == "block":
        if others:
            raise InputError("field: a block is of one future; beside several show it as slice, iso or volume")
        return replace(view, field=read_field(run, field, name, replicate, hours[-1], cells))
    return _with_cloud(view, panels, style, field, replicate)


def clone_names(lineage: pd.DataFrame, cells: AnnData) -> list[str]:
    """Return what the clone of each cell is called, (cell,): by its founder."""
    return [f"of cell {founder}" for founder in founders_of(lineage, cells.obs["id"])]


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
    found = [concentrations(p.run, view.compartment, replicate, p.hour) for p in panels]
    if any(f is None for f in found):
        hour = panels[[f is None for f in found].index(True)].hour
        if wanted is None:
            return view
        raise InputError(f"field: {wanted} was not kept at {hour:g} h")
    data = [f for f in found if f is not None]
    substance = substance_of(data, wanted)
    if substance is None:
        return view
    values = [_within(view.box, d.sel(substance=substance).transpose("z", "y", "x")) for d in data]
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


def _within(box: Float, values: xr.DataArray) -> xr.DataArray:
    """Return the voxels whose middles are in a box (2, axis); all of them along an axis on which there is but one."""
    for i, axis in enumerate("xyz"):
        place = np.asarray(values[axis], dtype=np.float64)
        inside = (place >= box[0, i]) & (place <= box[1, i])
        if len(place) > 1 and inside.any():
            values = values.isel({axis: np.flatnonzero(inside)})
    return values


def _colored(
    columns: Mapping[int, Any], seen: "Sequence[_Seen]", cut: Cut | None, *, with_dead: bool
) -> tuple[Coloring, dict[int, Float]]:
    """Return one colouring of all panels, by the cells that are shown and alive; the others' values are NaN."""
    rows = {i: (one.alive | with_dead) & (cut is None or cut.keeps(one.position)) for i, one in enumerate(seen)}
    if not any(mine.any() for mine in rows.values()):
        rows = {i: np.ones(len(one.alive), np.bool_) for i, one in enumerate(seen)}
    coloring, found = shared_colors({i: (words, series[rows[i]]) for i, (words, series) in columns.items()})
    values = {i: np.full(len(one.alive), np.nan) for i, one in enumerate(seen)}
    for i, mine in rows.items():
        values[i][mine] = found[i]
        values[i][~(seen[i].alive | with_dead)] = np.nan
    return coloring, values


@dataclass(frozen=True)
class _Seen:
    """What is shown of the cells of one time: position (cell, 3) µm, radius (cell,) µm, alive (cell,)."""

    position: Float
    radius: Float
    alive: NDArray[np.bool_]
    links: list[Links]
    is_late: bool

    @classmethod
    def of(cls, cells: AnnData, is_late: bool) -> "_Seen":
        alive = cells.obs["alive"] if "alive" in cells.obs else np.ones(cells.n_obs)
        radius = np.asarray(cells.obs["radius"], dtype=np.float64)
        return cls(position_of(cells), radius, np.asarray(alive, dtype=np.bool_), [], is_late)


def _tissue(seen: _Seen, panel: _Panel, value: Float, cut: Cut | None) -> Tissue:
    stays = cut.keeps(seen.position) if cut is not None else np.ones(len(value), bool)
    if cut is not None and len(stays) and not stays.any():
        place = seen.position[:, cut.axis]
        raise InputError(
            f"cut: no cell is left in the part that stays ({cut.words}); cells are between {place.min():.4g} and "
            f"{place.max():.4g} µm"
        )
    links = seen.links[0] if seen.links else None
    return Tissue(
        panel.hour,
        seen.position[stays],
        seen.radius[stays],
        value[stays],
        panel.label,
        links,
        n_dead=int((~seen.alive[stays]).sum()),
        is_late=seen.is_late,
    )


def _box(size: Sequence[float] | None, seen: Sequence[_Seen]) -> Float:
    """Return the compartment's box, widened to hold every cell, (2, axis) µm; around the cells where it has none."""
    points = np.concatenate([one.position for one in seen])
    reach = np.concatenate([one.radius for one in seen])[:, None]
    low, high = (points - reach).min(axis=0), (points + reach).max(axis=0)
    if size is not None:
        low, high = np.minimum(low, 0.0), np.maximum(high, size)
    return np.stack([low, high])
