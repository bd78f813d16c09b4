"""Kriging against the same process written out: latent effects, conditioned by their joint precision."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal

from twin.model import kriging
from twin.model.kriging import LEVEL, RATE, UNSEEN, Groups, Settings, fit, left_out

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Groups with the kernels of their contexts and effects; query: (question, treated group)."""

    groups: Groups
    like: Float
    effects: Float
    query: Float

    @property
    def control(self) -> NDArray[np.bool_]:
        return self.groups.arm < 0


def kernel(rng: np.random.Generator, n: int) -> Float:
    x = rng.normal(size=(n, n + 2))
    return np.asarray(x @ x.T / (n + 2) + 0.05 * np.eye(n))


def problem(seed: int, contexts: int = 4, arms: int = 3, genes: int = 5) -> Problem:
    """Draw a design of which a third of the treated groups is missing, in no order."""
    rng = np.random.default_rng(seed)
    pairs = [(c, a) for c in range(contexts) for a in range(-1, arms) if a < 0 or rng.random() < 0.67]
    order = rng.permutation(len(pairs))
    context, arm = np.array(pairs, np.intp)[order].T
    shape = (len(pairs), genes)
    mean = rng.normal(1.0, 1.0, shape)
    groups = Groups(mean, np.exp(rng.normal(-2.5, 1.0, shape)), context, arm)
    n = int((arm >= 0).sum())
    everything = kernel(rng, n + 2)
    return Problem(groups, kernel(rng, contexts), everything[:n, :n], everything[n:, :n])


def spread_of(p: Problem, centre: Float, settings: Settings) -> Float:
    mean, variance = p.groups.mean[p.control], p.groups.variance[p.control]
    return np.asarray(np.maximum(((mean - centre) ** 2 - variance).mean(axis=0), settings.least_spread))


def deltas(p: Problem, gene: int) -> tuple[Float, Float]:
    """Return treated minus control and the covariance of its noise, by the linear map that subtracts."""
    g = p.groups
    treated = np.flatnonzero(~p.control)
    subtract = np.zeros((len(treated), len(g.arm)))
    subtract[np.arange(len(treated)), treated] = 1.0
    for i, t in enumerate(treated):
        subtract[i, np.flatnonzero(p.control & (g.context == g.context[t]))[0]] = -1.0
    return subtract @ g.mean[:, gene], subtract @ np.diag(g.variance[:, gene]) @ subtract.T


@pytest.mark.parametrize("settings", [LEVEL, RATE])
@pytest.mark.parametrize("seed", range(4))
def test_answers_are_the_posterior_means_of_the_process(seed: int, settings: Settings) -> None:
    p = problem(seed)
    g, fitted = p.groups, fit(p.groups, p.like, p.effects, settings)
    effect = fitted.effect(p.query)
    spread = spread_of(p, fitted.centre, settings)
    treated = np.flatnonzero(~p.control)
    n_contexts, n = len(p.like), len(treated)
    design = np.zeros((len(g.arm), n_contexts + n))  # of the latent (a, e)
    design[np.arange(len(g.arm)), g.context] = np.where(p.control, 1.0, 1.0 - settings.saturation)
    design[treated, n_contexts + np.arange(n)] = 1.0
    for gene in range(g.mean.shape[1]):
        prior = np.zeros((n_contexts + n, n_contexts + n))
        prior[:n_contexts, :n_contexts] = spread[gene] * p.like
        prior[n_contexts:, n_contexts:] = fitted.signal[gene] * p.effects
        noise = np.diag(1.0 / g.variance[:, gene])
        precision = np.linalg.inv(prior) + design.T @ noise @ design
        latent = np.linalg.solve(precision, design.T @ noise @ (g.mean[:, gene] - fitted.centre[gene]))
        np.testing.assert_allclose(
            fitted.control[:, gene], fitted.centre[gene] + latent[:n_contexts], rtol=1e-8, atol=1e-9
        )
        asked = p.query @ np.linalg.solve(p.effects, latent[n_contexts:])
        np.testing.assert_allclose(effect[:, gene], asked, rtol=1e-7, atol=1e-9)
    control = g.mean[:2]
    expected = fitted.centre + (1 - settings.saturation) * (control - fitted.centre) + effect
    np.testing.assert_allclose(fitted.treated(control, effect), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_left_out_errors_are_those_of_leaving_each_out_with_shared_control_noise_counted_once(seed: int) -> None:
    p = problem(seed, contexts=3, arms=4)
    v = fit(p.groups, p.like, p.effects, LEVEL).signal
    n, genes = len(p.effects), p.groups.mean.shape[1]
    error = np.zeros((n, genes))
    for gene in range(genes):
        y, noise = deltas(p, gene)
        covariance = v[gene] * p.effects + noise
        for i in range(n):
            rest = np.delete(np.arange(n), i)
            error[i, gene] = y[i] - covariance[i, rest] @ np.linalg.solve(covariance[np.ix_(rest, rest)], y[rest])
    np.testing.assert_allclose(left_out(p.groups, p.effects, LEVEL), (error**2).mean(axis=1), rtol=1e-8)


def test_what_cannot_be_left_out_is_nan_and_genes_not_measured_do_not_count() -> None:
    p = problem(1)
    g = p.groups
    treated = np.flatnonzero(~p.control)
    variance = g.variance.copy()
    variance[treated[0]] = UNSEEN  # nothing measured
    variance[treated[1], 0] = UNSEEN
    orphan = int(g.context[treated[2]])
    keep = ~(p.control & (g.context == orphan))
    error = left_out(Groups(g.mean[keep], variance[keep], g.context[keep], g.arm[keep]), p.effects, LEVEL)
    np.testing.assert_array_equal(np.isnan(error), (g.context[treated] == orphan) | (np.arange(len(treated)) == 0))
    seen = left_out(Groups(g.mean, variance, g.context, g.arm), p.effects, LEVEL)
    outlier = g.mean.copy()
    outlier[treated[1], 0] = 50.0  # a number in a group that did not measure the gene
    np.testing.assert_allclose(
        left_out(Groups(outlier, variance, g.context, g.arm), p.effects, LEVEL)[1:], seen[1:], rtol=0.02
    )


def penalised(p: Problem, gene: int, v: float, settings: Settings) -> float:
    """Log density of a gene's deltas, and of v under its prior of one degree of freedom."""
    y, noise = deltas(p, gene)
    size = np.diag(p.effects).mean()
    prior = max(settings.least_effect**2, (settings.relative * y.mean()) ** 2) / size
    density = multivariate_normal(np.zeros(len(y)), v * p.effects + noise).logpdf(y)
    return float(density - 0.5 * np.log(v) - prior / (2 * v))


def test_every_round_raises_the_likelihood_and_many_reach_its_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem(2)
    genes = range(p.groups.mean.shape[1])

    def after(rounds: int) -> Float:
        monkeypatch.setattr(kriging, "EM_ROUNDS", rounds)
        return fit(p.groups, p.like, p.effects, LEVEL).signal / LEVEL.stretch

    likelihood = np.array([[penalised(p, g, after(r)[g], LEVEL) for g in genes] for r in range(7)])
    assert (np.diff(likelihood, axis=0) > 0).all()
    end = after(5000)
    for g in genes:
        best = minimize_scalar(lambda x, g=g: -penalised(p, g, float(np.exp(x)), LEVEL), bounds=(-12, 4))
        assert np.log(end[g]) == pytest.approx(best.x, abs=1e-3)


def test_groups_that_measured_nothing_are_as_good_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kriging, "EM_ROUNDS", 2000)  # at the maximum, which they do not move
    p = problem(3, contexts=7, arms=2)
    g, rng = p.groups, np.random.default_rng(0)
    blind = g.context >= 3  # most contexts
    variance = np.where(blind[:, None], UNSEEN, g.variance)
    mean = np.where(blind[:, None], rng.normal(0.0, 3.0, g.mean.shape), g.mean)
    few = fit(
        Groups(g.mean[~blind], g.variance[~blind], g.context[~blind], g.arm[~blind]),
        p.like,
        p.effects[np.ix_(~blind[~p.control], ~blind[~p.control])],
        LEVEL,
    )
    many = fit(Groups(mean, variance, g.context, g.arm), p.like, p.effects, LEVEL)
    np.testing.assert_allclose(many.centre, few.centre, rtol=1e-12)
    np.testing.assert_allclose(many.control, few.control, atol=1e-3)
    np.testing.assert_allclose(many.signal, few.signal, rtol=3e-3)
    np.testing.assert_allclose(many.effect(p.query), few.effect(p.query[:, ~blind[~p.control]]), atol=2e-3)


def test_a_gene_that_nobody_measured_shows_nothing() -> None:
    p = problem(4)
    groups = replace(p.groups, mean=np.zeros_like(p.groups.mean), variance=np.full_like(p.groups.variance, UNSEEN))
    fitted = fit(groups, p.like, p.effects, LEVEL)
    for found in (fitted.centre, fitted.control, fitted.effect(p.query)):
        np.testing.assert_array_equal(found, np.zeros_like(found))


def test_controls_alone_are_shrunk_towards_their_centre_and_show_no_effect() -> None:
    rng = np.random.default_rng(5)
    mean, variance = rng.normal(2.0, 1.0, (6, 8)), np.full((6, 8), 0.3)
    groups = Groups(mean, variance, np.arange(6), np.full(6, -1))
    fitted = fit(groups, np.eye(6), np.zeros((0, 0)), LEVEL)
    spread = np.maximum(((mean - mean.mean(axis=0)) ** 2 - 0.3).mean(axis=0), LEVEL.least_spread)
    expected = mean.mean(axis=0) + spread / (spread + 0.3) * (mean - mean.mean(axis=0))
    np.testing.assert_allclose(fitted.control, expected, rtol=1e-10)
    np.testing.assert_array_equal(fitted.effect(np.zeros((2, 0))), np.zeros((2, 8)))
    assert left_out(groups, np.zeros((0, 0)), LEVEL).shape == (0,)


def test_a_group_with_little_noise_is_believed_and_one_with_much_is_not() -> None:
    def effect(noise: float) -> float:
        groups = Groups(np.array([[1.0], [3.0]]), np.array([[1e-6], [noise]]), np.zeros(2, np.intp), np.array([-1, 0]))
        return float(fit(groups, np.eye(1), np.eye(1), LEVEL).effect(np.eye(1))[0, 0])

    assert effect(1e-6) == pytest.approx(2.0, abs=1e-4)
    found = [effect(v) for v in (0.01, 1.0, 100.0)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.2


def test_no_control_weighs_more_than_four_usual_ones_in_the_centre() -> None:
    mean = np.array([[1.0], [2.0], [3.0], [4.0], [9.0]])
    groups = Groups(mean, np.array([[1.0], [1.0], [1.0], [1.0], [1e-6]]), np.arange(5), np.full(5, -1))
    centre = fit(groups, np.eye(5), np.zeros((0, 0)), LEVEL).centre
    np.testing.assert_allclose(centre, (1 + 2 + 3 + 4 + 4 * 9) / 8)
