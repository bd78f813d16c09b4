"""Whole runs of the shipped world model: the same seed gives the same store, however it is computed."""

import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import xarray as xr
from zarr.storage import ZipStore

import twin
from tests.engine.tiny import write_tiny
from twin.analysis.summary import report
from twin.engine.identity import record_of
from twin.engine.loop import segment_ends
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of, segment
from twin.engine.simulation import Progress, ready, simulate
from twin.errors import InputError
from twin.results import Run, create_run, differences, open_run

REPLICATES = ("replicates=2",)


def run_tiny(folder: Path, sets: tuple[str, ...] = (), **settings: object) -> Run:
    loaded, _ = check_file(write_tiny(folder), sets)
    simulate(loaded, folder / "run", **settings)  # type: ignore[arg-type]
    return open_run(folder / "run")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_tiny(tmp_path_factory.mktemp("one"), REPLICATES)


def test_a_run_opens_without_us(one: Run) -> None:
    home = one.path / "trajectories" / one.trajectories[0].id / "patch"
    commit = next((home / "cells").glob("0*"))
    cells = ad.read_zarr(ZipStore(commit, mode="r"))
    assert cells.X is not None
    assert cells.X.dtype.kind == "i"
    assert {"spatial", "z"} <= set(cells.obsm)
    fields = xr.open_zarr(ZipStore(home / "fields" / commit.name, mode="r"), consolidated=False)
    assert fields["concentration"].attrs["units"] == "nM"
    readouts = xr.open_zarr(one.path / "readouts", consolidated=False)
    assert readouts["response_by_type"].dims[:2] == ("replicate", "time")
    assert np.isfinite(readouts["library_size"].sel(cell_type="CD14 Mono")).all()


def test_cells_near_the_source_respond_and_the_summary_says_so(one: Run) -> None:
    near = one.readouts["response_by_distance"].mean("replicate").sel(compartment="patch").isel(distance=0)
    assert abs(float(near[0])) < 0.15
    assert float(near[-1]) > 0.5
    text = report(one.path)
    for words in ("response by cell type", "response by distance from pDC", "decay length", "support"):
        assert words in text
    assert twin.open_run(one.path).attrs["seed"] == 3


def test_contacts_and_doses_are_in_the_cells(one: Run) -> None:
    cells = one.cells(replicate=0)
    assert cells.obsp["contacts"].nnz > 0
    assert (cells.obs["dose_IFNB1"] > 0).all()
    assert cells.obs["time_since_IFNB1"].max() == pytest.approx(3.0)


@pytest.mark.slow
def test_one_seed_gives_one_store_and_another_seed_another(one: Run, tmp_path: Path) -> None:
    again = run_tiny(tmp_path / "again", REPLICATES)
    assert differences(one.path, again.path) == []
    other = run_tiny(tmp_path / "other", (*REPLICATES, "seed=4"))
    assert len(differences(one.path, other.path)) > 5
    a, b = one.cells(replicate=0), one.cells(replicate=1)
    assert (a.X != b.X).nnz > 0


def test_one_and_two_workers_give_one_store(one: Run, tmp_path: Path) -> None:
    two = run_tiny(tmp_path, REPLICATES, workers=2)
    assert differences(one.path, two.path) == []


@pytest.mark.parametrize("workers", [2, 4])
def test_the_chunks_of_one_tissue_are_shared_by_workers_and_the_store_is_the_same(workers: int, tmp_path: Path) -> None:
    alone = run_tiny(tmp_path / "alone", ("duration=1 h",))
    shared = run_tiny(tmp_path / "shared", ("duration=1 h",), workers=workers)
    assert differences(alone.path, shared.path) == []


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(one: Run, tmp_path: Path) -> None:
    loaded, plan = check_file(write_tiny(tmp_path), REPLICATES)
    plans = ready(loaded)
    out = tmp_path / "run"
    create_run(out, record_of(plan, plans.world), layout_of(plans.world), plans.futures.ensemble, ["patch"])
    job = jobs_of(plans.futures.ensemble)[0]
    segment(loaded, out, job, segment_ends(plans.world)[0])
    cells = out / "trajectories" / job.trajectory.id / "patch" / "cells"
    shutil.copyfile(next(cells.glob("0*.zip")), cells / ".000002-000004.zip.partial")
    (cells / ".000002-000004.partial" / "X").mkdir(parents=True)
    heard: list[Progress] = []
    simulate(loaded, out, resume=True, on_progress=heard.append)
    assert differences(one.path, out) == []
    assert not list(cells.glob(".*"))
    assert min(p.tick for p in heard if p.replicate == 0) == 3


def test_resuming_with_another_scenario_says_what_differs(tmp_path: Path) -> None:
    run_tiny(tmp_path, ("duration=1 h",))
    loaded, _ = check_file(tmp_path / "tiny.yaml", ("duration=2 h",))
    with pytest.raises(InputError, match="different: duration"):
        simulate(loaded, tmp_path / "run", resume=True)


@pytest.mark.slow
def test_without_a_source_nothing_moves(tmp_path: Path) -> None:
    run = run_tiny(
        tmp_path,
        (
            "signalling.secretion=[]",
            "duration=12 h",
            "compartments.patch.cells.count=200",
            "compartments.patch.box.0=120 um",
        ),
    )
    data = run.readouts.isel(replicate=0).sel(compartment="patch")
    for name in ("CD14 Mono", "CD4 Naive T"):
        response = data["response_by_type"].sel(cell_type=name).values
        assert np.abs(response).max() < 0.1
        size = data["library_size"].sel(cell_type=name).values
        assert np.abs(size / size[0] - 1).max() < 0.06
    assert (run.fields()["concentration"] == 0).all()


def test_cells_that_do_not_fit_are_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"compartments.patch: 200 cells would fill 1.22 of the box"):
        run_tiny(tmp_path, ("compartments.patch.cells.count=200",))
    assert [f.name for f in tmp_path.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize("name", ["shift", "still"])
def test_a_scenario_can_name_a_baseline(tmp_path: Path, name: str) -> None:
    run = run_tiny(tmp_path, (f"world_model.name={name}", "duration=2 h"))
    first, last = run.cells(0.0), run.cells(2.0)
    changed = (first.X != last.X).nnz
    assert (changed == 0) == (name == "still")


BUILT = {  # scenarios of built tissues, and what makes them small
    "tumour_spheroids": ["compartments.dish.cells.organoids=1", "compartments.dish.cells.diameter=200 um"],
    "mammary_acini": ["compartments.gel.cells.organoids=1"],
    "crypt_organoid": ["compartments.gel.cells.crypts=2"],
    "cortical_layers": [
        "compartments.barrel.cells.width=[100 um, 40 um]",
        "timeline.0.at=30 min",
        "timeline.0.place.ball={centre: [50 um, 20 um, 720 um], radius: 15 um}",
    ],
    "scratch_wound": ["compartments.dish.cells.width=[520 um, 100 um]"],
    "vessel_oxygen": ["compartments.slab.box=[240 um, 40 um, 240 um]"],
    "lymph_node": [
        "compartments.node.box=[100 um, 30 um, 120 um]",
        "compartments.node.cells.follicle_diameter=60 um",
        "compartments.node.cells.centre_diameter=30 um",
        "signalling.secretion.0.start=0 h",
    ],
}


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml")), ids=lambda f: f.stem)
def test_every_shipped_scenario_runs(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    small = ["duration=1 h", "observe.every=30 min", "observe.cells_every=1 h", "execution.commit_every=1 h"]
    text = file.read_text()
    if "intracellular:" in text:
        pytest.importorskip("roadrunner")
    if file.stem == "mouse_cortex_osmfish":
        data = request.getfixturevalue("data_folder")
        small += [f"compartments.cortex.cells.file={data / 'spatial_codeluppi2018_mouse_cortex_osmfish.h5ad'}"]
        small += ["compartments.cortex.cells.count=150"]
    elif "source: h5ad" in text:
        data = request.getfixturevalue("data_folder")
        small += [
            f"compartments.patch.cells.file={data / 'kang2018_pbmc_ifnb.h5ad'}",
            "compartments.patch.cells.count=150",
        ]
    elif file.stem in BUILT:
        small += BUILT[file.stem]
    elif file.stem == "ifnb_dose_and_time":
        small = ["duration=2 h", "compartments.well.cells.count=20", "replicates=1", "branches.rescued=null"]
        small += ["sweep.start.values=[0 h, 1 h]", "execution.commit_every=2 h"]
    elif file.stem == "spheroid_sweep":
        small = ["duration=1 h", "compartments.dish.cells.count=50", "sweep.life.n=2", "sweep.uptake.values=[40 /min]"]
        small += ["observe.cells_every=1 h", "execution.commit_every=1 h"]
    elif file.stem == "oxygen_spheroid":  # 24 ticks
        small = ["duration=2.4 h", "observe.every=1.2 h", "observe.cells_every=2.4 h", "execution.commit_every=1.2 h"]
        small += ["compartments.dish.cells.count=500", "compartments.dish.box=[400 um, 400 um, 400 um]"]
        small += ["compartments.dish.cells.place.tumour.ball={centre: [200 um, 200 um, 200 um], radius: 80 um}"]
    elif file.stem == "adaptive_therapy":  # its tick is an hour, too; a dose follows at once
        small = ["duration=12 h", "observe.every=6 h", "observe.cells_every=12 h", "execution.commit_every=6 h"]
        small += ["compartments.dish.cells.count=60", "timeline.0.when.condition=tumour > 59"]
        small += ["timeline.1.when.condition=tumour < 9"]
    elif file.stem == "donor_variation":  # its tick is an hour
        small = ["duration=2 h", "observe.cells_every=2 h", "execution.commit_every=2 h", "replicates=2"]
        small += ["compartments.well.cells.count=30", "branches.low=null"]
    elif file.stem == "dosing_schedule":  # its tick is an hour
        small = ["duration=3 h", "observe.cells_every=3 h", "execution.commit_every=3 h", "replicates=1"]
        small += ["compartments.tumour.cells.count=20", "branches.four.timeline.0.until=2 h"]
    elif "timeline:" in text:
        small += ["compartments.well.cells.count=40", "timeline.1.at=0 h", "timeline.2.at=30 min"]
    elif file.stem == "organ_network":
        small += ["signalling.secretion.0.start=0 h"]
    elif file.stem == "cell_sorting":  # its tick is an hour
        small = ["duration=2 h", "observe.every=1 h", "observe.cells_every=2 h", "execution.commit_every=1 h"]
    elif file.stem != "tcell_killing":  # that one is small as it is
        small += ["compartments.patch.cells.count=600", "signalling.secretion.0.start=0 h"]
    loaded, plan = check_file(file, small)
    simulate(loaded, tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert run.is_complete
    assert plan.describe()
    if file.stem == "adaptive_therapy":
        assert next(entry["what"] for entry in run.log()) == "add"
        assert float(run.readouts["drug_level"].isel(replicate=0, time=-1)) > 0


def test_a_tissue_of_measured_cells_holds_those_cells(tmp_path: Path, data_folder: Path) -> None:
    """Counts at the start are the file's own, and a type the model never saw gets its meaning from them."""
    source = ad.read_h5ad(data_folder / "kang2018_pbmc_ifnb.h5ad")
    wanted = source[(source.obs["cell_type"] == "B") & (source.obs["condition"] == "control")].copy()
    wanted.obs["cell_type"] = "stranger"
    wanted.write_h5ad(tmp_path / "mine.h5ad")
    loaded, _ = check_file(
        write_tiny(tmp_path),
        (
            "compartments.patch.cells={source: h5ad, file: mine.h5ad}",
            "signalling.secretion=[]",
            "observe.distance.source=x_low",
            "duration=1 h",
        ),
    )
    simulate(loaded, tmp_path / "run")
    start = open_run(tmp_path / "run").cells(0.0)
    assert set(start.obs["cell_type"]) == {"stranger"}
    mine, theirs = (np.sort(np.asarray(x.X.sum(axis=1)).ravel()) for x in (start, wanted))
    np.testing.assert_allclose(mine, theirs, rtol=0.1)  # counts above 99 are kept to two digits
    below = np.asarray(start.X.todense())
    exact = np.asarray(wanted.X.todense())
    np.testing.assert_array_equal(np.sort((below == 1).sum(axis=1)), np.sort((exact == 1).sum(axis=1)))
