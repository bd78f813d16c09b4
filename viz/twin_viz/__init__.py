"""Pictures and plots of a run: PyVista in three dimensions, Matplotlib where there is no OpenGL."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twin_viz.scenes import scene

__all__ = ["scene"]


def __getattr__(name: str) -> Any:
    """Import `scene` when it is used: it brings VTK."""
    if name == "scene":
        return import_module("twin_viz.scenes").scene
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
