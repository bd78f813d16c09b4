"""How far a run is: a line that moves on a terminal, a line every few seconds elsewhere."""

from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

if TYPE_CHECKING:
    from twin.engine.simulation import Progress as Step

EVERY = 5.0  # s between plain lines


class ProgressLine:
    """Shows simulated time, cells, ticks a second and the time that is left.

    It counts from the first step that it hears of, so that a resumed run's estimate holds.
    """

    def __init__(
        self,
        n_ticks: int,
        duration: float,
        shared: Mapping[str, int],
        labels: Mapping[str, str],
        console: Console | None = None,
    ) -> None:
        """Follow trajectories by their ids.

        shared : ticks that each does not do itself, because its past is another's.
        labels : what each is called.
        """
        self.n_ticks, self.duration, self.shared, self.labels = n_ticks, duration, shared, labels
        self.total = sum(n_ticks - ticks for ticks in shared.values())
        self.console = console if console is not None else Console(stderr=True)
        self._ticks: dict[str, int] = {}
        self._cells: dict[str, int] = {}
        self._started = self._printed = monotonic()
        self._first: int | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bar = Progress(TextColumn("{task.description}"), BarColumn(), console=self.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("starting", total=self.total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, step: "Step") -> None:
        """Take note of one tick of one trajectory, and show it."""
        now = monotonic()
        begun = self._first is not None
        self._ticks[step.trajectory] = step.tick - self.shared[step.trajectory]
        self._cells[step.trajectory] = step.n_cells
        done, total = sum(self._ticks.values()), self.total
        if self._first is None:
            self._first, self._started = done, now
        text = self._text(step, done, total, now - self._started)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=text)
        elif not begun or done == total or now - self._printed >= EVERY:
            self._printed = now
            self.console.print(text, soft_wrap=True, highlight=False)

    def _text(self, step: "Step", done: int, total: int, elapsed: float) -> str:
        first = self._first or 0
        hours = step.tick * self.duration / self.n_ticks
        where = f"{hours:g} of {self.duration:g} h"
        if len(self.shared) > 1:
            where += f" ({self.labels[step.trajectory]}; {len(self._ticks)} of {len(self.shared)} begun)"
        speed = (done - first) / elapsed if elapsed > 0 and done > first else step.ticks_per_second
        left = f", {clock((total - done) / speed)} left" if speed > 0 else ""
        return f"{where}, {sum(self._cells.values()):,} cells, {speed:.2g} ticks/s{left}"


def clock(seconds: float) -> str:
    """Return a time in words: "40 s", "3 min 5 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
