"""The part of the page that is told in its `routes`."""

from twin_web.cell.routes import add_to

__all__ = ["add_to"]
