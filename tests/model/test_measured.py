"""Rates of contexts: their own where they differ, the pool's where they do not."""

import numpy as np

from tests.model.synthetic import synthetic_experiment
from twin.data.experiment import Experiment
from twin.model.measured import measure


def log_likelihood(log_rate: np.ndarray, data: Experiment, rows: np.ndarray) -> float:
    """Return nats per count of cells under their contexts' rates."""
    share = np.exp(log_rate - np.log(np.exp(log_rate).sum(axis=1, keepdims=True)))
    counts = data.counts[rows].toarray()
    return float((counts * np.log(share[data.context[rows]])).sum() / counts.sum())


def test_rates_of_a_few_cells_tell_new_cells_better_than_their_own_counts_and_than_the_pool() -> None:
    data = synthetic_experiment(900, seed=3)
    control = np.flatnonzero(data.arm < 0)
    gains = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(control)
        few, new = np.sort(order[:12]), order[12:]
        found = measure(data.take(few)).log_rate
        pooled, own = np.zeros_like(found), np.zeros_like(found)
        for c in range(len(data.contexts)):
            pooled[c] = np.log(data.counts[few].sum(axis=0) + 0.5)
            own[c] = np.log(data.counts[few[data.context[few] == c]].sum(axis=0) + 0.5)
        gains.append([log_likelihood(found, data, new) - log_likelihood(rate, data, new) for rate in (own, pooled)])
    assert (np.mean(gains, axis=0) > 2e-3).all()


def test_a_marker_keeps_its_own_counts_and_an_even_gene_takes_the_pools() -> None:
    """The shrinkage of each gene is its own."""
    data = synthetic_experiment(900, seed=3)
    control = np.flatnonzero(data.arm < 0)
    dense = data.counts[control].toarray()
    rng = np.random.default_rng(0)
    dense[:, 0] = rng.poisson(np.where(data.context[control] == 0, 4.0, 0.02))
    dense[:, 1] = rng.poisson(1.0, len(control))
    part = data.take(control)
    counts = type(part.counts)(dense.astype(np.int32))
    made = Experiment(**{**vars(part), "counts": counts, "depth": dense.sum(axis=1).astype(float)})
    rate = np.exp(measure(made).log_rate)
    for gene, bound in ((0, 0.1), (1, 0.1)):
        own = np.array([dense[made.context == c, gene].sum() / dense[made.context == c].sum() for c in range(3)])
        pool = dense[:, gene].sum() / dense.sum()
        if gene == 0:
            np.testing.assert_allclose(rate[0, 0], own[0], rtol=bound)
            assert rate[1, 0] < 0.1 * pool
        else:
            assert (np.abs(rate[:, 1] / pool - 1) < 0.7 * np.abs(own / pool - 1) + 0.01).all()
