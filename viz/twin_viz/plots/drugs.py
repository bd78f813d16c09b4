"""A drug on its way to the cells: its level in plasma, free drug there and in a tissue, and the answer of the cells."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twin.analysis.bands import LEVEL, band
from twin.analysis.noncompartmental import Course, course_numbers
from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin.scenario.futures import TRUNK
from twin_viz import palette
from twin_viz.camera import Float
from twin_viz.futures import MOST_NAMED, Look, looks_of
from twin_viz.plots.readout import readout_of
from twin_viz.plots.scene import counted, earliest_limit
from twin_viz.plots.sheet import legend_below, mark_extrapolated, name_axes, note, sheet
from twin_viz.source import compartment_of

SIZE = (13.2, 4.6)  # inches, without the legend
LINE = 0.2  # inches, of the legend
COLUMNS = 4
TOLD = 6  # futures whose numbers stand below; of more there is no room
DOSE_ROW = 0.035  # of the height of the axes, between the marks of two futures
PAD = 18  # pt between a panel and its title, where the extrapolated times are named
THIN, THICK = 0.9, 1.8  # pt


@dataclass(frozen=True)
class Future:
    """One branch at one point of the sweep.

    total, free, tissue : nM, mean of the replicates; tissue is None where the drug has no field. (time,)
    doses : h, where doses were given: the last readout before each.
    """

    name: str
    run: Run
    hours: Float
    total: Float
    free: Float
    tissue: Float | None
    doses: Float
    response: xr.DataArray


def exposure(run: Run, compartment: str | None = None, drug: str | None = None) -> Figure:
    """Draw a drug in plasma and in a tissue, and the answer of its cells, in every branch at every point of the sweep.

    drug : without it the first of the scenario.

    Raises
    ------
    InputError
        If the run follows no drug through a body, there is none of that name, or no such compartment, or nothing is
        known yet.
    """
    place = compartment_of(run, compartment)
    name = _drug_of(run, drug)
    substance = str(run.scenario["drugs"][name].get("substance") or name)
    found, trajectories = [], []
    mine = [t for t in run.ensemble.trajectories if t.replicate == 0]  # in the order of the scenes
    for (words, scene), trajectory in zip(run.scenes(), mine, strict=True):
        future = _future(words or TRUNK, scene, place, name, substance)
        if future is not None:
            found.append(future)
            trajectories.append((words or TRUNK, trajectory))
    if not found:
        raise InputError(f"nothing of {name} is known yet: wait for the first commit of the run")
    looks = looks_of(run.ensemble, trajectories)
    named = len(found) <= MOST_NAMED
    rows = -(-len(found) // COLUMNS) if named else 0
    figure = sheet((SIZE[0], SIZE[1] + LINE * rows), f"{run.scenario.get('name', run.path.name)} · {name} · {place}")
    plasma, free, response = figure.subplots(1, 3)
    given = [f for f in found if len(f.doses)]
    into = run.scenario["drugs"][name].get("into")
    kind = "free" if into is None else "bound and free"  # flows between organs carry both
    for future, look in zip(found, looks, strict=True):
        color = look.color if named else palette.NOTHING
        plasma.plot(future.hours, future.total, look.style, color=color, lw=THICK)
        free.plot(future.hours, future.free, look.style, color=color, lw=THIN)
        if future.tissue is not None:
            free.plot(future.hours, future.tissue, look.style, color=color, lw=THICK)
        _draw_response(response, future, look, color)
        if len(future.doses) and named:
            row = 0.025 + DOSE_ROW * given.index(future)
            height = np.full(len(future.doses), row)
            plasma.scatter(
                future.doses, height, marker="^", s=16, color=color, transform=plasma.get_xaxis_transform(), zorder=4
            )
    _room_for_marks(plasma, len(given) if named else 0)
    free.set_ylim(bottom=0)
    mark_extrapolated(response, earliest_limit([(f.name, f.run) for f in found], place), float(found[0].hours[-1]))
    name_axes(plasma, "time (h)", f"{name}, bound and free (nM)", "in plasma", PAD)
    name_axes(free, "time (h)", f"{kind} {name} (nM)", f"{kind}, where the cells are: {place}", PAD)
    name_axes(response, "time (h)", readout_of(found[0].run.readouts, place)[1], "what the cells make of it", PAD)
    handles = [Line2D([], [], color=k.color, ls=k.style, lw=THICK) for k in looks] if named else []
    if named:
        legend_below(free, COLUMNS, handles, [look.name for look in looks])
    note(figure, *_notes(found, looks, run.replicates))
    return figure


def _drug_of(run: Run, name: str | None) -> str:
    """Return the drug of this name; without one the first."""
    drugs = [str(d) for d in run.readouts["drug"].values] if "plasma" in run.readouts else []
    if not drugs:
        raise InputError(f"{run.path} follows no drug through a body: it needs drugs and the process pharmacokinetics")
    if name is not None and name not in drugs:
        raise UnknownNameError("drug of this run", name, drugs)
    return drugs[0] if name is None else name


def _future(words: str, scene: Run, place: str, drug: str, substance: str) -> Future | None:
    """Return what is known of one future by now; None where nothing is."""
    data = scene.readouts.sel(drug=drug)
    levels = {key: _mean(data[key]) for key in ("plasma", "plasma_free", "drug_given")}
    there = np.isfinite(levels["plasma"])
    if there.sum() < 2:
        return None
    hours = np.asarray(data["time"].values, dtype=np.float64)[there]
    tissue = None
    if "concentration_mean" in data and substance in data["substance"].values:
        tissue = _mean(data["concentration_mean"].sel(compartment=place, substance=substance))[there]
    steps = np.flatnonzero(np.diff(levels["drug_given"][there]) > 0)
    response = readout_of(scene.readouts, place)[0]
    return Future(
        words, scene, hours, levels["plasma"][there], levels["plasma_free"][there], tissue, hours[steps], response
    )


def _mean(values: xr.DataArray) -> Float:
    """Return the mean over replicates, (time,)."""
    return np.asarray(values.mean("replicate"), dtype=np.float64)


def _draw_response(axes: Axes, future: Future, look: Look, color: str) -> None:
    mean, margin = (np.asarray(v, dtype=np.float64) for v in band(future.response))
    hours = np.asarray(future.response["time"].values, dtype=np.float64)
    axes.plot(hours, mean, look.style, color=color, lw=THICK)
    if future.run.replicates > 1:
        axes.fill_between(hours, mean - margin, mean + margin, color=color, alpha=0.15, linewidth=0)


def _room_for_marks(axes: Axes, rows: int) -> None:
    """Begin the axis at 0, and leave room below it for the marks of doses."""
    top = axes.get_ylim()[1]
    share = DOSE_ROW * (rows + 0.5) if rows else 0.0
    axes.set_ylim(-top * share / (1 - share), top)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])


def _notes(found: list[Future], looks: list[Look], replicates: int) -> list[str]:
    """Return what lines and marks are, and the numbers of each course of free drug."""
    told = ["▲ doses", "thin: free in plasma, thick: in the tissue"]
    told[0] += ", each at the readout before it" if any(len(f.doses) for f in found) else ": none"
    if replicates > 1:
        told.append(f"bands: the mean's {100 * LEVEL:g} % interval over {counted(replicates, 'replicate')}")
    dosed = [(f, look) for f, look in zip(found, looks, strict=True) if len(f.doses)]
    if 0 < len(dosed) <= TOLD:
        told.append("free drug in plasma from the first dose on")
        told += [f"{look.name}: {_numbers(future)}" for future, look in dosed]
    return told


def _numbers(future: Future) -> str:
    """Return peak, trough, area and half-life of free drug from the first dose on, in words."""
    since = future.hours >= future.doses[0]
    course: Course = course_numbers(future.hours[since], future.free[since])
    when = f" after {course.peak_time - future.doses[0]:.3g} h" if len(future.doses) == 1 else ""
    words = [
        f"C_max {_short(course.peak)} nM{when}",
        f"least after it {_short(course.trough)} nM",
        f"mean {_short(course.mean)} nM",
        f"AUC {_short(course.area)} nM h",
    ]
    if np.isfinite(course.half_life):
        words.append(f"t½ {_short(course.half_life)} h")
    return ", ".join(words)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
