"""Keyed randomness: uniform, independent, and the same whoever asks and in whatever order."""

import numpy as np
from scipy import stats

from twin.kernels.random import Streams, daughter_ids


def test_uniforms_are_uniform_and_uncorrelated() -> None:
    u = Streams(0, 0, 3).stream("x").uniform(np.arange(2_000, dtype=np.uint64), 100)
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-4
    bound = 5 / np.sqrt(u.size)
    for a, b in ((u[:-1], u[1:]), (u[:, :-1], u[:, 1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < bound


def test_streams_of_other_names_share_nothing() -> None:
    ids = np.arange(50, dtype=np.uint64)
    draws = {
        (seed, replicate, tick, purpose): Streams(seed, replicate, tick).stream(purpose).uniform(ids, 20).tobytes()
        for seed in (0, 1)
        for replicate in (0, 1)
        for tick in (0, 1)
        for purpose in ("a", "b")
    }
    assert len(set(draws.values())) == len(draws)


def test_a_number_belongs_to_its_cell_and_index_not_to_the_batch() -> None:
    stream = Streams(5, 2, 9).stream("x")
    ids = np.array([7, 2**63, 11], dtype=np.uint64)
    whole = stream.uniform(ids, 30)
    np.testing.assert_array_equal(stream.uniform(ids[::-1], 30)[::-1], whole)
    np.testing.assert_array_equal(stream.uniform(ids[1:2], 10), whole[1:2, :10])
    np.testing.assert_array_equal(stream.uniform_at(ids, np.array([3, 3, 3], np.uint64)), whole[:, 3])


def test_normals_are_normal() -> None:
    x = Streams(0, 0, 0).stream("n").normal(np.arange(5_000, dtype=np.uint64), 4)
    assert stats.kstest(x.ravel(), "norm").pvalue > 1e-4


def test_daughters_ids_are_all_different() -> None:
    parents = np.arange(20_000, dtype=np.uint64)
    made = np.concatenate([daughter_ids(parents, tick, sibling) for tick in (0, 1) for sibling in (0, 1)])
    assert len(np.unique(np.concatenate([made, parents]))) == len(made) + len(parents)
