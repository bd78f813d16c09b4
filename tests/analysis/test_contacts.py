"""Contacts by type, on tissues where they can be counted by hand."""

import numpy as np
import pandas as pd
import pytest

from tests.analysis.tissues import SPACING, board, halves, lattice
from twin.analysis.contacts import expected_contacts, mixing_index, neighbour_enrichment, neighbour_types
from twin.errors import InputError


def of(table: pd.DataFrame, one: str, other: str) -> float:
    return float(table.to_numpy()[list(table.index).index(one), list(table.columns).index(other)])


def test_neighbours_of_a_chess_board_are_all_of_the_other_type() -> None:
    table = neighbour_types(lattice(board(6)))
    assert table.to_numpy().tolist() == [[0, 60], [60, 0]]  # 2 × 6 × 5 contacts
    assert list(table.index) == list(table.columns) == ["black", "white"]


def test_like_cells_are_counted_from_both_sides() -> None:
    table = neighbour_types(lattice(halves(6)))
    inside = 2 * (2 * 6 + 5 * 3)  # contacts within a half of 6 × 3, twice
    assert table.to_numpy().tolist() == [[inside, 6], [6, inside]]


def test_areas_are_those_of_the_discs() -> None:
    one = np.pi * (25.0 - (SPACING / 2) ** 2)
    areas = neighbour_types(lattice(board(4)), by_area=True)
    assert of(areas, "black", "white") == pytest.approx(24 * one)


def test_the_expected_contacts_are_the_mean_over_shuffles() -> None:
    rng = np.random.default_rng(3)
    cells = lattice(rng.choice(["a", "b", "c"], (5, 5), p=[0.6, 0.3, 0.1]))
    expected = expected_contacts(cells)
    assert expected.to_numpy().sum() == pytest.approx(80)
    labels, total = cells.obs["cell_type"].to_numpy().copy(), np.zeros((3, 3))
    for _ in range(500):
        cells.obs["cell_type"] = rng.permutation(labels)
        total += neighbour_types(cells).to_numpy()
    np.testing.assert_allclose(total / 500, expected, atol=5 * 4 / 500**0.5)


def test_types_side_by_side_touch_too_seldom_and_a_chess_board_too_often() -> None:
    parted, mixed = (neighbour_enrichment(lattice(kind(8)), shuffles=200) for kind in (halves, board))
    assert of(parted.z, "black", "white") < -5
    assert of(parted.z, "black", "black") > 5
    assert of(mixed.z, "black", "white") > 5
    assert of(parted.p_value, "black", "white") == pytest.approx(1 / 201)


def test_random_types_are_enriched_in_nothing() -> None:
    """Under the null the p-value is uniform: of 40 tissues about 4 are below 0.1, 13 are 5 sigma above that."""
    rng = np.random.default_rng(5)
    low = 0
    for i in range(40):
        types = rng.permutation(np.repeat(["a", "b"], 32)).reshape(8, 8)
        low += of(neighbour_enrichment(lattice(types), shuffles=60, seed=i).p_value, "a", "b") < 0.1
    assert low <= 13


def test_the_mixing_index_is_0_parted_1_at_random_and_2_on_a_chess_board() -> None:
    assert mixing_index(lattice(board(10)), "black", "white") == pytest.approx(2 * 99 / 100)
    stripes = lattice(halves(40))
    assert mixing_index(stripes, "black", "white") == pytest.approx(40 / (2 * 40 * 39) * 2 * 1599 / 1600)
    rng = np.random.default_rng(2)
    mixed = lattice(rng.permutation(np.repeat(["black", "white"], 800)).reshape(40, 40))
    assert mixing_index(mixed, "black", "white") == pytest.approx(1.0, abs=5 / (2 * 40 * 39) ** 0.5)


def test_other_types_do_not_count_in_a_mixing_index() -> None:
    types = halves(10).astype(object)
    types[:, 4:6] = "stroma"
    assert mixing_index(lattice(types.astype(str)), "black", "white") == 0.0
    with pytest.raises(InputError, match="no cell is of type 'grey'; types here: black, stroma, white"):
        mixing_index(lattice(types.astype(str)), "black", "grey")


def test_cells_without_contacts_or_types_are_told() -> None:
    cells = lattice(board(3))
    with pytest.raises(InputError, match="no obs column 'leiden'; they have id, cell_type"):
        neighbour_types(cells, "leiden")
    del cells.obsp["contacts"]
    with pytest.raises(InputError, match=r"no obsp\['contacts'\]"):
        neighbour_types(cells)
