"""What is chosen by leaving out an experiment's own groups."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from twin.data.arms import Agent, Arm
from twin.model.kriging import LEVEL, Groups, Settings
from twin.model.likeness import NO_FEATURES, Likeness
from twin.model.logmean import LogMean
from twin.model.tuning import SAMPLE, chosen_likeness, even_is_better

Float = NDArray[np.float64]
GENES = 200
NOISE = 1e-4


def groups(means: list[Float], arm: list[int], noise: float = NOISE, seed: int = 0) -> Groups:
    rng = np.random.default_rng(seed)
    mean = np.stack(means) + np.sqrt(noise) * rng.normal(size=(len(means), GENES))
    return Groups(mean, np.full_like(mean, noise), np.zeros(len(means), np.intp), np.array(arm, np.intp))


@pytest.mark.parametrize("multiplies", [True, False])
def test_a_course_is_read_on_the_scale_on_which_its_left_out_times_lie(multiplies: bool) -> None:
    rng = np.random.default_rng(1)
    mean, phi = LogMean(np.full(5, 5_000.0)), np.full(GENES, 0.1)
    first, fold = np.exp(rng.normal(1.0, 0.5, GENES)), rng.normal(0.0, 3.0, GENES)
    times = np.linspace(0.0, 1.0, 4)
    levels = [mean.forward(first * np.exp(t * fold), phi) for t in times]
    if not multiplies:
        levels = [(1 - t) * levels[0] + t * levels[-1] for t in times]
    logs = [np.log(mean.inverse(level, phi)) for level in levels]
    wiener = np.minimum.outer(times[1:], times[1:])

    def kernel(_: Settings) -> Float:
        return np.asarray(wiener)

    arm = [-1, *range(3)]
    assert even_is_better(groups(levels, arm), groups(logs, arm), kernel, LEVEL, mean, phi) == multiplies
    one = [-1, 0]
    assert even_is_better(groups(levels[:2], one), groups(logs[:2], one), kernel, LEVEL, mean, phi)


def chosen(arms: list[Arm], deltas: list[Float]) -> Likeness:
    level = groups([np.ones(GENES), *(1 + d for d in deltas)], [-1, *range(len(arms))])
    rows = np.arange(len(arms))
    return chosen_likeness(level, np.ones((1, 1)), np.zeros(len(arms), np.intp), rows, arms, NO_FEATURES)


def gene(*names: str) -> Arm:
    return Arm(tuple(Agent(name, "gene") for name in names))


def test_on_a_background_the_other_agents_are_found_to_be_small() -> None:
    rng = np.random.default_rng(2)
    stimulus = rng.normal(size=GENES)
    arms = [gene("F"), *(gene(x) for x in "ABCDEG"), *(gene(x, "F") for x in "ABCDEG")]
    wells = [0.15 * rng.normal(size=GENES) for _ in arms]
    found = chosen(
        arms, [stimulus * any(a.name == "F" for a in arm.agents) + w for arm, w in zip(arms, wells, strict=True)]
    )
    assert found.background == ("F",)
    assert (found.sample, found.beside) == (SAMPLE, 0.03)
    alone = [0.5 * rng.normal(size=GENES) for _ in "ABCDEG"]  # every agent does as much as the background
    effects = [stimulus, *alone, *(stimulus + x for x in alone)]
    assert chosen(arms, effects).background == ()


def test_what_goes_with_the_dose_is_found() -> None:
    rng = np.random.default_rng(3)
    arms = [Arm((Agent("A", "drug", 10.0**d),), math.nan) for d in range(-3, 4)]
    same = rng.normal(size=GENES)
    assert chosen(arms, [same for _ in arms]).dose == 0.0
    low, high = rng.normal(size=(2, GENES))
    assert chosen(arms, [low if i < 3 else high for i in range(len(arms))]).dose == 0.5
