"""Snapshots of real cells assimilated by real runs: what was corrected fits cells that corrected nothing."""

import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest

from twin.analysis.summary import report
from twin.engine.plan import check_file
from twin.engine.simulation import prepare, simulate
from twin.errors import InputError, RunError, ScenarioError
from twin.results import Run, differences, open_run

KANG = "kang2018_pbmc_ifnb.h5ad"
BATH: dict[str, Any] = {
    "name": "bath",
    "duration": "7 h",
    "tick": "1 h",
    "compartments": {
        "well": {
            "box": ["100 um", "100 um", "60 um"],
            "cells": {"source": "h5ad", "where": {"donor": "1015", "condition": "control"}, "count": 250},
        }
    },
    "substances": {
        "IFNB1": {
            "diffusivity": "100 um^2/s",
            "molar_mass": "20 kDa",
            "specific_activity": "2.5e8 U/mg",
            "initial": "100 U/mL",
        }
    },
    "signalling": {"reception": [{"substance": "IFNB1", "perturbation": "IFNB1", "receptor": ["IFNAR1", "IFNAR2"]}]},
    "processes": {"diffusion": {}, "exposure": {}, "transition": {}},
    "observe": {"every": "1 h", "cells_every": "7 h", "quantities": {"isg": "mean(gene:ISG15)"}},
    "timeline": [
        {
            "do": "assimilate",
            "at": "6 h",
            "method": "reseed",
            "where": {"donor": "1244", "condition": "IFNB1"},
            "cell_types": ["CD14 Mono", "CD4 Naive T", "CD4 Memory T"],
        }
    ],
    "execution": {"chunk": 64, "commit_every": "7 h"},
}


def write(folder: Path, data: Path, **event: Any) -> tuple[Path, tuple[str, ...]]:
    """Write the scenario, and name the measured files as a user on the command line would."""
    document = json.loads(json.dumps(BATH))
    document["timeline"][0] |= event
    file = folder / "bath.yaml"
    document["timeline"][0].setdefault("file", KANG)
    document["compartments"]["well"]["cells"]["file"] = KANG
    file.write_text(json.dumps(document, indent=1))
    sets = [f"compartments.well.cells.file={data / KANG}"]
    if document["timeline"][0]["file"] == KANG:
        sets.append(f"timeline.0.file={data / KANG}")
    return file, tuple(sets)


@pytest.fixture(scope="module")
def reseeded(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Run:
    folder = tmp_path_factory.mktemp("reseeded")
    file, sets = write(folder, data_folder)
    loaded, _ = check_file(file, sets)
    simulate(loaded, folder / "run")
    return open_run(folder / "run")


def test_a_reseeded_twin_is_nearer_to_cells_of_the_donor_that_it_was_not_shown(reseeded: Run) -> None:
    (entry,) = reseeded.log()
    assert (entry["what"], entry["method"], entry["time"]) == ("assimilate", "reseed", 6.0)
    before, after = entry["energy"]
    assert after < before
    for old, new in zip(entry["before"], entry["after"], strict=True):
        assert new["n_twin"] == old["n_twin"]
    assert entry["moved"] == sum(d["n_twin"] for d in entry["before"])
    text = report(reseeded.path)
    assert "cells moved; energy distance" in text
    assert "not compared:" in text
    assert f"sha256 {reseeded.attrs['inputs'][entry['file']]}" in text


def test_a_twin_that_does_not_respond_is_put_right_to_within_the_noise_of_the_file(
    tmp_path: Path, data_folder: Path
) -> None:
    file, sets = write(tmp_path, data_folder, at="1 h")
    short = ("duration=1 h", "execution.commit_every=1 h", "observe.cells_every=1 h", "world_model.name=still")
    loaded, _ = check_file(file, (*sets, *short))
    simulate(loaded, tmp_path / "run")
    (entry,) = open_run(tmp_path / "run").log()
    before, after = entry["energy"]
    assert before > 2
    assert after < 0.15 * before
    for old, new in zip(entry["before"], entry["after"], strict=True):
        assert new["mse"] < old["mse"]
        assert new["pearson"] > old["pearson"]


def test_who_the_cells_are_stays_and_the_run_goes_on(reseeded: Run) -> None:
    start, end = reseeded.cells(0.0), reseeded.cells()
    np.testing.assert_array_equal(start.obs["id"], end.obs["id"])
    np.testing.assert_array_equal(start.obsm["spatial"], end.obsm["spatial"])
    assert np.isfinite(reseeded.readouts["isg"]).all()
    assert end.X.dtype.kind == "i"
    assert next(name for name in reseeded.attrs["inputs"] if name.endswith(KANG))


@pytest.mark.slow
def test_one_and_two_workers_weigh_and_reseed_alike(tmp_path: Path, data_folder: Path) -> None:
    runs = []
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        file, sets = write(tmp_path / str(workers), data_folder)
        loaded, _ = check_file(file, (*sets, "replicates=2"))
        simulate(loaded, tmp_path / str(workers) / "run", workers=workers)
        runs.append(open_run(tmp_path / str(workers) / "run"))
    assert differences(runs[0].path, runs[1].path) == []
    assert [runs[0].log(i) for i in (0, 1)] == [runs[1].log(i) for i in (0, 1)]


def test_replicates_are_weighed_and_the_weights_count_in_the_means(tmp_path: Path, data_folder: Path) -> None:
    file, sets = write(tmp_path, data_folder, method="reweight", at="2 h")
    loaded, _ = check_file(
        file, (*sets, "replicates=3", "duration=2 h", "execution.commit_every=2 h", "observe.cells_every=2 h")
    )
    simulate(loaded, tmp_path / "run")
    run = open_run(tmp_path / "run")
    weights = run.readouts["weight"]
    assert weights.dims == ("replicate",)
    assert float(weights.sum()) == pytest.approx(1)
    likely = [run.log(i)[0]["log_likelihood"] for i in range(3)]
    assert int(np.argmax(weights.values)) == int(np.argmax(likely))
    assert "weights of the replicates:" in report(run.path)


def spoilt(folder: Path, data: Path, what: str) -> Path:
    cells = ad.read_h5ad(data / KANG)[:40].copy()
    if what == "normalised":
        cells.X = cells.X * 0.3
    elif what == "strange genes":
        cells.var_names = [f"X{i}" for i in range(cells.n_vars)]
    file = folder / "mine.h5ad"
    cells.write_h5ad(file)
    return file


@pytest.mark.parametrize(
    ("what", "told"),
    [("normalised", "raw integer counts are needed"), ("strange genes", "shares no gene with the model's axis")],
)
def test_a_file_that_is_no_snapshot_is_told_before_anything_is_written(
    tmp_path: Path, data_folder: Path, what: str, told: str
) -> None:
    spoilt(tmp_path, data_folder, what)
    file, sets = write(tmp_path, data_folder, file="mine.h5ad", where={}, cell_types=[])
    loaded, _ = check_file(file, sets)
    with pytest.raises(ScenarioError) as caught:
        prepare(loaded)
    assert "timeline[0].file: " in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"file": "nowhere.h5ad"}, "timeline[0].file: "),
        ({"where": {"donor": "1"}}, "timeline[0].file: "),
        ({"cell_type": "celltype"}, "no obs column is called 'celltype'"),
        (
            {"cell_types": ["CD14 Mon"]},
            "timeline[0].cell_types[0]: no cell type is called 'CD14 Mon'; did you mean CD14",
        ),
        ({"at": "8 h"}, "timeline[0].at: 8 h never comes"),
        ({"every": "1 h"}, "a measured snapshot has one time"),
        ({"share": 0.5, "method": "compare"}, "share goes with method: reseed"),
        ({"method": "learn"}, "'learn' is none of compare, reweight, reseed, update"),
    ],
)
def test_an_assimilation_that_cannot_be_is_told_at_its_line(
    tmp_path: Path, data_folder: Path, event: dict[str, Any], told: str
) -> None:
    file, sets = write(tmp_path, data_folder, **event)
    with pytest.raises(ScenarioError) as caught:
        check_file(file, sets)
    assert told in str(caught.value)
    assert "timeline[0]" in str(caught.value)


def test_a_type_that_has_died_out_stops_the_run_with_its_name(tmp_path: Path, data_folder: Path) -> None:
    file, sets = write(tmp_path, data_folder, at="1 h", cell_types=["NK"])
    document = json.loads(file.read_text())
    document["processes"]["dosing"] = {}
    document["timeline"].append({"do": "remove", "at": "0 h", "cell_types": ["NK"]})
    file.write_text(json.dumps(document))
    loaded, _ = check_file(file, (*sets, "duration=1 h", "execution.commit_every=1 h", "observe.cells_every=1 h"))
    with pytest.raises((RunError, InputError), match="timeline\\[0\\] at 1 h in well: no cell type of the twin"):
        simulate(loaded, tmp_path / "run")
