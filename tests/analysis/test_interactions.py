"""Ligands and receptors scored over contacts, where the answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.analysis.tissues import board, halves, lattice
from twin.analysis.interactions import score_pairs
from twin.data.interactions import Interaction
from twin.errors import InputError

GENES = ("DLL1", "NOTCH1", "IL4R", "IL2RG", "other")
DELTA = Interaction(("DLL1",), ("NOTCH1",))
COMPLEX = Interaction(("DLL1",), ("IL4R", "IL2RG"))


def tissue(types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return types and counts: black cells show Delta, white cells hear it; 1,000 counts a cell."""
    black = (types == "black").ravel()
    counts = np.zeros((types.size, 5))
    counts[black, 0] = 3
    counts[~black, 1] = 2
    counts[~black, 2] = 5
    counts[~black, 3] = 1
    counts[:, 4] = 1000 - counts.sum(axis=1)
    return types, counts


def test_the_score_is_the_mean_product_over_contacts() -> None:
    table = score_pairs(lattice(*tissue(board(6)), GENES), [DELTA, COMPLEX], shuffles=20).set_index(
        ["interaction", "sender", "receiver"]
    )
    assert table.loc[("DLL1→NOTCH1", "black", "white"), "score"] == pytest.approx(30 * 20)
    assert table.loc[("DLL1→NOTCH1", "white", "black"), "score"] == 0
    assert table.loc[("DLL1→IL4R+IL2RG", "black", "white"), "score"] == pytest.approx(30 * 10)  # the scarcest
    assert (table["contacts"] == 60).all()
    assert table.loc[("DLL1→NOTCH1", "black", "white"), "p_value"] == pytest.approx(1 / 21)


def test_only_types_that_touch_are_scored() -> None:
    types = halves(8).astype(object)
    types[:, 3:5] = "stroma"
    table = score_pairs(lattice(*tissue(types.astype(str)), GENES), [DELTA], shuffles=5)
    assert not ((table["sender"] == "black") & (table["receiver"] == "white")).any()
    assert len(table) == 7


def test_a_pair_that_binds_both_ways_is_scored_both_ways() -> None:
    adhesion = replace(DELTA, direction="Adhesion-Adhesion")
    table = score_pairs(lattice(*tissue(board(6)), GENES), iter([adhesion]), shuffles=1)
    best = table[table["score"] > 0]
    assert sorted(best["interaction"]) == ["DLL1→NOTCH1", "NOTCH1→DLL1"]


def test_expected_rates_stand_in_for_counts() -> None:
    cells = lattice(*tissue(board(4)), GENES)
    rates = pd.DataFrame({"DLL1": 2.0, "NOTCH1": 0.5}, index=cells.obs_names)
    assert score_pairs(cells, [DELTA], rates, shuffles=1)["score"].tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="rates are those of 3 other cells"):
        score_pairs(cells, [DELTA], rates.iloc[:3])


def test_interactions_that_are_not_measured_are_left_out_and_none_at_all_is_told() -> None:
    cells = lattice(*tissue(board(4)), GENES)
    absent = Interaction(("JAG1",), ("NOTCH1",))
    assert set(score_pairs(cells, [DELTA, absent], shuffles=1)["interaction"]) == {DELTA.name}
    with pytest.raises(InputError, match="the genes of no interaction are among the 5 genes"):
        score_pairs(cells, [absent])


def test_rates_that_know_nothing_of_the_types_have_no_low_p_values() -> None:
    rng = np.random.default_rng(4)
    counts = rng.poisson(20, (64, 5))
    table = score_pairs(lattice(rng.permutation(board(8).ravel()).reshape(8, 8), counts, GENES), [DELTA], shuffles=99)
    assert table["p_value"].min() > 0.01
