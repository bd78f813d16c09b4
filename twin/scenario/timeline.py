"""What the experimenter does and when: the events of a scenario's timeline."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.units import ConcentrationText, Hours, PositiveHours

SAME_TICK = 1e-9  # of a tick, or of the time where that is more; our choice, above the rounding of float64


class _Event(BaseModel):
    """At one time, or every so often from `at` until `until` (the end, without it)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Hours
    every: PositiveHours | None = None
    until: Hours | None = None
    compartment: str | None = Field(None, description="Without it: in every compartment.")

    @model_validator(mode="after")
    def _times_make_sense(self) -> Self:
        if self.until is not None and self.every is None:
            raise ValueError("until goes with every")
        if self.until is not None and self.until < self.at:
            raise ValueError(f"ends at {self.until:g} h, but begins at {self.at:g} h")
        return self


class AddSubstance(_Event):
    """Raise a substance's concentration everywhere by `dose`."""

    do: Literal["add"]
    substance: str
    dose: ConcentrationText


class WashOut(_Event):
    """Replace the medium: the substance (all, without one) is gone, cell-bound effects stay."""

    do: Literal["wash_out"]
    substance: str | None = None


class KnockOut(_Event):
    """Clamp a gene: to 0 (knock-out) or to a residual fraction (knock-down), daughters inherit it."""

    do: Literal["knock_out"]
    gene: str
    residual: float = Field(0.0, ge=0, lt=1)
    cell_types: tuple[str, ...] = Field((), description="Without it: all types.")
    fraction: float = Field(1.0, gt=0, le=1, description="Share of the cells that are hit, at random.")


class RemoveCells(_Event):
    """Take cells of some types out of the tissue."""

    do: Literal["remove"]
    cell_types: tuple[str, ...] = Field(min_length=1)
    fraction: float = Field(1.0, gt=0, le=1)


Event = Annotated[AddSubstance | WashOut | KnockOut | RemoveCells, Field(discriminator="do")]


def event_ticks(event: _Event, tick: float, n_ticks: int) -> range:
    """Return the ticks at whose start an event happens.

    Raises
    ------
    ValueError
        If `at` or `every` is not a multiple of the tick (h).
    """
    first = whole_ticks(event.at, tick, "at")
    if event.every is None:
        return range(first, min(first + 1, n_ticks))
    step = whole_ticks(event.every, tick, "every")
    last = n_ticks - 1 if event.until is None else min(n_ticks - 1, whole_ticks(event.until, tick, "until"))
    return range(first, last + 1, step)


def whole_ticks(hours: float, tick: float, what: str) -> int:
    """Return `hours` as a whole number of ticks; a time above 0 is at least one.

    Raises
    ------
    ValueError
        If it is not one; the nearest times that are are named.
    """
    exact = hours / tick
    count = round(exact)
    if abs(count - exact) > SAME_TICK * max(1.0, exact) or (count == 0 and hours > 0):
        low = int(exact) * tick
        nearest = f"{low:g} or {low + tick:g} h is" if low > 0 else f"the least is {tick:g} h"
        raise ValueError(f"{what}: {hours:g} h is no multiple of the tick {tick:g} h; {nearest}")
    return count
