"""Counts as tokens: exact below 100, two digits above, and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.kernels.tokens import LEVEL_EDGES, N_LEVELS, OVERFLOW, counts_of, tokens_of


def test_levels_are_the_published_ones() -> None:
    counts = np.array([0, 1, 99, 100, 109, 110, 999, 1000, 9999, 10_000, 2_000_000])
    assert tokens_of(counts).tolist() == [0, 1, 99, 100, 100, 101, 189, 190, 279, OVERFLOW, OVERFLOW]
    assert len(LEVEL_EDGES) == N_LEVELS + 1


@given(st.lists(st.integers(0, 9_999), min_size=1, max_size=50), st.integers(0, 2**63))
def test_a_count_comes_back_inside_its_bin_and_exactly_below_100(values: list[int], cell: int) -> None:
    counts = np.array(values)
    tokens = tokens_of(counts)
    ids = np.full(len(counts), cell, dtype=np.uint64)
    back = counts_of(tokens, ids, np.arange(len(counts)))
    assert (tokens_of(back) == tokens).all()
    assert (back[counts < 100] == counts[counts < 100]).all()
    assert (np.abs(back - counts) < np.maximum(1, counts / 10)).all()


def test_large_counts_are_drawn_evenly_inside_their_bin() -> None:
    n = 20_000
    back = counts_of(np.full(n, 279), np.arange(n, dtype=np.uint64), np.zeros(n, np.int64))
    assert back.min() >= 9_900
    assert back.max() <= 9_999
    assert abs(back.mean() - 9_949.5) < 5 * 28.9 / np.sqrt(n)
