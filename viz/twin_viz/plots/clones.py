"""Lineages: the trees of the largest clones, when cells divide and die, and how large clones are."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from twin.errors import InputError
from twin.results import Run
from twin.results.graphs import BIRTH, DEATH
from twin_viz import palette
from twin_viz.coloring import Coloring, column, shared_colors
from twin_viz.page import SMALL
from twin_viz.plots.pedigree import ALIVE, DIED, DYING, Pedigree, lay_out, pedigree
from twin_viz.plots.scene import SAME, Point, counted, scene_of
from twin_viz.plots.sheet import legend_below, name_axes, note, sheet

SIZE = (11.0, 7.2)  # inches
MOST_LEAVES = 150  # of all trees together; more lines cannot be told apart
CLONES = 8  # trees, without a wish
BETWEEN = 1.5  # leaves' widths between two clones
BARS = 24  # of births and deaths over time, at most
LARGEST_BAR = 24  # clone size up to which each has a bar of its own
UP, DOWN = "#0072b2", "#d55e00"


def lineage(
    run: Run,
    color: str = "cell_type",
    clones: int = CLONES,
    time: float | str | None = None,
    compartment: str | None = None,
    replicate: int = 0,
    branch: str | None = None,
    point: Point = None,
) -> Figure:
    """Draw the trees of the largest clones, births and deaths over time, and the sizes of all clones.

    Parameters
    ----------
    color : a gene, program or obs column of the cells at the end.
    clones : trees at most, of those with most living cells; where no clone has two, of those that ever had most.
    time : where the trees end, of kept cells; without it the last.

    Raises
    ------
    InputError
        If no cell was born, `clones` is below 1, or there is no such color, time, replicate, branch, point or
        compartment.
    """
    if clones < 1:
        raise InputError(f"clones: {clones} is no number of trees: at least 1")
    scene = scene_of(run, compartment, branch, point)
    hour, first = scene.hour(time), scene.hour(None, first=True)
    events = scene.run.lineage(replicate, scene.compartment)
    if not (events["event"] == BIRTH).any():
        raise InputError(
            f"no cell of {scene.title} was born by now: a lineage needs a process that divides cells (cycle)"
        )
    events = events[events["time"] <= hour + SAME]
    if not (events["event"] == BIRTH).any():
        raise InputError(f"no cell was born by {hour:g} h: choose a later --time")
    everyone = scene.run.cells(hour, replicate, scene.compartment)
    alive = everyone.obs["alive"].to_numpy(dtype=np.bool_)
    cells, dying = everyone[alive], everyone.obs["id"][~alive].tolist()
    start = scene.run.cells(first, replicate, scene.compartment, lazy=True).obs["id"].tolist()
    tree = pedigree(events, cells.obs["id"].tolist(), dying, start, hour)
    coloring, colors = _colors(cells, color, run.scenario.get("observe", {}).get("programs", {}))
    figure = sheet(SIZE, f"{scene.title} · {hour:g} h{scene.extrapolated(hour)}")
    parts = figure.subplot_mosaic([["trees", "events"], ["trees", "sizes"]], width_ratios=(1.9, 1))
    shown = _draw_trees(parts["trees"], tree, colors, clones, is_kind=bool(coloring.categories))
    _name_colors(figure, parts["trees"], coloring)
    parts["trees"].set_xlim(0, hour * 1.01)
    _draw_events(parts["events"], events, hour, float(run.attrs["tick"]))
    _draw_sizes(parts["sizes"], np.array([n for n in tree.sizes.values() if n], dtype=np.intp))
    name_axes(parts["trees"], "time (h)", "", f"the {shown} largest clones" if shown > 1 else "the largest clone")
    parts["trees"].spines["left"].set_visible(False)
    parts["trees"].set_yticks([])
    drawn = sum(tree.sizes[f] for f in tree.founders[:shown])
    extinct = sum(n == 0 for n in tree.sizes.values())
    share = np.array([n for n in tree.sizes.values() if n], dtype=np.float64)
    even = f", as diverse as {1 / ((share / share.sum()) ** 2).sum():.0f} of equal size" if len(share) else ""
    note(
        figure,
        f"{drawn:,} of {counted(cells.n_obs)} alive are in these trees (at most {MOST_LEAVES} ends)",
        f"replicate {replicate}",
        f"{counted(len(share), 'clone')} alive{even}, {extinct:,} died out",
        "" if tree.is_by_living else "no clone has two living cells: these had most members ever",
        "a death counts when the body is cleared" if "death" in run.scenario.get("processes", {}) else "",
    )
    return figure


def _colors(cells: AnnData, color: str, programs: Mapping[str, list[str]]) -> tuple[Coloring, dict[int, str]]:
    """Return what colours mean, and the colour of each living cell by its id."""
    if not cells.n_obs:
        return Coloring("no cell is alive", ("no cell is alive",)), {}
    label, series = column(cells, color, programs)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(str)
    coloring, values = shared_colors({0.0: (label, series)})
    table = palette.cell_colors(coloring, values[0.0])
    return coloring, {int(i): to_hex(c) for i, c in zip(cells.obs["id"], table, strict=True)}


def _draw_trees(axes: Axes, tree: Pedigree, colors: Mapping[int, str], most: int, *, is_kind: bool) -> int:
    """Draw the largest clones that fit; return how many. Lines take the colour of kinds, not of numbers."""
    free, shown, leaves = 0.0, 0, 0
    lines: list[list[tuple[float, float]]] = []
    inks: list[str] = []
    died: list[tuple[float, float]] = []
    ends: list[tuple[float, float, str]] = []
    for founder in tree.founders[:most]:
        members = tree.members(founder)
        leaves += sum(not b.children for b in members)
        if (tree.is_by_living and tree.sizes[founder] == 0) or (shown and leaves > MOST_LEAVES):
            break
        free = lay_out(tree, founder, free) + BETWEEN
        shown += 1
        below: dict[int, set[str]] = {}
        for branch in reversed(members):
            mine = {colors[branch.id]} if branch.id in colors and branch.fate == ALIVE else set()
            below[branch.id] = mine.union(*(below[c] for c in branch.children)) if branch.children else mine
        for branch in members:
            same = below[branch.id]
            plain = palette.INK if same else palette.NOTHING
            ink = next(iter(same)) if len(same) == 1 and is_kind else plain
            lines.append([(branch.begin, branch.place), (branch.end, branch.place)])
            inks.append(ink)
            if branch.children:
                places = [tree.branches[c].place for c in branch.children]
                lines.append([(branch.end, min(places)), (branch.end, max(places))])
                inks.append(ink)
            if branch.fate in (DIED, DYING):
                died.append((branch.end, branch.place))
            if branch.fate == ALIVE:
                ends.append((branch.end, branch.place, colors.get(branch.id, palette.NOTHING)))
    axes.add_collection(LineCollection(lines, colors=inks, linewidths=1.1 if free < 80 else 0.8, capstyle="projecting"))
    size = 16 if free < 80 else 8
    if died:
        axes.scatter(
            [d[0] for d in died], [d[1] for d in died], marker="x", s=size, color=palette.INK, lw=0.9, zorder=3
        )
    if ends:
        x, y, tips = zip(*ends, strict=True)
        axes.scatter(x, y, s=size, c=tips, edgecolors=palette.INK, linewidths=0.3, zorder=3, clip_on=False)
    axes.set_ylim(free - BETWEEN + 0.7, -0.7)
    return shown


def _name_colors(figure: Figure, axes: Axes, coloring: Coloring) -> None:
    dead = Line2D([], [], marker="x", linestyle="", color=palette.INK, markersize=5)
    if not coloring.categories:
        norm = Normalize(coloring.low, coloring.high)
        bar = figure.colorbar(
            ScalarMappable(norm, palette.EXPRESSION),
            ax=axes,
            location="bottom",
            shrink=0.5,
            aspect=30,
            pad=0.02,
            extend="max" if coloring.is_clipped else "neither",
        )
        bar.set_label(f"{coloring.label}, of the cells at the end; ×: died or dying", size=SMALL - 1)
        bar.ax.tick_params(labelsize=SMALL - 1)
        return
    shown = [(i, name) for i, name in enumerate(coloring.categories) if name not in coloring.absent]
    marks = [
        Line2D([], [], marker="o", linestyle="", color=palette.category_color(coloring, i), markersize=5)
        for i, _ in shown
    ]
    words = [*(name for _, name in shown), "died or dying"]
    legend_below(axes, 5, [*marks, dead], words, title=f"{coloring.label}, of the cells at the end")


def bars(hour: float, tick: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return edges of at most `BARS` equal spans from 0 to an hour, whole numbers of ticks (h) long, (bar + 1,) h.

    They end at that hour where a span that is not much longer does; else the last reaches beyond it.
    """
    ticks = max(round(hour / tick), 1)
    least = -(-ticks // BARS)
    width = next((w for w in range(least, 2 * least + 1) if ticks % w == 0), least)
    return np.arange(-(-ticks // width) + 1, dtype=np.float64) * width * tick


def _draw_events(axes: Axes, events: pd.DataFrame, hour: float, tick: float) -> None:
    """Draw divisions upwards and deaths downwards, in equal spans of time; what a tick did stands at its end."""
    edges = bars(hour, tick)
    born = events[events["event"] == BIRTH].drop_duplicates("parent")["time"]  # a division bears two
    died = events[events["event"].str.startswith(DEATH)]["time"]
    for times, sign, color, name in ((born, 1, UP, "division"), (died, -1, DOWN, "death")):
        n = np.histogram(times.where(times <= 0, times - tick / 2), edges)[0]
        axes.bar(edges[:-1], sign * n, np.diff(edges), align="edge", color=color, label=counted(len(times), name), lw=0)
    axes.axhline(0, color=palette.INK, lw=0.8)
    axes.set_xlim(0, edges[-1])
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    name_axes(axes, "time (h)", f"events in {edges[1]:.3g} h")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, frameon=False, handlelength=1.0, borderaxespad=0.2
    )


def _draw_sizes(axes: Axes, sizes: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
    """Draw how many clones have how many living cells."""
    name_axes(axes, "living cells of a clone", "clones", "sizes of clones")
    if not len(sizes):
        axes.text(0.5, 0.5, "no cell is alive", transform=axes.transAxes, ha="center", size=SMALL)
        return
    if sizes.max() <= LARGEST_BAR:
        edges = np.arange(0.5, max(sizes.max(), 4) + 1.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    else:
        edges = np.unique(np.round(np.geomspace(1, sizes.max() + 1, 16))) - 0.5
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    n = np.histogram(sizes, edges)[0]
    axes.bar(edges[:-1], n, np.diff(edges), align="edge", color="#56b4e9", edgecolor="white", lw=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
