"""The plugin `dosing`: what the experimenter does, and when; and `pharmacokinetics`: drugs in the body."""

from twin_dosing.pharmacokinetics import Pharmacokinetics
from twin_dosing.process import Dosing

__all__ = ["Dosing", "Pharmacokinetics"]
