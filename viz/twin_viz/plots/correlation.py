"""How far the likeness of cells reaches: correlograms, and Moran's I over who touches whom."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from twin.analysis.spatial import LEVEL, SHUFFLES, Correlogram, Moran, correlogram, distance_bins, morans_i
from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin_viz import palette
from twin_viz.camera import Float
from twin_viz.coloring import column
from twin_viz.page import SMALL
from twin_viz.plots.scene import Point, counted, names_of, scene_of
from twin_viz.plots.sheet import name_axes, note, sheet

SIZE = (9.6, 5.2)  # inches
MOST_CELLS = 3000  # pairs of more are too many to shuffle; a stated random part of them is taken
MOST_VALUES = 8  # lines that can be told apart
SEED = 0
LEAST = 3  # cells
SAME = 1e-12  # of the mean: a smaller spread is rounding
LEAST_PAIRS = 30  # of a bin that is shown; our choice: a mean of fewer is luck
LEAST_CONTACTS = 30  # for Moran's I; our choice: of fewer it says nothing of the tissue, and may lie far above 1


def spatial_correlation(
    run: Run,
    of: str | Sequence[str] = (),
    time: float | str | None = None,
    compartment: str | None = None,
    replicate: int = 0,
    branch: str | None = None,
    point: Point = None,
) -> Figure:
    """Draw how alike living cells are by their distance, and Moran's I over the graph of their contacts.

    of : genes, programs, numeric obs columns, or a column and a word ("cell_type=B": 1 in such cells, else 0). Without
        any: the programs, genes and columns that the scenario observes.

    Raises
    ------
    InputError
        If one of them is not there or no number, all of them are the same in all cells, there are too few cells, or no
        such time, branch or point.
    """
    scene = scene_of(run, compartment, branch, point)
    hour = scene.hour(time)
    cells = scene.living_in(replicate, hour)
    programs = run.scenario.get("observe", {}).get("programs", {})
    names = list(names_of(of)) or _observed(run, cells)
    if len(names) > MOST_VALUES:
        raise InputError(f"{len(names)} values are too many lines: at most {MOST_VALUES}")
    if cells.n_obs < LEAST:
        raise InputError(f"{counted(cells.n_obs)} in {scene.compartment} at {hour:g} h: at least {LEAST} are needed")
    values = np.stack([_numbers(cells, name, programs) for name in names], axis=1)
    position = np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)
    spread = values.std(axis=0) > SAME * np.abs(values.mean(axis=0))
    same = [name for name, differs in zip(names, spread, strict=True) if not differs]
    if len(same) == len(names):
        raise InputError(
            f"{', '.join(same)}: the same in all living cells at {hour:g} h, so near ones are no more alike"
        )
    moran = morans_i(values, cells.obsp["contacts"], seed=SEED)
    some = np.arange(len(position))
    if len(some) > MOST_CELLS:
        some = np.sort(np.random.default_rng(SEED).choice(len(position), MOST_CELLS, replace=False))
    line = enough(correlogram(values[some], position[some], distance_bins(position), seed=SEED))
    if not np.isfinite(line.correlation).any():
        raise InputError(f"{', '.join(names)}: the same in all of {len(some):,} cells drawn at random")
    touching = int(cells.obsp["contacts"].nnz) // 2
    figure = sheet(SIZE, f"{scene.title} · {hour:g} h{scene.extrapolated(hour)}")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_lines(left, line, names)
    _draw_moran(right, moran, names, touching)
    note(
        figure,
        f"{counted(cells.n_obs)} alive, {counted(touching, 'contact')}, replicate {replicate}",
        f"the correlogram is of {MOST_CELLS:,} of them, drawn at random" if len(some) < len(position) else "",
        f"grey: the middle {100 * LEVEL:g} % of {SHUFFLES} shuffles of the cells; p of the same shuffles, two-sided",
        f"a point is the mean of {LEAST_PAIRS} pairs or more",
        f"the same in all cells: {', '.join(same)}" if same else "",
        "genes and programs as log(1 + counts per 10,000)" if len(run.genes) else "",
    )
    return figure


def _observed(run: Run, cells: AnnData) -> list[str]:
    observe = run.scenario.get("observe", {})
    wanted = [*observe.get("programs", {}), *observe.get("genes", ()), *observe.get("columns", ())]
    found = [str(w) for w in wanted][:MOST_VALUES]
    if not found and "pressure" in cells.obs:
        found = ["pressure"]
    if not found:
        raise InputError("say of what, with --of: a gene, a program, an obs column, or like cell_type=B")
    return found


def _numbers(cells: AnnData, name: str, programs: dict[str, Sequence[str]]) -> Float:
    """Return a number of each cell, (cell,)."""
    key, equals, word = name.partition("=")
    known = [*map(str, cells.var_names), *map(str, cells.obs.columns), *programs]
    if key.strip() not in known:
        raise UnknownNameError("gene, obs column or program", key.strip(), known, where="--of: ")
    series = column(cells, key.strip(), programs)[1]
    if equals:
        words = sorted({str(v) for v in series})
        if word.strip() not in words:
            shown = ", ".join(words[:8]) + (", …" if len(words) > 8 else "")
            raise InputError(f"--of {name}: no living cell has {key} = {word!r}; there are {shown}")
        return np.asarray(series.astype(str) == word.strip(), dtype=np.float64)
    if not (pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)):
        raise InputError(f"--of {name}: it holds words; write {name}={series.iloc[0]} for where that is so")
    numbers = series.to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise InputError(f"--of {name}: {int((~np.isfinite(numbers)).sum())} living cells have none at this time")
    return numbers


def enough(line: Correlogram) -> Correlogram:
    """Return a correlogram without the bins of few pairs; with all of them where none has many."""
    kept = line.n_pairs >= LEAST_PAIRS
    if not kept.any():
        return line
    rows = (line.correlation[kept], line.low[kept], line.high[kept])
    return Correlogram(line.distance[kept], line.n_pairs[kept], *rows)


def _draw_lines(axes: Axes, line: Correlogram, names: Sequence[str]) -> None:
    low, high = np.nanmin(line.low, axis=1), np.nanmax(line.high, axis=1)
    axes.fill_between(line.distance, low, high, color=palette.NOTHING, alpha=0.45, lw=0, zorder=0)
    axes.axhline(0, color="#888888", lw=0.8, zorder=0)
    for i, name in enumerate(names):
        if not np.isfinite(line.correlation[:, i]).any():
            continue  # the same in all cells
        axes.plot(line.distance, line.correlation[:, i], "-o", ms=4, lw=1.6, color=palette.CATEGORIES[i], label=name)
    top = max(float(np.nanmax(line.correlation, initial=0.2)), float(high.max()))
    axes.set_ylim(min(float(np.nanmin(line.correlation, initial=0.0)), float(low.min())) - 0.04, top * 1.1)
    axes.set_xlim(left=0)
    name_axes(axes, "distance between two cells (µm)", "correlation of their values", "correlogram")
    axes.legend(fontsize=SMALL - 1, frameon=False, loc="upper right")


def _draw_moran(axes: Axes, moran: Moran, names: Sequence[str], touching: int) -> None:
    place = np.arange(len(names))
    name_axes(axes, "Moran's I", "", "cells that touch")
    axes.set_yticks(place, names, fontsize=SMALL)
    axes.set_ylim(len(names) - 0.4, -0.6)
    if touching < LEAST_CONTACTS:
        axes.set_xlim(-1, 1)
        words = f"too few contacts: {touching},\nat least {LEAST_CONTACTS} are needed"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", size=SMALL)
        return
    known = np.isfinite(moran.statistic)
    axes.axvline(moran.expected, color="#888888", lw=0.8, ls="--", zorder=0)
    for i in np.flatnonzero(~known).tolist():
        axes.text(moran.expected, i, "  the same in all cells", size=SMALL - 1.5, ha="left", va="center")
    for i in np.flatnonzero(known).tolist():
        axes.plot([moran.expected, moran.statistic[i]], [i, i], color=palette.CATEGORIES[i], lw=2)
        axes.plot(moran.statistic[i], i, "o", color=palette.CATEGORIES[i], ms=7)
        least = moran.p_value[i] <= 1 / (1 + SHUFFLES)
        p = f"I = {moran.statistic[i]:.2f}, p {'≤' if least else '='} {moran.p_value[i]:.2g}".replace("-", "−")
        axes.text(max(moran.statistic[i], moran.expected), i, f"  {p}", size=SMALL - 1.5, ha="left", va="center")
    low, high = float(np.nanmin(moran.statistic)), max(float(np.nanmax(moran.statistic)), 0.05)
    low = min(low, moran.expected) - 0.05 * (high - min(low, 0.0))
    axes.set_xlim(low, low + (high - low) * 1.75)  # the words stand right of the points
    axes.set_xticks([t for t in MaxNLocator(5).tick_values(low, high) if low <= t <= max(high, 1.0)])
