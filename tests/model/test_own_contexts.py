"""What an experiment's own left-out groups choose: how far contexts go their own way, and how large effects are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.model.test_effects import GENES, RESPONDERS, Law, law
from twin.data.arms import Agent, Arm
from twin.model import tuning
from twin.model.effects import EffectFamily, Group, fit_family
from twin.model.groups import summarise
from twin.model.tuning import NUGGET

Float = NDArray[np.float64]
COURSE = [Arm((Agent("course", "course"),), 24.0 * day) for day in (1, 2, 4, 8)]
SHARE = np.log1p([1, 2, 4, 8]) / np.log1p(8)  # of the last day's effect
DOSES = [Arm((Agent("DRG", "drug", 10.0**i),), 24.0) for i in range(5)]


def fitted(truth: Law, arms: list[Arm], share: Float, left: tuple[int, int], cells: int) -> tuple[EffectFamily, Float]:
    """Every context under every arm but one pair; an arm's effect is a share of the context's fold."""
    rng = np.random.default_rng(1)
    everywhere = np.ones(GENES, np.bool_)
    groups, depths = [], []
    for c in range(len(truth.rate)):
        for a in range(-1, len(arms)):
            counts, depth = truth.draw(rng, c, None if a < 0 else share[a] * truth.fold[c], cells)
            if a < 0:
                depths.append(depth)
            if (c, a) != left:
                groups.append(Group(c, a, summarise(counts, everywhere, depth)))
    family, rates = fit_family(groups, arms, depths)
    c, a = left
    return family, family.shifts(rates[c], depths[c], [arms[a]], own=c)[0]


def off(truth: Law, shift: Float, share: Float, left: tuple[int, int]) -> float:
    c, a = left
    answer = share[a] * truth.fold[c]
    return float(np.mean((shift - answer)[:RESPONDERS] ** 2))


@pytest.mark.parametrize("alike", [True, False])
def test_contexts_that_go_their_own_way_are_found_and_better_told(alike: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = law(0, contexts=4)
    own = np.zeros_like(truth.fold)
    own[:, :RESPONDERS] = np.random.default_rng(3).normal(0, 1.0, (4, RESPONDERS))
    truth = Law(truth.rate, np.tile(own[:1], (4, 1)) if alike else own)
    left = (1, 2)
    family, shift = fitted(truth, COURSE, SHARE, left, 150)
    monkeypatch.setattr(tuning, "NUGGETS", (NUGGET,))
    plain, other = fitted(truth, COURSE, SHARE, left, 150)
    nugget = family.near[1, 1] - plain.near[1, 1] + NUGGET
    if alike:
        assert nugget < 1.0  # rates differ between contexts, and with them what one fold does to a level
    else:
        assert nugget >= 2.0
        assert off(truth, shift, SHARE, left) < 0.8 * off(truth, other, SHARE, left)


def test_doses_that_do_alike_are_not_made_larger_than_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five doses of a weak drug, few cells: one dose left out is told better by the variance as it was fitted."""
    truth = law(1, contexts=1)
    share, left = np.full(5, 0.3), (0, 2)
    family, shift = fitted(truth, DOSES, share, left, 40)
    assert family.level.settings.stretch == 1.0
    monkeypatch.setattr(tuning, "LEAST_TREATMENTS", 9)
    plain, other = fitted(truth, DOSES, share, left, 40)
    assert plain.level.settings.stretch > 1.0
    assert np.mean((shift - share[2] * truth.fold[0]) ** 2) < np.mean((other - share[2] * truth.fold[0]) ** 2)
