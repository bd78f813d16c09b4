"""The simple predictors that every table holds: what arithmetic makes of the visible cells, tuned on them alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin.analysis.protocol import arithmetic as rules
from twin.analysis.protocol.counts import calibrated, from_cells, resampled, shifted
from twin.analysis.protocol.task import Baseline, Float, Prediction, Task
from twin.analysis.protocol.units import arms, fine_units, pooled, seen_at_home, units


@dataclass(frozen=True)
class Carried:
    """A rule that carries the deltas of other contexts (or donors) over to the target's control profile."""

    rule: rules.Rule
    grid: Sequence[Mapping[str, float]] = ()

    def __call__(self, task: Task) -> Prediction | None:
        """Return the own profile plus what the rule makes of the other deltas."""
        own = task.means(task.start)
        found = units(task)
        if found is None:
            return None
        known = (found.profiles, found.deltas, found.weights)
        setting = rules.tuned(self.rule, self.grid, *known) if self.grid else {}
        return Prediction(own + self.rule(*known, own, **setting))

    def rates(self, task: Task) -> Float | None:
        """Return the change of the mean CP10k under the same weights, (scored,)."""
        found = units(task)
        if found is None:
            return None
        known = (found.profiles, found.deltas, found.weights)
        setting = rules.tuned(self.rule, self.grid, *known) if self.grid else {}
        return self.rule(found.profiles, found.rates, found.weights, task.means(task.start), **setting)


mean_shift = Carried(rules.mean_shift)
weighted_shift = Carried(rules.weighted_shift)
nearest_shift = Carried(rules.nearest_shift)
neighbour_shift = Carried(rules.neighbour_shift, rules.NEIGHBOUR_GRID)
similarity_shift = Carried(rules.similarity_shift, rules.TEMPERATURE_GRID)
level_blend = Carried(rules.level_blend, rules.SLOPE_GRID)
similarity_level = Carried(rules.similarity_level, rules.LEVEL_GRID)


def ridge(task: Task) -> Prediction | None:
    """Ridge regression of the delta on the control profile, a row per (context, donor)."""
    found = fine_units(task)
    if found is None or len(np.unique(found.groups)) < 2:
        return None
    own = task.means(task.start)
    grid = rules.DONOR_RIDGE_GRID if seen_at_home(task) else rules.RIDGE_GRID
    return Prediction(own + rules.ridge_shift(found.profiles, found.deltas, found.weights, own, found.groups, grid))


def no_change(task: Task) -> Prediction:
    """The start cells as they are; as cells, drawn with replacement."""
    n = int(task.start.sum())
    return Prediction(task.means(task.start), resampled(task, task.start, n))


def pooled_shift(task: Task) -> Prediction | None:
    """The delta of the target context's other cells (other donors, or visible cells), pooled."""
    found = pooled(task)
    return None if found is None else Prediction(task.means(task.start) + found[1] - found[0])


def treated_mean(task: Task) -> Prediction | None:
    """The treated level of the target context's other cells, pooled."""
    found = pooled(task)
    return None if found is None else Prediction(found[1])


def treated_cells(task: Task) -> Prediction | None:
    """The target context's other treated cells, drawn with replacement."""
    treated = arms(task)[1] & (task.column("context") == task.target)
    return from_cells(task, resampled(task, treated, int(task.start.sum()))) if treated.any() else None


@dataclass(frozen=True)
class AsCounts:
    """A predictor's pseudobulk made into integer cells out of the start cells; scored is what the cells give."""

    of: Baseline

    def __call__(self, task: Task) -> Prediction | None:
        """Return cells with the predicted pseudobulk."""
        predicted = self.of(task)
        if predicted is None:
            return None
        return from_cells(task, calibrated(task, predicted.mean))


@dataclass(frozen=True)
class AsPoisson:
    """A shift of rates made into integer cells by adding and thinning molecules, without calibration."""

    of: Carried

    def __call__(self, task: Task) -> Prediction | None:
        """Return cells with the rates shifted."""
        change = self.of.rates(task)
        return None if change is None else from_cells(task, shifted(task, change))
