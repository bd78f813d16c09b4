"""`twin assimilate`: a planted dose is learned from an ensemble of runs, and the scenario that it writes can be run."""

import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from twin.cli.assimilate import Method, assimilate
from twin.engine.plan import check_file
from twin.engine.simulation import simulate
from twin.errors import InputError
from twin.results import Run, open_run

SCENARIO: dict[str, Any] = {
    "name": "dose",
    "duration": "4 h",
    "tick": "1 h",
    "compartments": {
        "well": {
            "box": ["100 um", "100 um", "60 um"],
            "cells": {"source": "model", "count": 120, "composition": {"CD14 Mono": 0.6, "CD4 Naive T": 0.4}},
        }
    },
    "substances": {"IFNB1": {"diffusivity": "100 um^2/s", "molar_mass": "20 kDa", "specific_activity": "2.5e8 U/mg"}},
    "signalling": {"reception": [{"substance": "IFNB1", "perturbation": "IFNB1", "receptor": ["IFNAR1", "IFNAR2"]}]},
    "processes": {"dosing": {}, "diffusion": {}, "exposure": {}, "transition": {}},
    "timeline": [{"do": "add", "at": "0 h", "substance": "IFNB1", "dose": "10 U/mL"}],
    "observe": {"every": "4 h", "quantities": {"isg": "mean(log1p(gene:ISG15))"}},
    "execution": {"commit_every": "4 h"},
}
DOSES = (0.5, 2.0, 8.0, 100.0)
TRUTH = 25.0  # U/mL


def run_at(folder: Path, dose: float | str, name: str, **more: Any) -> Run:
    file = folder / "dose.yaml"
    file.write_text(json.dumps(SCENARIO))
    text = dose if isinstance(dose, str) else f"{dose} U/mL"
    loaded, _ = check_file(file, (f"timeline.0.dose={text}", *(f"{k}={v}" for k, v in more.items())))
    simulate(loaded, folder / name)
    return open_run(folder / name)


def write_snapshot(run: Run, file: Path) -> Path:
    cells = run.cells()
    out = ad.AnnData(sp.csr_matrix(cells.X), cells.obs[["cell_type"]].astype(str), cells.var[[]])
    out.write_h5ad(file)
    return file


def isg(run: Run) -> float:
    return float(run.readouts["isg"].isel(replicate=0, time=-1))


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], float]:
    folder = tmp_path_factory.mktemp("ensemble")
    runs = [run_at(folder, dose, f"run-{i}", seed=i).path for i, dose in enumerate(DOSES)]
    truth = run_at(folder, TRUTH, "truth", seed=100)
    write_snapshot(truth, folder / "measured.h5ad")
    return folder, runs, isg(truth)


@pytest.mark.slow
@pytest.mark.parametrize("method", list(Method))
def test_the_forecast_with_what_was_learned_is_off_by_less_than_half(
    ensemble: tuple[Path, list[Path], float], method: Method, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, runs, truth = ensemble
    out = folder / f"updated-{method.value}.yaml"
    assimilate(runs, folder / "measured.h5ad", "4 h", ["timeline.0.dose"], out, method)
    told = capsys.readouterr().out
    assert "timeline.0.dose" in told
    assert "effective by their likelihood" in told
    text = out.read_text()
    assert "# Snapshot: measured.h5ad (sha256 " in text
    loaded, _ = check_file(out)
    simulate(loaded, folder / f"after-{method.value}")
    after = isg(open_run(folder / f"after-{method.value}"))
    prior = run_at(folder, f"{float(np.exp(np.mean(np.log(DOSES)))):.6g} U/mL", f"before-{method.value}", seed=9)
    assert abs(after - truth) < 0.5 * abs(isg(prior) - truth)


def test_the_points_of_a_sweep_are_an_ensemble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = {"duration": "1 h", "observe.every": "'1 h'", "execution.commit_every": "1 h", "world_model.name": "still"}
    swept = run_at(
        tmp_path,
        1.0,
        "swept",
        **short,
        **{
            "sweep.dose.key": "timeline.0.dose",
            "sweep.dose.values": "[1 U/mL, 4 U/mL]",
            "sweep.decay.key": "substances.IFNB1.half_life",
            "sweep.decay.values": "[1 h, 5 h]",
        },
    )
    snapshot = write_snapshot(swept.at(point={"dose": 1, "decay": 1}), tmp_path / "s.h5ad")
    assimilate([swept.path], snapshot, "1 h", ["timeline.0.dose"], tmp_path / "out.yaml")
    assert "against 4 trajectories" in capsys.readouterr().out
    loaded, _ = check_file(tmp_path / "out.yaml")
    assert list(loaded.scenario.sweep) == ["decay"]  # the dose is learned
    assert loaded.document["timeline"][0]["dose"] == "2 U/mL"  # all are alike to a model that stands still
    with pytest.raises(InputError, match="no branch is called 'other'"):
        assimilate([swept.path], snapshot, "1 h", ["branches.other.at"], tmp_path / "more.yaml")


def test_runs_and_words_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    short = {"duration": "1 h", "observe.every": "'1 h'", "execution.commit_every": "1 h", "world_model.name": "still"}
    one, two = run_at(tmp_path, 1.0, "one", **short), run_at(tmp_path, 2.0, "two", **short)
    other = run_at(tmp_path, 2.0, "other", **short, **{"compartments.well.cells.count": 50})
    odd = run_at(tmp_path, "0.1 nM", "odd", **short)
    snapshot = write_snapshot(one, tmp_path / "s.h5ad")

    def call(*runs: Run, at: str = "1 h", parameter: str = "timeline.0.dose", **more: Any) -> None:
        assimilate([run.path for run in runs], snapshot, at, [parameter], tmp_path / "out.yaml", **more)

    for arguments, told in (
        (((one, one), {}), "it is 1 U/mL in all of the 2 trajectories, so nothing can be learned of it"),
        (((one, two), {"parameter": "timeline.0.dos"}), "differ in timeline.0.dose, which is not among the parameters"),
        (((one,), {"parameter": "timeline.0.dos"}), "no key of timeline.0 is called 'dos'; did you mean dose"),
        (((one, odd), {}), "it is written in U/mL and in nM: use one unit"),
        (((one, two), {"at": "3 h"}), "no cells were kept at 3 h"),
        (((one, two), {"at": "3"}), "--at: 3 is not a time"),
        (((one, other), {}), "differ in compartments.well.cells.count"),
        (((one, two), {"where": ["donor"]}), "--where donor: write column=value"),
        (((one, two), {"cell_types": ["B"]}), "no cell type of"),
        (((one, two), {"method": Method.kalman}), "2 trajectories are too few, 4 are needed"),
    ):
        with pytest.raises(InputError) as caught:
            call(*arguments[0], **arguments[1])
        assert told in str(caught.value)
    assert not (tmp_path / "out.yaml").exists()
    call(one, two)
    loaded, _ = check_file(tmp_path / "out.yaml")
    assert list(loaded.document) == list(one.scenario)
    assert loaded.document["timeline"][0]["dose"].endswith(" U/mL")
    with pytest.raises(InputError, match="exists already"):
        call(one, two)
