"""The conformance suite of plugins: does a process keep the contract of `twin.process`?

In a plugin's own tests: `assert check_process(MyProcess, {"setting": 3}) == []`.
"""

from twin.conformance.suite import check_process
from twin.conformance.trial import UniformModel, make_scenario, make_view

__all__ = ["UniformModel", "check_process", "make_scenario", "make_view"]
