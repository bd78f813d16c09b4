"""Who waits longest comes first, and what was made is made once."""

import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from twin_web.cell.frame import MOVED, PSEUDO, SURE, band, change_of, per_10k
from twin_web.cell.kept import Kept
from twin_web.cell.shelf import Shelf
from twin_web.cell.turns import Turns


def test_two_that_ask_again_and_again_take_turns() -> None:
    turns, order = Turns(), list[str]()
    begin = threading.Barrier(2)

    def work(name: str) -> None:
        begin.wait()
        for _ in range(20):
            with turns:
                order.append(name)
                time.sleep(0.002)  # long enough for the other to ask

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes = sum(a != b for a, b in pairwise(order))
    assert len(order) == 40
    assert changes >= 30


def test_a_turn_ends_when_its_holder_fails() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="broken"), turns:
        raise ValueError("broken")
    with turns:
        pass


def test_a_shelf_keeps_the_last_few_that_were_asked_for() -> None:
    shelf, made = Shelf[int](2), list[int]()

    def make(value: int) -> int:
        made.append(value)
        return value

    for key in (1, 2, 1, 3, 1, 2):
        assert shelf.get(key, lambda key=key: make(key)) == key  # type: ignore[misc] # a default of its own
    assert made == [1, 2, 3, 2]


@given(seed=st.integers(0, 500), n=st.integers(2, 30))
def test_a_fold_change_and_its_error_are_those_of_the_dense_formula(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    treated, twin = (per_10k(sp.csr_array(random.poisson(3.0, (n, 7)).astype(np.int32))) for _ in range(2))
    change = change_of(treated, twin)
    a, b = treated.toarray(), twin.toarray()
    np.testing.assert_allclose(change.fold, np.log2((a.mean(0) + PSEUDO) / (b.mean(0) + PSEUDO)))
    pairs = a / (a.mean(0) + PSEUDO) - b / (b.mean(0) + PSEUDO)
    np.testing.assert_allclose(change.error, pairs.std(0, ddof=1) / np.sqrt(n) / np.log(2), atol=1e-6)
    moved = (np.abs(change.fold) > MOVED) & (np.abs(change.fold) > SURE * change.error)
    np.testing.assert_array_equal(np.sort(change.movers(7)), np.flatnonzero(moved))


def test_one_cell_moves_no_gene_for_sure() -> None:
    one = per_10k(sp.csr_array(np.array([[5, 0, 5]], dtype=np.int32)))
    other = per_10k(sp.csr_array(np.array([[1, 8, 1]], dtype=np.int32)))
    assert not change_of(one, other).moved.any()
    assert band(np.array([2.0, 4.0])) == pytest.approx([3.0, 2.2, 3.8])


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    kept = Kept(folder, ("A", "B", "C"))
    small = sp.csr_array(np.array([[1, 0, 2], [0, 0, 0]], dtype=np.int32))
    large = sp.csr_array(np.array([[0, 70_000, 0], [3, 0, 65_535]], dtype=np.int32))
    for hour, counts in ((0.0, small), (1.0, large)):
        kept.add(hour, counts)
    for k, counts in enumerate((small, large)):
        assert (kept.at(k) != counts).nnz == 0
    assert kept.gene(1)["treated"] == [[0.0, 0.0, 0.0], [10_000.0, 10_000.0, 10_000.0]]
    kept.delete()
    assert not folder.exists()
