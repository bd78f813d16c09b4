"""A task's visible cells as groups that can be kriged: units of cells, what was done to them, what is asked."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.analysis.protocol.combinations import JOIN, parts
from twin.analysis.protocol.task import CONTROL, Mask, Task
from twin.analysis.protocol.units import like_start
from twin.data.arms import Agent, Arm

Index = NDArray[np.intp]

REFERENCE, UNUSED = -1, -2  # arms that are none
COURSE = "course"
LEAST_CELLS = 3  # cells of a group, as in training (`twin.model.measured`)
FEW_CELLS = 200  # visible cells; with fewer they are wells of bulk, each a group of its own; our choice


@dataclass(frozen=True)
class Arrangement:
    """Visible cells by unit and arm.

    units : (context, donor); donor "" where donors are not told apart.
    unit : (cell,) index into units; −1: in none. arm : (cell,) index into arms, or `REFERENCE`, or `UNUSED`.
    asked : what is to be predicted.
    """

    units: tuple[tuple[str, str], ...]
    unit: Index
    arms: tuple[Arm, ...]
    arm: Index
    asked: Arm

    @property
    def by_donor(self) -> bool:
        """Whether a donor is part of the unit."""
        return any(donor for _, donor in self.units)

    def rows(self, unit: int, arm: int) -> Index:
        """Return the cells of a group."""
        return np.flatnonzero((self.unit == unit) & (self.arm == arm))


def arranged(task: Task) -> Arrangement:
    """Return the arrangement of a task's visible cells.

    The reference are the controls; of a course, whose asked cells are in the same condition as the start cells or
    nothing was ever done to them, those in the state of the start cells, and later cells are its arms. Contexts are the
    finer cell types where these split the task's contexts (of a course, where types change with time, never). Donors
    are told apart where the start cells are one donor's, and others of the same context are there to learn from.
    """
    first = str(task.column("condition")[np.flatnonzero(task.start)[0]])
    is_course = task.condition in (CONTROL, first)
    reference = like_start(task) if is_course else task.column("condition") == CONTROL
    reference &= task.visible
    arms, arm, asked = _arms(task, reference, is_course=is_course, first=first)
    context = task.column("context") if is_course else _contexts(task)
    donor = task.column("donor") if _by_donor(task, reference, context) else np.full(len(context), "")
    least = LEAST_CELLS if task.visible.sum() >= FEW_CELLS else 1
    units: list[tuple[str, str]] = []
    unit = np.full(len(context), -1, np.intp)
    for key in sorted(set(zip(context[reference].tolist(), donor[reference].tolist(), strict=True))):
        mine = task.visible & (context == key[0]) & (donor == key[1])
        if (mine & task.start).any() or (mine & reference).sum() >= least:
            unit[mine] = len(units)
            units.append(key)
    for u in range(len(units)):
        for a in range(len(arms)):
            rows = (unit == u) & (arm == a)
            if rows.sum() < least:
                arm[rows] = UNUSED
    return Arrangement(tuple(units), unit, arms, np.where(task.visible, arm, UNUSED), asked)


def _contexts(task: Task) -> NDArray[np.str_]:
    """Return the finest context of each cell: its cell type, where types are parts of the task's contexts."""
    context = task.column("context")
    if "cell_type" not in task.obs:
        return context
    fine = task.column("cell_type")
    pairs = set(zip(fine.tolist(), context.tolist(), strict=True))
    nested = len(pairs) == len(set(fine.tolist()))
    return fine if nested and len(pairs) > len(set(context.tolist())) else context


def _by_donor(task: Task, reference: Mask, context: NDArray[np.str_]) -> bool:
    donor = task.column("donor")
    mine = set(donor[task.start].tolist())
    if len(mine) != 1:
        return False
    alike = np.isin(context, context[task.start])
    others = alike & ~np.isin(donor, list(mine))
    both = set(donor[others & reference].tolist()) & set(donor[others & task.is_asked() & task.visible].tolist())
    return bool(both)


def _arms(task: Task, reference: Mask, *, is_course: bool, first: str) -> tuple[tuple[Arm, ...], Index, Arm]:
    """Return the arms, the arm of each cell, and the asked one."""
    condition, dose, time = task.column("condition"), task.numbers("dose"), task.numbers("time")
    begin = float(time[np.flatnonzero(task.start)[0]]) if is_course else math.nan

    def made(name: str, amount: float, hours: float) -> Arm:
        if is_course and first == CONTROL:
            return Arm((Agent(COURSE, "course"),), hours - begin)
        several = JOIN in name
        kind = "gene" if task.features else "drug"
        agents = tuple(Agent(p, kind, math.nan if several else _positive(amount)) for p in parts(name))
        return Arm(agents, _positive(hours), begin if is_course else math.nan)

    treated = task.visible & ~reference & (condition != CONTROL)
    if is_course:
        treated = task.visible & ~reference & (condition == task.condition) & (time > begin)
    found: dict[object, int] = {}
    arms: list[Arm] = []
    arm = np.where(reference, REFERENCE, UNUSED).astype(np.intp)
    for i in np.flatnonzero(treated):
        one = made(str(condition[i]), float(dose[i]), float(time[i]))
        if one.key not in found:
            found[one.key] = len(arms)
            arms.append(one)
        arm[i] = found[one.key]
    asked = made(task.condition, task.dose, task.time)
    return tuple(arms), arm, arms[found[asked.key]] if asked.key in found else asked


def _positive(x: float) -> float:
    return x if x > 0 else math.nan
