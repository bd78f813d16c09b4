"""The progress line: simulated time, cells, speed, and the time that is left."""

from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from twin.cli import progress
from twin.cli.demo import next_free
from twin.cli.progress import ProgressLine


@dataclass
class Step:
    trajectory: str
    tick: int
    n_ticks: int
    time: float
    n_cells: int
    ticks_per_second: float


def named(n: int) -> tuple[dict[str, int], dict[str, str]]:
    """Name n trajectories, none of which shares its past."""
    return {str(i): 0 for i in range(n)}, {str(i): f"number {i}" for i in range(n)}


def lines_of(steps: list[Step], clock: list[float], monkeypatch: pytest.MonkeyPatch, replicates: int = 1) -> list[str]:
    screen = StringIO()
    now = iter([0.0, *clock])
    monkeypatch.setattr(progress, "monotonic", lambda: next(now))
    with ProgressLine(10, 5.0, *named(replicates), Console(file=screen, width=100)) as line:
        for step in steps:
            line.update(step)  # type: ignore[arg-type]  # has the same fields
    return screen.getvalue().splitlines()


def test_a_plain_line_comes_first_every_few_seconds_and_last(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Step("0", tick, 10, tick / 2, 2000, 1.0) for tick in range(1, 11)]
    lines = lines_of(steps, [2.0 * tick for tick in range(1, 11)], monkeypatch)
    assert lines == [
        "0.5 of 5 h, 2,000 cells, 1 ticks/s, 9 s left",
        "2 of 5 h, 2,000 cells, 0.5 ticks/s, 12 s left",
        "3.5 of 5 h, 2,000 cells, 0.5 ticks/s, 6 s left",
        "5 of 5 h, 2,000 cells, 0.5 ticks/s, 0 s left",
    ]


def test_a_resumed_run_estimates_from_what_it_did_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Step("0", tick, 10, tick / 2, 10, 9.0) for tick in (8, 9, 10)]
    lines = lines_of(steps, [100.0, 110.0, 120.0], monkeypatch)
    assert lines[1] == "4.5 of 5 h, 10 cells, 0.1 ticks/s, 10 s left"


def test_replicates_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [Step("0", 10, 10, 5.0, 100, 1.0), Step("1", 5, 10, 2.5, 50, 1.0)]
    lines = lines_of(steps, [10.0, 20.0], monkeypatch, replicates=2)
    assert lines[1] == "2.5 of 5 h (number 1; 2 of 2 begun), 150 cells, 0.5 ticks/s, 10 s left"


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with ProgressLine(10, 5.0, *named(1), console) as line:
        line.update(Step("0", 5, 10, 2.5, 70, 1.0))  # type: ignore[arg-type]  # has the same fields
    assert "2.5 of 5 h, 70 cells" in screen.getvalue()


def test_the_demo_takes_the_next_free_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("here")
    assert next_free(folder / "d") == folder / "d"
    (folder / "d").mkdir()
    (folder / "d-2-pictures").mkdir()
    assert next_free(folder / "d") == folder / "d-3"
