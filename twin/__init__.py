"""A multi-scale digital twin of living tissue: every cell carries its whole transcriptome.

What stands here is loaded when it is first used, so that `import twin` costs nothing.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.engine.simulation import run
    from twin.registry import named_model as load_model
    from twin.results import open_run
    from twin.scenario.load import load_scenario

    __version__: str

__all__ = ["__version__", "load_model", "load_scenario", "open_run", "run"]

_HOMES = {
    "open_run": ("twin.results", "open_run"),
    "load_model": ("twin.registry", "named_model"),
    "load_scenario": ("twin.scenario.load", "load_scenario"),
    "run": ("twin.engine.simulation", "run"),
}


def __getattr__(name: str) -> object:
    """Return what `name` stands for, imported now."""
    if name == "__version__":
        try:
            return version("twin")
        except PackageNotFoundError:
            return "0+source"  # a source tree that was never installed
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'twin' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
