"""Counts in chunks: taken apart and put together anew, nothing changes but the order of cells."""

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.state.expression import Expression

N_GENES = 30


def expression(seed: int, n: int, chunk: int) -> tuple[Expression, sp.csr_array]:
    counts = sp.csr_array(np.random.default_rng(seed).poisson(0.4, (n, N_GENES)).astype(np.int32))
    return Expression.from_counts(counts, chunk), counts


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    n=st.integers(1, 40),
    chunk=st.integers(1, 12),
    wanted=st.lists(st.integers(0, 39), max_size=60),
    more=st.integers(0, 9),
)
def test_rows_are_chosen_repeated_and_joined(seed: int, n: int, chunk: int, wanted: list[int], more: int) -> None:
    whole, counts = expression(seed, n, chunk)
    added, new = expression(seed + 100, more, chunk)
    keep = np.array([row % n for row in wanted], dtype=np.intp)
    again = whole.rebuild(keep, [added])
    ids = np.arange(again.n_cells, dtype=np.uint64)
    expected = np.concatenate([counts.toarray()[keep], new.toarray()])
    np.testing.assert_array_equal(again.to_counts(ids).toarray(), expected)
    assert all(part.n_cells == chunk for part in again.chunks[:-1])
    np.testing.assert_array_equal(
        whole.rows(keep, np.arange(n, dtype=np.uint64)).toarray(), counts.toarray()[keep].reshape(-1, N_GENES)
    )


def test_what_is_one_of_its_chunks_is_known() -> None:
    whole, _ = expression(0, 20, 8)
    assert all(whole.has_chunk(rows) for rows in whole.slices())
    for other in (slice(0, 20), slice(4, 12), slice(16, 24), slice(24, 32), slice(0, 8, 2), slice(-8, 0)):
        assert not whole.has_chunk(other)


def test_chunks_that_stay_whole_are_not_copied() -> None:
    whole, _ = expression(0, 24, 8)
    again = whole.rebuild(np.arange(23, dtype=np.intp))
    assert [new is old for new, old in zip(again.chunks, whole.chunks, strict=True)] == [True, True, False]
