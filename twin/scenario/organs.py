"""The network of organs: who flows into whom, what is cleared where, and which cells travel; the section `organs`."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from twin.data.organs import CARDIAC_OUTPUT
from twin.errors import unknown_name
from twin.scenario.document import Document
from twin.units import Clearance, ConcentrationText, Flow, PerHour, Volume


class FlowPath(Document):
    """Blood or lymph that flows from one compartment to another, and all substances with it."""

    source: str = Field(alias="from", description="Where it comes from: a compartment.")
    target: str = Field(alias="to", description="Where it goes to: a compartment.")
    flow: Flow
    kind: Literal["blood", "lymph"] = "blood"

    @model_validator(mode="before")
    @classmethod
    def _not_against_itself(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("flow"), str) and given["flow"].lstrip().startswith("-"):
            raise ValueError(
                f"the flow from {given.get('from')} to {given.get('to')} is {given['flow']}, and no flow is below 0: "
                "swap from and to"
            )
        return given


def _one_or_many(given: object) -> object:
    return (given,) if isinstance(given, str) else given


def _text_too(schema: dict[str, Any]) -> None:
    listed = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    schema["properties"]["receptor"]["anyOf"] = [{"type": "string"}, listed]
    for word in ("type", "items", "minItems"):
        schema["properties"]["receptor"].pop(word, None)


class Homing(Document):
    """What lets a cell go: r^h/(r^h + half_max^h), r the model's expected rate of a receptor in this cell as it is now.

    With a ligand also times c/(c + ligand_half_max), c its mean concentration in the target.
    """

    model_config = ConfigDict(json_schema_extra=_text_too)

    receptor: Annotated[tuple[str, ...], BeforeValidator(_one_or_many)] = Field(
        min_length=1, description="A gene, like CCR7; of several, [CCR7, SELL], the scarcest limits."
    )
    half_max: float = Field(gt=0, description="Expected counts per 10,000 at which the gate is half.")
    power: float = Field(1.0, gt=0, le=100, description="Hill power.")
    ligand: str | None = Field(None, description="A substance that the target has to hold, like CCL21.")
    ligand_half_max: ConcentrationText | None = Field(None, description="Of it, at which its gate is half.")

    @model_validator(mode="after")
    def _a_ligand_has_a_half(self) -> Self:
        if (self.ligand is None) != (self.ligand_half_max is None):
            raise ValueError("ligand and ligand_half_max go together")
        return self


class Traffic(Document):
    """Living cells of some types leave one compartment for another, each at a rate of its own."""

    source: str = Field(alias="from", description="Where they come from: a compartment.")
    target: str = Field(alias="to", description="Where they go to: a compartment.")
    rate: PerHour = Field(description="Of one cell, at full gate.")
    cell_types: tuple[str, ...] = Field(min_length=1)
    homing: Homing | None = None


def _share(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value} is not a partition coefficient: write a plain number, like 4.5")
    if value <= 0:
        raise ValueError(f"{value} is below what is possible: a partition coefficient is > 0")
    return value


Partition = Annotated[float, BeforeValidator(_share), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]


class Organs(Document):
    """How the compartments hang together. Each is a sample of its organ, whose volume stands under `volumes`.

    What is taken from a reference body are volumes and flows of compartments that are called like its organs, or whose
    `organ` is; what is written here goes before it.
    """

    from_table: str | None = Field(None, description="Reference body of the built-in table: human or mouse.")
    volumes: dict[str, Volume] = Field(
        default_factory=dict, description="Of whole organs by compartment; of a pool it is its own."
    )
    flows: tuple[FlowPath, ...] = ()
    partition: dict[str, dict[str, Partition]] = Field(
        default_factory=dict,
        description="Tissue over blood at equilibrium, by substance and compartment: {IFNB1: {liver: 0.3}}; else 1.",
    )
    clearance: dict[str, dict[str, Clearance]] = Field(
        default_factory=dict,
        description="Blood that an organ clears, by substance and compartment: {IFNB1: {kidney: 6 L/h}}.",
    )
    traffic: tuple[Traffic, ...] = ()

    @model_validator(mode="after")
    def _the_body_is_known(self) -> Self:
        if self.from_table is not None and self.from_table not in CARDIAC_OUTPUT:
            raise ValueError(f"from_table: {unknown_name('reference body', self.from_table, CARDIAC_OUTPUT)}")
        return self
