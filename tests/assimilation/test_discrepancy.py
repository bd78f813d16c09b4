"""Discrepancies: nothing between halves of one law, and as large as the planted difference elsewhere."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from tests.assimilation.populations import GENES, population, write_snapshot
from twin.assimilation.discrepancy import composition_distance, discrepancies, table, total
from twin.assimilation.snapshot import Snapshot, read_snapshot, shared_types
from twin.errors import InputError


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return read_snapshot(write_snapshot(tmp_path / "s.h5ad", 800, 1.0, seed=1), GENES, hold_out=0.5)


def against(snapshot: Snapshot, level: float, share: float = 0.5) -> list[float]:
    counts, types = population(800, level, seed=2, share=share)
    found = discrepancies(snapshot, counts, types, np.arange(800, dtype=np.uint64), ("fast", "slow"))
    return [d.energy for d in found]


def test_half_of_the_cells_test_and_all_of_them_are_kept(snapshot: Snapshot) -> None:
    assert 300 < snapshot.test.sum() < 500
    assert set(snapshot.rows("fast", test=True)) | set(snapshot.rows("fast", test=False)) == set(snapshot.rows("fast"))
    np.testing.assert_array_equal(snapshot.scored("fast"), snapshot.rows("fast", test=True))


def test_one_law_is_as_near_as_the_other_half_and_another_is_farther(snapshot: Snapshot) -> None:
    counts, types = population(800, 1.0, seed=2)
    found = discrepancies(snapshot, counts, types, np.arange(800, dtype=np.uint64), ("fast", "slow"))
    for d in found:
        assert abs(d.energy) < 0.1
        assert abs(d.floor) < 0.1
        assert d.pearson > 0.98
        assert d.library == pytest.approx(1.0, abs=0.1)
    far = against(snapshot, 8.0)
    assert far[0] > 1.0
    assert abs(far[1]) < 0.1
    assert composition_distance(found) < 0.06
    assert total(found) == pytest.approx(np.average([d.energy for d in found], weights=[d.n_measured for d in found]))
    assert len(table(found, found)) == 3


def test_a_type_with_few_cells_has_a_share_and_nothing_else(snapshot: Snapshot) -> None:
    counts, types = population(50, 1.0, seed=3, share=1.0)
    found = discrepancies(snapshot, counts, types, np.arange(50, dtype=np.uint64), ("fast", "slow"))
    assert found[1].n_twin == 0
    assert np.isnan(found[1].energy)
    assert found[1].record()["energy"] is None
    assert composition_distance(found) == pytest.approx(found[1].share_measured)


def test_the_space_does_not_depend_on_the_twin_and_library_sizes_cancel(snapshot: Snapshot) -> None:
    counts, _ = population(30, 1.0, seed=4)
    once, thrice = snapshot.space.project(counts), snapshot.space.project(sp.csr_array(counts * 3))
    np.testing.assert_allclose(once, thrice, atol=1e-9)


def test_what_is_no_snapshot_of_this_twin_is_told(tmp_path: Path, snapshot: Snapshot) -> None:
    strange = write_snapshot(tmp_path / "other.h5ad", 20, 1.0, 5, genes=tuple(f"X{i}" for i in range(60)))
    with pytest.raises(InputError, match="shares no gene with the model's axis"):
        read_snapshot(strange, GENES)
    normalised = ad.read_h5ad(write_snapshot(tmp_path / "n.h5ad", 20, 1.0, 6))
    normalised.X = sp.csr_matrix(normalised.X) * 0.37
    normalised.write_h5ad(tmp_path / "n.h5ad")
    with pytest.raises(InputError, match="raw integer counts are needed"):
        read_snapshot(tmp_path / "n.h5ad", GENES)
    with pytest.raises(InputError, match="no cell has cell_type = 'fats'; found fast, slow"):
        read_snapshot(tmp_path / "s.h5ad", GENES, where={"cell_type": "fats"})
    with pytest.raises(InputError, match="did you mean fast"):
        shared_types(snapshot, ("fast", "slow"), ("fats",))
    with pytest.raises(InputError, match="no cell type of the twin is called 'slow'"):
        shared_types(snapshot, ("fast",), ("slow",))
    with pytest.raises(InputError, match="have no cell type in common"):
        shared_types(snapshot, ("other",), ())
