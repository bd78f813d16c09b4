"""`twin verify --petab`: the table, its file, and how it ends."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from tests.interop.petab_problems import YAML, measured, table, write_problem
from twin.cli.verify import verify
from twin.errors import InputError, MissingExtraError

pytest.importorskip("roadrunner")

K = 0.1


def problem_of(folder: Path, *, off: float = 0.0) -> Path:
    """Write a decay with its reference, the last point of which is `off` by that part."""
    times = [0.0, 1.0, 10.0]
    values = 10 * np.exp(-K * np.array(times)) * [1, 1, 1 + off]
    file = write_problem(folder, measurements=[measured("obs_a", t) for t in times])
    rows = [{**measured("obs_a", t), "simulation": value} for t, value in zip(times, values, strict=True)]
    (folder / "simulatedData_made.tsv").write_text(table(rows), encoding="utf-8")
    return file


def test_a_problem_that_holds_is_told_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(petab=problem_of(tmp_path, off=5e-4), out=tmp_path / "table.md")
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("simulatedData_made.tsv")
    assert told[1].split() == ["observable", "experiment", "points", "deviation", "at", "time", "reference", "ours"]
    assert told[2].split() == ["obs_a", "plain", "3", "0.0005", "10", "3.680634", "3.678794"]
    assert told[3] == f"1 of 1 rows hold (3 points), largest deviation 0.0005; written to {tmp_path / 'table.md'}"
    assert told[4].startswith("a point holds when |ours - reference| <= 0.001 max(|reference|, 0.001 largest")
    assert "| obs_a | plain | 3 | 0.0005 | 10 | 3.680634 | 3.678794 | yes |" in (tmp_path / "table.md").read_text()


def test_a_point_that_does_not_hold_ends_with_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = problem_of(tmp_path, off=2e-3)
    with pytest.raises(typer.Exit) as ended:
        verify(petab=file, out=tmp_path / "table.json")
    assert ended.value.exit_code == 1
    told = capsys.readouterr().out
    assert "DOES NOT HOLD" in told
    assert "1 nominal values are not those of model.xml (k): the reference may be of other parameters" in told
    (entry,) = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert (entry["observable"], entry["points"], entry["holds"]) == ("obs_a", 3, False)
    assert entry["deviation"] == pytest.approx(2e-3 / 1.002, rel=1e-3)


def test_other_parameters_and_another_reference_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = problem_of(tmp_path, off=2e-3)
    rows = [{**measured("obs_a", t), "simulation": 10 * np.exp(-0.3 * t)} for t in (0.0, 1.0, 10.0)]
    (tmp_path / "faster.tsv").write_text(table(rows), encoding="utf-8")
    (tmp_path / "other.tsv").write_text(table([{"parameterId": "k", "nominalValue": 0.3}]), encoding="utf-8")
    verify(petab=file, simulated=tmp_path / "faster.tsv", parameters=tmp_path / "other.tsv")
    assert "1 of 1 rows hold" in capsys.readouterr().out


def test_options_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    file = problem_of(tmp_path)
    with pytest.raises(InputError, match="leave --only and --quick out"):
        verify(petab=file, quick=True)
    with pytest.raises(InputError, match="go with --petab"):
        verify(parameters=tmp_path / "other.tsv")
    with pytest.raises(InputError, match="lists 2 problems: --simulated is for one"):
        verify(petab=write_problem(tmp_path, yaml=YAML + YAML.partition("problems:\n")[2]), simulated=file)


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "roadrunner", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twin\[sbml\]'"):
        verify(petab=problem_of(tmp_path))
