"""PEtab problems: read, simulated at their nominal parameters, and held against their reference simulations."""

from twin.interop.petab.problem import Problem
from twin.interop.petab.read import load_problems
from twin.interop.petab.simulate import simulate

__all__ = ["Problem", "load_problems", "simulate"]
