"""The page of a picture: panels, captions, colour bars and scale bar, whoever paints the panels."""

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import LogLocator

from twin.errors import InputError
from twin_viz import palette
from twin_viz.block import cut_open
from twin_viz.coloring import Coloring
from twin_viz.links import CORE
from twin_viz.substance import Field
from twin_viz.tissue import Tissue, View

DPI = 100  # pixels an inch: only sets how large text is beside the picture
SIDE, HEAD, FOOT, CAPTION = 40, 56, 128, 34  # px: free at the sides, title, colour bars, above a panel
TICK = 62  # px: of a number at a colour bar
KEY = 22  # px: under the title, for what lines between cells mean
BELOW = 18  # px: free under a panel, where the scale bar goes
BAR_HEIGHT, BAR_TOP = 16, 34  # px: of a colour bar, and from it to the top of the foot
NICE = (1, 2, 5)  # first digits of a scale bar
TEXT, SMALL = 11, 9.5  # pt
VECTOR = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}  # formats beside PNG, and what they say of themselves
EXTRAPOLATED = "beyond the assay: extrapolated"


class Page(Figure):
    """A figure in whose words, which may be a user's, a dollar sign is a dollar sign."""

    def draw(self, renderer: Any) -> None:
        """Draw it; only the numbers that Matplotlib itself sets at ticks are formulas."""
        for text in self.findobj(Text):
            if not text.get_text().startswith("$\\mathdefault"):
                text.set_parse_math(False)
        super().draw(renderer)


class Painter(Protocol):
    """Who fills the panels: axes are in µm about the camera's focus."""

    def cells(self, axes: Axes, view: View, tissue: Tissue) -> None:
        """Draw the cells of one time."""

    def field(self, axes: Axes, view: View, field: Field) -> None:
        """Draw a substance and the cells that release it."""


def compose(view: View, painter: Painter, size: tuple[int, int] = (1280, 960)) -> Figure:
    """Lay out a picture of at most `size` (px) and let `painter` fill its panels.

    Where the panels need less, the page is lower.
    """
    panels: list[Tissue | Field] = [*view.tissues, *([view.field] if view.field else [])]
    rows, columns = _grid(view, len(panels), size)
    size = (size[0], min(size[1], _height(view, rows, columns, size[0])))
    figure = Page(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=palette.BACKGROUND)
    FigureCanvasAgg(figure)
    figure.text(
        SIDE / size[0],
        1 - HEAD / 2 / size[1],
        headline(view),
        size=TEXT + 2,
        weight="bold",
        color=palette.INK,
        va="center",
    )
    for axes, panel in zip(_panels(figure, view, (rows, columns), len(panels), size), panels, strict=True):
        if isinstance(panel, Field):
            painter.field(axes, view, panel)
            _caption(axes, f"{panel.time:g} h", f"{panel.substance}, {_slice_words(view, panel)}")
            if len(panel.source):
                _source_mark(axes)
        else:
            painter.cells(axes, view, panel)
            _caption(axes, f"{panel.time:g} h", caption(view, panel))
        if panel is panels[-1]:
            _scale_bar(axes, view)
    _foot(figure, view, size)
    return figure


def picture(view: View, out: Path, painter: Painter, size: tuple[int, int] = (1280, 960)) -> Path:
    """Write the picture of a view, at most `size` (px), and return `out`; errors as of `save`."""
    return save(compose(view, painter, size), out)


def save(figure: Figure, out: Path) -> Path:
    """Write `figure` as PNG, or as PDF or SVG where `out` ends so, whole or not at all, and return `out`.

    Raises
    ------
    InputError
        If `out` cannot be written.
    """
    kind = out.suffix.lower().removeprefix(".")
    kind = kind if kind in VECTOR else "png"
    buffer = io.BytesIO()
    # text stays text in a PDF; without a date the same figure is the same file
    with rc_context({"pdf.fonttype": 42, "svg.hashsalt": "twin"}):
        figure.savefig(buffer, format=kind, dpi=figure.dpi, facecolor=figure.get_facecolor(), metadata=VECTOR.get(kind))
    return write_whole(out, buffer.getvalue(), "the picture")


def write_whole(out: Path, content: bytes, what: str) -> Path:
    """Write a file, whole or not at all, and return it.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        os.replace(unfinished, out)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise InputError(f"{out}: {what} cannot be written: {error.strerror}") from error
    return out


def headline(view: View) -> str:
    """Return what stands above all panels."""
    words = [view.title, view.compartment, view.future]
    words += [view.tissues[0].counted] if len(view.tissues) == 1 else []
    words += [view.cut.words] if view.cut is not None else []
    words += [f"at {CORE:.0%} of their radius"] if view.links else []
    return " · ".join(word for word in words if word)


def caption(view: View, tissue: Tissue) -> str:
    """Return what stands beside the time of a panel."""
    words = [tissue.label or view.coloring.label.split(",")[0]]
    words += [tissue.counted] if len(view.tissues) > 1 else []
    return " · ".join(words) + (f" ({EXTRAPOLATED})" if tissue.is_late else "")


def _grid(view: View, n: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns in which `n` panels are largest; futures × times keep their table."""
    times = len({tissue.time for tissue in view.tissues})
    if view.field is None and times > 1 and n > times and n % times == 0:
        return n // times, times
    ratio = view.camera.half_width / view.camera.half_height

    def width(rows: int) -> float:
        columns = -(-n // rows)
        across = (size[0] - SIDE) / columns - SIDE
        return min(across, ((size[1] - _head(view) - FOOT) / rows - CAPTION - BELOW) * ratio)

    best = max(range(1, n + 1), key=width)
    return best, -(-n // best)


def _height(view: View, rows: int, columns: int, width: int) -> int:
    """Return the height (px) that panels need on a page of this width."""
    panel = ((width - SIDE) / columns - SIDE) * view.camera.half_height / view.camera.half_width
    return round(_head(view) + FOOT + rows * (CAPTION + BELOW + panel))


def _head(view: View) -> int:
    """Return the height (px) above the panels."""
    return HEAD + (KEY if view.links else 0)


def _panels(figure: Figure, view: View, grid: tuple[int, int], n: int, size: tuple[int, int]) -> list[Axes]:
    """Make `n` axes in µm, as large as fits, each with the camera's proportions."""
    camera = view.camera
    ratio = camera.half_width / camera.half_height
    rows, columns = grid
    slot = ((size[0] - SIDE) / columns, (size[1] - _head(view) - FOOT) / rows)  # px
    width = min(slot[0] - SIDE, (slot[1] - CAPTION - BELOW) * ratio)
    height = width / ratio
    made = []
    for i in range(n):
        row, column = divmod(i, columns)
        left = SIDE + column * slot[0] + (slot[0] - SIDE - width) / 2
        top = _head(view) + row * slot[1] + CAPTION + (slot[1] - CAPTION - BELOW - height) / 2
        place = (left / size[0], 1 - (top + height) / size[1], width / size[0], height / size[1])
        axes = figure.add_axes(place)
        left_um, right_um, bottom_um, top_um = camera.extent
        axes.set_xlim(left_um, right_um)
        axes.set_ylim(bottom_um, top_um)
        axes.set_axis_off()
        made.append(axes)
    return made


def _caption(axes: Axes, time: str, text: str) -> None:
    stamp = axes.annotate(
        time,
        (0, 1),
        xytext=(0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        size=TEXT,
        weight="bold",
        color=palette.INK,
        va="bottom",
    )
    axes.annotate(text, (1, 0), xytext=(8, 0), xycoords=stamp, textcoords="offset points", size=TEXT, va="bottom")


def _slice_words(view: View, field: Field) -> str:
    block = cut_open(field, view.camera, view.cut)
    return f"cut open at {'xyz'[block.axis]} = {block.at:g} µm"


def _source_mark(axes: Axes) -> None:
    mark = Line2D([], [], marker="o", linestyle="", markersize=7, color=palette.SOURCE)
    axes.legend(
        [mark],
        ["cells that release it"],
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        frameon=False,
        fontsize=SMALL,
        borderaxespad=0.2,
        handletextpad=0.2,
    )


def _scale_bar(axes: Axes, view: View) -> None:
    """Draw a bar of a round length below the panel: true anywhere in it, as the projection is parallel."""
    wanted = 0.4 * view.camera.half_width
    power = 10.0 ** np.floor(np.log10(wanted))
    length = float(power * max(d for d in NICE if d * power <= wanted))
    right, bottom = view.camera.half_width, -view.camera.half_height
    pixel = 2 * view.camera.half_width / axes.get_window_extent().width  # µm
    y = bottom - 8 * pixel
    axes.plot([right - length, right], [y, y], color=palette.INK, linewidth=3, clip_on=False, solid_capstyle="butt")
    axes.text(right - length - 6 * pixel, y, f"{length:g} µm", ha="right", va="center", size=SMALL, clip_on=False)


def _foot(figure: Figure, view: View, size: tuple[int, int]) -> None:
    """Put the colour bars side by side at the bottom: they cannot overlap."""
    half = (size[0] - 3 * SIDE) / 2  # px
    y = (FOOT - BAR_TOP - BAR_HEIGHT) / size[1]
    is_dead = any(t.n_dead and np.isnan(t.value).any() for t in view.tissues)
    if view.coloring.categories:
        _legend(figure, view.coloring, (SIDE / size[0], 0.01, half / size[0], (FOOT - 8) / size[1]), is_dead=is_dead)
    else:
        place = (SIDE / size[0], y, half / size[0], BAR_HEIGHT / size[1])
        norm = Normalize(view.coloring.low, view.coloring.high)
        bar = figure.colorbar(
            ScalarMappable(norm, palette.EXPRESSION),
            cax=figure.add_axes(place),
            orientation="horizontal",
            extend="max" if view.coloring.is_clipped else "neither",
        )
        bar.set_label(view.coloring.label + ("; grey: dead" if is_dead else ""), size=TEXT)
        bar.ax.tick_params(labelsize=SMALL)
    shown = view.field or view.cloud
    if shown is not None:
        place = ((2 * SIDE + half) / size[0], y, half / size[0], BAR_HEIGHT / size[1])
        bar = figure.colorbar(
            ScalarMappable(LogNorm(shown.low, shown.high), palette.CONCENTRATION),
            cax=figure.add_axes(place),
            orientation="horizontal",
            format="%g",
            ticks=LogLocator(subs=(1.0, 2.0, 5.0) if 3 * np.log10(shown.high / shown.low) * TICK < half else (1.0,)),
            extend="min" if shown.is_clipped else "neither",
        )
        if view.cloud is not None and view.cloud.style == "iso":
            bar.ax.vlines(view.cloud.levels, 0, 1, color=palette.INK, linewidth=1.5)
        words = f", {view.cloud.words}" if view.cloud is not None else ""
        bar.set_label(f"{shown.substance} ({shown.units}){words}", size=TEXT)
        bar.ax.minorticks_off()
        bar.ax.tick_params(labelsize=SMALL)
    if view.links:
        _links_key(figure, view, size)


def _links_key(figure: Figure, view: View, size: tuple[int, int]) -> None:
    """Say under the title what the lines are: the darkest are the strongest."""
    line = Line2D([], [], color=palette.LINKS(0.8), linewidth=2)
    figure.legend(
        [line],
        [view.links],
        loc="upper left",
        bbox_to_anchor=((SIDE - 4) / size[0], 1 - (HEAD - 14) / size[1]),
        frameon=False,
        fontsize=SMALL,
        borderaxespad=0,
    )


def _legend(
    figure: Figure, coloring: Coloring, place: tuple[float, float, float, float], *, is_dead: bool = False
) -> None:
    shown = [(name, palette.category_color(coloring, i)) for i, name in enumerate(coloring.categories)]
    shown = [(name, color) for name, color in shown if name not in coloring.absent]
    shown += [("dead", palette.NOTHING)] if is_dead else []
    marks = [Line2D([], [], marker="o", linestyle="", markersize=7, color=color) for _, color in shown]
    axes = figure.add_axes(place)
    axes.set_axis_off()
    axes.legend(
        marks,
        [name for name, _ in shown],
        ncols=3 if len(marks) > 5 else 1,
        loc="upper left",
        title=coloring.label,
        frameon=False,
        fontsize=SMALL,
        title_fontsize=TEXT,
        alignment="left",
        handletextpad=0.2,
        borderaxespad=0,
        labelspacing=0.3,
    )
