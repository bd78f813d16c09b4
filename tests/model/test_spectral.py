"""Codes of genes start at the axes along which cells vary."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from twin.data.contexts import Context
from twin.data.experiment import Experiment
from twin.model.fit import starting_network
from twin.model.measured import measure
from twin.model.spectral import axes_of, loadings, set_codes

N, GENES, DEPTH = 240, 120, 4_000.0


def experiment(counts: np.ndarray) -> Experiment:
    n = len(counts)
    zeros = np.zeros(n, np.intp)
    return Experiment(
        counts=sp.csr_array(counts.astype(np.int32)),
        measured=np.ones((1, counts.shape[1]), np.bool_),
        file=zeros,
        genes=tuple(f"g{i}" for i in range(counts.shape[1])),
        contexts=tuple(Context(name, name, "", "", "", (0,)) for name in ("a", "b")),
        context=np.arange(n, dtype=np.intp) % 2,
        arms=(),
        arm=zeros - 1,
        donors=("",),
        donor=zeros,
        depth=counts.sum(axis=1).astype(np.float64),
        names=tuple(map(str, range(n))),
        row=np.arange(n, dtype=np.intp),
        sources=("controls",),
        batches=("controls",),
        batch=zeros,
    )


@pytest.fixture(scope="module")
def factor() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, the score of each cell and the loading of each gene: one program, beside what tells two types apart."""
    rng = np.random.default_rng(3)
    score, loading = rng.standard_normal(N), np.where(np.arange(GENES) < 30, 0.5, 0.0)
    base = rng.normal(0.0, 1.0, (2, GENES))
    rate = np.exp(base[np.arange(N) % 2] + np.outer(score, loading))
    return rng.poisson(DEPTH * rate / rate.sum(axis=1, keepdims=True)), score, loading


def test_the_first_axis_is_the_program_and_not_the_type(factor: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    counts, score, _ = factor
    group = np.arange(N) % 2
    axes, strength = axes_of(sp.csr_array(np.log1p(counts)), group, 4)
    assert abs(np.corrcoef(axes[:, 0], score)[0, 1]) > 0.95
    assert np.abs(axes.T @ axes - np.eye(4)).max() < 1e-9
    assert (np.diff(strength) <= 0).all()
    for g in range(2):
        assert np.abs(axes[group == g].sum(axis=0)).max() < 1e-9  # what tells types apart is no axis


def test_a_loading_is_how_the_log_mean_rises_with_the_score(
    factor: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    counts, score, loading = factor
    depth = counts.sum(axis=1).astype(np.float64)
    group = np.arange(N) % 2
    rate = np.stack([counts[group == g].sum(axis=0) / depth[group == g].sum() for g in range(2)])
    found = loadings(sp.csr_array(counts), depth, group, rate, (score - score.mean())[:, None])[:, 0]
    centred = loading - np.average(loading, weights=rate.mean(axis=0))  # the library size is given
    well = counts.sum(axis=0) > 2_000
    assert np.corrcoef(found[well], centred[well])[0, 1] > 0.95
    assert np.abs(found[well] - centred[well]).mean() < 0.15


def test_what_the_encoder_sums_up_starts_as_the_scores(factor: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    counts, score, loading = factor
    data = experiment(counts)
    net = starting_network(data, measure(data), 0)
    before = net.code_in.detach().clone()
    set_codes(net, data, np.arange(data.n_cells))
    changed = (net.code_in != before).any(dim=0)
    assert 0 < int(changed.sum()) <= net.config.code // 2
    g = net.tables()
    indptr, gene = (torch.from_numpy(x.astype(np.int64)) for x in (data.counts.indptr, data.counts.indices))
    values = torch.from_numpy(data.counts.data.astype(np.float32))
    whole = net.visible_sum(g, indptr, gene, values, torch.from_numpy(np.log(data.depth)).float()).detach().numpy()
    for context in range(2):
        mine = np.arange(N) % 2 == context
        assert abs(np.corrcoef(whole[mine, 0], score[mine])[0, 1]) > 0.9
        assert whole[mine, 0].std() == pytest.approx(1.0, rel=0.2)
    assert abs(np.corrcoef(net.code_out[:, 0].detach().numpy(), loading)[0, 1]) > 0.9


def test_a_few_cells_have_no_axes(factor: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    data = experiment(factor[0][:6])
    net = starting_network(data, measure(data), 0)
    before = net.code_in.detach().clone()
    set_codes(net, data, np.arange(data.n_cells))
    assert bool((net.code_in == before).all())
