"""A branch that is added to a run that goes on: it begins where its trunk stands, and no past is computed twice."""

from pathlib import Path

import pytest

from tests.engine.culture import CULTURE
from twin.engine.loop import run_segment
from twin.engine.simulation import run
from twin.errors import RunError
from twin.results import Run, differences, open_run

HOURLY = CULTURE.replace("commit_every: 4 h", "commit_every: 1 h")
TREATED = "branches:\n  treated: {timeline: [{do: add, at: 2 h, substance: poison, dose: 10 nM}]}\n"
FORK = 4  # ticks: 2 h


def written(folder: Path, text: str) -> Path:
    """Return a scenario file of this text."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "culture.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def interrupted(tmp_path: Path) -> Run:
    """A run that was stopped at its commit of 2 h."""

    def until_the_fork(*given: object) -> None:
        if given[4] > FORK:  # type: ignore[operator]  # `until`
            raise RunError("stopped")
        run_segment(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("twin.engine.segments.run_segment", until_the_fork)
        with pytest.raises(RunError, match="stopped"):
            run(written(tmp_path, HOURLY), tmp_path / "run")
    begun = open_run(tmp_path / "run")
    assert begun.ticks_done() == FORK
    return begun


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_branch_from_where_a_run_was_stopped_is_the_one_that_was_there_from_the_start(
    tmp_path: Path, interrupted: Run, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def refused(*given: object) -> None:
        raise AssertionError("the past is computed again")

    monkeypatch.setattr("twin.engine.segments.advance", refused)
    run(written(tmp_path, HOURLY + TREATED), interrupted.path, extend=True, workers=workers)
    monkeypatch.undo()
    run(written(tmp_path / "whole", HOURLY + TREATED), tmp_path / "whole" / "run")
    assert differences(interrupted.path, tmp_path / "whole" / "run") == []
    grown = open_run(interrupted.path)
    assert grown.times(branch="treated").tolist() == [0.0, 2.0, 4.0]
    final = grown.readouts["n_cells"].isel(time=-1).sum(("compartment", "cell_type", "replicate"))
    assert float(final.sel(branch="treated")) < float(final.sel(branch="trunk"))


def test_a_branch_before_the_last_commit_computes_its_past_again_and_is_the_same(
    tmp_path: Path, interrupted: Run
) -> None:
    early = HOURLY + TREATED.replace("at: 2 h", "at: 1 h")
    run(written(tmp_path, early), interrupted.path, extend=True)
    run(written(tmp_path / "whole", early), tmp_path / "whole" / "run")
    own, whole = (open_run(folder).readouts.load() for folder in (interrupted.path, tmp_path / "whole" / "run"))
    assert own.equals(whole)
