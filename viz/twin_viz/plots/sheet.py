"""The sheet that a plot is drawn on: size, title, notes below, and what all its axes have in common."""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

from twin_viz import palette
from twin_viz.page import DPI, EXTRAPOLATED, SMALL, TEXT, Page

NOTE = SMALL - 1  # pt
MARGIN = 0.012  # of the width
RESOLUTIONS = (72.0, 100.0, 150.0)  # dpi: letters fall on whole pixels, so a text is not equally long in all
SHADE = "#f2f2f2"
BELOW = 38.0  # pt from an axis to the legend under it: its ticks and its name stand between


def sheet(size: tuple[float, float], title: str) -> Figure:
    """Return an empty figure of this size, inches, with its title."""
    figure = Page(
        figsize=size, dpi=DPI, facecolor=palette.BACKGROUND, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    )
    FigureCanvasAgg(figure)
    head = figure.suptitle("", x=MARGIN, ha="left", size=TEXT + 1, weight="bold", color=palette.INK)
    _fill(figure, head, title)
    return figure


def note(figure: Figure, *sentences: str) -> None:
    """Write what a reader must know below the axes, broken to the width of the figure."""
    text = ". ".join(s[:1].upper() + s[1:].rstrip(".") for s in sentences if s) + "."
    text = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)
    _fill(figure, figure.supxlabel("", x=MARGIN, ha="left", size=NOTE, color="#555555"), text)


def legend_below(
    axes: Axes, ncols: int, handles: Sequence[Artist] = (), words: Sequence[str] = (), **more: Any
) -> None:
    """Put the legend under the axis and its name, however high the axes become; without handles of all with labels."""
    size = SMALL - 1
    named = (handles, words) if handles else ()
    axes.legend(
        *named,
        fontsize=size,
        title_fontsize=size,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=BELOW / size,
        ncols=ncols,
        columnspacing=1.0,
        handlelength=1.4,
        **more,
    )


def name_axes(axes: Axes, x: str, y: str, title: str = "", pad: float = 8.0) -> None:
    """Name both axes (with units), and the panel."""
    if title:
        axes.set_title(title, size=TEXT, loc="left", weight="bold", pad=pad)
    axes.set_xlabel(x, size=SMALL)
    axes.set_ylabel(y, size=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)


def mark_extrapolated(axes: Axes, limit: float | None, end: float) -> None:
    """Shade the times (h) of an axis at which the assay does not reach, and say so above them."""
    if limit is None or limit >= end:
        return
    axes.axvspan(limit, end, color=SHADE, zorder=0)
    axes.axvline(limit, color=palette.NOTHING, lw=1, ls="--", zorder=1)
    axes.text(
        limit,
        1.0,
        f" {EXTRAPOLATED}",
        transform=axes.get_xaxis_transform(),
        size=SMALL - 1,
        va="bottom",
        color=palette.INK,
    )


def _fill(figure: Figure, text: Text, words: str) -> None:
    """Set a text, broken where its lines would leave the figure: between words, or in a word that is longer alone."""
    most = figure.get_figwidth() * (1 - 2 * MARGIN)  # inches

    def fits(line: str) -> bool:
        text.set_text(line)
        return all(text.get_window_extent(dpi=dpi).width <= most * dpi for dpi in RESOLUTIONS)

    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if fits(longer):
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        while not fits(word):
            n = next(i for i in range(len(word) - 1, 0, -1) if i == 1 or fits(word[:i]))
            lines[-1:] = [word[:n], ""]
            word = word[n:]
        lines[-1] = word
    text.set_text("\n".join(lines))
