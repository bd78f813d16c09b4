"""Cells go through their cycle, phase by phase, and divide at its end."""

from twin_cycle.process import Cycle

__all__ = ["Cycle"]
