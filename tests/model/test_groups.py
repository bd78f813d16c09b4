"""Sums over groups of cells, and the noise of the means that are made of them."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.model.groups import DISPERSION_BOUNDS, Samples, Summary, are_apart, dispersion, levels, rates, summarise
from twin.model.kriging import UNSEEN

Float = NDArray[np.float64]


def draw(
    rng: np.random.Generator, n: int, rate: Float, phi: Float, depth: float = 3_000.0, spread: float = 0.3
) -> tuple[sp.csr_array, Float]:
    """Draw counts of cells with rates per 10,000, (cell, gene), and their library sizes."""
    depths = np.exp(rng.normal(np.log(depth), spread, n))
    mu = depths[:, None] * rate / 1e4
    counts = rng.negative_binomial(1 / phi, 1 / (1 + phi * mu)).astype(np.int32)
    return sp.csr_array(counts), depths


def test_sums_are_those_of_dense_arithmetic_over_the_cells_that_measured_a_gene() -> None:
    rng = np.random.default_rng(0)
    measured = rng.random((9, 6)) < 0.7
    measured[:, 5] = False
    x = rng.poisson(1.5, (9, 6)) * measured
    depth = rng.uniform(1_000, 9_000, 9)
    found = summarise(sp.csr_array(x.astype(np.int32)), measured, depth)
    level = np.log1p(1e4 * x / depth[:, None])
    d = depth[:, None]
    expected = Summary(
        *(np.asarray((s * measured).sum(axis=0), float) for s in (1.0, x, x**2, x * d, d, d**2, level, level**2))
    )
    for key, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, key), value, rtol=1e-12, err_msg=key)


def test_a_mask_of_genes_is_that_mask_for_every_cell() -> None:
    rng = np.random.default_rng(1)
    mask = np.array([True, False, True, True])
    counts = sp.csr_array((rng.poisson(2.0, (7, 4)) * mask).astype(np.int32))
    depth = rng.uniform(500, 900, 7)
    one, each = (summarise(counts, m, depth) for m in (mask, np.tile(mask, (7, 1))))
    for key, value in vars(one).items():
        np.testing.assert_allclose(value, getattr(each, key), rtol=1e-12, err_msg=key)
    np.testing.assert_array_equal(one.n, [7, 0, 7, 7])


@pytest.mark.parametrize("phi", [0.1, 0.5, 2.0])
def test_dispersion_is_that_of_the_drawn_counts(phi: float) -> None:
    """Held to its law: over 200 genes the mean estimate is within five standard errors and the prior's pull."""
    rng = np.random.default_rng(3)
    genes = 200
    groups = []
    for shift in (1.0, 2.0, 0.6):  # groups differ in their means: only what is within them counts
        counts, depth = draw(rng, 600, np.full(genes, 30.0 * shift), np.full(genes, phi))
        groups.append(summarise(counts, np.ones(genes, np.bool_), depth))
    found = dispersion(groups)
    pulled = (phi + 0.3) / 2  # genes are alike here: the prior weighs as much as a gene
    assert abs(found.mean() - pulled) < 5 * found.std() / np.sqrt(genes) + 0.01 * phi


def test_dispersion_of_a_strong_gene_is_its_own_and_of_a_weak_one_the_usual() -> None:
    rng = np.random.default_rng(4)
    rate = np.array([*np.full(5, 200.0), *np.full(95, 0.01)])
    counts, depth = draw(rng, 2_000, rate, np.full(100, 1.5))
    found = dispersion([summarise(counts, np.ones(100, np.bool_), depth)])
    np.testing.assert_allclose(found[:5], 1.5, rtol=0.15)
    np.testing.assert_allclose(found[5:], 0.3, rtol=0.05)


def test_poisson_counts_have_the_least_dispersion_allowed() -> None:
    rng = np.random.default_rng(5)
    x = rng.poisson(40.0, (3_000, 2)) * np.array([1, 0])
    found = dispersion([summarise(sp.csr_array(x.astype(np.int32)), np.ones(2, np.bool_), np.full(3_000, 2_000.0))])
    assert found[0] < 0.3 / 2 + 0.01
    assert (found >= DISPERSION_BOUNDS[0]).all()


@pytest.mark.parametrize("spread", [0.1, 0.8])
def test_variances_are_those_that_means_of_new_cells_have(spread: float) -> None:
    """Of 400 draws a gene has its variance to 7 %, the mean over 30 genes to 1.3 %: 10 % are beyond 5 sigma."""
    rng = np.random.default_rng(6)
    genes, cells = 30, 60
    rate, phi = np.full(genes, 25.0), np.full(genes, 0.4)
    mask = np.ones(genes, np.bool_)
    groups = [summarise(*_with(mask, draw(rng, cells, rate, phi, spread=spread))) for _ in range(400)]
    mean, variance = levels(groups)
    np.testing.assert_allclose(variance.mean(), mean.var(axis=0, ddof=1).mean(), rtol=0.1)
    log_rate, variance = rates(groups, np.zeros(400, np.bool_), phi)
    np.testing.assert_allclose(variance.mean(), log_rate.var(axis=0, ddof=1).mean(), rtol=0.1)
    np.testing.assert_allclose(log_rate.mean(axis=0), np.log(25.0), atol=0.03)


def _with(mask: NDArray[np.bool_], drawn: tuple[sp.csr_array, Float]) -> tuple[sp.csr_array, NDArray[np.bool_], Float]:
    return drawn[0], mask, drawn[1]


def test_a_group_of_few_cells_borrows_its_variance_from_the_others() -> None:
    rng = np.random.default_rng(7)
    mask = np.ones(1, np.bool_)
    drawn = [draw(rng, n, np.array([25.0]), np.array([0.4])) for n in (1, 2, 500)]
    _, variance = levels([summarise(c, mask, d) for c, d in drawn])
    level = np.log1p(1e4 * drawn[2][0].toarray() / drawn[2][1][:, None])
    np.testing.assert_allclose(variance[:, 0] * [1, 2, 500], level.var() + 1e-3, rtol=1e-6)


def test_wells_without_replicates_are_no_surer_than_their_counts() -> None:
    mask = np.ones(2, np.bool_)
    wells = [summarise(sp.csr_array(np.array([[10_000, n]], np.int32)), mask, np.array([1e6])) for n in (4, 5, 6)]
    _, variance = levels(wells)
    assert (variance[:, 1] > 0.2).all()
    assert (variance[:, 0] < 0.06).all()
    cells = summarise(sp.csr_array(np.full((9, 2), 3, np.int32)), np.array([True, False]), np.full(9, 1e3))
    _, beside = levels([*wells, cells])  # replicates of another gene say nothing of this one
    np.testing.assert_allclose(beside[:3, 1], variance[:, 1])


def test_genes_that_a_group_did_not_measure_are_unseen_on_both_scales() -> None:
    rng = np.random.default_rng(8)
    counts, depth = draw(rng, 20, np.full(3, 30.0), np.full(3, 0.3))
    half = np.array([True, False, True])
    one = summarise(counts, np.ones(3, np.bool_), depth)
    two = summarise(sp.csr_array(counts.toarray() * half), half, depth)
    _, level_variance = levels([one, two])
    log_rate, rate_variance = rates([one, two], np.array([True, True]), np.full(3, 0.3))
    for variance in (level_variance, rate_variance):
        assert variance[1, 1] == UNSEEN
        assert (np.delete(variance.ravel(), 4) < 1.0).all()
    assert np.isfinite(log_rate).all()


def test_a_gene_without_counts_has_the_rate_of_its_pool() -> None:
    mask = np.ones(1, np.bool_)
    many = summarise(sp.csr_array(np.full((100, 1), 2, np.int32)), mask, np.full(100, 2_000.0))
    none = summarise(sp.csr_array(np.zeros((1, 1), np.int32)), mask, np.array([10.0]))
    log_rate, variance = rates([many, none], np.array([True, True]), np.array([0.3]))
    assert log_rate[1, 0] == pytest.approx(np.log(10.0), abs=0.05)
    assert variance[1, 0] > 3.0
    apart, _ = rates([many, none], np.array([True, False]), np.array([0.3]))  # treated cells have a pool of their own
    assert apart[1, 0] < np.log(10.0) - 3


def test_samples_are_apart_where_no_treated_one_is_a_control() -> None:
    assert are_apart([np.array([0, 0, 1]), np.array([2, 3])])
    assert are_apart([np.array([0, 1]), np.array([2]), np.array([2, 3])])
    assert not are_apart([np.array([0, 1]), np.array([1, 2])])
    assert not are_apart([np.array([0, 0]), np.array([2])])  # one control sample shows no difference between samples
    assert not are_apart([np.array([0, 1])])


def sampled(rng: np.random.Generator, donors: int, shared: float, between: Float) -> Samples:
    """Draw two groups of the same donors with 20 and 60 cells each, whose deviations have a correlation `shared`."""
    common = rng.normal(size=(donors, len(between)))
    off = [np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=common.shape) for _ in range(2)]
    noise = np.repeat([1.0 / 20, 1.0 / 60], donors)[:, None] * np.ones(len(between))
    mean = np.vstack(off) * np.sqrt(between) + np.sqrt(noise) * rng.normal(size=noise.shape)
    cells = np.repeat([20.0, 60.0], donors)
    return Samples(mean, noise, cells, np.repeat([0, 1], donors), np.tile(np.arange(donors), 2))


def test_the_variance_between_samples_is_found_gene_by_gene_and_divided_by_their_number() -> None:
    between = np.where(np.arange(300) % 2 == 0, 0.02, 0.5)
    donors = 40
    found = sampled(np.random.default_rng(1), donors, 0.0, between).between() * donors / (1 + 2.0 / (donors - 1))
    assert found.shape == (2, 300)
    np.testing.assert_allclose(found[0], found[1])
    for kind in (0, 1):
        assert found[0, kind::2].mean() == pytest.approx(between[kind], rel=0.15, abs=0.01)


def test_a_donor_that_stands_out_in_both_groups_counts_once() -> None:
    between = np.full(300, 0.3)
    once, twice = (sampled(np.random.default_rng(2), 6, shared, between).between().mean() for shared in (0.0, 0.9))
    assert twice / once == pytest.approx(1.9, rel=0.1)


def test_of_few_donors_their_variance_is_taken_for_larger() -> None:
    rng, between = np.random.default_rng(3), np.full(2_000, 0.3)
    three = sampled(rng, 3, 0.0, between).between().mean() * 3
    assert three == pytest.approx(2 * 0.3, rel=0.1)


def test_without_a_group_of_two_samples_nothing_is_known_of_their_differences() -> None:
    one = Samples(np.ones((2, 5)), np.ones((2, 5)), np.ones(2), np.arange(2), np.arange(2))
    np.testing.assert_array_equal(one.between(), 0.0)
