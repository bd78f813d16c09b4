"""What the experimenter does and when: the events of a scenario's timeline."""

from collections.abc import Container
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from twin.scenario.document import Document, DottedKey
from twin.scenario.region import Region
from twin.scenario.watch import When
from twin.units import ConcentrationText, DoseText, Hours, Micrometres, PositiveHours

SHORTEST_INFUSION = 1.0 / 3600.0  # h
SAME_TICK = 1e-9  # of a tick, or of the time where that is more; our choice, above the rounding of float64


class _Event(Document):
    """At one time, every so often from `at` until `until` (the end, without it), or when something is seen.

    With `when` the condition is looked at from `at` (the start, without it) until `until`.
    """

    at: Hours = Field(0.0, description="When; or with `when`, from when on it may happen.")
    every: PositiveHours | None = None
    until: Hours | None = None
    when: When | None = Field(None, description="Like n_tumour > 200: the event waits for it.")
    compartment: str | None = Field(None, description="Without it: in every compartment.")

    @model_validator(mode="after")
    def _times_make_sense(self) -> Self:
        if self.when is None and "at" not in self.model_fields_set:
            raise ValueError("when does it happen? give at, like '6 h', or when, like n_cells > 200")
        if self.when is not None and self.every is not None:
            raise ValueError("every goes with at alone: with when, write again and refractory in it")
        if self.until is not None and self.every is None and self.when is None:
            raise ValueError("until goes with every or when")
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
    """Take living cells of some types, or in some place, out of the tissue."""

    do: Literal["remove"]
    cell_types: tuple[str, ...] = Field((), description="Without it: all types that are in `place`.")
    fraction: float = Field(1.0, gt=0, le=1)
    place: Region | None = Field(None, description="Without it: everywhere.")

    @model_validator(mode="after")
    def _says_whom(self) -> Self:
        if not self.cell_types and self.place is None:
            raise ValueError("whom? give cell_types, a place, or both")
        return self


class InjectCells(_Event):
    """Put new cells of one type into the tissue; the world model draws their transcriptomes."""

    do: Literal["inject"]
    cell_type: str
    count: int = Field(ge=1, le=10_000_000)
    radius: Micrometres | None = Field(None, description="Without it: as of this type in the compartment.")
    place: Region | None = Field(None, description="Where, evenly at random; without it: in the whole box.")


class GiveDose(_Event):
    """Give a dose of a drug to the body: by mouth, into the vein at once or over a while, or under the skin."""

    do: Literal["dose"]
    drug: str = Field(description="A name under drugs.")
    amount: DoseText
    route: Literal["oral", "bolus", "infusion", "subcutaneous"]
    duration: PositiveHours | None = Field(None, description="Of an infusion.")

    @model_validator(mode="after")
    def _fits_its_route(self) -> Self:
        if (self.route == "infusion") != (self.duration is not None):
            raise ValueError("an infusion has a duration, like '1 h', and no other route has one")
        if self.duration is not None and self.duration < SHORTEST_INFUSION:
            raise ValueError("an infusion takes a second at least: what is shorter is a bolus")
        if self.compartment is not None:
            raise ValueError("a dose is given to the whole body: leave compartment out")
        return self


class Assimilate(_Event):
    """Hold the twin against a measured snapshot of its own time, and correct it.

    compare : only tell how far off it is. reweight : give every replicate a weight by the likelihood of the snapshot.
    reseed : move the cells' expression, type by type, to that of the measured cells nearest by optimal transport.
    update : learn `parameters`, by Bayes' rule on an emulator of the points of the sweep and the replicates; every
    trajectory goes on with its own new values.
    """

    do: Literal["assimilate"]
    file: str = Field(description="An .h5ad file (or .zarr) of raw counts, beside the scenario.")
    method: Literal["compare", "reweight", "reseed", "update"] = "compare"
    parameters: tuple[DottedKey, ...] = Field(
        (), description="Of `update`: what is learned, like signalling.secretion.0.rate; an axis of the sweep sets it."
    )
    cell_type: str = Field("cell_type", description="The obs column that names the cell type.")
    where: dict[str, str] = Field(
        default_factory=dict, description="Keep cells whose obs column has this value, e.g. condition: stimulated."
    )
    cell_types: tuple[str, ...] = Field((), description="Without it: all types that both have.")
    hold_out: float = Field(
        0.5,
        ge=0,
        le=0.9,
        description="Share of the measured cells that correct nothing and test the correction.",
    )
    share: float = Field(1.0, gt=0, le=1, description="Of `reseed`: share of the twin's cells that are moved.")

    @model_validator(mode="after")
    def _a_snapshot_has_one_time(self) -> Self:
        if self.every is not None or self.until is not None or self.when is not None:
            raise ValueError("a measured snapshot has one time: give at alone")
        if self.share < 1 and self.method != "reseed":
            raise ValueError("share goes with method: reseed")
        if self.parameters and self.method != "update":
            raise ValueError("parameters go with method: update")
        if self.method == "update" and not self.parameters:
            raise ValueError("what is learned? give parameters, like [signalling.secretion.0.rate]")
        return self


Event = Annotated[
    AddSubstance | WashOut | KnockOut | RemoveCells | InjectCells | GiveDose | Assimilate, Field(discriminator="do")
]


def event_ticks(event: _Event, tick: float, n_ticks: int) -> range:
    """Return the ticks at whose start an event happens; with `when`, those before which its condition is looked at.

    A snapshot is assimilated when its tick has been reached, which can be the end.

    Raises
    ------
    ValueError
        If `at`, `every`, `until` or `look_every` is not a multiple of the tick (h).
    """
    first = whole_ticks(event.at, tick, "at")
    if isinstance(event, Assimilate):
        return range(first, min(first + 1, n_ticks + 1))
    if event.when is not None:
        step = 1 if event.when.look_every is None else whole_ticks(event.when.look_every, tick, "when.look_every")
    elif event.every is not None:
        step = whole_ticks(event.every, tick, "every")
    else:
        return range(first, min(first + 1, n_ticks))
    last = n_ticks - 1 if event.until is None else min(n_ticks - 1, whole_ticks(event.until, tick, "until"))
    return range(first, last + 1, step)


def is_due(event: _Event, index: int, tick: int, hours: float, n_ticks: int, released: Container[int]) -> bool:
    """Say whether an event of the timeline happens at the start of a tick.

    Parameters
    ----------
    index : its place in the timeline. hours : length of a tick. released : places of those whose condition let them.
    """
    if event.when is not None:
        return index in released
    return tick in event_ticks(event, hours, n_ticks)


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
