"""How far an evaluation is: a line a finished task, with the time that is left."""

from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console

from twin.analysis.protocol.run import Finished
from twin.cli.progress import clock


class EvaluationLine:
    """Prints a line for each task and predictor of ours, on the error stream."""

    def __init__(self, seeds: int, console: Console | None = None) -> None:
        self.seeds = seeds
        self.console = console if console is not None else Console(stderr=True)
        self.total = self.done = 0
        self.started = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def expect(self, tasks: Mapping[str, int]) -> None:
        """Take note of how many tasks each family has."""
        self.total = sum(tasks.values()) * (1 + self.seeds)  # what is expected once, cells at each seed
        self.started = monotonic()

    def update(self, row: Finished) -> None:
        """Take note of a finished row, and show one of ours."""
        if row.kind != "model":
            return
        self.done += 1
        spent = monotonic() - self.started
        left = spent / self.done * (self.total - self.done)
        ahead = f"{self.done} of {self.total}, {clock(left)} left" if self.total else f"{self.done}, {clock(spent)}"
        scores = row.scores or {}
        shown = f"Pearson-Δ {scores.get('pearson_delta', float('nan')):.3f}, MSE {scores.get('mse', float('nan')):.4f}"
        self.note(f"{ahead}: {row.family}, {row.task}, {row.predictor}: {shown}")

    def note(self, text: str) -> None:
        """Show a line."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)
