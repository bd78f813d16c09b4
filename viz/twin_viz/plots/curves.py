"""The response over time, by distance and by cell type, and how far a substance reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.analysis.bands import LEVEL, mean_and_margin
from twin.analysis.summary import DecayLength, decay_lengths
from twin.errors import InputError, UnknownNameError
from twin.results import Run as Store
from twin_viz import palette
from twin_viz.camera import Float
from twin_viz.page import save
from twin_viz.plots.scene import Point, counted, scene_of
from twin_viz.plots.sheet import legend_below, mark_extrapolated, name_axes, note, sheet
from twin_viz.source import Run, measured_until

PANEL = (4.6, 4.7)  # inches, without its legend
LINE = 0.19  # inches, of a legend
ALONE = 6.0  # inches, width of a single panel
FLOOR = 1e-4  # of the highest concentration; below it a profile on a log axis is noise
PAD = 18  # pt between a panel and its title, where the extrapolated times are named

Profile = dict[str, tuple[Float, Float, str]]


@dataclass(frozen=True)
class Curves:
    """What one panel shows over time.

    values : (replicate, time, line). names : of the lines. label : of the axis, with its unit.
    is_ordered : whether the lines have an order, which their colours then follow.
    """

    title: str
    label: str
    names: tuple[str, ...]
    values: Float
    is_ordered: bool


def response(run: Store, compartment: str | None = None, branch: str | None = None, point: Point = None) -> Figure:
    """Draw the response of one branch at one point over time, by distance and by cell type.

    Raises
    ------
    InputError
        If there is no such branch, point or compartment, or no readout that could be drawn.
    """
    scene = scene_of(run, compartment, branch, point)
    kept = any(len(scene.run.times(i)) for i in scene.replicates)
    if not kept and not has_curves(scene.run, scene.compartment):
        raise InputError(f"nothing of {scene.title} is known yet: wait for the first commit of the run")
    lengths = [
        length for length in (decay_lengths(scene.run) if kept else ()) if length.compartment == scene.compartment
    ]
    return response_figure(scene.run, scene.compartment, lengths, scene.title, scene.measured_until())


def response_figure(
    run: Run,
    compartment: str | None = None,
    lengths: Sequence[DecayLength] = (),
    title: str | None = None,
    limit: float | None = None,
) -> Figure:
    """Draw what the run says about the response; panels without data are left out.

    lengths : decay lengths to draw beside the profile of the concentration (`twin.analysis.summary.decay_lengths`).
    title : without it the name of the scenario. limit : h, where the assay ends; without it by the scenario's events.

    Raises
    ------
    InputError
        If the run has no readout that could be drawn, or no such compartment.
    """
    hours, curves, profile = _read(run, compartment)
    n = len(curves) + (profile is not None)
    if not n:
        raise InputError("the run has no readout to plot: ask for one under 'observe' in the scenario")
    lines = max([2, *(-(-len(c.names) // _columns(c)) for c in curves)])  # of the longest legend
    figure = sheet(
        (PANEL[0] * n if n > 1 else ALONE, PANEL[1] + LINE * lines), title or str(run.scenario.get("name", "twin"))
    )
    axes = figure.subplots(1, n, squeeze=False)[0]
    limit = measured_until(run) if limit is None else limit
    for one, panel in zip(axes[: len(curves)], curves, strict=True):
        _draw_curves(one, hours, panel, limit)
    if profile is not None:
        _draw_profile(axes[-1], profile, lengths)
    note(figure, *_notes(run, compartment))
    return figure


def response_plot(run: Run, out: Path, compartment: str | None = None, lengths: Sequence[DecayLength] = ()) -> Path:
    """Write `response_figure` to `out` (PNG) and return it."""
    return save(response_figure(run, compartment, lengths), out)


def has_curves(run: Run, compartment: str | None = None) -> bool:
    """Say whether `response_figure` has anything to draw."""
    _, curves, profile = _read(run, compartment)
    return bool(curves) or profile is not None


def _read(run: Run, compartment: str | None) -> tuple[Float, list[Curves], Profile | None]:
    """Return the times (h) of the readouts, the panels over time, and the profile."""
    data = run.readouts
    if "compartment" in data.coords:
        known = [str(c) for c in data["compartment"].values]
        name = compartment or known[0]
        if name not in known:
            raise UnknownNameError("compartment", name, known)
        data = data.sel(compartment=name)
    hours = np.asarray(data["time"].values, dtype=np.float64) if "time" in data.coords else np.zeros(1)
    return hours, [c for c in (_by_distance(data), _by_type(data)) if c is not None], _profile(data)


def _notes(run: Run, compartment: str | None) -> list[str]:
    """Return how many cells and replicates the curves are of."""
    data = run.readouts
    many = data.sizes.get("replicate", 1)
    told = [counted(many, "replicate")]
    if "n_cells" not in data:
        return told
    n = data["n_cells"].isel(compartment=0) if compartment is None else data["n_cells"].sel(compartment=compartment)
    kinds = [d for d in n.dims if d not in ("replicate", "time")]
    total = np.asarray(n.sum(kinds, min_count=1).transpose("replicate", "time"), dtype=np.float64)
    known = np.flatnonzero(np.isfinite(total).any(axis=0))
    if not len(known):
        return told
    first, last = (int(np.nanmean(total[:, at])) for at in known[[0, -1]])
    size = counted(first) if first == last else f"{counted(first)} at the start, {last:,} at the end"
    told.append("living cells of a type at the end: n" if "cell_type" in kinds else "")
    return [f"{size} alive" + (" in a replicate" if many > 1 else ""), *told]


def _values(data: xr.Dataset, name: str, dim: str) -> Float | None:
    """Return a readout as (replicate, time, line), None where it is missing or was never written."""
    if name not in data or dim not in data[name].dims:
        return None
    values = np.asarray(data[name].transpose("replicate", "time", dim), dtype=np.float64)
    return values if np.isfinite(values).any() else None


def _by_distance(data: xr.Dataset) -> Curves | None:
    values = _values(data, "response_by_distance", "distance")
    if values is None:
        return None
    names = tuple(f"{float(d):g} µm" for d in data["distance"].values)
    return Curves("by distance from the source", "response (0 control, 1 full dose)", names, values, True)


def _by_type(data: xr.Dataset) -> Curves | None:
    """Return the response by type or, where none was asked for, the first gene, or how many cells."""
    kinds = tuple(str(k) for k in data["cell_type"].values) if "cell_type" in data.coords else ()
    values = _values(data, "response_by_type", "cell_type")
    label = "response (0 control, 1 full dose)"
    if values is None and "gene_mean" in data and data.sizes.get("gene", 0):
        gene = str(data["gene"].values[0])
        values, label = _values(data.isel(gene=0), "gene_mean", "cell_type"), f"{gene} (counts per 10,000)"
    if values is None:
        values, label = _values(data, "n_cells", "cell_type"), "cells"
        if values is not None and not np.nansum(values):
            return None  # a pool without cells
    if values is None:
        return None
    n = _at_the_end(data)
    if n is not None:
        kinds = tuple(f"{kind} (n = {round(many):,})" for kind, many in zip(kinds, n, strict=True))
    return Curves("by cell type", label, kinds, values, False)


def _at_the_end(data: xr.Dataset) -> Float | None:
    """Return how many cells of each type live at the last known time, the mean over replicates; None if not known."""
    n = _values(data, "n_cells", "cell_type")
    if n is None:
        return None
    there = np.asarray(np.isfinite(n).all(axis=2))  # (replicate, time)
    last = np.flatnonzero(there.any(axis=0))
    return np.asarray(n[there[:, last[-1]], last[-1]].mean(axis=0)) if len(last) else None


def _profile(data: xr.Dataset) -> Profile | None:
    """Return per substance distance (µm), concentration (replicate, distance) and unit, last time."""
    if "concentration_by_distance" not in data:
        return None
    all_of_it = data["concentration_by_distance"].transpose("substance", "replicate", "time", "distance")
    values = np.asarray(all_of_it, dtype=np.float64)
    written = np.flatnonzero(np.isfinite(values).any(axis=(0, 1, 3)))
    if not len(written) or not (values[:, :, written[-1]] > 0).any():
        return None
    distance = np.asarray(data["distance"].values, dtype=np.float64)
    unit = str(all_of_it.attrs.get("units", "nM"))
    names = [str(s) for s in data["substance"].values]
    return {name: (distance, values[i, :, written[-1]], unit) for i, name in enumerate(names)}


def _draw_curves(axes: Axes, hours: Float, panel: Curves, limit: float | None) -> None:
    shown = [i for i in range(len(panel.names)) if np.isfinite(panel.values[..., i]).any()]
    for order, i in enumerate(shown):
        share = order / max(len(shown) - 1, 1)
        color = palette.SEQUENCE(share) if panel.is_ordered else palette.CATEGORIES[i % len(palette.CATEGORIES)]
        style = "-" if panel.is_ordered or i < len(palette.CATEGORIES) else "--"
        lines = panel.values[..., i]  # (replicate, time)
        there = np.isfinite(lines).any(axis=0)
        lines = lines[:, there]
        mean, margin = mean_and_margin(lines)
        axes.plot(hours[there], mean, style, color=color, lw=1.8, label=panel.names[i])
        if len(lines) > 1:
            axes.fill_between(hours[there], mean - margin, mean + margin, color=color, alpha=0.2, linewidth=0)
    axes.set_xlim(hours[0], hours[-1] if hours[-1] > hours[0] else hours[0] + 1)
    axes.margins(y=0.08)
    mark_extrapolated(axes, limit, float(hours[-1]))
    many = f"mean and its {100 * LEVEL:g} % interval, {len(panel.values)} replicates"
    name_axes(axes, "time (h)", panel.label, panel.title, PAD)
    legend_below(axes, _columns(panel), title=many if len(panel.values) > 1 else None)


def _columns(panel: Curves) -> int:
    return 3 if panel.is_ordered else 2


def _draw_profile(axes: Axes, profile: Profile, lengths: Sequence[DecayLength]) -> None:
    """Draw concentrations along the distance, and the exponential of each decay length beside them."""
    by_name = {length.substance: length for length in lengths}
    unit = next(iter(profile.values()))[2]
    for i, (name, (distance, values, _)) in enumerate(profile.items()):
        color = palette.CATEGORIES[i % len(palette.CATEGORIES)]
        there = np.isfinite(values).any(axis=0)
        middle = np.nanmedian(values[:, there], axis=0)
        place, middle = distance[there][middle > 0], middle[middle > 0]
        seen = middle > FLOOR * middle.max() if len(middle) else middle > 0
        if not seen.any():
            continue
        axes.semilogy(place[seen], middle[seen], "o", color=color, ms=5, label=f"{name}, simulated")
        length = by_name.get(name)
        fitted, predicted = (length.measured, length.predicted) if length is not None else (np.nan, np.nan)
        for value, style, words in ((fitted, "-", "fitted length"), (predicted, "--", "√(D/(λ + uptake))")):
            if np.isfinite(value):
                along = np.linspace(place[seen][0], place[seen][-1], 50)
                curve = middle[seen][0] * np.exp(-(along - along[0]) / value)
                shown = curve > FLOOR * middle.max()
                said = f"{words} {value:.0f} µm"
                axes.semilogy(along[shown], curve[shown], style, color=color, lw=1.5, label=said)
    name_axes(axes, "distance from the source (µm)", f"concentration ({unit})", "how far it reaches, at the end", PAD)
    legend_below(axes, 2)
