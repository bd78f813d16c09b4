"""Conditions on observables: what ends a run early, and what lets an event of the timeline happen."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from twin.scenario.document import Document
from twin.units import Hours, PositiveHours


def _or_text(schema: dict[str, Any]) -> None:
    table = dict(schema)
    schema.clear()
    schema["anyOf"] = [table, {"type": "string", "description": "The condition alone, like n_tumour < 5."}]


class Condition(Document):
    """A comparison of observables that is looked at while the run goes; text alone is its `condition`."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    condition: str = Field(min_length=1, description="Like n_tumour < 5: quantities of `observe`, or any expression.")
    hold: Hours = Field(0.0, description="How long it must have been true without a break.")
    look_every: PositiveHours | None = Field(None, description="How often it is looked at; without it: every tick.")

    @model_validator(mode="before")
    @classmethod
    def _text_is_the_condition(cls, given: object) -> object:
        return {"condition": given} if isinstance(given, str) else given


class When(Condition):
    """What an event waits for. It happens at the next tick after its condition is seen to be true."""

    again: Literal["never", "crossing", "while"] = Field(
        "never",
        description="After it has happened: never again; each time the condition becomes true anew; or as long as "
        "it is true, once every `refractory`.",
    )
    refractory: Hours = Field(0.0, description="The least time between two of its happenings.")

    @model_validator(mode="after")
    def _times_go_with_again(self) -> Self:
        if self.refractory and self.again == "never":
            raise ValueError("refractory does nothing with again: never; write again: crossing or again: while")
        if self.again == "while" and not self.refractory:
            raise ValueError("again: while needs a refractory time, like 12 h")
        return self


def _listed(given: object) -> object:
    return (given,) if isinstance(given, str | dict) else given


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_listed)]
