"""Parts of a box: blocks and balls."""

from math import inf
from typing import Self

from pydantic import Field, model_validator

from twin.scenario.document import Document
from twin.units import Micrometres, Position


class Ball(Document):
    """A ball of cells, or a shell; what sticks out of the box is cut off."""

    centre: tuple[Position, Position, Position]
    radius: Micrometres
    inner: Micrometres | None = Field(None, description="Of a shell: the radius of its hollow.")

    @model_validator(mode="after")
    def _has_a_thickness(self) -> Self:
        if self.inner is not None and self.inner >= self.radius:
            raise ValueError(f"the inner radius {self.inner:g} um is not below the radius {self.radius:g} um")
        return self

    def overlaps(self, other: Self) -> bool:
        """Say whether two balls or shells share more than their surfaces."""
        apart = float(sum((a - b) ** 2 for a, b in zip(self.centre, other.centre, strict=True)) ** 0.5)
        hollow = other.inner or 0.0
        nearest = max(apart - other.radius, hollow - apart, 0.0)  # µm, of the other's points from this centre
        slack = 1e-9 * self.radius
        return nearest < self.radius - slack and apart + other.radius > (self.inner or 0.0) + slack


class Region(Document):
    """A part of the box: what is not given is not limited. Or a ball in it, which other types stay out of."""

    x: tuple[Position, Position] | None = None
    y: tuple[Position, Position] | None = None
    z: tuple[Position, Position] | None = None
    ball: Ball | None = None

    @model_validator(mode="after")
    def _ball_or_block(self) -> Self:
        if self.ball is not None and (self.x, self.y, self.z) != (None, None, None):
            raise ValueError("give x, y, z or a ball, not both")
        return self

    def limits(
        self,
    ) -> tuple[tuple[float, ...], tuple[float, ...], tuple[tuple[float, float, float], float, float] | None]:
        """Return the lower and the upper corner in µm (infinite where nothing limits), and (centre, radius, inner)."""
        spans = [(-inf, inf) if span is None else span for span in (self.x, self.y, self.z)]
        ball = None if self.ball is None else (self.ball.centre, self.ball.radius, self.ball.inner or 0.0)
        return tuple(low for low, _ in spans), tuple(high for _, high in spans), ball
