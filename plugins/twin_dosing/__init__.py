"""The plugin `dosing`: what the experimenter does, and when."""

from twin_dosing.process import Dosing

__all__ = ["Dosing"]
