"""What the visible cells of a task say of what is asked: in other contexts, other donors, other conditions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.analysis.protocol.task import CONTROL, Float, Mask, Task

LEAST_CELLS = 8  # cells an arm of a (context, donor) pair; as the reference tables


@dataclass(frozen=True)
class Units:
    """Contexts (or donors) in which both arms are visible.

    profiles : (unit, scored) pseudobulk of the control cells.
    deltas : (unit, scored) treated minus control.
    rates : (unit, scored) change of the mean CP10k.
    weights : (unit,) cells.
    groups : (unit,) what is left out together when a setting is tuned.
    """

    profiles: Float
    deltas: Float
    rates: Float
    weights: Float
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.weights)


def like_start(task: Task) -> Mask:
    """Return the cells, of any context, in the state of the start cells: same condition, dose and time, (cell,)."""
    first = np.flatnonzero(task.start)[0]
    same = task.column("condition") == task.column("condition")[first]
    for name in ("dose", "time"):
        values = task.numbers(name)
        same &= (values == values[first]) | (np.isnan(values) & np.isnan(values[first]))
    return np.asarray(same, dtype=np.bool_)


def arms(task: Task) -> tuple[Mask, Mask]:
    """Return the visible cells that are like the start cells, and those that were given what is asked, (cell,) each."""
    return task.visible & like_start(task), task.visible & task.is_asked()


def seen_at_home(task: Task) -> bool:
    """Return whether the asked condition is visible in the target context itself (then the donors differ)."""
    return bool((arms(task)[1] & (task.column("context") == task.target)).any())


def units(task: Task) -> Units | None:
    """Return the contexts that can be learned from, or the donors of the target context where it is itself seen.

    None where there are none; with a single donor at home there is nothing to weigh (see `pooled`).
    """
    context = task.column("context")
    if seen_at_home(task):
        donor = task.column("donor")
        found = _units(task, donor, context == task.target, LEAST_CELLS)
        found = found or _units(task, donor, context == task.target, 1)  # bulk: one culture a donor
        return found if found is not None and len(found) > 1 else None
    return _units(task, context, context != task.target, 1)


def fine_units(task: Task) -> Units | None:
    """Return every (context, donor) pair with eight visible cells an arm.

    Left out together: the donor's pairs where the target context is itself seen, else the context's.
    """
    context, donor = task.column("context"), task.column("donor")
    whole, groups = [], []
    for one in np.unique(context[arms(task)[1]]):
        found = _units(task, donor, context == one, LEAST_CELLS)
        if found is not None:
            whole.append(found)
            groups.append(found.groups if seen_at_home(task) else np.full(len(found), one))
    if not whole:
        return None
    return Units(
        np.concatenate([u.profiles for u in whole]),
        np.concatenate([u.deltas for u in whole]),
        np.concatenate([u.rates for u in whole]),
        np.concatenate([u.weights for u in whole]),
        np.concatenate(groups),
    )


def _units(task: Task, label: NDArray[np.str_], among: Mask, least: int) -> Units | None:
    control, treated = arms(task)
    profiles, deltas, rates, weights, names = [], [], [], [], []
    for name in np.unique(label[treated & among]):
        mine = (label == name) & among
        c, t = np.flatnonzero(control & mine), np.flatnonzero(treated & mine)
        if min(len(c), len(t)) < least:
            continue
        before, after = task.logged[c], task.logged[t]
        profiles.append(before.mean(axis=0))
        deltas.append(after.mean(axis=0) - profiles[-1])
        rates.append(np.expm1(after).mean(axis=0) - np.expm1(before).mean(axis=0))
        weights.append(float(len(c) + len(t)))
        names.append(str(name))
    if not names:
        return None
    return Units(np.stack(profiles), np.stack(deltas), np.stack(rates), np.array(weights), np.array(names))


def pooled(task: Task) -> tuple[Float, Float] | None:
    """Return (control, treated) pseudobulks of the target context's other visible cells, donors pooled, (scored,) each.

    None where what is asked is not visible there. Without other control cells the start cells stand for them.
    """
    control, treated = arms(task)
    home = task.column("context") == task.target
    if not (treated & home).any():
        return None
    others = control & home & ~task.start
    return task.means(others if others.any() else task.start), task.means(treated & home)


def effects(task: Task) -> dict[str, Float]:
    """Return the deltas of the visible conditions in the target context, against the start cells, (scored,) each."""
    home = task.visible & (task.column("context") == task.target)
    condition = task.column("condition")
    base = task.means(task.start)
    first = condition[np.flatnonzero(task.start)[0]]
    names = [str(c) for c in np.unique(condition[home]) if c not in (first, CONTROL)]
    return {name: task.means(home & (condition == name)) - base for name in names}
