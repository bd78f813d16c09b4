"""Branches and points of a sweep beside each other: one line a future, with its band."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from twin.analysis.bands import LEVEL, mean_and_margin
from twin.results import Run
from twin_viz import palette
from twin_viz.page import DPI, SMALL, TEXT, save

SIZE = (7.2, 4.6)  # inches
MOST_NAMED = 16  # lines that a legend names; more are drawn in one colour


def futures_plot(scenes: Sequence[tuple[str, Run]], out: Path, compartment: str) -> Path:
    """Draw the mean response of all cells (or how many live) over time, a line a branch and point; return `out`."""
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor=palette.BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    label, replicates = "", 1
    for i, (name, scene) in enumerate(scenes):
        data = scene.readouts.sel(compartment=compartment)
        values, label = followed(data)
        replicates = values.sizes["replicate"]
        lines = np.asarray(values.transpose("replicate", "time"), dtype=np.float64)
        mean, margin = mean_and_margin(lines)
        named = len(scenes) <= MOST_NAMED
        color = palette.SEQUENCE(i / max(len(scenes) - 1, 1)) if named else palette.NOTHING
        hours = np.asarray(values["time"].values, dtype=np.float64)
        axes.plot(hours, mean, color=color, lw=1.6, label=name if named else None)
        if replicates > 1:
            axes.fill_between(hours, mean - margin, mean + margin, color=color, alpha=0.18, linewidth=0)
    axes.set_title("futures", size=TEXT, loc="left", weight="bold")
    axes.set_xlabel("time (h)", size=SMALL)
    axes.set_ylabel(label, size=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    if len(scenes) <= MOST_NAMED:
        title = f"mean and its {100 * LEVEL:g} % interval, {replicates} replicates" if replicates > 1 else None
        axes.legend(
            title=title,
            title_fontsize=SMALL - 1.5,
            fontsize=SMALL - 1.5,
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1, 1),
        )
    return save(figure, out)


def followed(data: xr.Dataset) -> tuple[xr.DataArray, str]:
    """Return what is followed, (replicate, time), and its name: the response of all cells, or how many live."""
    n = data["n_cells"]
    if "response_by_type" not in data:
        return n.sum("cell_type", min_count=1), "living cells"
    response = data["response_by_type"]
    weight = n.where(np.isfinite(response), 0)
    return (response.fillna(0) * weight).sum("cell_type") / weight.sum("cell_type"), "response (0 control, 1 full dose)"
