"""Generation metrics against the independent scorer, closed forms, and what they must be."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy import stats

from twin.analysis.metrics.distances import (
    correlation_error,
    energy_distance,
    ilisi,
    median_distance,
    mmd,
    wasserstein,
)
from twin.analysis.metrics.population import GenerationScorer, generation_scores, principal_axes
from twin.data.counts import read_counts
from twin.errors import InputError

Counts = NDArray[np.int64]
SHIFT = np.array([0.0, 1.0, -2.0])


def cells(n: int, seed: int, genes: int = 120, kinds: int = 2) -> Counts:
    """Counts of a mixture of kinds of cells with genes that vary together."""
    rate = np.random.default_rng(99).gamma(0.6, 3.0, size=(kinds, genes))
    rng = np.random.default_rng(seed)
    factor = np.exp(0.5 * rng.normal(size=(n, 1)) * np.linspace(-1, 1, genes))
    return rng.poisson(rate[rng.integers(kinds, size=n)] * factor * rng.lognormal(0, 0.3, (n, 1)))


def test_distances_are_those_of_the_independent_scorer(reference: ModuleType) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(130, 8)), rng.normal(0.3, 1.2, size=(150, 8))
    sigma = median_distance(x)
    assert sigma == pytest.approx(reference.median_distance(x), abs=1e-9)
    wanted = reference.mmd(x, y, sigma)
    assert mmd(x, y, sigma) == pytest.approx((wanted["mmd"], wanted["mmd2_unbiased"]), abs=1e-9)
    assert ilisi(x, y) == pytest.approx(reference.ilisi(x, y), abs=1e-9)
    assert correlation_error(x, y) == pytest.approx(reference.correlation_error(x, y), abs=1e-9)
    for other in (y, y[:130]):
        assert wasserstein(x, other).mean() == pytest.approx(reference.wasserstein_genes(x, other), abs=1e-9)


def test_a_real_set_scores_as_the_independent_scorer_says(reference: ModuleType, data_folder: Path) -> None:
    counts = read_counts(data_folder / "fly_gut_fca_subset.h5ad").counts
    train, test = reference.split_80_20(counts.shape[0])
    made = reference.independent_bootstrap(counts[train], len(test), np.random.default_rng(0))
    wanted = reference.GenerationScorer(counts[train], counts[test])(made)
    found = generation_scores(made, counts[test], counts[train])
    for key, value in wanted.items():
        exact = key in {"corr_err", "ks_library", "zero_err", "zero_rate_diff"}
        assert found[key] == pytest.approx(value, abs=1e-9 if exact else 1e-6), key  # the reference is in float32 there


def test_pairs_are_taken_block_by_block_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(70, 5)), rng.normal(0.4, 1.0, size=(55, 5))
    whole = [median_distance(x), *mmd(x, y, 2.0), energy_distance(x, y), ilisi(x, y)]
    monkeypatch.setattr("twin.analysis.metrics.distances.BLOCK", 16)
    assert [median_distance(x), *mmd(x, y, 2.0), energy_distance(x, y), ilisi(x, y)] == pytest.approx(whole, abs=1e-12)


def test_the_kernel_distance_of_two_gaussians_is_the_closed_form() -> None:
    n, shift, sigma = 2000, 1.0, 1.5
    points = stats.norm.ppf((np.arange(n) + 0.5) / n)[:, None]  # a sample without noise
    found, _ = mmd(points, points + shift, sigma)
    # E k(a, b) for a − b ~ N(m, 2): σ / √(σ² + 2) · exp(−m² / 2(σ² + 2))
    scale = sigma / np.sqrt(sigma**2 + 2)
    wanted = 2 * scale * (1 - np.exp(-(shift**2) / (2 * (sigma**2 + 2))))
    assert found**2 == pytest.approx(wanted, rel=2e-3)


def test_the_energy_distance_of_one_axis_is_twice_the_squared_gap_of_the_distributions() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=400), rng.normal(0.7, 2.0, size=300)
    wanted = stats.energy_distance(x, y) ** 2  # scipy gives the root
    assert energy_distance(x[:, None], y[:, None]) == pytest.approx(wanted, rel=1e-9)


def test_a_shift_moves_every_marginal_by_itself_for_any_numbers_of_cells() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    np.testing.assert_allclose(wasserstein(x, x + SHIFT), [0, 1, 2], atol=1e-12)
    twice = np.repeat(x, 2, axis=0)
    np.testing.assert_allclose(wasserstein(x, twice + SHIFT), [0, 1, 2], atol=1e-12)


def test_axes_are_orthonormal_and_reproduce_the_cells() -> None:
    logged = sp.csr_array(np.log1p(cells(40, 0)), dtype=np.float64)
    mean, axes = principal_axes(logged, 50)
    assert axes.shape == (120, 39)
    np.testing.assert_allclose(axes.T @ axes, np.eye(39), atol=1e-9)
    centred = logged.toarray() - mean
    np.testing.assert_allclose(centred @ axes @ axes.T, centred, atol=1e-9)
    assert np.all(np.diff((centred @ axes).var(axis=0)) <= 1e-12)


def test_each_fault_of_a_population_shows_in_its_own_score() -> None:
    scorer = GenerationScorer(cells(400, 0), cells(150, 1))
    good = scorer.scores(cells(150, 2))
    rng = np.random.default_rng(0)
    shuffled = cells(150, 2)
    for gene in range(shuffled.shape[1]):
        shuffled[:, gene] = rng.permutation(shuffled[:, gene])
    one_kind = cells(400, 3)[:150] * 0 + cells(150, 2).mean(axis=0).round().astype(np.int64)
    assert good["ilisi"] > 0.8
    assert abs(good["mmd2_unbiased"]) < 0.01
    assert scorer.scores(shuffled)["corr_err"] > 2 * good["corr_err"]
    assert scorer.scores(shuffled)["zero_err"] == pytest.approx(good["zero_err"])
    assert scorer.scores(one_kind)["mean_variance"] > 5 * good["mean_variance"]
    assert scorer.scores(one_kind)["mmd"] > 3 * good["mmd"]
    deeper = scorer.scores(cells(150, 2) * 3)
    assert deeper["ks_library"] > 0.5 > good["ks_library"]
    assert deeper["w1_all"] == pytest.approx(good["w1_all"], abs=1e-6)
    assert scorer.scores(cells(150, 2) // 2)["zero_rate_diff"] > 0.02


def test_the_interval_of_a_small_set_is_as_wide_as_fresh_draws_scatter() -> None:
    train = cells(400, 0)
    first = GenerationScorer(train, cells(40, 1)).scores(cells(40, 2), resamples=60)
    fresh = [GenerationScorer(train, cells(40, 10 + i)).scores(cells(40, 100 + i)) for i in range(30)]
    for key in ("mmd2_unbiased", "energy", "w1_all", "corr_err", "ks_library", "zero_rate_diff", "mean_variance"):
        low, high = first[f"{key}_low"], first[f"{key}_high"]
        assert low <= first[key] <= high
        spread = np.std([f[key] for f in fresh]) * 2 * 1.96
        assert 0.4 < (high - low) / spread < 2.5, key


def test_faulty_populations_are_told() -> None:
    train, test = cells(50, 0), cells(20, 1)
    with pytest.raises(InputError, match="there are 3 generated cells; at least 4"):
        generation_scores(test[:3], test, train)
    with pytest.raises(InputError, match="have 119 genes and the training cells 120"):
        generation_scores(test[:, :119], test, train)
    with pytest.raises(InputError, match="the generated cells are not raw counts"):
        generation_scores(np.log1p(test), test, train)
