"""Baselines along an axis: between the doses or the times that are visible on either side of the one asked for."""

from collections.abc import Callable

import numpy as np

from twin.analysis.protocol.task import CONTROL, Float, Prediction, Task, same


def _ladder(task: Task) -> tuple[float, Float, list[Float]] | None:
    """Return (where is asked, visible places ascending (place,), their pseudobulks) along time or dose.

    Along time where the asked condition is visible in the target context at other times, else along dose, with the
    control cells at dose 0. None where neither is so, or where the asked place is itself visible.
    """
    home = task.visible & (task.column("context") == task.target)
    condition = task.column("condition")
    for axis, asked in (("time", task.time), ("dose", task.dose)):
        values = task.numbers(axis)
        cells = home & (condition == task.condition) & np.isfinite(values)
        if axis == "dose" and task.condition != CONTROL:
            cells = home & np.isfinite(values) & ((condition == task.condition) | (condition == CONTROL))
        if axis == "time":
            cells &= same(task.numbers("dose"), task.dose)
        places = np.unique(values[cells])
        if len(places) >= 2 and np.isfinite(asked) and not same(places, asked).any():
            return asked, places, [task.means(cells & (values == p)) for p in places]
    return None


def _between(task: Task, scale: Callable[[Float, float], Float]) -> Prediction | None:
    found = _ladder(task)
    if found is None:
        return None
    asked, places, means = found
    above = int(np.searchsorted(places, asked))
    if above in (0, len(places)):
        return None
    first = float(places[places > 0].min())  # sets the unit in which a logarithm of 1 + x is taken where x may be 0
    low, x, high = scale(np.array([places[above - 1], asked, places[above]]), first)
    share = (x - low) / (high - low)
    return Prediction((1 - share) * means[above - 1] + share * means[above])


def linear(task: Task) -> Prediction | None:
    """The pseudobulks (in log space) of the neighbouring times or doses, interpolated linearly in time or dose."""
    return _between(task, lambda x, first: x)


def logarithmic(task: Task) -> Prediction | None:
    """As `linear`, but in log time or dose; where the lower neighbour is 0, in log(1 + x / least visible x above 0)."""
    return _between(task, lambda x, first: np.log1p(x / first) if x[0] == 0 else np.log(x))


def nearest(task: Task) -> Prediction | None:
    """The pseudobulk of the visible time or dose that is nearest in log(1 + x / least visible x above 0)."""
    found = _ladder(task)
    if found is None:
        return None
    asked, places, means = found
    first = float(places[places > 0].min())
    return Prediction(means[int(np.argmin(np.abs(np.log1p(places / first) - np.log1p(asked / first))))])
