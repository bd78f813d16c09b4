"""`twin import`: the files it writes, what it prints, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.interop.petab_problems import measured, write_problem
from tests.interop.projects import RULES, write_project

Twin = Callable[..., CompletedProcess[str]]


def test_a_project_is_written_with_its_tables_and_a_report(twin: Twin, tmp_path: Path) -> None:
    write_project(tmp_path / "spheroid", rules=RULES)
    told = twin("import", "physicell", "spheroid", "--out", "made/model.yaml")
    assert told.returncode in (0, 2), told.stderr  # 2: a process that it needs is not installed
    names = {file.name for file in (tmp_path / "made").iterdir()}
    assert names == {"model.yaml", "model_cells.csv", "model_rules.csv", "model_import.md"}
    report = (tmp_path / "made" / "model_import.md").read_text()
    assert told.stdout.startswith(report)
    assert (
        "# From the PhysiCell project spheroid, by twin import physicell."
        in (tmp_path / "made" / "model.yaml").read_text()
    )
    again = twin("import", "physicell", "spheroid", "--out", "made/model.yaml")
    assert (again.returncode, again.stdout) == (2, "")
    assert "made/model.yaml is there already: name another place with --out" in again.stderr


def test_what_is_no_project_is_one_sentence(twin: Twin, tmp_path: Path) -> None:
    told = twin("import", "physicell", tmp_path / "nowhere")
    assert told.returncode == 2
    assert told.stderr.startswith("twin: ")
    assert "nowhere is not there: name the folder of a PhysiCell project" in told.stderr
    other = twin("import", "chaste", tmp_path)
    assert (other.returncode, "'chaste'" in other.stderr) == (2, True)


def test_a_petab_problem_is_written_with_a_model_an_experiment(twin: Twin, tmp_path: Path) -> None:
    pytest.importorskip("roadrunner")
    write_problem(tmp_path / "decay", measurements=[measured("obs_a", 1)])
    told = twin("import", "petab", "decay/problem.yaml", "--out", "made.yaml", "--time-unit", "h")
    assert told.returncode in (0, 2), told.stderr  # 2: the plugin is not installed
    assert {f.name for f in tmp_path.glob("made*")} == {"made.yaml", "made_plain.xml", "made_import.md"}
    assert "# From the PEtab project problem, by twin import petab." in (tmp_path / "made.yaml").read_text()
    other = twin("import", "physicell", "decay", "--time-unit", "h")
    assert (other.returncode, "--time-unit is for PEtab alone" in other.stderr) == (2, True)
