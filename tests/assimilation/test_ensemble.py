"""Weights and updates of an ensemble: exact where the answer is known, and a planted truth found again."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from tests.assimilation.populations import GENES, population, write_snapshot
from twin.assimilation.members import Member, Setting, setting_of
from twin.assimilation.snapshot import Snapshot, read_snapshot
from twin.assimilation.update import Method, updated
from twin.assimilation.weights import features, log_likelihood, observed
from twin.errors import InputError
from twin.kernels.emulate import emulated_update
from twin.kernels.ensemble import effective_size, kalman_update, weights_of

Float = NDArray[np.float64]

WANTED = ("fast", "slow")
LEVELS = np.geomspace(0.5, 8.0, 12)
TRUTH = 5.0


def member(snapshot: Snapshot, level: float, seed: int, n: int = 500, share: float = 0.5) -> Member:
    counts, types = population(n, level, seed, share)
    seen = features(snapshot, snapshot.space.project(counts), types, WANTED)
    return Member("run", seed, (Setting(level, "nM"),), seen, log_likelihood(snapshot, seen, WANTED))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return read_snapshot(write_snapshot(tmp_path_factory.mktemp("s") / "s.h5ad", 600, TRUTH, seed=99), GENES)


def test_weights_are_in_proportion_to_likelihoods() -> None:
    weights = weights_of(np.log([1.0, 2.0, 5.0]) - 4000)
    np.testing.assert_allclose(weights, [0.125, 0.25, 0.625])
    np.testing.assert_array_equal(weights_of(np.array([np.nan, 3.0, -np.inf])), [0, 1, 0])
    np.testing.assert_array_equal(weights_of(np.array([np.nan, np.nan])), [0.5, 0.5])
    assert effective_size(np.full(8, 1 / 8)) == pytest.approx(8)
    assert effective_size(np.array([1.0, 0.0])) == 1


def test_a_kalman_step_is_bayes_where_all_is_linear_and_gaussian() -> None:
    rng = np.random.default_rng(0)
    n, slope, noise = 20_000, np.array([2.0, -1.0]), np.array([0.5, 2.0])
    prior = rng.normal(1.0, 1.5, (n, 1))
    after = kalman_update(prior, prior * slope, np.array([3.0, 1.0]), noise, rng.normal(size=(n, 2)))
    precision = 1 / 1.5**2 + (slope**2 / noise).sum()
    centre = (1.0 / 1.5**2 + (slope * [3.0, 1.0] / noise).sum()) / precision
    assert after.mean() == pytest.approx(centre, abs=0.03)
    assert after.std() == pytest.approx(precision**-0.5, rel=0.03)


@pytest.mark.parametrize("method", ["weights", "kalman", "emulator"])
def test_a_planted_truth_is_found_and_the_forecast_error_falls_by_more_than_half(
    snapshot: Snapshot, method: Method
) -> None:
    members = [member(snapshot, float(level), seed) for seed, level in enumerate(LEVELS)]
    found = updated(snapshot, members, ["level"], method)
    (learned,) = found.parameters
    assert learned.log
    before, after = (learned.value(stage[0]) for stage in (learned.before, learned.after))
    assert abs(np.log(after / TRUTH)) < 0.5 * abs(np.log(before / TRUTH))
    assert learned.after[1] < 0.5 * learned.before[1]
    assert str(learned.text).endswith(" nM")
    # the forecast, with other luck: how far the means are from those of cells of the truth that nobody has seen
    truth = member(snapshot, TRUTH, seed=555, n=3000).features.value
    errors = [np.abs(member(snapshot, v, seed=777, n=3000).features.value - truth).mean() for v in (before, after)]
    assert errors[1] < 0.5 * errors[0]


def test_what_was_learned_is_tested_on_measured_cells_that_taught_nothing(tmp_path: Path) -> None:
    file = write_snapshot(tmp_path / "s.h5ad", 1200, TRUTH, seed=98)
    snapshot = read_snapshot(file, GENES, hold_out=0.5)
    members = [member(snapshot, float(level), seed) for seed, level in enumerate(LEVELS)]
    told = updated(snapshot, members, ["level"], "emulator").tested
    assert told is not None
    assert told.after < 0.5 * told.before
    assert told.halves < told.after < told.before
    # what the emulator says of the new values is what populations with those values are like
    learned = updated(snapshot, members, ["level"], "emulator").parameters[0].members
    really = np.mean([member(snapshot, float(v), 700 + i).features.value for i, v in enumerate(learned)], axis=0)
    held, spread = observed(snapshot, members[0].features, test=True), members[0].features.spread
    assert told.after == pytest.approx(float(np.sqrt((((really - held) / spread) ** 2).mean())), abs=0.05)
    everything = read_snapshot(file, GENES)
    assert updated(everything, members, ["level"], "emulator").tested is None, "none are held out"
    assert updated(snapshot, members, ["level"], "weights").tested is None


def test_an_emulator_is_bayes_where_all_is_linear_and_gaussian() -> None:
    rng = np.random.default_rng(1)
    slope, noise, n = np.array([2.0, -1.0]), np.array([0.5, 2.0]), 24
    prior = 1.0 + 1.5 * ndtri((np.arange(n) + 0.5) / n)[:, None]
    after = emulated_update(prior, prior * slope, np.array([3.0, 1.0]), noise, rng.normal(size=(20_000, 1)))
    assert after is not None
    spread = prior.std(ddof=1)
    precision = 1 / spread**2 + (slope**2 / noise).sum()
    centre = (prior.mean() / spread**2 + (slope * [3.0, 1.0] / noise).sum()) / precision
    assert after.mean() == pytest.approx(centre, abs=0.03)
    assert after.std(ddof=1) == pytest.approx(precision**-0.5, rel=0.1)
    assert (np.argsort(after[:, 0]) == np.argsort(prior[:, 0])).all(), "all move as little as they can"


@pytest.mark.parametrize("truth", [-0.8, -0.5, 0.2])
def test_an_emulator_follows_a_bend(truth: float) -> None:
    rng = np.random.default_rng(2)
    prior = np.linspace(-2, 2, 8)[:, None]

    def response(x: Float) -> Float:
        return np.concatenate([np.tanh(1.2 * (x + 0.5)), 0.3 * x], axis=-1)

    variance = np.array([1e-3, 0.5])
    seen = response(np.array([truth]))
    after = emulated_update(prior, response(prior), seen, variance, rng.normal(size=(4096, 1)))
    assert after is not None
    straight = kalman_update(prior, response(prior), seen, variance, rng.normal(size=(8, 2)))
    error, other = (float(((x - truth) ** 2).mean() ** 0.5) for x in (after, straight))
    assert error < 0.2
    assert error < 0.6 * other, "a Kalman step takes the bend for a line"


def test_an_emulator_of_two_parameters_tells_them_apart() -> None:
    rng = np.random.default_rng(3)
    prior = rng.normal(size=(16, 2))
    truth = np.array([0.8, -0.6])

    def response(x: Float) -> Float:
        return np.stack([x[..., 0] + 0.2 * x[..., 0] ** 2, x[..., 1] - x[..., 0]], axis=-1)

    after = emulated_update(prior, response(prior), response(truth), np.full(2, 0.01), rng.normal(size=(8192, 2)))
    assert after is not None
    np.testing.assert_allclose(after.mean(axis=0), truth, atol=0.15)
    assert emulated_update(prior[:4], response(prior[:4]), truth, np.ones(2), rng.normal(size=(9, 2))) is None


def test_replicates_that_are_like_the_snapshot_get_the_weight(snapshot: Snapshot) -> None:
    members = [member(snapshot, float(level), seed) for seed, level in enumerate(LEVELS)]
    weights = weights_of(np.array([m.log_likelihood for m in members]))
    assert 4.0 < float(weights @ LEVELS) < 6.2
    other = [member(snapshot, TRUTH, 5, share=share) for share in (0.5, 0.9)]
    assert other[0].log_likelihood > other[1].log_likelihood + 10
    lacking = member(snapshot, TRUTH, 5, share=1.0)
    assert np.isfinite(lacking.log_likelihood)
    assert lacking.log_likelihood < other[1].log_likelihood


def test_settings_are_read_with_their_units_and_what_is_none_is_told() -> None:
    document = {"timeline": [{"dose": "100 U/mL", "do": "add"}], "seed": 4, "rates": {"k": "1e-3 /h"}}
    assert setting_of(document, "timeline.0.dose", "run") == Setting(100.0, "U/mL")
    assert setting_of(document, "seed", "run") == Setting(4.0, "")
    assert setting_of(document, "rates.k", "run").text(0.00212345678) == "0.00212346 /h"
    for path, told in (
        ("timeline.0.dos", "no key of timeline.0 is called 'dos'; did you mean dose"),
        ("timeline.3.dose", "no key of timeline is called '3'"),
        ("timeline.0.do", "has 'add' there, which is no number"),
    ):
        with pytest.raises(InputError) as caught:
            setting_of(document, path, "run")
        assert told in str(caught.value)


def test_an_ensemble_too_small_for_a_kalman_step_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(InputError, match="3 trajectories are too few, 4 are needed"):
        updated(snapshot, [member(snapshot, v, 1) for v in (1.0, 2.0, 3.0)], ["level"], "kalman")
