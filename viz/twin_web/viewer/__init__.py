"""The 3-D viewer of a run's tissue, live: its document, and the pieces that it fetches while the run goes on."""

from twin_web.viewer.routes import add_to

__all__ = ["add_to"]
