"""Branches and points of a sweep beside each other: one line a future, with its band."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from twin.analysis.bands import LEVEL, band
from twin.errors import InputError
from twin.results import Run
from twin_viz import palette
from twin_viz.page import SMALL, save
from twin_viz.plots.readout import readout_of
from twin_viz.plots.scene import compartment_of, counted, earliest_limit
from twin_viz.plots.sheet import legend_below, mark_extrapolated, name_axes, note, sheet

SIZE = (7.6, 4.8)  # inches
MOST_NAMED = 16  # lines that a legend names; more are drawn in one colour
PAD = 18  # pt between the axes and their title, where the extrapolated times are named
LINE = 0.17  # inches, of the legend
LONGEST = 34  # letters of a name in the legend beside the axes; longer ones go below


def futures(
    run: Run, compartment: str | None = None, readout: str | None = None, cell_type: str | None = None
) -> Figure:
    """Draw a readout of every branch at every point of the sweep over time.

    readout : without it the mean response of all cells, or how many live; see `twin_viz.plots.readout.readout_of`.

    Raises
    ------
    InputError
        If there is no such compartment, readout or type, or nothing is known of it yet.
    """
    name = compartment_of(run, compartment)
    return futures_figure(run.scenes(), name, readout, cell_type)


def futures_figure(
    scenes: Sequence[tuple[str, Run]], compartment: str, readout: str | None = None, cell_type: str | None = None
) -> Figure:
    """Draw the mean of a readout over time, a line a branch and point; those that have not begun are left out.

    Raises
    ------
    InputError
        If nothing is known of any.
    """
    first = scenes[0][1]
    found = []
    for name, scene in scenes:
        values, text = readout_of(scene.readouts, compartment, readout, cell_type)
        if bool(values.notnull().any()):
            found.append((name or "trunk", scene, values))
    if not found:
        raise InputError(f"nothing of {text} is known yet: wait for the first commit of the run")
    named = len(found) <= MOST_NAMED
    below = named and max(len(name) for name, _, _ in found) > LONGEST
    size = (SIZE[0], SIZE[1] + LINE * len(found)) if below else SIZE
    figure = sheet(size, str(first.scenario.get("name", first.path.name)))
    axes = figure.subplots()
    for i, (name, _, values) in enumerate(found):
        mean, margin = (np.asarray(v, dtype=np.float64) for v in band(values))
        color = palette.SEQUENCE(i / max(len(found) - 1, 1)) if named else palette.NOTHING
        hours = np.asarray(values["time"].values, dtype=np.float64)
        axes.plot(hours, mean, color=color, lw=1.6, label=name if named else None)
        if first.replicates > 1:
            axes.fill_between(hours, mean - margin, mean + margin, color=color, alpha=0.18, linewidth=0)
    limit = earliest_limit([(name, scene) for name, scene, _ in found], compartment)
    mark_extrapolated(axes, limit, float(hours[-1]))
    name_axes(axes, "time (h)", text, "futures", PAD)
    if named and below:
        legend_below(axes, 1)
    elif named:
        axes.legend(fontsize=SMALL - 1, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    many = first.replicates
    means = f"means and their {100 * LEVEL:g} % intervals over {counted(many, 'replicate')}"
    note(figure, counted(len(found), "future"), means if many > 1 else "1 replicate")
    return figure


def futures_plot(scenes: Sequence[tuple[str, Run]], out: Path, compartment: str) -> Path:
    """Draw the mean response of all cells (or how many live) over time, a line a branch and point; return `out`."""
    return save(futures_figure(scenes, compartment), out)
