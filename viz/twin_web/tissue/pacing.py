"""How often a run that is watched keeps and commits its cells, so that it streams; no trajectory depends on it."""

from math import ceil

from twin.engine.estimate import Load, parts_of
from twin.errors import InputError
from twin.scenario.overlay import Tree
from twin.scenario.schema import Scenario
from twin.scenario.timeline import whole_ticks

MOST_KEPT, FEW_KEPT = 50, 25  # instants of all cells, of a small and of a large run; our choice
MANY = 20_000  # cells of all trajectories together, from which on fewer instants are kept; our choice
LEAST_COMMITS = 6  # of a run that takes no time at all; our choice
EACH = 2.0  # s of computing between two commits, at least: one takes half a second, however few cells there are
SLACK = 1e-9  # of a step, above the rounding of float64
STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 3, 4, 6, 12, 24, 48, 96, 192, 384)  # h, that a clock shows well


def paced(tree: Tree, scenario: Scenario, n_cells: int) -> Tree:
    """Return a document whose cells are kept, and committed, often enough to be watched.

    n_cells : of all trajectories together. What the document keeps more often stays as it is.
    """
    own = scenario.observe.cells_every or scenario.observe.every
    step = min(step_of(scenario, n_cells), own) if scenario.observe.regular else step_of(scenario, n_cells)
    observe = dict(tree.get("observe") or {})
    execution = dict(tree.get("execution") or {})
    observe["cells_every"] = _text(step)
    if scenario.observe.regular and scenario.observe.every > step:
        observe["every"] = _text(step)
    if scenario.execution.commit_every > step:
        execution["commit_every"] = _text(step)
    return {**tree, "observe": observe, "execution": execution}


def committed_in_time(tree: Tree, scenario: Scenario, load: Load) -> Tree:
    """Return a paced document that commits less often where a commit would take longer than what it commits.

    load : what a trajectory of it holds and does.
    """
    step = scenario.observe.cells_every or scenario.observe.every
    kept = ceil(scenario.duration / step - SLACK)
    commits = max(LEAST_COMMITS, int(sum(parts_of(load).values()) / EACH))
    every = max(1, ceil(kept / commits)) * step
    execution = {**(tree.get("execution") or {}), "commit_every": _text(min(every, scenario.duration))}
    return {**tree, "execution": execution} if every > scenario.execution.commit_every else tree


def step_of(scenario: Scenario, n_cells: int) -> float:
    """Return the time between two kept instants, h: a whole number of ticks."""
    most = FEW_KEPT if n_cells > MANY else MOST_KEPT
    for step in STEPS:
        if step * most >= scenario.duration and _is_whole(step, scenario.tick):
            return step
    return scenario.tick * max(1, -(-scenario.n_ticks // most))


def kept_hours(scenario: Scenario) -> list[float]:
    """Return the hours at which a scenario keeps whole cells."""
    step = scenario.observe.cells_every or scenario.observe.every
    try:
        every = whole_ticks(step, scenario.tick, "cells_every")
    except ValueError as error:
        raise InputError(str(error)) from error
    ticks = sorted({*range(0, scenario.n_ticks + 1, every), scenario.n_ticks})
    return [round(tick * scenario.tick, 9) for tick in ticks]


def _is_whole(hours: float, tick: float) -> bool:
    try:
        return whole_ticks(hours, tick, "") >= 1
    except ValueError:
        return False


def _text(hours: float) -> str:
    return f"{hours:.12g} h"
