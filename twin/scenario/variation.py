"""How replicates differ that are the same on paper: donors, batches and operators, as random effects.

Every spread is a standard deviation; those of factors are of the natural logarithm, so that 0.1 is about 10 %.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from twin.data.donors import read_spreads, spreads_file
from twin.errors import InputError
from twin.scenario.document import Document
from twin.units import Hours

DEFAULT = "default"  # the cell types that are not named

Share = Annotated[float, Field(ge=0, le=1)]
Sd = Annotated[float, Field(ge=0, le=2)]
SdByType = Sd | dict[str, Sd]
SdByPerturbation = Sd | dict[str, SdByType]


class DonorEffects(Document):
    """In what donors differ, each as a standard deviation between them; what is not given is 0, or as calibrated."""

    sensitivity: Sd | None = Field(None, description="Of ln EC50, of everything that cells notice.")
    gain: SdByPerturbation | None = Field(
        None,
        description="Of the log of how strongly a full dose acts: one number, or by perturbation, there by cell type: "
        "{IFNB1: {default: 0.05, CD14 Mono: 0.1}}.",
    )
    baseline: SdByPerturbation | None = Field(
        None,
        description="Of how far cells stand along an effect without a dose, as a share of the trained effect: an "
        "interferon signature before any interferon. Written as gain.",
    )
    identity: Sd | None = Field(
        None, description="Of the centre of the cells' latent z, in standard deviations among cells of a type."
    )
    composition: Sd | None = Field(
        None,
        description="Of the log of each type's share before they are made to sum to 1, of cells of source: model.",
    )
    library: Sd | None = Field(None, description="Of the log of the library size.")
    shared: Share | dict[Literal["gain", "baseline"], Share] | None = Field(
        None,
        description="Share of the variance of gain and baseline that all cell types of a donor have in common; without "
        "it 1. One number, or one for each: {gain: 0.5, baseline: 0.8}.",
    )

    def of_type(self, name: Literal["gain", "baseline"], perturbation: str, cell_type: str) -> float:
        """Return the spread of a type's gain or baseline; 0 where none is given."""
        spread = getattr(self, name)
        if isinstance(spread, dict):
            spread = spread.get(perturbation)
        if isinstance(spread, dict):
            spread = spread.get(cell_type, spread.get(DEFAULT))
        return float(spread or 0.0)

    def common(self, name: Literal["gain", "baseline"]) -> float:
        """Return the share of the variance of gain or baseline that a donor's types have in common."""
        share = self.shared.get(name) if isinstance(self.shared, dict) else self.shared
        return 1.0 if share is None else share

    def perturbations(self, name: Literal["gain", "baseline"]) -> tuple[str, ...]:
        """Return the perturbations that are named for gain or baseline."""
        spread = getattr(self, name)
        return tuple(spread) if isinstance(spread, dict) else ()


class Donors(Document):
    """Who the cells are from."""

    n: int | None = Field(None, ge=1, le=30_000, description="How many; without it as many as the replicates need.")
    names: tuple[str, ...] | None = Field(None, min_length=1, description="In the place of n.")
    per_replicate: int | None = Field(
        None, ge=1, le=30_000, description="How many are pooled in a replicate; without it 1, or all of technical ones."
    )
    calibrated: str | None = Field(
        None,
        description="Spreads that were fitted to measured donors: ifnb (seven donors, interferon beta), or a file that "
        "twin calibrate --donors wrote. What stands under effects goes before them.",
    )
    effects: DonorEffects = DonorEffects()

    @model_validator(mode="after")
    def _names_or_a_number(self) -> Self:
        if self.n is not None and self.names is not None:
            raise ValueError("give n or names, not both")
        if self.names is not None and len(set(self.names)) < len(self.names):
            raise ValueError("two donors have the same name")
        if "injected" in (self.names or ()):
            raise ValueError("injected is what cells are called that the timeline puts in: take another name")
        return self


class Batch(Document):
    """Replicates that are worked up together share what the work-up does to all of their cells."""

    every: int = Field(1, ge=1, description="How many replicates in a row are one batch.")
    depth: Sd = Field(0.0, description="Of the log of the depth at which cells are read.")
    shift: Sd = Field(
        0.0, description="Of a shift of all cells in the latent z, in standard deviations among cells of a type."
    )


class Operator(Document):
    """Replicates that are done by the same hand on the same day share its errors."""

    every: int = Field(1, ge=1, description="How many replicates in a row one hand does.")
    dose: Sd = Field(0.0, description="Of the log of what is added in the place of a dose.")
    delay: Hours = Field(
        0.0, description="Scale of the delay of everything in the timeline: |normal| of this, in whole ticks."
    )
    seeding: Sd = Field(0.0, description="Of the log of how many cells are put in, of source: model.")


class Variation(Document):
    """What differs between replicates beside the luck of single cells."""

    replicate_is: Literal["donor", "technical"] = Field(
        "donor", description="donor: each replicate has the next donors; technical: all have the same, with new luck."
    )
    donors: Donors | None = None
    batch: Batch | None = None
    operator: Operator | None = None

    @model_validator(mode="after")
    def _pool_of_known_donors(self) -> Self:
        known = None if self.donors is None else self.donors.n or len(self.donors.names or ()) or None
        if self.donors is not None and known is not None and (self.donors.per_replicate or 0) > known:
            raise ValueError(f"donors.per_replicate is {self.donors.per_replicate}, but there are {known} donors")
        return self

    def donor_names(self, replicates: int) -> tuple[str, ...]:
        """Return the names of all donors of a scenario with so many replicates; () where none are declared."""
        if self.donors is None:
            return ()
        if self.donors.names is not None:
            return self.donors.names
        pooled = self.donors.per_replicate or 1
        needed = pooled if self.replicate_is == "technical" else pooled * replicates
        return tuple(f"D{i + 1}" for i in range(self.donors.n or needed))

    def donors_of(self, replicate: int, known: int) -> tuple[int, ...]:
        """Return which of the `known` donors a replicate holds, by their place; they recur where there are too few."""
        if self.replicate_is == "technical":
            assert self.donors is not None
            return tuple(range(self.donors.per_replicate or known))
        pooled = 1 if self.donors is None else self.donors.per_replicate or 1
        return tuple((replicate * pooled + i) % known for i in range(pooled))


def spreads_of(variation: Variation | None, resolve: Callable[[str], Path]) -> DonorEffects:
    """Return in what donors differ: what is written, and for the rest what was calibrated.

    resolve : gives the path of a file beside the scenario.

    Raises
    ------
    InputError
        If there are no such calibrated spreads, or they cannot be read.
    """
    donors = None if variation is None else variation.donors
    if donors is None or donors.calibrated is None:
        return DonorEffects() if donors is None else donors.effects
    file = spreads_file(donors.calibrated, resolve)
    written = donors.effects.model_dump(exclude_none=True)
    try:
        return DonorEffects.model_validate({**read_spreads(file).effects, **written})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{file}: effects.{'.'.join(str(k) for k in first['loc'])}: {first['msg']}") from error
