"""A scene to look at in a notebook, to turn in a window, or to save."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from twin.errors import RunError
from twin.results import Run as ResultsRun
from twin_viz import graphics
from twin_viz.choice import futures_of, shown_color
from twin_viz.cloud import style_of
from twin_viz.page import compose, picture
from twin_viz.painters import painter
from twin_viz.source import Run
from twin_viz.tissue import View, read_view


class Scene:
    """A tissue at one time. A notebook shows it as a picture; `show` opens it to be turned.

    view : what is shown. size : px.
    """

    def __init__(self, view: View, size: tuple[int, int]) -> None:
        self.view, self.size = view, size

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        figure = compose(self.view, painter()[0], self.size)
        figure.savefig(content, format="png", dpi=figure.dpi, facecolor=figure.get_facecolor())
        return content.getvalue()

    def save(self, out: str | Path) -> Path:
        """Write the picture to `out` (PNG, or PDF or SVG where it ends so) and return it.

        Raises
        ------
        InputError
            If `out` cannot be written.
        """
        return picture(self.view, Path(out), painter()[0], self.size)

    def show(self, **options: Any) -> Any:
        """Open the scene to be turned, in a notebook (with trame) or in a window; `options` are PyVista's."""
        return self.plotter(off_screen=False).show(**options)

    def plotter(self, *, off_screen: bool = True) -> Any:
        """Return a PyVista plotter: the first panel's cells above, a field in a panel of its own below, one camera.

        Raises
        ------
        RunError
            If there is no OpenGL here.
        """
        if graphics.graphics().backend is None:
            raise RunError(graphics.graphics().advice)
        return import_module("twin_viz.stage").plotter_of(self.view, self.size, off_screen=off_screen)


def scene(
    run: Run | ResultsRun,
    time: float | str | Sequence[float | str] | None = None,
    color: str | None = None,
    field: str | None = None,
    compartment: str | None = None,
    cut: str | None = None,
    replicate: int = 0,
    *,
    branch: str | Sequence[str] | None = None,
    point: Mapping[str, Any] | None = None,
    style: str = "block",
    links: str | None = None,
    opacity: float | None = None,
    close: bool = False,
    size: tuple[int, int] = (1280, 960),
) -> Scene:
    """Return a scene: a compartment at one time or several, of one branch or several side by side.

    Where there is no OpenGL it is drawn by Matplotlib.

    Parameters
    ----------
    color : without it the scenario's first gene, or the type. The others as in `twin_viz.tissue.read_view`.
    branch, point : without a branch the trunk; a value for each axis of the sweep.

    Raises
    ------
    InputError
        As `read_view` says, or if there is no such branch or point.
    """
    times = tuple(time) if isinstance(time, Sequence) and not isinstance(time, str) else (time,)
    label = ""
    others: Sequence[tuple[str, Run]] = ()
    if isinstance(run, ResultsRun):
        branches = (branch,) if isinstance(branch, str) else tuple(branch or ())
        run, label, others = futures_of(run, branches, point, replicate)
    view = read_view(
        run,
        times,
        shown_color(run.scenario) if color is None else color,
        field,
        compartment,
        cut,
        replicate,
        style=style_of(style),
        links=links,
        opacity=opacity,
        close=close,
        label=label,
        others=others,
    )
    return Scene(view, size)
