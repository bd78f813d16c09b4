"""Leaving out what was measured: closed form against doing it, and what the evidence says of simple laws."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from twin.model.kriging import Groups
from twin.model.trials import (
    CONTEXT,
    GROUP,
    INTERCEPT,
    MOST,
    NO_TRIALS,
    SLOPE,
    TREATMENT,
    UNTESTED,
    Trials,
    probability,
    tried,
)

Float = NDArray[np.float64]
CONTEXTS, ARMS, GENES = 4, 3, 30


def panel(seed: int, share: float) -> tuple[Groups, Float, Float]:
    """Contexts × arms, of whose effects a share is common to all; with kernel and signal."""
    rng = np.random.default_rng(seed)
    context = np.repeat(np.arange(CONTEXTS), ARMS + 1)
    arm = np.tile(np.arange(-1, ARMS), CONTEXTS)
    common = rng.normal(0, 1, GENES)
    effects = share * common + (1 - share) * rng.normal(0, 1, (len(arm), GENES))
    control = rng.normal(2, 0.3, (CONTEXTS, GENES))
    variance = rng.uniform(0.005, 0.02, (len(arm), GENES))
    mean = control[context] + np.where(arm[:, None] >= 0, effects, 0.0) + rng.normal(0, np.sqrt(variance))
    treated = arm >= 0
    c, a = context[treated], arm[treated]
    kernel = (1.0 + (c[:, None] == c)) * (1.0 + (a[:, None] == a))
    return Groups(mean, variance, context, arm), kernel, rng.uniform(0.2, 0.4, GENES)


def trials_of(groups: Groups, kernel: Float, signal: Float) -> Trials:
    treated = groups.arm >= 0
    weight = np.zeros((int(treated.sum()), GENES))
    precision = np.asarray(np.linalg.inv(kernel + 0.05 * np.eye(len(kernel))))
    return tried(
        groups,
        kernel,
        precision,
        signal,
        weight,
        (np.arange(treated.sum()), groups.arm[treated], groups.context[treated]),
    )


@pytest.mark.parametrize("kind", [GROUP, TREATMENT, CONTEXT])
def test_what_is_left_out_is_predicted_as_if_it_had_not_been_measured(kind: int) -> None:
    groups, kernel, signal = panel(0, 0.5)
    found = trials_of(groups, kernel, signal)
    rows = np.flatnonzero(groups.arm >= 0)
    base = np.array([np.flatnonzero((groups.arm < 0) & (groups.context == groups.context[r]))[0] for r in rows])
    delta = groups.mean[rows] - groups.mean[base]
    label = (np.arange(len(rows)), groups.arm[rows], groups.context[rows])[kind]
    for i in (0, 4, len(rows) - 1):
        keep = np.flatnonzero(label != label[i])
        predicted = np.empty(GENES)
        for g in range(GENES):
            noise = groups.variance[base[keep], g][:, None] * (base[keep][:, None] == base[keep])
            noise = noise + np.diag(groups.variance[rows[keep], g])
            known = signal[g] * kernel[np.ix_(keep, keep)] + noise
            # the row's own control is shared with those of its context that are kept: its noise is known in part
            cross = signal[g] * kernel[i, keep] + groups.variance[base[i], g] * (base[keep] == base[i])
            predicted[g] = cross @ np.linalg.solve(known, delta[keep, g])
        assert found.along[kind, i] == pytest.approx(np.mean(predicted * delta[i]), rel=1e-8)
        assert found.size[kind, i] == pytest.approx(np.mean(predicted**2), rel=1e-8)
        assert found.rest[kind, i] == pytest.approx(np.mean((delta[i] - predicted) ** 2), rel=1e-8)
        known = kernel[np.ix_(keep, keep)] + 0.05 * np.eye(len(keep))
        unexplained = kernel[i, i] - kernel[i, keep] @ np.linalg.solve(known, kernel[i, keep])
        assert found.open[kind, i] == pytest.approx(unexplained, rel=1e-8)


def test_experiments_that_predict_their_own_groups_are_trusted_and_others_are_not() -> None:
    row = np.ones(CONTEXTS * ARMS)
    told = []
    for share in (1.0, 0.0):
        groups, kernel, signal = panel(1, share)
        found = trials_of(groups, kernel, signal)
        asked = replace(found, weight=np.full((len(row), 5), 1 / len(row)))
        told.append([asked.evidence(size * row, row, CONTEXT, 0.0) for size in (0.5, 1.0)])
    (small, large), erratic = told
    assert large == pytest.approx(2 * small)  # an effect of twice the size
    assert small > 2.0
    assert max(erratic) < 1.0
    open_question = 4.0 * float(found.open[CONTEXT].mean())
    near, far = (asked.evidence(row, row, CONTEXT, x) for x in (0.0, open_question))
    assert far == pytest.approx(near / 2)  # four times the variance left open


def test_where_nothing_can_be_left_out_nothing_is_known() -> None:
    groups, kernel, signal = panel(2, 1.0)
    one = np.flatnonzero((groups.context == 0) & (groups.arm < 1))
    lone = Groups(groups.mean[one], groups.variance[one], groups.context[one], groups.arm[one])
    found = tried(lone, kernel[:1, :1], 0.2 * np.ones((1, 1)), signal, np.ones((1, GENES)), (np.zeros(1, np.intp),) * 3)
    for kind in (GROUP, TREATMENT, CONTEXT):
        assert np.isnan(found.evidence(np.ones(1), np.ones(1), kind, 0.0))
    assert found.measured(np.ones(1), 0) == pytest.approx(0.5 * np.sqrt(GENES / found.noise[0]))
    assert np.isnan(NO_TRIALS.evidence(np.zeros(0), np.zeros(0), GROUP, 0.0))


def test_the_probability_rises_with_the_evidence_and_is_never_certain() -> None:
    told = probability(np.array([-np.inf, -50.0, -1.0, 0.0, 1.0, 50.0, np.nan]))
    assert told[0] == 0.0
    assert (np.diff(told[:6]) > 0).all()
    assert told[5] < 0.995
    assert told[6] == UNTESTED
    assert told[5] == pytest.approx(1 / (1 + np.exp(-SLOPE * MOST - INTERCEPT)))
