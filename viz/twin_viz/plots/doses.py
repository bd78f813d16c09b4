"""A readout over a dose: replicates as points, a Hill curve through them where the doses tell one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from twin.analysis.hill import HillFit, fit_hill
from twin.errors import InputError
from twin.results import Run
from twin.units import quantity
from twin_viz import palette
from twin_viz.camera import Float
from twin_viz.page import EXTRAPOLATED
from twin_viz.plots.dose_axis import DoseAxis, dose_axis
from twin_viz.plots.readout import readout_of
from twin_viz.plots.scene import SAME, Point, counted, earliest_limit
from twin_viz.plots.sheet import legend_below, name_axes, note, sheet
from twin_viz.source import compartment_of

SIZE = (7.2, 5.4)  # inches
MOST_SERIES = 6  # curves in one picture; more cannot be told apart
GAP = 0.35  # of the decades that are shown: from the lowest dose to where no dose is drawn
FEW = 4  # doses that are ticks themselves
BREAK = 0.007  # of the width of the axes: half the gap of the broken axis
ALONG = 200  # points of a curve


@dataclass(frozen=True)
class Series:
    """The points of one curve.

    name : where it stands along the other axes of the sweep. dose, response, weight : (point,).
    """

    name: str
    dose: Float
    response: Float
    weight: Float


def dose_response(
    run: Run,
    time: float | str | None = None,
    readout: str | None = None,
    cell_type: str | None = None,
    over: str | None = None,
    compartment: str | None = None,
    branch: str | None = None,
    point: Point = None,
) -> Figure:
    """Draw a readout at one time over a dose, with its Hill fit, EC50 and slope.

    Parameters
    ----------
    time : of the readouts; without it the last.
    readout : without it the response of all cells; see `twin_viz.plots.readout.readout_of`.
    over : the axis of the sweep, be it a dose or not; without it the one that is, or the branches that differ in one.
    branch : without it the one whose dose it is. point : values of other axes; without, each value is a curve.

    Raises
    ------
    InputError
        If the run has no doses to compare, or there is no such time, readout, type, axis, branch or point.
    """
    name = compartment_of(run, compartment)
    values, text = readout_of(run.readouts, name, readout, cell_type)
    axis = dose_axis(run, over, branch)
    values, hour = _at_time(values, time)
    placed = axis.placed(values, point)
    series = _series(placed, axis)
    words = [str(run.scenario.get("name", run.path.name)), *([axis.title] if axis.title else []), f"{hour:g} h"]
    limit = earliest_limit(run.scenes(), name)
    late = f" ({EXTRAPOLATED})" if limit is not None and hour > limit + SAME else ""
    figure = sheet(SIZE, " · ".join(words) + late)
    axes = figure.subplots()
    zero = _zero_place(series)
    fits = []
    for i, one in enumerate(series):
        color = palette.CATEGORIES[0] if len(series) == 1 else palette.SEQUENCE(i / (len(series) - 1))
        fits.append(fit_hill(one.dose, one.response, one.weight))
        _draw(axes, one, fits[-1], zero, color, axis, is_alone=len(series) == 1)
    _dose_axis(axes, series, zero)
    name_axes(axes, f"{axis.label} ({axis.unit})" if axis.unit else axis.label, text)
    legend_below(axes, 1)
    intervals = "95 % intervals of the fit by Student's t in brackets" if any(not f.why_not for f in fits) else ""
    points = max(len(np.unique(s.dose[np.isfinite(s.response)])) for s in series)
    many = int(placed.notnull().any([d for d in placed.dims if d != "replicate"]).sum())
    note(
        figure,
        _size(run, axis, name, hour, point),
        f"{points} {'doses' if axis.is_dose else f'values of {axis.swept}'}, a point a replicate ({many})",
        *_without_curve(series, fits),
        intervals,
    )
    return figure


def _at_time(values: xr.DataArray, time: float | str | None) -> tuple[xr.DataArray, float]:
    """Return values at one time (h) of the readouts, and that time."""
    hours = np.asarray(values["time"].values, dtype=np.float64)
    others = [d for d in values.dims if d != "time"]
    known = hours[np.asarray(values.notnull().any(others))]
    if not len(known):
        raise InputError("nothing of this readout is known yet: wait for the first commit of the run")
    try:
        wanted = quantity(time, "hour", "a time", "6 h") if isinstance(time, str) else time
    except ValueError as error:
        raise InputError(str(error)) from None
    wanted = float(known[-1]) if wanted is None else float(wanted)
    near = known[np.argsort(np.abs(known - wanted), kind="stable")]
    if abs(near[0] - wanted) > SAME:
        shown = " and ".join(f"{t:g} h" for t in sorted(near[:2]))
        raise InputError(f"nothing was observed at {wanted:g} h; the nearest times: {shown}")
    return values.sel(time=near[0]), float(near[0])


def _series(values: xr.DataArray, axis: DoseAxis) -> list[Series]:
    """Return the points, a series a place along the other axes of the sweep.

    values : (dose, other axes …, replicate).
    """
    others = [str(d) for d in values.dims if d not in ("dose", "replicate")]
    stacked = values.stack(place=others) if others else values.expand_dims("place")
    stacked = stacked.transpose("place", "dose", "replicate")
    if stacked.sizes["place"] > MOST_SERIES:
        sizes = " and ".join(f"{values.sizes[d]} of {d}" for d in others)
        raise InputError(f"these are {stacked.sizes['place']} curves ({sizes}): choose with --point, {MOST_SERIES} fit")
    dose = np.broadcast_to(axis.doses[:, None], stacked.shape[1:]).ravel()
    weights = values["weight"] if "weight" in values.coords else None
    made = []
    for i in range(stacked.sizes["place"]):
        here = np.asarray(stacked[i], dtype=np.float64)
        weight = np.ones_like(here)
        if weights is not None:  # replicates that a snapshot has weighed
            w = weights.stack(place=others) if others else weights.expand_dims("place")
            weight = np.asarray(w.transpose("place", "dose", "replicate")[i], dtype=np.float64)
        name = axis.place_name(stacked.isel(place=i), others)
        made.append(Series(name, dose, here.ravel(), weight.ravel()))
    return made


def _zero_place(series: Sequence[Series]) -> float | None:
    """Return where on the log axis no dose is drawn, left of the lowest; None where all doses are above 0."""
    doses = np.concatenate([s.dose for s in series])
    positive = doses[doses > 0]
    if not len(positive):
        raise InputError("all doses are 0: there is nothing to compare")
    decades = max(float(np.log10(positive.max() / positive.min())), 1.0)
    return float(positive.min() / 10 ** (GAP * decades)) if (doses == 0).any() else None


def _draw(
    axes: Axes, one: Series, fit: HillFit, zero: float | None, color: object, axis: DoseAxis, *, is_alone: bool
) -> None:
    place = np.where(one.dose > 0, one.dose, zero if zero is not None else np.nan)
    said = f"{one.name}: " if one.name else ""
    half, unit = "EC50" if axis.is_dose else "half-way at", f" {axis.unit}" if axis.unit else ""
    if fit.why_not:
        good = np.isfinite(one.response)
        doses, at = np.unique(one.dose[good], return_inverse=True)
        mean = np.bincount(at, weights=one.response[good]) / np.bincount(at)
        words = f"no Hill curve: {fit.why_not}" if is_alone else one.name or "no Hill curve"
        axes.plot(doses[doses > 0], mean[doses > 0], ":", color=color, lw=1.4, label=words)
    else:
        tested = one.dose[one.dose > 0]
        along = np.geomspace(tested.min() / 1.5, tested.max() * 1.5, ALONG)
        words = (
            f"{said}{half} {fit.ec50:.3g}{unit} [{fit.ec50_interval[0]:.3g}, {fit.ec50_interval[1]:.3g}], "
            f"Hill slope {fit.slope:.2f} [{fit.slope_interval[0]:.2f}, {fit.slope_interval[1]:.2f}]"
        )
        axes.plot(along, fit(along), color=color, lw=1.8, label=words)
        if zero is not None:
            axes.plot([zero / 1.2, zero * 1.2], [fit.at_zero] * 2, color=color, lw=1.8)
        axes.plot([fit.ec50] * 2, [0, 0.03], color=color, lw=1.4, transform=axes.get_xaxis_transform())
    axes.plot(place, one.response, "o", color=color, ms=5, alpha=0.75, mec="white", mew=0.5)


def _without_curve(series: Sequence[Series], fits: Sequence[HillFit]) -> list[str]:
    """Return why several curves have no fit, each reason once; of one alone the legend says it."""
    if len(series) == 1:
        return []
    of: dict[str, list[str]] = {}
    for one, fit in zip(series, fits, strict=True):
        if fit.why_not:
            of.setdefault(fit.why_not, []).append(one.name)
    if len(of) == 1 and all(fit.why_not for fit in fits):
        return [f"no Hill curves: {reason}" for reason in of]
    return [f"no Hill curve of {' and '.join(names)}: {reason}" for reason, names in of.items()]


def _dose_axis(axes: Axes, series: Sequence[Series], zero: float | None) -> None:
    """Make the axis logarithmic, and break it between the lowest dose and none."""
    positive = np.concatenate([s.dose[s.dose > 0] for s in series])
    low, high = float(positive.min()), float(positive.max())
    axes.set_xscale("log")
    axes.set_xlim((low / 2 if zero is None else zero / 1.6), high * 2)
    many = np.log10(high / low) > 1.5
    ticks = LogLocator(subs=(1.0,) if many else (1.0, 2.0, 5.0)).tick_values(low, high)
    ticks = [t for t in ticks if low / 1.6 <= t <= high * 1.6]
    few = np.unique(positive)
    ticks = [float(dose) for dose in few] if len(few) <= FEW else ticks or [low, high]
    axes.xaxis.set_major_locator(FixedLocator([*([zero] if zero is not None else []), *ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([*(["0"] if zero is not None else []), *(f"{t:.4g}" for t in ticks)])
    if zero is None:
        return
    left, right = np.log(axes.get_xlim())
    middle = (np.log(np.sqrt(zero * low / 1.3)) - left) / (right - left)  # of the width of the axes
    cut: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "solid_capstyle": "butt"}
    axes.plot([middle - BREAK, middle + BREAK], [0, 0], color=palette.BACKGROUND, lw=3, zorder=5, **cut)
    for x in (middle - BREAK, middle + BREAK):
        axes.plot([x - BREAK / 2, x + BREAK / 2], [-0.018, 0.018], color=palette.INK, lw=1, zorder=6, **cut)


def _size(run: Run, axis: DoseAxis, compartment: str, hour: float, point: Point) -> str:
    """Return how many cells live in the tissues that are compared, in words."""
    n = run.readouts["n_cells"].sel(compartment=compartment, time=hour).sum("cell_type", min_count=1)
    here = np.asarray(axis.placed(n, point), dtype=np.float64)
    here = here[np.isfinite(here)]
    if not here.size:
        return ""
    low, high = round(here.min()), round(here.max())
    return f"{counted(high) if low == high else f'{low:,} to {counted(high)}'} alive in a replicate at {hour:g} h"
