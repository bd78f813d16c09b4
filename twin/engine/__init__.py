"""From a scenario to a run: the plan, the clock, the loop, the workers."""
