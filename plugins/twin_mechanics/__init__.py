"""Cells push each other apart, pull at each other, crawl, and are held by the walls of their box."""

from twin_mechanics.process import Mechanics

__all__ = ["Mechanics"]
