"""A scene to look at in a notebook, to turn in a window, or to save."""

from pathlib import Path
from typing import Any

import pyvista as pv

from twin.errors import RunError
from twin_viz import drawing, palette
from twin_viz.cloud import Style
from twin_viz.graphics import graphics
from twin_viz.page import compose, save
from twin_viz.source import Run
from twin_viz.tissue import View, read_view

BAR = {"position_x": 0.25, "width": 0.5, "height": 0.1, "title_font_size": 18, "label_font_size": 15}


class Scene:
    """A tissue at one time. A notebook shows it as a picture; `show` opens it to be turned.

    view : what is shown. size : px.
    """

    def __init__(self, view: View, size: tuple[int, int]) -> None:
        self.view, self.size = view, size

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        content = BytesIO()
        figure = compose(self.view, drawing.ScenePainter(), self.size)
        figure.savefig(content, format="png", dpi=figure.dpi, facecolor=figure.get_facecolor())
        return content.getvalue()

    def save(self, out: str | Path) -> Path:
        """Write the picture to `out` (PNG, or PDF or SVG where it ends so) and return it.

        Raises
        ------
        InputError
            If `out` cannot be written.
        """
        return save(compose(self.view, drawing.ScenePainter(), self.size), Path(out))

    def show(self, **options: Any) -> Any:
        """Open the scene to be turned, in a notebook (with trame) or in a window; `options` are PyVista's."""
        return self.plotter(off_screen=False).show(**options)

    def plotter(self, *, off_screen: bool = True) -> pv.Plotter:
        """Return a PyVista plotter with all of it: cells above, a field in a panel of its own below, one camera."""
        view, size = self.view, self.size
        rows = 1 if view.field is None else 2
        made = pv.Plotter(off_screen=off_screen, shape=(rows, 1), window_size=list(size), border=False)
        plotter: Any = made  # PyVista's decorators hide the signatures of its methods
        ratio = size[0] / (size[1] / rows)
        pixel = 2 * view.camera.half_width / size[0]
        tissue = view.tissues[0]
        plotter.subplot(0, 0)
        mapper = drawing.add_tissue(plotter, view, tissue, pixel)
        drawing.aim(plotter, view.camera, ratio)
        words = f"{view.compartment}, {tissue.time:g} h"
        plotter.add_text(words, position="upper_left", font_size=11, color=palette.INK)
        if view.coloring.categories:
            codes = range(len(view.coloring.categories))
            labels = [[view.coloring.categories[i], palette.category_color(view.coloring, i)] for i in codes]
            plotter.add_legend(labels, bcolor=None, face="circle", size=(0.2, 0.04 * len(labels)))
        elif mapper is not None:
            plotter.add_scalar_bar(f"{view.coloring.label}\n", mapper=mapper, color=palette.INK, **BAR)
        if view.field is not None:
            plotter.subplot(1, 0)
            mapper = drawing.add_field(plotter, view, view.field, pixel)
            drawing.aim(plotter, view.camera, ratio)
            words = f"{view.field.substance}, {view.field.time:g} h"
            plotter.add_text(words, position="upper_left", font_size=11, color=palette.INK)
            title = f"{view.field.substance} ({view.field.units})\n"
            plotter.add_scalar_bar(title, mapper=mapper, color=palette.INK, fmt="%.1e", **BAR)
        return made


def scene(
    run: Run,
    time: float | str | None = None,
    color: str = "ISG15",
    field: str | None = None,
    compartment: str | None = None,
    cut: str | None = None,
    replicate: int = 0,
    *,
    style: Style = "block",
    links: str | None = None,
    opacity: float | None = None,
    close: bool = False,
    size: tuple[int, int] = (1280, 960),
) -> Scene:
    """Return the scene of a compartment at one time; arguments as in `twin_viz.tissue.read_view`.

    Raises
    ------
    RunError
        If there is no OpenGL here; `twin view` draws without.
    """
    if graphics().backend is None:
        raise RunError(graphics().advice)
    view = read_view(run, (time,), color, field, compartment, cut, replicate, style=style, links=links, opacity=opacity)
    return Scene(view, size)
