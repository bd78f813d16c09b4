"""A scene as a PyVista plotter, to be turned. Importing this file imports VTK."""

from typing import Any

import pyvista as pv

from twin_viz import drawing, palette
from twin_viz.tissue import View

BAR = {"position_x": 0.25, "width": 0.5, "height": 0.1, "title_font_size": 18, "label_font_size": 15}


def plotter_of(view: View, size: tuple[int, int], *, off_screen: bool) -> pv.Plotter:
    """Return a plotter with the first panel's cells above, a field in a panel of its own below, and one camera."""
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
