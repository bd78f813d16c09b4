"""A tissue over time, as a film: one camera, one colour scale, a frame a kept time.

The page around the panel is drawn once; of a frame only the cells and the time stamp are drawn anew.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from numpy.typing import NDArray

from twin.errors import InputError
from twin_viz.page import EXTRAPOLATED, Painter, compose
from twin_viz.tissue import Field, Run, Tissue, View, read_view

KINDS = (".mp4", ".gif")
FRAMES_PER_SECOND = 8.0
QUALITY = 8  # of 10; our choice: no blocks around spheres
SIZE = (960, 720)  # px

Image = NDArray[np.uint8]  # (row, column, 3)


def film(
    run: Run,
    out: Path,
    painter: Painter,
    color: str = "ISG15",
    compartment: str | None = None,
    cut: str | None = None,
    replicate: int = 0,
    fps: float = FRAMES_PER_SECOND,
    size: tuple[int, int] = SIZE,
    on_frame: Callable[[int, int], None] | None = None,
) -> Path:
    """Write all kept times of a compartment as one film to `out` (.mp4 or .gif), whole or not at all; return `out`.

    Parameters
    ----------
    painter : of the cells; the others as in `read_view`. fps : frames a second. on_frame : called with (done, of all).

    Raises
    ------
    InputError
        If `out` has another ending or cannot be written, or as `read_view` says.
    """
    if out.suffix.lower() not in KINDS:
        raise InputError(f"{out}: a film ends in {' or '.join(KINDS)}")
    times = [float(t) for t in np.unique(np.asarray(run.times(replicate), dtype=np.float64))]
    view = read_view(run, times, color, "none", compartment, cut, replicate)
    draft = out.with_name(f".{out.stem}.unfinished{out.suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _encode(draft, _heard(frames(view, painter, size), len(view.tissues), on_frame), fps)
        draft.replace(out)
    except OSError as error:
        raise InputError(f"{out}: the film cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return out


def frames(view: View, painter: Painter, size: tuple[int, int] = SIZE) -> Iterator[Image]:
    """Yield one picture a time of the view, all of one size, in even pixels."""
    stage = _Stage(painter)
    figure = compose(replace(view, tissues=view.tissues[:1]), stage, size)
    canvas: Any = figure.canvas  # Agg's, which is untyped
    axes: Any = stage.axes
    stamp, words, title = axes.texts[0], axes.texts[1], figure.texts[0]
    label = view.coloring.label.split(",")[0]
    moving = [stamp, words, title]
    for artist in moving:
        artist.set_animated(True)
    axes.set_visible(False)
    canvas.draw()
    axes.set_visible(True)
    empty = canvas.copy_from_bbox(figure.bbox)
    for tissue in view.tissues:
        if tissue is not view.tissues[0]:
            for artist in stage.cells_drawn:
                artist.remove()
            stage.paint(view, tissue)
        late = view.measured_until is not None and tissue.time > view.measured_until
        stamp.set_text(f"{tissue.time:g} h")
        words.set_text(label + (f" ({EXTRAPOLATED})" if late else ""))
        title.set_text(f"{view.title} · {view.compartment} · {len(tissue.radius):,} cells shown")
        canvas.restore_region(empty)
        figure.draw_artist(axes)
        for artist in moving:
            figure.draw_artist(artist)
        image = np.asarray(canvas.buffer_rgba(), dtype=np.uint8)[..., :3]
        rows, columns = (n - n % 2 for n in image.shape[:2])  # as H.264 wants them
        yield image[:rows, :columns].copy()


class _Stage:
    """Paints the cells of the one panel, and knows which artists it made for them."""

    def __init__(self, painter: Painter) -> None:
        self.painter = painter
        self.axes: Axes | None = None
        self.cells_drawn: list[Any] = []

    def cells(self, axes: Axes, view: View, tissue: Tissue) -> None:
        self.axes = axes
        self.paint(view, tissue)

    def paint(self, view: View, tissue: Tissue) -> None:
        assert self.axes is not None
        before = list(self.axes.get_children())
        self.painter.cells(self.axes, view, tissue)
        self.cells_drawn = [a for a in self.axes.get_children() if a not in before]

    def field(self, axes: Axes, view: View, field: Field) -> None:
        raise AssertionError("a film shows cells alone")


def _heard(images: Iterator[Image], n: int, on_frame: Callable[[int, int], None] | None) -> Iterator[Image]:
    for i, image in enumerate(images, 1):
        yield image
        if on_frame is not None:
            on_frame(i, n)


def _encode(out: Path, images: Iterator[Image], fps: float) -> None:
    first = next(images)
    if out.suffix.lower() == ".gif":
        rest = (PIL.Image.fromarray(image) for image in images)
        shown = PIL.Image.fromarray(first)
        shown.save(out, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
        return
    rows, columns = first.shape[:2]
    # even sides are what H.264 asks for; larger blocks would scale the picture
    writer = imageio_ffmpeg.write_frames(
        str(out), (columns, rows), fps=fps, quality=QUALITY, macro_block_size=2, ffmpeg_log_level="error"
    )
    writer.send(None)
    try:
        writer.send(first)
        for image in images:
            writer.send(image)
    finally:
        writer.close()
