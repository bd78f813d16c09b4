"""What the living cells of a tissue consist of over time: shares and numbers by type, or by any other column."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.analysis.bands import LEVEL, mean_and_margin
from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin_viz import palette
from twin_viz.camera import Float
from twin_viz.coloring import DEATH, DEATH_WORDS, TYPE_LIMIT
from twin_viz.page import SMALL
from twin_viz.plots.scene import SAME, Point, Scene, counted, scene_of
from twin_viz.plots.sheet import mark_extrapolated, name_axes, note, sheet

SIZE = (10.4, 5.0)  # inches
PAD = 18  # pt between a panel and its title, where the extrapolated times are named
OTHER = "other"
CELL_TYPE = "cell_type"


def composition(
    run: Run,
    by: str = CELL_TYPE,
    compartment: str | None = None,
    branch: str | None = None,
    point: Point = None,
) -> Figure:
    """Draw shares and numbers of cells of each kind over time; the mean over replicates, with bands where several.

    by : an obs column of words or few whole numbers, like "cycle_phase"; "death_phase" counts dying bodies too.

    Raises
    ------
    InputError
        If there is no such column, branch, point or compartment, no cell at any time, or nothing is known yet.
    """
    scene = scene_of(run, compartment, branch, point)
    hours, names, n = _of_readouts(scene) if by == CELL_TYPE else _of_cells(scene, by)
    hours, names, n = _most(hours, names, n)
    figure = sheet(SIZE, scene.title)
    shares, numbers = figure.subplots(1, 2)
    colors = [palette.NOTHING if name == OTHER else palette.CATEGORIES[i] for i, name in enumerate(names)]
    _draw_shares(shares, hours, n, colors)
    _draw_numbers(numbers, hours, n, names, colors)
    limit = scene.measured_until()
    mark_extrapolated(numbers, limit, float(hours[-1]))
    what = "cell type" if by == CELL_TYPE else by.replace("_", " ")
    name_axes(shares, "time (h)", "share of the cells", f"shares by {what}", PAD)
    name_axes(numbers, "time (h)", "cells", f"numbers by {what}", PAD)
    small = {"fontsize": SMALL - 1, "title_fontsize": SMALL - 1}
    numbers.legend(
        numbers.get_lines()[: len(names)],  # by hand: of itself it leaves out what begins with "_"
        names,
        title=what,
        **small,
        alignment="left",
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        handlelength=1.4,
    )
    total = np.nanmean(n.sum(axis=2), axis=0)
    size = f"{counted(round(total[0]))} at {hours[0]:g} h, {round(total[-1]):,} at {hours[-1]:g} h"
    whose = "living and dying" if by == DEATH else "living"
    many = len(n)
    band = f"means of {many} replicates with their {100 * LEVEL:g} % intervals" if many > 1 else "1 replicate"
    note(figure, f"{size} ({whose})", band)
    return figure


def _of_readouts(scene: Scene) -> tuple[Float, list[str], Float]:
    """Return times (h), types, and how many cells live, (replicate, time, type)."""
    data = scene.run.readouts
    if "n_cells" not in data:
        raise InputError("the run has no readout of how many cells live")
    n = data["n_cells"].sel(compartment=scene.compartment).transpose("replicate", "time", CELL_TYPE)
    values = np.asarray(n, dtype=np.float64)
    known = np.isfinite(values).any(axis=(0, 2))
    if not known.any():
        raise InputError(f"{scene.run.path} knows of no cells of {scene.title} yet: wait for its first commit")
    hours = np.asarray(data["time"].values, dtype=np.float64)[known]
    return hours, [str(t) for t in n[CELL_TYPE].values], values[:, known]


def _of_cells(scene: Scene, by: str) -> tuple[Float, list[str], Float]:
    """Return kept times (h), values of a column, and how many cells have them, (replicate, time, value)."""
    kept = scene.kept()
    hours = np.unique(np.concatenate([np.array(t) for t in kept.values()]))
    counts: dict[tuple[int, int], pd.Series] = {}
    for i, times in kept.items():
        for time in times:
            obs = scene.run.cells(time, i, scene.compartment, lazy=True).obs
            if by not in obs:
                raise UnknownNameError("obs column", by, map(str, obs.columns), where="--by: ")
            alive = obs["alive"].to_numpy(dtype=np.bool_) | (by == DEATH)
            at = int(np.argmin(np.abs(hours - time)))
            assert abs(hours[at] - time) < SAME
            counts[i, at] = words_of(obs[by][alive], by).value_counts()
    names = sorted(set().union(*(c.index for c in counts.values())), key=_in_order)
    if not names:
        raise InputError(f"no cell lives in {scene.compartment} at any kept time")
    n = np.full((scene.run.replicates, len(hours), len(names)), np.nan)
    for (i, at), count in counts.items():
        n[i, at] = count.reindex(names, fill_value=0).to_numpy(dtype=np.float64)
    there = np.isfinite(n).any(axis=(1, 2))  # replicates that have begun
    return hours, names, n[there]


def words_of(column: pd.Series, name: str) -> pd.Series:
    """Return the values of a column as words.

    Raises
    ------
    InputError
        If they are numbers of which there are too many to be kinds.
    """
    if name == DEATH:
        return column.map(DEATH_WORDS).fillna("dead")
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return column.astype(str)
    numbers = column.to_numpy(dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    several = len(np.unique(finite))
    if several > TYPE_LIMIT or (finite != np.round(finite)).any():
        raise InputError(
            f"--by {name}: it holds {several} different numbers, not kinds of cell; choose a column of words"
        )
    return pd.Series(["none" if np.isnan(v) else f"{v:g}" for v in numbers], index=column.index, dtype=object)


def _in_order(word: str) -> tuple[float, str]:
    """Order numbers as numbers, and words after them."""
    try:
        return float(word), ""
    except ValueError:
        return float("inf"), word


def _most(hours: Float, names: list[str], n: Float) -> tuple[Float, list[str], Float]:
    """Return the same with the rarest kinds as one, where they are more than there are colours."""
    total = np.nansum(n, axis=(0, 1))
    if not total.any():
        raise InputError("no cell lives at any time")
    if len(names) <= TYPE_LIMIT:
        return hours, names, n
    kept = np.sort(np.argsort(-total, kind="stable")[: TYPE_LIMIT - 1])
    rest = np.setdiff1d(np.arange(len(names)), kept)
    joined = np.concatenate([n[..., kept], n[..., rest].sum(axis=2, keepdims=True)], axis=2)
    return hours, [*(names[i] for i in kept), OTHER], joined


def _draw_shares(axes: Axes, hours: Float, n: Float, colors: Sequence[str]) -> None:
    """Stack mean shares; the borders between them carry the interval over replicates."""
    total = n.sum(axis=2, keepdims=True)
    share = np.divide(n, total, out=np.full_like(n, np.nan), where=total > 0)  # (replicate, time, kind)
    ends = mean_and_margin(share.cumsum(axis=2))
    border, margin = ends
    low = np.concatenate([np.zeros((len(hours), 1)), border[:, :-1]], axis=1)
    width = 0.8 if len(hours) == 1 else None
    for k, color in enumerate(colors):
        if width is not None:
            axes.bar(hours, border[:, k] - low[:, k], width, low[:, k], color=color, edgecolor="white", lw=0.5)
            continue
        axes.fill_between(hours, low[:, k], border[:, k], color=color, linewidth=0)
    for line, wide in zip(border.T[:-1], margin.T[:-1], strict=True) if width is None else ():  # over all areas
        axes.plot(hours, line, color="white", lw=0.6)
        if len(n) > 1:
            axes.fill_between(hours, line - wide, line + wide, color=palette.INK, alpha=0.22, lw=0)
    axes.set_ylim(0, 1)
    _span(axes, hours)


def _draw_numbers(axes: Axes, hours: Float, n: Float, names: Sequence[str], colors: Sequence[str]) -> None:
    mean, margin = mean_and_margin(n)
    mark = "o" if len(hours) <= 12 else ""
    for k, (name, color) in enumerate(zip(names, colors, strict=True)):
        axes.plot(hours, mean[:, k], marker=mark, ms=3.5, color=color, lw=1.8, label=name)
        if len(n) > 1:
            axes.fill_between(hours, mean[:, k] - margin[:, k], mean[:, k] + margin[:, k], color=color, alpha=0.2, lw=0)
    axes.set_ylim(bottom=0)
    _span(axes, hours)


def _span(axes: Axes, hours: Float) -> None:
    one = len(hours) == 1
    axes.set_xlim(hours[0] - one, hours[-1] + one)
