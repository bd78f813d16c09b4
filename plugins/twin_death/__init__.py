"""Cells die, by apoptosis or by necrosis, and their bodies are cleared in time."""

from twin_death.process import Death

__all__ = ["Death"]
