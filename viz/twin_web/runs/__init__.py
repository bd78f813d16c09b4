"""The runs view: what there is, files of it, two held against each other, and one's own cells.

Its door is opened when it is asked for: what the children of this part import does not wait for the whole server.
"""

from importlib import import_module
from typing import Any

__all__ = ["add_to"]


def __getattr__(name: str) -> Any:
    """Return the function that adds this part to a server, imported when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("twin_web.runs.routes"), name)
