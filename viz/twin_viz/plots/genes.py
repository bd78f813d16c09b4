"""Volcano plots: which genes differ between two groups of cells, by how much and how surely."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.analysis.metrics.rank_test import ALPHA, Float
from twin.errors import InputError
from twin.results import Run
from twin_viz import palette
from twin_viz.page import SMALL, write_whole
from twin_viz.plots.comparison import LEAST_SHARE, Comparison, compared, joined
from twin_viz.plots.groups import Groups
from twin_viz.plots.labels import place_labels
from twin_viz.plots.scene import Point, counted
from twin_viz.plots.sheet import name_axes, note, sheet

PANEL, ALONE = (4.6, 4.6), (7.4, 6.4)  # inches
COLUMNS = 3
FOLD = 1.0  # log2 fold change from which a gene is coloured; our choice: a doubling
NAMED = 8  # genes named on each side
HIGHEST = 300.0  # −log10 p; a smaller p cannot be told from 0
UP, DOWN = "#d55e00", "#0072b2"


def volcano(
    run: Run,
    time: float | str | None = None,
    versus: str | None = None,
    cell_type: str | Sequence[str] = (),
    compartment: str | None = None,
    branch: str | None = None,
    point: Point = None,
    csv: Path | str | None = None,
) -> Figure:
    """Draw the fold change and the p of every gene between two groups of cells.

    From three replicates on both sides on: the moderated t of paired pseudobulks (`twin.analysis.pseudobulk`). With
    fewer: the rank-sum test over cells, and the figure says that cells are no replicates. Both with Benjamini-Hochberg.

    Parameters
    ----------
    time, versus, branch, point : see `twin_viz.plots.groups.groups_of`.
    cell_type : a name, or several, a panel each; "each" alone: one for each type that has cells on both sides. Without
        any: all cells.
    csv : file that the table is written to, too.

    Raises
    ------
    InputError
        If the run holds no transcriptomes, a group or a type is not there or has too few cells.
    """
    groups, found = compared(run, time, versus, cell_type, compartment, branch, point)
    rows, columns = -(-len(found) // COLUMNS), min(len(found), COLUMNS)
    size = (PANEL[0] * columns, PANEL[1] * rows + 1.0) if len(found) > 1 else ALONE
    figure = sheet(size, groups.title + groups.scene.extrapolated(groups.hour))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in panels[len(found) :]:
        unused.set_axis_off()
    beyond = sum([_draw(axes, one, groups) for axes, one in zip(panels, found, strict=False)])
    note(figure, *_notes(found, beyond, same_cells=groups.same_cells))
    axis = run.genes_of(groups.scene.compartment)
    genes = np.asarray(axis, dtype=object)
    for axes, one in zip(panels, found, strict=False):  # last of all: names need the layout settled
        x, y = _places(one)
        sure = np.flatnonzero(_called(one))
        surest = sure[np.lexsort((-np.abs(x[sure]), -y[sure]))]
        named = np.r_[surest[x[surest] > 0][:NAMED], surest[x[surest] < 0][:NAMED]]
        shown = one.table.tested
        place_labels(axes, x[named], y[named], [str(g) for g in genes[named]], np.stack([x[shown], y[shown]], axis=1))
    if csv is not None:
        text = io.StringIO()
        joined(axis, groups, found).to_csv(text, index=False)
        write_whole(Path(csv), text.getvalue().encode(), "the table")
    return figure


def _called(one: Comparison) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which genes are coloured: sure enough, and changed enough, (gene,)."""
    return one.table.significant() & (np.abs(one.table.log2fc) >= FOLD)


def _edges(one: Comparison) -> tuple[float, float]:
    """Return the ends of the axis of the fold change."""
    finite = one.table.log2fc[one.table.tested & np.isfinite(one.table.log2fc)]
    low, high = float(finite.min(initial=-1.5 * FOLD)), float(finite.max(initial=1.5 * FOLD))
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


def _places(one: Comparison) -> tuple[Float, Float]:
    """Return where genes are drawn, (gene,) each; what lies beyond an end is drawn at it."""
    with np.errstate(divide="ignore"):
        sure = -np.log10(one.table.p)
    return np.clip(one.table.log2fc, *_edges(one)), np.minimum(sure, HIGHEST)


def _draw(axes: Axes, one: Comparison, groups: Groups) -> int:
    """Draw one panel; return how many genes are seen on one side only, and stand at its edge."""
    tested = one.table.tested
    if not tested.any():
        raise InputError(f"{one.name}: no gene is seen in enough of the cells to be tested")
    x, y = _places(one)
    called, outside = _called(one), np.isinf(one.table.log2fc)
    for rows, color, size, alpha in (
        (tested & ~called, palette.NOTHING, 7, 0.5),
        (called & (x > 0), UP, 13, 0.85),
        (called & (x < 0), DOWN, 13, 0.85),
    ):
        for inside, mark in ((~outside, "o"), (outside & (x > 0), ">"), (outside & (x < 0), "<")):
            at = rows & inside
            axes.scatter(
                x[at],
                y[at],
                s=size,
                color=color,
                alpha=alpha,
                marker=mark,
                linewidths=0,
                rasterized=True,
                clip_on=False,
            )
    sure = one.table.significant()
    if sure.any():
        line = float(y[sure].min())
        axes.axhline(line, color="#888888", lw=0.8, ls="--", zorder=0)
        axes.text(_edges(one)[1], line, f"FDR {ALPHA:g} ", size=SMALL - 2, color="#555555", ha="right", va="bottom")
    for fold in (-FOLD, FOLD):
        axes.axvline(fold, color="#888888", lw=0.8, ls="--", zorder=0)
    axes.set_xlim(*_edges(one))
    axes.set_ylim(0, 1.12 * max(float(y[tested].max()), 2.0))
    ends: dict[str, Any] = {"size": SMALL - 0.5, "weight": "bold", "va": "bottom", "transform": axes.transAxes}
    axes.text(0.0, 1.0, f"{(called & (x < 0)).sum():,} down", color=DOWN, ha="left", **ends)
    axes.text(1.0, 1.0, f"{(called & (x > 0)).sum():,} up", color=UP, ha="right", **ends)
    title = f"{one.name}: {one.n[0]:,} ({groups.first_name}) against {one.n[1]:,} ({groups.second_name})"
    name_axes(axes, f"log2 fold change, {groups.first_name} / {groups.second_name}", "−log10 p", title, 20)
    return int((outside & tested).sum())


def _notes(found: Sequence[Comparison], beyond: int, *, same_cells: bool) -> list[str]:
    told = []
    if any(one.pairs for one in found):
        pairs = max(one.pairs for one in found)
        told.append(
            f"Moderated t (limma) of the paired log2 CPM of pseudobulks, {counted(pairs, 'replicate')}; they hold the "
            "luck of the simulation, not donors"
        )
    if any(not one.pairs for one in found):
        told.append(
            "Rank sum over cells: cells are no replicates, p is far too small; for a test give the scenario "
            f"3 replicates. Genes seen in {100 * LEAST_SHARE:g} % of either side"
        )
        if same_cells:
            told.append("the same cells, or their offspring, stand on both sides and are taken as independent")
    tested = [int(one.table.tested.sum()) for one in found]
    many = f"{tested[0]:,}" if len(found) == 1 else f"{min(tested):,} to {max(tested):,}"
    told.append(f"{many} genes tested, Benjamini-Hochberg; coloured: FDR < {ALPHA:g} and a doubling or halving")
    told.append("" if any(one.table.log2fc.any() for one in found) else "both sides have the same counts")
    told.append("triangles at the edge: genes seen on one side only" if beyond else "")
    return told
