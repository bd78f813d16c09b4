"""Heritable events as a scenario writes them."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.units import PerHour


class Event(BaseModel):
    """When it happens to a cell: with a chance at each division, at a rate, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_division: float = Field(0.0, ge=0, le=1, description="Chance that a daughter has it anew.")
    rate: PerHour = Field(0.0, description="Hazard of a living cell.")
    cell_types: tuple[str, ...] = Field((), description="Only these; without it: all.")


class Mutation(Event):
    """A change that daughters inherit; it happens once to a line."""

    name: str = Field(pattern=r"^[A-Za-z]\w{0,40}$", description="A word: letters, digits and _.")
    gene: str | None = Field(None, description="Whose expression it clamps to a share of what it was.")
    residual: float = Field(0.0, ge=0, description="That share: 0 is a loss, above 1 a gain.")
    proliferation: float = Field(1.0, ge=0, description="Factor on how fast a cell cycles.")
    apoptosis: float = Field(1.0, ge=0, description="Factor on the behaviour apoptosis.")
    necrosis: float = Field(1.0, ge=0, description="Factor on the behaviour necrosis.")

    @model_validator(mode="after")
    def _it_can_happen_and_matters(self) -> Self:
        if not self.per_division and not self.rate:
            raise ValueError(f"mutation {self.name!r} never happens: give per_division or rate")
        if self.gene is None and "residual" in self.model_fields_set:
            raise ValueError(f"mutation {self.name!r} has a residual and no gene")
        if self.gene is None and (self.proliferation, self.apoptosis, self.necrosis) == (1.0, 1.0, 1.0):
            raise ValueError(f"mutation {self.name!r} changes nothing: give a gene, or a factor other than 1")
        return self

    @property
    def column(self) -> str:
        """The per-cell column that says whether a cell has it."""
        return f"mutation_{self.name}"


class Senescence(Event):
    """A lasting arrest of the cycle."""

    after: int | None = Field(None, ge=0, description="Divisions that a line has.")

    @model_validator(mode="after")
    def _it_can_happen(self) -> Self:
        if self.after is None and not self.per_division and not self.rate:
            raise ValueError("senescence never comes: give after, per_division or rate")
        return self


class Ageing(BaseModel):
    """A hazard of apoptosis that grows with age, h(a) = hazard · exp(growth · a): Gompertz's law."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hazard: PerHour = Field(description="At age 0.")
    growth: PerHour = Field(description="Of the hazard's logarithm.")
    of: Literal["cell", "line"] = Field("cell", description="Whether a daughter is born young, or as old as her line.")
