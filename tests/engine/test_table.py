"""Cells of a table: where it says, of the types it says, none at all, and what cannot be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.engine.loop import advance
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.simulation import prepare, simulate
from twin.engine.world import World
from twin.errors import ScenarioError
from twin.results import open_run
from twin.state.body import Body

CELLS = "x,y,z,type\n10,0,0,tumour\n-40,-20,5,T cell\n30,20,0,tumour\n"


def write(folder: Path, cells: str = CELLS, source: dict[str, Any] | None = None, **changes: Any) -> Path:
    (folder / "cells.csv").write_text(cells)
    table = {"source": "table", "file": "cells.csv", "origin": ["-50 um", "-50 um", "-10 um"], **(source or {})}
    scenario = {
        "name": "table",
        "duration": "12 min",
        "tick": "6 min",
        "world_model": {"name": "none"},
        "compartments": {"dish": {"box": ["100 um", "100 um", "20 um"], "spacing": "20 um", "cells": table}},
        "substances": {"oxygen": {"diffusivity": "1e5 um^2/min", "decay": "0.1 /min", "initial": "5 nM"}},
        "cell_types": {"resting": {"cell-cell adhesion": "24 um/h"}},
        "processes": {"mechanics": {}, "diffusion": {}},
        **changes,
    }
    file = folder / "table.yaml"
    file.write_text(json.dumps(scenario))
    return file


def start(file: Path) -> tuple[World, Body]:
    world = prepare(check_file(file)[0])
    return world, seed_body(world, 0)


def told_of(file: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        check_file(file)
    return str(caught.value)


def test_cells_stand_where_the_table_says(tmp_path: Path) -> None:
    world, body = start(write(tmp_path))
    cells = body.compartments["dish"].cells
    np.testing.assert_allclose(cells.position, [[10, 30, 15], [60, 50, 10], [80, 70, 10]])  # along the box
    assert cells.type_names().tolist() == ["T cell", "tumour", "tumour"]
    assert set(cells.names["cell_type"]) == {"T cell", "tumour", "resting"}  # what cells may become is there too
    assert "from" not in check_file(write(tmp_path))[1].describe().splitlines()[4]
    assert "3 cells at the places of cells.csv" in check_file(write(tmp_path))[1].describe()
    advance(world, body, 0)


def test_without_cells_the_fields_run_alone(tmp_path: Path) -> None:
    file = write(tmp_path, "x,y,z,type\n", processes={"mechanics": {}, "diffusion": {}, "rules": {}})
    loaded, plan = check_file(file)
    assert plan.n_cells == {"dish": 0}
    simulate(loaded, tmp_path / "run")
    run = open_run(tmp_path / "run")
    left = float(run.readouts["concentration_mean"].isel(time=-1).squeeze())
    assert left == pytest.approx(5.0 * np.exp(-0.1 * 12))
    assert run.cells().shape == (0, 0)


def test_a_run_keeps_the_table_s_hash(tmp_path: Path) -> None:
    simulate(check_file(write(tmp_path))[0], tmp_path / "run")
    assert set(open_run(tmp_path / "run").attrs["inputs"]) == {"cells.csv"}


@pytest.mark.parametrize(
    ("cells", "source", "told"),
    [
        ("x,y,z,type\n0,0,0,tumour\n0,51,0,tumour\n0,0,-30,tumour\n", {}, "2 of 3 cells of cells.csv lie outside"),
        ("x,y,z,type\n0,0,0,tumour\n0,51,0,tumour\n", {}, "first on line 3 at (50, 101, 10) um from its corner"),
        ("x,y,z,type\n0,zero,0,tumour\n", {}, "cells.csv, line 2: 'zero' is no place"),
        ("0,0,0,0\n", {}, "name the types in this order under `types`"),
        (CELLS, {"file": "../cells.csv"}, "lies outside the scenario's folder"),
        (CELLS, {"file": "places.csv"}, "places.csv is not there"),
        (CELLS, {"place": {"tumour": {"x": ["0 um", "10 um"]}}}, "the table says where cells are: leave place out"),
    ],
)
def test_what_cannot_be_is_told_before_the_run(tmp_path: Path, cells: str, source: dict[str, Any], told: str) -> None:
    assert told in told_of(write(tmp_path, cells, source))


def test_a_model_must_know_the_types_of_a_table(tmp_path: Path) -> None:
    told = told_of(write(tmp_path, "x,y,z,type\n0,0,0,T cel\n", world_model={"name": "still"}, cell_types={}))
    assert "compartments.dish.cells.file: no cell type of the world model is called 'T cel'" in told
