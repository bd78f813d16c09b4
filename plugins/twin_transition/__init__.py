"""The cell world model's step, as a process."""

from twin_transition.process import Transition

__all__ = ["Transition"]
