"""What a scenario may become: branches that fork from one past, and sweeps over its values."""

from typing import Literal, Self

from pydantic import Field, model_validator

from twin.scenario.document import Document, DottedKey
from twin.scenario.timeline import Event
from twin.units import Hours

TRUNK = "trunk"  # the branch that the scenario itself is

Setting = str | float | bool | None | list[object] | dict[str, object]


class Branch(Document):
    """A future of its own from the time `at` on: some values set anew, some events more."""

    at: Hours | None = Field(None, description="When it forks; without it, at the first of its own events.")
    set: dict[DottedKey, Setting] = Field(
        default_factory=dict, description="Values that hold from then on, by dotted path, like signalling.reception.0."
    )
    timeline: tuple[Event, ...] = Field((), description="Events on top of the scenario's own, none before the fork.")

    @model_validator(mode="after")
    def _forks_somewhere(self) -> Self:
        if self.at is None and (self.set or not self.timeline):
            raise ValueError("says not when it forks: give at, like at: 6 h")
        return self


class Range(Document):
    """One value of a sample, between two bounds."""

    key: DottedKey | tuple[DottedKey, ...] = Field(description="What is set; several keys get the same value.")
    low: str | float
    high: str | float
    scale: Literal["linear", "log"] = "linear"


class Axis(Document):
    """One axis of a sweep: values, a range in equal steps, or a sample of several values at once."""

    key: DottedKey | tuple[DottedKey, ...] | None = Field(
        None, description="What is set; several keys get the same value."
    )
    values: tuple[Setting, ...] | None = Field(None, min_length=1, description="A list of values.")
    low: str | float | None = Field(None, description="First value of a range, with its unit.")
    high: str | float | None = Field(None, description="Last value of a range, with its unit.")
    n: int | None = Field(None, ge=1, description="How many values or points.")
    scale: Literal["linear", "log"] | None = Field(None, description="Of a range: equal steps or equal ratios.")
    sample: Literal["latin_hypercube", "sobol"] | None = Field(None, description="Draw n points over several ranges.")
    over: dict[str, Range] | None = Field(None, min_length=1, description="The ranges of a sample, by name.")
    seed: int = Field(0, ge=0, lt=2**63, description="Of a sample.")

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        given = {
            name
            for name in ("key", "values", "low", "high", "n", "scale", "sample", "over")
            if getattr(self, name) is not None
        }
        if "sample" in given:
            wanted, may = {"sample", "n", "over"}, set[str]()
        elif "values" in given:
            wanted, may = {"key", "values"}, set()
        else:
            wanted, may = {"key", "low", "high", "n"}, {"scale"}
        missing, extra = sorted(wanted - given), sorted(given - wanted - may)
        if missing or extra:
            told = [f"lacks {', '.join(missing)}"] if missing else []
            told += [f"does not go with {', '.join(extra)}"] if extra else []
            raise ValueError(
                f"{' and '.join(told)}: an axis has key and values, or key, low, high and n, or sample, n and over"
            )
        return self

    @property
    def size(self) -> int:
        """How many positions the axis has."""
        return len(self.values) if self.values is not None else self.n or 0
