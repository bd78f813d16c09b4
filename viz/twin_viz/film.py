"""A tissue over time, as a film: one camera, one colour scale, a frame a kept time.

The page around the panels is drawn once; of a frame only the cells and the time stamps are drawn anew.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, TypedDict, Unpack

import imageio_ffmpeg
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from numpy.typing import NDArray

from twin.errors import InputError
from twin_viz.cloud import Style
from twin_viz.page import Painter, caption, compose, headline
from twin_viz.source import Run
from twin_viz.substance import Field
from twin_viz.tissue import Tissue, View, read_view

KINDS = (".mp4", ".gif")
FRAMES_PER_SECOND = 8.0
QUALITY = 8  # of 10; our choice: no blocks around spheres
SIZE = (960, 720)  # px

Image = NDArray[np.uint8]  # (row, column, 3)


class More(TypedDict, total=False):
    """What `read_view` takes besides: see there."""

    style: Style
    links: str | None
    opacity: float | None
    close: bool
    label: str
    others: Sequence[tuple[str, Run]]


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
    field: str | None = "none",
    **more: Unpack[More],
) -> Path:
    """Write all kept times of a compartment as one film to `out` (.mp4 or .gif), whole or not at all; return `out`.

    Beside each other futures are shown at the times that all of them kept.

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
    kept = [
        np.unique(np.asarray(r.times(replicate), np.float64)) for r in (run, *(r for _, r in more.get("others", ())))
    ]
    times = [float(t) for t in reduce(np.intersect1d, kept)]
    if not times and all(len(hours) for hours in kept):
        raise InputError("the futures have kept cells at no common time: nothing can be shown side by side")
    view = read_view(run, times, color, field, compartment, cut, replicate, **more)
    draft = out.with_name(f".{out.stem}.unfinished{out.suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()  # what cannot be written is told by the system, not by ffmpeg
        _encode(draft, _heard(frames(view, painter, size), len(times), on_frame), fps)
        draft.replace(out)
    except OSError as error:
        raise InputError(f"{out}: the film cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return out


def frames(view: View, painter: Painter, size: tuple[int, int] = SIZE) -> Iterator[Image]:
    """Yield one picture a time of the view, all of one size, in even pixels: its futures side by side."""
    by_time = [[t for t in view.tissues if t.time == hour] for hour in dict.fromkeys(t.time for t in view.tissues)]
    stage = _Stage(painter)
    figure = compose(replace(view, tissues=tuple(by_time[0])), stage, size)
    canvas: Any = figure.canvas  # Agg's, which is untyped
    title = figure.texts[0]
    moving = [title, *(text for axes in stage.axes for text in axes.texts[:2])]
    for artist in moving:
        artist.set_animated(True)
    for axes in stage.axes:
        axes.set_visible(False)
    canvas.draw()
    for axes in stage.axes:
        axes.set_visible(True)
    empty = canvas.copy_from_bbox(figure.bbox)
    for tissues in by_time:
        shown = replace(view, tissues=tuple(tissues))
        if tissues is not by_time[0]:
            stage.clear()
        title.set_text(headline(shown))
        canvas.restore_region(empty)
        for axes, tissue in zip(stage.axes, tissues, strict=True):
            if tissues is not by_time[0]:
                stage.paint(axes, view, tissue)
            stamp, words = axes.texts[:2]
            stamp.set_text(f"{tissue.time:g} h")
            words.set_text(caption(shown, tissue))
            figure.draw_artist(axes)
        for artist in moving:
            figure.draw_artist(artist)
        image = np.asarray(canvas.buffer_rgba(), dtype=np.uint8)[..., :3]
        rows, columns = (n - n % 2 for n in image.shape[:2])  # as H.264 wants them
        yield image[:rows, :columns].copy()


class _Stage:
    """Paints the cells of each panel, and knows which artists it made for them."""

    def __init__(self, painter: Painter) -> None:
        self.painter = painter
        self.axes: list[Axes] = []
        self.drawn: list[Any] = []

    def cells(self, axes: Axes, view: View, tissue: Tissue) -> None:
        self.axes.append(axes)
        self.paint(axes, view, tissue)

    def paint(self, axes: Axes, view: View, tissue: Tissue) -> None:
        before = list(axes.get_children())
        self.painter.cells(axes, view, tissue)
        self.drawn += [a for a in axes.get_children() if a not in before]

    def clear(self) -> None:
        for artist in self.drawn:
            artist.remove()
        self.drawn = []

    def field(self, axes: Axes, view: View, field: Field) -> None:
        raise AssertionError("a film shows fields around the cells alone")


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
