"""Basement membranes and other fixed surfaces that cells keep to or off, as a scenario names them."""

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.units import Micrometres, Position

Float = NDArray[np.float64]


class _Surface(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Plane(_Surface):
    """A flat membrane through a point; cells stay on the side on which they are."""

    shape: Literal["plane"]
    point: tuple[Position, Position, Position]
    normal: tuple[float, float, float] = Field(description="Across the membrane, of any length above 0.")

    @model_validator(mode="after")
    def _it_has_a_direction(self) -> Self:
        if not np.isfinite(self.normal).all() or not any(self.normal):
            raise ValueError(f"normal {list(self.normal)} has no direction: give one like [0, 0, 1]")
        return self

    def row(self) -> list[float]:
        """Return it as the kernel takes it: point, unit normal, no radius."""
        length = float(np.linalg.norm(self.normal))
        return [*self.point, *(n / length for n in self.normal), 0.0]


class Sphere(_Surface):
    """A round membrane; cells inside stay inside, cells outside stay outside."""

    shape: Literal["sphere"]
    centre: tuple[Position, Position, Position]
    radius: Micrometres

    def row(self) -> list[float]:
        """Return it as the kernel takes it: centre, no normal, radius."""
        return [*self.centre, 0.0, 0.0, 0.0, self.radius]


Membrane = Annotated[Plane | Sphere, Field(discriminator="shape")]


def rows_of(membranes: tuple[Plane | Sphere, ...]) -> Float:
    """Return membranes as the kernel takes them, (membrane, 7)."""
    return np.array([m.row() for m in membranes], np.float64).reshape(-1, 7)
