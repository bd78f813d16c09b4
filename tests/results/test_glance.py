"""Reading little of a run gives the same as reading all of it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results.bodies import GENES, new_run, write_ticks, writer
from twin.errors import InputError, UnknownNameError
from twin.results import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = new_run(tmp_path_factory.mktemp("glance") / "run")
    at = writer(path)
    write_ticks(at, 0, 3)
    write_ticks(at, 4, 6)
    return open_run(path)


@pytest.mark.parametrize("time", [0.0, 0.5, 1.0, 1.5])
def test_cells_without_counts_have_the_places_and_columns_of_all(run: Run, time: float) -> None:
    whole, part = run.cells(time, compartment="tissue"), run.cells(time, compartment="tissue", counts=False)
    assert list(part.obs_names) == list(whole.obs_names)
    pd.testing.assert_frame_equal(part.obs, whole.obs[part.obs.columns])
    np.testing.assert_array_equal(part.obsm["spatial"], whole.obsm["spatial"])
    assert part.X is None
    assert not list(part.obsp)


@given(chosen=st.lists(st.sampled_from(GENES), min_size=1, max_size=6, unique=True), tick=st.integers(0, 6))
def test_counts_of_a_few_genes_are_those_of_all_cells(run: Run, chosen: list[str], tick: int) -> None:
    cells = run.cells(tick * 0.25, compartment="tissue")
    found = run.counts_of(chosen, tick * 0.25, compartment="tissue")
    np.testing.assert_array_equal(found.id, cells.obs["id"])
    np.testing.assert_array_equal(found.counts.toarray(), cells[:, chosen].X.toarray())
    total = np.asarray(cells.X.sum(axis=1)).ravel()
    np.testing.assert_array_equal(found.total, total)
    rate = np.log1p(cells[:, chosen].X.toarray() / np.maximum(total, 1)[:, None] * 1e4).mean(axis=1)
    np.testing.assert_allclose(found.log_rate, rate)


def test_blocks_of_rows_are_joined(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run.counts_of(GENES[:3], 1.5, compartment="tissue")
    monkeypatch.setattr("twin.results.glance.LAZY_ROWS", 7)
    parts = run.counts_of(GENES[:3], 1.5, compartment="tissue")
    assert (parts.counts != whole.counts).nnz == 0
    np.testing.assert_array_equal(parts.total, whole.total)


def test_what_is_kept_is_listed_without_reading_it(run: Run) -> None:
    kept = run.kept(compartment="tissue")
    assert [one.time for one in kept] == list(run.times())
    assert [one.n_cells for one in kept] == [run.cells(t, compartment="tissue").n_obs for t in run.times()]
    assert all(one.file.exists() and one.has_field for one in kept)
    assert len({one.file for one in kept}) == 2  # one a commit


def test_a_field_of_one_time_is_that_of_all_times(run: Run) -> None:
    whole = run.fields(compartment="tissue")
    for time in (0.0, 1.25):
        one = run.fields_at(time, compartment="tissue")
        np.testing.assert_array_equal(one["concentration"], whole["concentration"].sel(time=time))


def test_what_is_not_there_is_told(run: Run) -> None:
    with pytest.raises(UnknownNameError, match="did you mean GENE"):
        run.counts_of(["GENE99"], compartment="tissue")
    with pytest.raises(InputError, match="no cells were kept at 9 h"):
        run.cells(9.0, compartment="tissue", counts=False)
    with pytest.raises(InputError, match="no cells were kept at 9 h"):
        run.fields_at(9.0, compartment="tissue")
