"""The shape of each gene's counts, assay by assay."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from tests.model.synthetic import synthetic_adata
from twin.data.counts import checked_counts
from twin.data.experiment import Experiment, assemble
from twin.kernels.random import Streams
from twin.model.condition import Condition
from twin.model.fit import fit
from twin.model.masked import MaskedDiffusion
from twin.model.network import LatentNetwork, NetworkConfig
from twin.model.shapes import LEAST_OWN, shapes_of, with_own_shapes
from twin.model.training import TrainingConfig

SIZES = {"latent": 3, "code": 16, "width": 24, "blocks": 1}
KEPT, TIMES = 0.5, 6  # of the second assay: share of non-zero counts that is kept, and how much larger they are


def of_another_assay() -> ad.AnnData:
    """Return other cells with more zeros and larger, wider counts than molecules have."""
    cells = synthetic_adata(500, seed=2)
    rng = np.random.default_rng(5)
    x = cells.X.toarray().astype(np.int64)
    x = np.where(rng.random(x.shape) < KEPT, rng.poisson(TIMES * x * rng.gamma(2.0, 0.5, x.shape)), 0)
    cells.X = sp.csr_matrix(x.astype(np.float32))
    cells.obs_names = [f"s{i}" for i in range(len(x))]
    for column in ("cell_type", "donor"):
        cells.obs[column] = "far " + cells.obs[column].astype(str)
    return cells


@pytest.fixture(scope="module")
def two_assays() -> tuple[MaskedDiffusion, Experiment]:
    files = [checked_counts(synthetic_adata(500, seed=1), "a.h5ad"), checked_counts(of_another_assay(), "b.h5ad")]
    data = assemble(files)
    return fit(data, TrainingConfig(steps=40, batch=32, warm_up=5), sizes=SIZES), data


def drawn_and_real(model: MaskedDiffusion, data: Experiment, file: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.flatnonzero((data.file == file) & (data.arm < 0))
    ids, none = np.arange(len(rows), dtype=np.uint64), np.zeros((len(rows), len(model.perturbations)))
    here = Condition(ids, data.context[rows], data.depth[rows], none, np.full_like(none, np.nan), np.ones(len(rows)))
    return model.sample(here, Streams(1, 0, 0))[0].toarray(), data.counts[rows].toarray()


@pytest.mark.parametrize("file", [0, 1])
def test_drawn_cells_have_the_zeros_means_and_spread_of_their_assay(
    two_assays: tuple[MaskedDiffusion, Experiment], file: int
) -> None:
    drawn, real = drawn_and_real(*two_assays, file)
    n = len(real)
    share = (real > 0).mean(axis=0)
    error = 5 * np.sqrt(2 * share * (1 - share) / n)
    assert ((np.abs((drawn > 0).mean(axis=0) - share)) < error + 0.03).all()
    well = real.sum(axis=0) > 200
    assert well.sum() > 20
    assert np.abs(np.log(drawn.mean(axis=0)[well] / real.mean(axis=0)[well])).mean() < 0.15
    assert abs(np.log(drawn.var(axis=0)[well] / real.var(axis=0)[well]).mean()) < 0.25


def test_the_shape_of_one_assay_is_not_that_of_the_other(two_assays: tuple[MaskedDiffusion, Experiment]) -> None:
    """What the network shares is one; the wider counts have the smaller θ, and more zeros than θ explains."""
    model, _ = two_assays
    with torch.no_grad():
        g = model.net.tables()
    first, second = model.net.assay.numpy()[[model.contexts.index("alpha"), model.contexts.index("far alpha")]]
    assert first != second
    assert model.net.config.n_assays == 2
    assert float(g.log_theta[first].median()) > float(g.log_theta[second].median()) + 0.5
    assert float(g.hurdle_bias[second].median()) < float(g.hurdle_bias[first].median())


def test_cells_of_two_assays_together_are_those_of_each_alone(
    two_assays: tuple[MaskedDiffusion, Experiment],
) -> None:
    model, data = two_assays
    rows = np.concatenate([np.flatnonzero(data.file == f)[:40] for f in (0, 1)])
    order = np.random.default_rng(0).permutation(len(rows))
    rows = rows[order]
    ids, none = order.astype(np.uint64), np.zeros((len(rows), len(model.perturbations)))
    both = Condition(ids, data.context[rows], data.depth[rows], none, np.full_like(none, np.nan), np.ones(len(rows)))
    together, z = model.sample(both, Streams(4, 0, 0))
    expected = model.expected(z, both, [3, 7])
    for f in (0, 1):
        mine = np.flatnonzero(data.file[rows] == f)
        alone, z_alone = MaskedDiffusion(model.net, model.knowledge, model.card).sample(
            both.rows(mine), Streams(4, 0, 0)
        )
        np.testing.assert_array_equal(together[mine].toarray(), alone.toarray())
        np.testing.assert_allclose(expected[mine], model.expected(z_alone, both.rows(mine), [3, 7]), rtol=1e-5)


def test_a_stranger_is_read_as_the_context_most_like_it_was(two_assays: tuple[MaskedDiffusion, Experiment]) -> None:
    model, data = two_assays
    rows = np.flatnonzero((data.file == 1) & (data.arm < 0))[:30]
    more = model.with_context("stranger", data.counts[rows])
    assert int(more.net.assay[-1]) == int(model.net.assay[model.contexts.index("far alpha")])


def test_moments_return_the_law_that_made_the_counts() -> None:
    """Zero-inflated negative binomials of known θ: dispersion, share of zeros and mean come back."""
    rng = np.random.default_rng(0)
    n, theta = 4_000, np.array([0.5, 2.0, 8.0])
    mean = rng.gamma(4.0, 1.0, (n, 1)) * np.array([1.0, 2.0, 3.0])
    counts = rng.negative_binomial(theta, theta / (theta + mean)).astype(np.float32)
    found, hurdle, value = shapes_of(counts, mean.astype(np.float32))
    np.testing.assert_allclose(np.log(found), np.log(theta), atol=0.15)
    np.testing.assert_allclose(hurdle, 0.0, atol=0.1)  # a negative binomial needs no correction
    np.testing.assert_allclose(value, 0.0, atol=0.1)
    thinned = counts * (rng.random(counts.shape) < 0.6)
    found, hurdle, value = shapes_of(thinned, mean.astype(np.float32))
    hazard = found * np.log1p(mean / found) * np.exp(hurdle)
    np.testing.assert_allclose(-np.expm1(-hazard).mean(axis=0), (thinned > 0).mean(axis=0), atol=0.01)
    assert (hurdle < -0.3).all()


def test_genes_of_few_counts_take_the_usual_shape_and_no_correction() -> None:
    rng = np.random.default_rng(1)
    mean = np.full((300, 40), 2.0, np.float32)
    mean[:, 30:] = 0.002
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype(np.float32)
    theta, hurdle, value = shapes_of(counts, mean)
    assert np.median(theta[:30]) == pytest.approx(2.0, rel=0.25)
    np.testing.assert_allclose(theta[30:], np.median(theta[:30]), rtol=0.35)
    assert np.abs(hurdle[30:]).max() < 0.6
    assert np.abs(value[30:]).max() < 0.1


def test_contexts_of_many_cells_have_shapes_of_their_own_and_start_from_their_assays() -> None:
    net = LatentNetwork(NetworkConfig(n_genes=5, n_contexts=4, n_assays=2, **SIZES))
    net.assay.copy_(torch.tensor([0, 0, 1, 1]))
    net.assay_theta.copy_(torch.randn(2, 5))
    wide = with_own_shapes(net, np.array([LEAST_OWN, LEAST_OWN - 1, 3, 5]))
    assert wide.assay[2] == wide.assay[3]
    assert len({int(a) for a in wide.assay}) == wide.config.n_assays == 3
    for c in range(4):
        assert torch.equal(wide.assay_theta[wide.assay[c]], net.assay_theta[net.assay[c]])
    assert torch.equal(wide.code_in, net.code_in)
