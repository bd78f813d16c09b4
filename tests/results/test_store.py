"""What is written can be read: by us, and by anndata, xarray, zarr and scanpy without us."""

import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
import xarray as xr
import zarr
from zarr.storage import ZipStore

import twin
from tests.results.bodies import (
    GENES,
    LAYOUT,
    SUBSTANCES,
    TICK,
    TYPES,
    body,
    new_run,
    readouts,
    step,
    write_ticks,
    writer,
)
from twin.errors import InputError
from twin.results import Ensemble, TrajectoryWriter, create_run, differences, frames, waiting
from twin.results.layout import Readout, ReadoutLayout
from twin.results.packed import open_group
from twin.state.body import Body


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits of ticks 0-3 and 4-6; the tissue grows by a cell a tick."""
    path = new_run(tmp_path_factory.mktemp("store") / "run", n_replicates=2)
    at = writer(path)
    write_ticks(at, 0, 3)
    write_ticks(at, 4, 6)
    return path


@pytest.mark.parametrize("tick", range(7))
def test_cells_come_back_as_they_were(run: Path, tick: int) -> None:
    want = body(0, (30 + tick, 7), tick).compartments["tissue"]
    got = twin.open_run(run).cells(tick * TICK, compartment="tissue")
    assert got.obs_names.tolist() == [str(i) for i in want.cells.id.tolist()]
    assert got.var_names.tolist() == list(GENES)
    assert got.X.dtype == np.int32
    np.testing.assert_array_equal(got.X.toarray(), want.expression.to_counts(want.cells.id).toarray())
    np.testing.assert_array_equal(got.obsp["contacts"].toarray(), want.contacts.toarray())
    np.testing.assert_array_equal(got.obsm["spatial"], want.cells.position)
    np.testing.assert_array_equal(got.obsm["z"], want.cells.z)
    np.testing.assert_array_equal(got.obsm["polarity"], want.cells.extra["polarity"])
    assert got.obs["cell_type"].tolist() == want.cells.type_names().tolist()
    assert tuple(got.obs["cell_type"].cat.categories) == TYPES
    for name in ("id", "parent", "group", "radius", "alive", "depth", "ec50_factor"):
        np.testing.assert_array_equal(got.obs[name], getattr(want.cells, name), strict=True)
    np.testing.assert_array_equal(got.obs["birth"], want.cells.birth * TICK)
    np.testing.assert_array_equal(got.obs["age"], want.cells.extra["age"])
    np.testing.assert_array_equal(got.obs["dose_IFNB1"], want.cells.dose[:, 0])
    np.testing.assert_array_equal(got.obs["time_since_TNF_LTA"], want.cells.time_since[:, 1])
    assert set(got.obs["tick"]) == {tick}
    assert got.uns["twin"]["time"] == tick * TICK


def test_counts_can_stay_on_the_disk(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LAZY_ROWS", 7)
    whole, lazy = (
        twin.open_run(run).cells(compartment="tissue"),
        twin.open_run(run).cells(compartment="tissue", lazy=True),
    )
    assert lazy.X.numblocks[0] == -(-whole.n_obs // 7)
    np.testing.assert_array_equal(lazy.X.compute().toarray(), whole.X.toarray())
    np.testing.assert_array_equal(lazy[5:20].to_memory().X.toarray(), whole.X[5:20].toarray())
    assert lazy.obs.equals(whole.obs)
    empty = twin.open_run(run).cells(compartment="pool", lazy=True)
    assert empty.X.shape == (empty.n_obs, len(GENES))


def test_the_run_tells_how_far_it_is(run: Path) -> None:
    opened = twin.open_run(run)
    np.testing.assert_array_equal(opened.times(), np.arange(7) * TICK)
    assert (opened.ticks_done(0), opened.ticks_done(1)) == (6, 0)
    assert not opened.is_complete
    assert opened.genes == GENES
    assert opened.scenario == {"name": "small"}
    assert (opened.attrs["seed"], opened.replicates, opened.compartments) == (1, 2, ("tissue", "pool"))
    assert "6 ticks done" in repr(opened)


def test_a_time_is_a_number_or_a_text_and_the_last_one_by_default(run: Path) -> None:
    opened = twin.open_run(run)
    assert set(opened.cells("45 min", compartment="pool").obs["tick"]) == {3}
    assert set(opened.cells(0.75, compartment="pool").obs["tick"]) == {3}
    assert set(opened.cells(compartment="pool").obs["tick"]) == {6}


def test_what_is_not_there_is_told_with_what_is(run: Path) -> None:
    opened = twin.open_run(run)
    with pytest.raises(InputError, match=r"kept at 0\.8 h; the nearest kept: 0\.75 h and 1 h"):
        opened.cells(0.8, compartment="tissue")
    with pytest.raises(InputError, match=r"kept at 99 h; the nearest kept: 1\.25 h and 1\.5 h"):
        opened.cells("99 h", compartment="tissue")
    with pytest.raises(InputError, match="6 is not a time: write a number and a unit"):
        opened.cells("6", compartment="tissue")
    with pytest.raises(InputError, match="did you mean tissue"):
        opened.cells(compartment="tisue")
    with pytest.raises(InputError, match="say which of tissue, pool"):
        opened.cells()
    with pytest.raises(InputError, match="keeps no cells of replicate 1 yet"):
        opened.cells(replicate=1, compartment="tissue")
    with pytest.raises(InputError, match="no replicate 2; this run has 0 to 1"):
        opened.cells(replicate=2, compartment="tissue")
    with pytest.raises(InputError, match="keeps no fields of pool"):
        opened.fields(replicate=1, compartment="pool")


def test_fields_come_back_over_all_commits_with_their_units(run: Path) -> None:
    got = twin.open_run(run).fields(compartment="tissue")
    assert got["concentration"].dims == ("time", "substance", "z", "y", "x")
    for tick in range(7):
        want = body(0, (30 + tick, 7), tick).compartments["tissue"].concentration
        np.testing.assert_array_equal(got["concentration"].sel(time=tick * TICK), want)
    assert got["concentration"].attrs["units"] == "nM"
    assert {name: got[name].attrs["units"] for name in ("time", "x", "y", "z")} == {
        "time": "h",
        "x": "um",
        "y": "um",
        "z": "um",
    }
    np.testing.assert_array_equal(got["x"], [10, 20, 30, 40])
    assert got["substance"].values.tolist() == list(SUBSTANCES)


def test_lineage_comes_back_over_all_commits(run: Path) -> None:
    opened = twin.open_run(run)
    table = opened.lineage(compartment="tissue")
    assert table["tick"].tolist() == list(range(7))
    assert table["time"].tolist() == [tick * TICK for tick in range(7)]
    assert set(table["event"]) == {"birth"}
    newest = [int(body(0, (30 + t, 7), t).compartments["tissue"].cells.id[-1]) for t in range(7)]
    assert table["id"].tolist() == newest  # 64-bit ids keep their last digits
    none = opened.lineage(compartment="pool")
    assert len(none) == 0
    assert none.dtypes.to_dict() == table.dtypes.to_dict()


def test_readouts_are_there_where_committed_and_nan_elsewhere(run: Path) -> None:
    got = twin.open_run(run).readouts
    assert got["gene_mean"].dims == ("replicate", "time", "compartment", "gene")
    assert got["gene_mean"].dtype == np.float32
    assert got["n_cells"].attrs == {"units": "1", "long_name": "cells"}
    for tick in range(7):
        want = readouts(body(0, (30 + tick, 7), tick))
        now = got.isel(replicate=0, time=tick)
        np.testing.assert_array_equal(now["n_cells"].sel(compartment=["tissue", "pool"]), want["n_cells"])
        np.testing.assert_array_equal(now["gene_mean"], want["gene_mean"].astype(np.float32))
    assert np.isnan(got["n_cells"].isel(replicate=0, time=slice(7, None))).all()
    assert np.isnan(got["n_cells"].isel(replicate=1)).all()
    assert got["time"].attrs["units"] == "h"
    assert got["distance"].attrs["units"] == "um"


def test_anndata_and_xarray_open_the_leaves_without_us(run: Path) -> None:
    home = run / "trajectories" / "0000" / "tissue"
    cells = ad.read_zarr(ZipStore(home / "cells" / "000003-000006.zip", mode="r"))
    assert cells.shape == (34 + 35 + 36, len(GENES))
    first = body(0, (34, 7), 4).compartments["tissue"].cells.id[0]
    assert cells.obs_names[0] == f"{first}@1h"
    assert cells.obs_names.is_unique
    between = cells.obsp["contacts"].tocoo()
    tick = cells.obs["tick"].to_numpy()
    assert between.nnz > 0
    np.testing.assert_array_equal(tick[between.row], tick[between.col])  # nobody touches another time
    fields = xr.open_zarr(ZipStore(home / "fields" / "000003-000006.zip", mode="r"), consolidated=False)
    assert fields["concentration"].shape == (3, 2, 2, 3, 4)
    data = xr.open_zarr(run / "readouts", consolidated=False)
    assert float(data["n_cells"].sel(replicate=0, time=1.5, compartment="tissue")) == 36


def test_every_folder_between_the_root_and_a_leaf_is_a_zarr_group(run: Path) -> None:
    def walk(group: zarr.Group) -> set[str]:
        found = set()
        with warnings.catch_warnings():  # commits.json and the state are no part of the hierarchy
            warnings.filterwarnings("ignore", "Object at .* is not recognized")  # nor what is packed
            children = list(group.members())
        for name, node in children:
            found.add(f"{group.path}/{name}".lstrip("/"))
            found |= walk(node) if isinstance(node, zarr.Group) else set()
        return found

    root = zarr.open_group(run, mode="r")
    assert root.metadata.zarr_format == 3
    found = walk(root)
    assert "trajectories/0000/tissue/cells" in found
    home = run / "trajectories" / "0000"
    assert "X/data" in walk(open_group(home / "tissue" / "cells" / "000003-000006"))
    assert "concentration" in walk(open_group(home / "pool" / "fields" / "000000-000003"))
    assert "readouts/gene_mean" in found
    for folder in (f for f in (run / "trajectories").rglob("*") if f.is_dir() and "c" not in f.parts):
        assert (folder / "zarr.json").exists(), folder


def test_scanpy_works_on_what_cells_returns(run: Path) -> None:
    cells = twin.open_run(run).cells(compartment="tissue")
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    np.testing.assert_allclose(np.expm1(cells.X).sum(axis=1), 1e4, rtol=1e-5)


def test_a_commit_makes_few_files(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    at = writer(run)
    write_ticks(at, 0, 2)  # the folders of a kind and the readouts are made once
    before = {f for f in run.rglob("*") if f.is_file()}
    now = body(0, (40, 7), 8)
    for tick in range(3, 9):
        now = body(0, (40, 7), tick)
        step(at, now)
    at.commit(now)
    new = {f for f in run.rglob("*") if f.is_file()} - before
    cells = [f for f in new if "cells" in f.parts and "tissue" in f.parts]
    fields = [f for f in new if "fields" in f.parts and "tissue" in f.parts]
    assert len(cells) == len(fields) == 1
    assert len(new) == 2 * (len(cells) + len(fields)) + 1  # two compartments, one state


def test_large_arrays_are_cut_into_chunks_inside_few_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.results.arrays.CHUNK_BYTES", 256)
    monkeypatch.setattr("twin.results.arrays.SHARD_BYTES", 2048)
    monkeypatch.setattr("twin.results.arrays.storage.__defaults__", (256,))
    run = new_run(tmp_path / "run")
    write_ticks(writer(run), 0, 3)
    data = open_group(run / "trajectories/0000/tissue/cells/000000-000003")["X/data"]
    assert isinstance(data, zarr.Array)
    assert (data.chunks, data.shards) == ((64,), (512,))
    assert data.nbytes > 2 * 2048
    for tick in range(4):
        want = body(0, (30 + tick, 7), tick).compartments["tissue"]
        got = twin.open_run(run).cells(tick * TICK, compartment="tissue")
        np.testing.assert_array_equal(got.X.toarray(), want.expression.to_counts(want.cells.id).toarray())
        np.testing.assert_array_equal(got.obsp["contacts"].toarray(), want.contacts.toarray())
    whole = ad.read_zarr(ZipStore(run / "trajectories/0000/tissue/cells/000000-000003.zip", mode="r"))
    np.testing.assert_array_equal(whole.X[-33:].toarray(), got.X.toarray())


def test_a_compartment_without_cells_works(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    at = writer(run)
    for tick, n in enumerate([(0, 0), (3, 0), (0, 0)]):
        now = body(0, n, tick)
        step(at, now)
    at.commit(now)
    opened = twin.open_run(run)
    assert [opened.cells(t * TICK, compartment="tissue").n_obs for t in range(3)] == [0, 3, 0]
    assert opened.cells(compartment="pool").shape == (0, len(GENES))
    assert ad.read_zarr(ZipStore(run / "trajectories/0000/pool/cells/000000-000002.zip", mode="r")).n_obs == 0
    assert at.restore() is not None


def bare(tick: int) -> Body:
    """A body without latent, perturbations, substances or columns of plugins."""
    now = body(0, (5, 2), tick)
    for c in now.compartments.values():
        c.cells.z = np.empty((c.cells.n, 0), np.float32)
        c.cells.dose = c.cells.time_since = np.empty((c.cells.n, 0))
        c.cells.extra, c.cells.columns = {}, ()
        c.concentration = np.empty((0, *c.grid.shape))
    return now


def test_a_model_without_latent_and_a_scenario_without_substances_work(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    at = TrajectoryWriter(run, Ensemble.plain(1).find(), GENES, (), (), TICK)
    at.frame(bare(0))
    at.commit(bare(0))
    got = twin.open_run(run).cells(compartment="tissue")
    assert got.obsm["z"].shape == (5, 0)
    restored = at.restore()
    assert restored is not None
    assert restored.compartments["tissue"].concentration.shape == (0, 2, 3, 4)
    with pytest.raises(InputError, match="keeps no fields of tissue: its scenario has no substances"):
        twin.open_run(run).fields(compartment="tissue")


def test_of_many_perturbations_only_those_that_were_met_cost_files(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    names = tuple(f"P{i}" for i in range(90))
    at = TrajectoryWriter(run, Ensemble.plain(1).find(), GENES, names, SUBSTANCES, TICK)
    now = body()
    for c in now.compartments.values():
        c.cells.dose = np.zeros((c.cells.n, 90))
        c.cells.time_since = np.full((c.cells.n, 90), np.nan)
        c.cells.dose[:, 7] = 1.5
    at.frame(now)
    at.commit(now)
    stored = ad.read_zarr(ZipStore(run / "trajectories/0000/tissue/cells/000000-000000.zip", mode="r")).obs
    assert [c for c in stored.columns if c.startswith("dose_")] == ["dose_P7"]
    obs = twin.open_run(run).cells(compartment="tissue").obs
    assert (obs["dose_P7"] == 1.5).all()
    assert (obs["dose_P89"] == 0).all()
    assert obs["time_since_P89"].isna().all()


def test_a_frame_is_safe_from_what_happens_next(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    at, now = writer(run), body()
    want = body().compartments["tissue"]
    at.frame(now)
    tissue = now.compartments["tissue"]
    for values in (tissue.cells.position, tissue.cells.dose, tissue.concentration, tissue.contacts.data):
        values[:] = -1
    tissue.expression.replace(slice(0, 8), sp.csr_array(np.zeros((8, len(GENES)), np.int32)))
    at.commit(now)
    got = twin.open_run(run).cells(compartment="tissue")
    np.testing.assert_array_equal(got.X.toarray(), want.expression.to_counts(want.cells.id).toarray())
    np.testing.assert_array_equal(got.obsm["spatial"], want.cells.position)
    np.testing.assert_array_equal(got.obs["dose_IFNB1"], want.cells.dose[:, 0])
    assert got.obsp["contacts"].max() == 1
    assert (twin.open_run(run).fields(compartment="tissue")["concentration"] >= 0).all()


def test_where_counts_wait_for_their_commit_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("memory", 2**30), ("disk", 0)):
        monkeypatch.setattr(waiting, "WAITING_BYTES", most)
        at = writer(new_run(tmp_path / name))
        now = body()
        at.frame(now)
        files = list(tmp_path.glob(f"{name}/trajectories/0000/.*.counts.*.partial"))
        assert len(files) == (2 if name == "disk" else 0)
        write_ticks(at, 1, 3)
    assert differences(tmp_path / "memory", tmp_path / "disk") == []
    assert not list(tmp_path.glob("disk/trajectories/0000/.*.partial"))


def test_a_run_is_not_made_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(InputError, match="already exists and is not empty"):
        new_run(tmp_path / "full")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="already exists"):
        new_run(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be made"):
        new_run(tmp_path / "file" / "run")
    with pytest.raises(InputError, match=r"'\.\./x' cannot be the name of a folder"):
        create_run(tmp_path / "run", {}, LAYOUT, Ensemble.plain(1), ["../x"])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "full", "thesis.tex"]
    (tmp_path / "empty").mkdir()
    assert not twin.open_run(new_run(tmp_path / "empty")).is_complete


def test_only_a_run_is_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run at"):
        twin.open_run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"is no run: it has no zarr\.json"):
        twin.open_run(tmp_path)
    zarr.create_group(tmp_path / "other", zarr_format=3)
    with pytest.raises(InputError, match="holds no record of twin"):
        twin.open_run(tmp_path / "other")
    half = new_run(tmp_path / "half")
    (half / "trajectories" / "0000" / "commits.json").unlink()
    with pytest.raises(InputError, match="was never fully created"):
        twin.open_run(half)
    (half / "trajectories" / "0000" / "commits.json").write_text('[{"name": "000000-00')
    with pytest.raises(InputError, match="cannot be read"):
        twin.open_run(half)
    later = new_run(tmp_path / "later")
    text = (later / "zarr.json").read_text()
    (later / "zarr.json").write_text(text.replace('"format": 3', '"format": 4'))
    with pytest.raises(InputError, match="install a newer twin"):
        twin.open_run(later)


def test_a_run_without_any_readout_works(tmp_path: Path) -> None:
    create_run(tmp_path / "run", {"n_ticks": 0}, ReadoutLayout(np.zeros(1), {}, ()), Ensemble.plain(1), ["a"])
    opened = twin.open_run(tmp_path / "run")
    assert opened.readouts.sizes == {"replicate": 1, "time": 1}
    with pytest.raises(InputError, match="keeps no cells yet"):
        _ = opened.genes


def test_a_readout_of_one_number_and_an_axis_without_entries_work(tmp_path: Path) -> None:
    layout = ReadoutLayout(
        np.arange(3.0),
        {"perturbation": []},
        (Readout("alive", (), "1", "living share"), Readout("dose", ("perturbation",), "nM", "dose")),
    )
    create_run(tmp_path / "run", {"n_ticks": 2}, layout, Ensemble.plain(1), ["tissue", "pool"])
    at = writer(tmp_path / "run")
    at.readouts(0, {"alive": np.array(0.5), "dose": np.empty(0)})
    at.readouts(2, {"alive": np.array(0.25)})
    at.commit(body(tick=2))
    got = twin.open_run(tmp_path / "run").readouts
    np.testing.assert_array_equal(got["alive"], [[0.5, np.nan, 0.25]])
    assert got["dose"].shape == (1, 3, 0)
