"""Whole runs with mechanistic cells: one store however it is computed, and a model that drives the learned one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.tiny import TINY
from tests.plugins.sbml_texts import DECAY, TAKING, sbml
from twin.engine.identity import record_of
from twin.engine.loop import segment_ends
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of, segment
from twin.engine.simulation import ready, simulate
from twin.results import Run, create_run, differences, open_run

pytest.importorskip("roadrunner")

DISH: dict[str, Any] = {
    "name": "dish",
    "duration": "3 h",
    "tick": "15 min",
    "seed": 11,
    "world_model": {"name": "none"},
    "compartments": {
        "dish": {
            "box": ["80 um", "80 um", "40 um"],
            "spacing": "20 um",
            "cells": {"source": "model", "count": 60, "composition": {"mono": 0.7, "other": 0.3}},
        }
    },
    "substances": {"IFNB1": {"diffusivity": "1 um^2/s", "initial": "3 nM"}},
    "cell_types": {"default": {"cycle entry": "0.3 /h", "apoptosis": "0.1 /h"}},
    "intracellular": {
        "taking": {
            "file": "taking.xml",
            "cell_types": ["mono"],
            "concentration_unit": "nM",
            "spread": {"R": 0.4, "on": 0.2},
            "inputs": {"cell": "volume", "medium": "voxel"},
            "exchange": {"L": {"substance": "IFNB1"}},
            "outputs": {"behaviours": {"apoptosis": {"of": "C", "per_unit": "0.05 /h"}}},
        },
        "mean": {"file": "decay.xml", "cell_types": ["mono", "other"], "per": "type", "time_unit": "h"},
    },
    "processes": {"sbml": {}, "diffusion": {}, "cycle": {"model": "live"}, "death": {}, "volume": {}},
    "observe": {"every": "30 min", "cells_every": "1 h", "columns": ["sbml_taking_C"]},
    "execution": {"commit_every": "1 h"},
}


def write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "taking.xml").write_text(TAKING)
    (folder / "decay.xml").write_text(DECAY)
    file = folder / "dish.yaml"
    file.write_text(json.dumps(DISH))
    return file


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("one")
    simulate(check_file(write(folder))[0], folder / "run")
    return open_run(folder / "run")


def test_states_are_columns_of_the_cells_and_stores_are_readouts(one: Run) -> None:
    cells = one.cells("2 h")
    mine = (cells.obs["cell_type"] == "mono") & cells.obs["alive"]
    assert (cells.obs.loc[mine, "sbml_taking_C"] > 0).any()
    assert (cells.obs.loc[mine & (cells.obs["birth"] < 8), "sbml_taking_spread_R"] > 0).all()
    assert (cells.obs.loc[cells.obs["cell_type"] == "other", "sbml_taking_C"] == 0).all()
    assert (cells.obs["birth"] > 0).any()
    x = one.readouts["sbml_mean_X"].sel(compartment="dish").isel(replicate=0)  # (time, type)
    assert list(x["type_of_mean"].values) == ["mono", "other"]
    np.testing.assert_allclose(x.sel(type_of_mean="other"), 10 * np.exp(-0.1 * x["time"].values), rtol=1e-5)


def test_two_workers_do_not_change_a_bit(one: Run, tmp_path: Path) -> None:
    simulate(check_file(write(tmp_path))[0], tmp_path / "run", workers=2)
    assert differences(one.path, tmp_path / "run") == []


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(one: Run, tmp_path: Path) -> None:
    loaded, plan = check_file(write(tmp_path))
    plans, out = ready(loaded), tmp_path / "run"
    create_run(out, record_of(plan, plans.world), layout_of(plans.world), plans.futures.ensemble, ["dish"])
    segment(loaded, out, jobs_of(plans.futures.ensemble)[0], segment_ends(plans.world)[0])
    simulate(loaded, out, resume=True)
    assert differences(one.path, out) == []


def test_cells_that_are_put_in_begin_where_the_model_begins(tmp_path: Path) -> None:
    (tmp_path / "decay.xml").write_text(DECAY)
    model = {"file": "decay.xml", "cell_types": ["mono"], "time_unit": "h", "spread": {"k": 0.5}}
    event = {"do": "inject", "at": "1 h", "cell_type": "mono", "count": 5}
    changes: dict[str, Any] = {
        "duration": "90 min",
        "intracellular": {"m": model},
        "cell_types": {},
        "processes": {"sbml": {}},
        "timeline": [event],
        "observe": {"every": "30 min"},
    }
    file = tmp_path / "put_in.yaml"
    file.write_text(json.dumps({**DISH, **changes}))
    simulate(check_file(file)[0], tmp_path / "run")
    cells = open_run(tmp_path / "run").cells()
    new = cells.obs["birth"] > 0
    assert int(new.sum()) == 5
    k = cells.obs["sbml_m_spread_k"]
    assert k[new].nunique() == 5
    lived = np.where(new, 0.5, 1.5)[cells.obs["cell_type"] == "mono"]
    mine = cells.obs[cells.obs["cell_type"] == "mono"]
    np.testing.assert_allclose(mine["sbml_m_X"], 10 * np.exp(-0.1 * mine["sbml_m_spread_k"] * lived), rtol=1e-5)


def test_a_mechanistic_model_drives_the_learned_one(tmp_path: Path) -> None:
    """Monocytes respond to a dose that their model gives them, without a molecule of interferon; T cells do not."""
    steady = sbml({"X": 0.02}, {"k": 0.0}, [("X", "", "k * X")])  # nM: the trained dose
    (tmp_path / "steady.xml").write_text(steady)
    model: dict[str, Any] = {"file": "steady.xml", "cell_types": ["CD14 Mono"], "concentration_unit": "nM"}
    model["outputs"] = {"doses": {"IFNB1": {"of": "X"}}}
    changes: dict[str, Any] = {
        "duration": "3 h",
        "intracellular": {"m": model},
        "signalling": {},
        "processes": {"sbml": {}, "exposure": {}, "transition": {}, "diffusion": {}},
        "observe": {key: value for key, value in TINY["observe"].items() if key != "distance"},  # type: ignore[attr-defined]
    }
    file = tmp_path / "driven.yaml"
    file.write_text(json.dumps({**TINY, **changes}))
    simulate(check_file(file)[0], tmp_path / "run")
    run = open_run(tmp_path / "run")
    gained = run.readouts["response_by_type"].isel(replicate=0, compartment=0, time=-1)
    assert float(gained.sel(cell_type="CD14 Mono")) > 0.3
    assert abs(float(gained.sel(cell_type="CD4 Naive T"))) < 0.15
    cells = run.cells()
    assert set(cells.obs.loc[cells.obs["cell_type"] == "CD14 Mono", "dose_IFNB1"]) == {0.02}
