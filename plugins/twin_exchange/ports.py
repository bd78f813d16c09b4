"""The ports between exchange, diffusion and internalisation, and which substances they are of."""

import re

from twin.process import CONCENTRATION, Port
from twin.scenario.behaviours import behaviours_of
from twin.scenario.schema import Scenario
from twin.units import quantity

MEAN = Port("mean_concentration", CONCENTRATION.dims, "nM")  # a rate of `diffusion`: over its last step


def is_counted(scenario: Scenario) -> bool:
    """Return whether what cells take up is kept count of."""
    return "internalisation" in scenario.processes


def is_given_back(scenario: Scenario) -> bool:
    """Return whether cells lose what they have taken up when they die."""
    return is_counted(scenario) and bool((scenario.processes.get("exchange") or {}).get("release_at_death"))


def taken_up(scenario: Scenario) -> tuple[str, ...]:
    """Return the substances that some cells may take up, in scenario order."""
    behaviours = behaviours_of(scenario)
    words = (*behaviours.given, *behaviours.ruled)
    return tuple(name for name in scenario.substances if f"{name} uptake" in words)


def clearance_of(substance: str) -> Port:
    """Return the rate at which each cell clears its surroundings."""
    return Port(f"clearance_{_word(substance)}", ("cell",), "um^3/h")


def lost_of(substance: str) -> Port:
    """Return the rate at which each cell loses what it holds, given back or digested: at its death."""
    return Port(f"lost_{_word(substance)}", ("cell",), "amol/h")


def held_of(substance: str) -> Port:
    """Return what each cell holds of what it has taken up."""
    return Port(f"internalised_{_word(substance)}", ("cell",), "amol")


def inside_of(substance: str) -> Port:
    """Return the same as a concentration in the cell's volume: the signal "intracellular <substance>"."""
    return Port(f"internal_{_word(substance)}", ("cell",), "nM")


def slowest(scenario: Scenario, process: str) -> float:
    """Return the time between two steps of a process, h; 0 where it is not there."""
    settings = scenario.processes.get(process)
    if settings is None and process not in scenario.processes:
        return 0.0
    interval = (settings or {}).get("interval")
    return scenario.tick if interval is None else quantity(interval, "hour", "a time", "6 h")


def _word(substance: str) -> str:
    return re.sub(r"\W", "_", substance)
