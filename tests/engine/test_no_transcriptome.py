"""Cells without transcriptomes: a scenario of mechanics alone, with types of its own."""

import json
from pathlib import Path

import numpy as np
import pytest

from twin.engine.plan import check_file
from twin.engine.simulation import simulate
from twin.errors import ScenarioError
from twin.results import open_run

SCENARIO = {
    "name": "spheres",
    "duration": "1 h",
    "tick": "6 min",
    "world_model": {"name": "none"},
    "compartments": {
        "box": {
            "box": ["100 um", "100 um", "100 um"],
            "cells": {"source": "model", "count": 40, "composition": {"tumour": 0.75, "T cell": 0.25}},
        }
    },
    "processes": {"mechanics": {"interval": "12 min"}},
    "observe": {"every": "30 min", "columns": ["radius"]},
}


def write(folder: Path, **changes: object) -> Path:
    file = folder / "spheres.yaml"
    file.write_text(json.dumps(SCENARIO | changes))
    return file


def test_a_tissue_without_genes_runs_and_opens(tmp_path: Path) -> None:
    loaded, plan = check_file(write(tmp_path))
    assert plan.every == {"mechanics": 2}
    assert plan.model.contexts == ("tumour", "T cell")
    simulate(loaded, tmp_path / "run")
    run = open_run(tmp_path / "run")
    cells = run.cells()
    assert cells.shape == (40, 0)
    assert cells.obs["cell_type"].value_counts().to_dict() == {"tumour": 30, "T cell": 10}
    assert float(run.readouts["column_mean"].sel(column="radius").isel(time=-1).mean()) == pytest.approx(5.0)
    np.testing.assert_array_equal(run.readouts["n_dead"].isel(time=-1), 0.0)


def test_what_nobody_knows_is_told_with_its_line(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        cell_types={"tumor": {"apoptosis": "0.003 /h"}, "T cell": {"apoptosis": 3, "sleep": "1 /h"}},
        observe={"columns": ["age"]},
        rules=[
            {
                "cell_type": "B cell",
                "signal": "pressure",
                "response": "decreases",
                "behaviour": "cycle exit",
                "saturation": "0 /h",
                "half_max": 1.0,
            }
        ],
        processes={"mechanics": {"interval": "5 min"}},
    )
    with pytest.raises(ScenarioError) as caught:
        check_file(file)
    told = str(caught.value)
    assert "cell_types.T cell.apoptosis" in told
    assert "'sleep'" in told
    assert "rules[0].cell_type" in told
    assert "'cycle exit'" in told
    assert "no column of the cells is called 'age'" in told
    assert "processes.mechanics.interval" in told


def test_a_plan_says_how_each_number_of_the_table_is_known(tmp_path: Path) -> None:
    table = {"IL10": {"from_table": "IL10"}, "TNF": {"from_table": "TNF", "half_life": "5 h", "molar_mass": "52 kDa"}}
    told = check_file(write(tmp_path, substances=table))[1].describe()
    section = told.split("From the built-in table\n")[1].split("\n\n")[0].splitlines()
    assert len(section) == 3
    assert "half-life 24 h (our choice: nothing found)" in section[0]
    assert "5e+06 U/mg (recalled: NIBSC 93/722, 5,000 U/µg)" in section[0]
    assert "4e+07 U/mg (looked up: 40,000 IU an ampoule, WHO IS 87/650" in section[1]
    assert "half-life" not in section[1]  # the scenario's own, and its mass
    assert "kDa (" not in section[1]
    for line in ("looked up: read in the place", "recalled: from general knowledge", "our choice: nobody measured it"):
        assert line in section[2]
    mine = {"TNF": {"diffusivity": "30 um^2/s", "half_life": "5 h"}}
    assert "built-in table" not in check_file(write(tmp_path, substances=mine))[1].describe()


def test_a_behaviour_that_no_process_carries_out_is_refused(tmp_path: Path) -> None:
    rule = {
        "cell_type": "tumour",
        "signal": "pressure",
        "response": "decreases",
        "behaviour": "cycle entry",
        "saturation": "0 /h",
        "half_max": 1.0,
    }
    file = write(tmp_path, cell_types={"tumour": {"apoptosis": "0.003 /h", "custom:age": 2.0}}, rules=[rule])
    with pytest.raises(ScenarioError) as caught:
        check_file(file)
    told = str(caught.value)
    assert "cell_types.tumour.apoptosis: no process of this scenario carries out 'apoptosis'" in told
    assert "rules: no process carries them out; add one, like 'rules:' under processes" in told
    assert "rules[0].behaviour: no process of this scenario carries out 'cycle entry'" in told
    assert "custom:age" not in told
