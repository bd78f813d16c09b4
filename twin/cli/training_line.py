"""How far a training is: a line every few seconds, with loss and the time that is left."""

from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer

if TYPE_CHECKING:
    from twin.model.training import Step

EVERY = 10.0  # s between lines
SMOOTH = 0.98  # of the shown loss; one batch says little


class TrainingLine:
    """Prints step, smoothed loss in nats per gene, and the time left."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._last = monotonic()
        self._loss: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, step: "Step") -> None:
        """Take in one step; prints at most every ten seconds, and the last step always."""
        loss = step.nats_per_gene
        self._loss = loss if self._loss is None else SMOOTH * self._loss + (1 - SMOOTH) * loss
        if monotonic() - self._last < EVERY and step.step < self._steps:
            return
        self._last = monotonic()
        typer.echo(
            f"step {step.step:,} of {step.steps:,}  {self._loss:.4f} nats/gene  {step.seconds_left / 60:.1f} min left"
        )
