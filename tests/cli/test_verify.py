"""`twin verify`: the table, its file, and the exit code of a number that does not hold."""

import json
from pathlib import Path

import pytest
import typer

from twin.cli.verify import verify
from twin.errors import InputError, UnknownNameError
from twin.verification import case as suite
from twin.verification.case import Case, Row

GOOD = Case("A1", "A good one", "analytic", lambda: [Row("length, um", 2.0, 2.0 + 1e-9, 1e-6, "5 % (another)")])
BAD = Case("A2", "A bad one", "a book", lambda: [Row("time, h", 1.0, 1.5, 0.1), Row("part", 1.0, float("nan"), 1.0)])
SLOW = Case("A3", "A slow one", "a book", lambda: [Row("time, h", 1.0, 1.0, 0.0)], slow=True)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "cases", lambda: (GOOD, BAD, SLOW))


def test_the_table_tells_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    verify(only="A1, A3")
    told = capsys.readouterr().out
    assert "A1  A good one (analytic)" in told
    assert "length, um" in told
    assert "5 % (another)" in told
    assert "2 of 2 numbers hold" in told
    assert "DOES NOT HOLD" not in told


def test_a_number_that_does_not_hold_ends_with_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        verify()
    assert ended.value.exit_code == 1
    told = capsys.readouterr().out
    assert told.count("DOES NOT HOLD") == 2  # what is no number does not hold
    assert "2 of 4 numbers hold" in told


def test_slow_cases_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    verify(only="A1", quick=True)
    assert "1 of 1 numbers hold" in capsys.readouterr().out
    with pytest.raises(InputError, match="--quick"):
        verify(only="A3", quick=True)


def test_the_table_is_written_as_markdown_or_json(tmp_path: Path) -> None:
    verify(only="A1", out=tmp_path / "table.md")
    assert "| A1 A good one | length, um | 2 | 2 | 1e-09 | 1e-06 | 5 % (another) | yes |" in (
        tmp_path / "table.md"
    ).read_text(encoding="utf-8")
    verify(only="A1", out=tmp_path / "table.json")
    (entry,) = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert entry["case"] == "A1"
    assert entry["holds"] is True
    assert entry["error"] == pytest.approx(1e-9, rel=1e-3)


def test_unknown_cases_and_files_are_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownNameError, match="no case is called 'A9'"):
        verify(only="A1,A9")
    with pytest.raises(InputError, match=r"\.md or \.json"):
        verify(out=tmp_path / "table.txt")
    with pytest.raises(InputError, match="there is no folder"):
        verify(out=tmp_path / "nowhere" / "table.md")
    assert capsys.readouterr().out == ""
