"""Who draws here: VTK where there is OpenGL, Matplotlib alone where not."""

from importlib import import_module

from twin_viz import graphics
from twin_viz.page import Painter
from twin_viz.plain import PlainPainter


def painter() -> tuple[Painter, str]:
    """Return who fills the panels of a page here, and where it is the plain way one sentence on why.

    VTK is imported only where it has been seen to work: where the libraries are missing it ends the process.
    """
    found = graphics.graphics()
    if found.backend is None:
        return PlainPainter(), found.advice
    made: Painter = import_module("twin_viz.drawing").ScenePainter()
    return made, ""
