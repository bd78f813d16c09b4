"""The figure of an evaluation: a panel a family and metric, a bar a predictor, a dot a task."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from twin.analysis.protocol.table import BY_KEY, Kind, Metric, Row, Table
from twin.errors import InputError

COLOURS: dict[Kind, str] = {  # Okabe & Ito's palette, told apart by colour-blind readers
    "model": "#D55E00",
    "scaled": "#E69F00",
    "baseline": "#0072B2",
    "ceiling": "#999999",
    "quoted": "#CC79A7",
}
WORDS: dict[Kind, str] = {
    "model": "model",
    "scaled": "its effect doubled",
    "baseline": "baseline",
    "ceiling": "real cells",
    "quoted": "quoted, not run here",
}
BAR, WIDTH, HEAD = 0.2, 5.2, 1.1  # inches: height of a bar, width of a panel, title and axis of a panel; our choice
FORMATS = (".png", ".svg", ".pdf")


def figure(tables: Sequence[Table], metrics: Sequence[str] = ("pearson_delta", "mse")) -> Figure:
    """Return bars of all predictors: a row of panels a family, a column a metric.

    Raises
    ------
    InputError
        If there is no table, or one without a baseline (`Table.checked`).
    """
    if not tables:
        raise InputError("nothing to draw: no family was evaluated")
    shown = [BY_KEY[m] for m in metrics]
    rows = [[r for r in t.checked().rows if any(np.isfinite(t.mean(r, m.key)) for m in shown)] for t in tables]
    heights = [HEAD + BAR * len(r) for r in rows]
    drawn = Figure(figsize=(WIDTH * len(shown) + 1.5, sum(heights)), layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(len(tables), len(shown), squeeze=False, height_ratios=heights)
    for line, table, own in zip(axes, tables, rows, strict=True):
        for i, (axis, metric) in enumerate(zip(line, shown, strict=True)):
            _bars(axis, table, own, metric, names=i == 0)
    kinds = [k for k in COLOURS if any(r.kind == k for own in rows for r in own)]
    handles = [Patch(color=COLOURS[k], label=WORDS[k]) for k in kinds]
    drawn.legend(handles=handles, loc="outside lower center", ncols=len(kinds), frameon=False)
    return drawn


def save(drawn: Figure, path: Path) -> None:
    """Write a figure; the ending says the format.

    Raises
    ------
    InputError
        If the ending is none of .png, .svg, .pdf.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: a figure ends in {', '.join(FORMATS)}, not in {path.suffix!r}")
    drawn.savefig(path, dpi=150)


def _bars(axis: Axes, table: Table, rows: Sequence[Row], metric: Metric, *, names: bool) -> None:
    places = np.arange(len(rows))
    means = np.array([table.mean(r, metric.key) for r in rows])
    axis.barh(places, np.nan_to_num(means), color=[COLOURS[r.kind] for r in rows], alpha=0.85)
    spread = np.array([table.spread(r, metric.key) for r in rows])
    sure = np.isfinite(spread) & np.isfinite(means)
    axis.errorbar(means[sure], places[sure], xerr=spread[sure], fmt="none", ecolor="black", capsize=2)
    for place, row in zip(places, rows, strict=True):
        values = table.values(row, metric.key)
        axis.plot(values, np.full(len(values), place), "|", color="black", alpha=0.4, markersize=4)
    best = table.best(metric.key)
    if best is not None:
        axis.axvline(table.mean(best, metric.key), color="black", linewidth=0.8, linestyle=":")
    axis.set_yticks(places, [r.name if names else "" for r in rows], fontsize=7)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel(metric.label + (" (lower is better)" if metric.ideal == 0 else ""))
    axis.set_title(table.name if names else "", fontsize=9, loc="left")
