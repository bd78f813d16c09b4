"""The tissue view: a scenario is chosen, edited, run while somebody watches, halted, stopped and branched."""

from twin_web.tissue.routes import add_to

__all__ = ["add_to"]
