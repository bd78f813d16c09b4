"""Whose body it is, and what it does with drugs: the sections `subject` and `drugs` of a scenario."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from twin.data.drugs import REFERENCE_WEIGHT, SPECIES, known_drugs
from twin.data.drugs import Drug as Known
from twin.errors import unknown_name
from twin.scenario.document import Document
from twin.scenario.organs import Organs
from twin.units import (
    BodyFlow,
    BodyVolume,
    Hours,
    MolarMass,
    PerHour,
    PositiveHours,
    SpecificActivity,
    Surface,
    Weight,
    round12,
)

NEEDED = ("molar_mass", "fraction_unbound", "clearance", "volume")  # without which there is no course in plasma
EQUILIBRATION = (
    0.1  # h; half-time of free drug between plasma and a supplied voxel; our choice, minutes as perfusion is
)
ROUTES = ("oral", "subcutaneous")  # that go through a depot


class Subject(Document):
    """The body that doses are given to."""

    species: str = Field(SPECIES, description="The organism, like human or mouse.")
    body_weight: Weight | None = Field(None, description="That doses, clearances and volumes per kg are of.")
    body_surface: Surface | None = Field(None, description="That doses per m^2 are of.")


def _table_may_give_the_rest(schema: dict[str, Any]) -> None:
    schema.pop("required")


class Depot(Document):
    """How a drug comes into plasma from where it is given: of first order, after a lag."""

    model_config = ConfigDict(json_schema_extra=_table_may_give_the_rest)

    bioavailability: float = Field(gt=0, le=1, description="Share of a dose that comes into plasma at all.")
    absorption: PerHour
    lag: Hours = 0.0


class Peripheral(Document):
    """A second compartment that plasma exchanges drug with."""

    volume: BodyVolume
    flow: BodyFlow


def _table_stands_for_the_rest(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["from_table"]}]


class Drug(Document):
    """What the body does with a drug, and how much of it reaches tissue."""

    model_config = ConfigDict(json_schema_extra=_table_stands_for_the_rest)

    from_table: str | None = Field(
        None, description="A name of the built-in table, like dexamethasone: what is not written is taken from there."
    )
    substance: str | None = Field(None, description="What it is in tissue; without it, the substance of its own name.")
    molar_mass: MolarMass
    specific_activity: SpecificActivity | None = None
    fraction_unbound: float = Field(gt=0, le=1, description="Share of the drug in plasma that no protein holds.")
    clearance: BodyFlow = Field(description="From plasma, total drug.")
    volume: BodyVolume = Field(description="Of the central compartment, total drug in plasma.")
    peripheral: Peripheral | None = Field(None, description="Without it: one compartment.")
    oral: Depot | None = None
    subcutaneous: Depot | None = None
    apparent: bool = Field(
        False, description="Whether clearance and volumes are over an oral bioavailability that is not known."
    )
    partition: float | dict[str, Annotated[float, Field(ge=0)]] = Field(
        1.0,
        description="Free drug in tissue over free drug in plasma, of all compartments or by compartment (else 1); 0: "
        "nothing comes or goes.",
    )
    equilibration: PositiveHours = Field(
        EQUILIBRATION, description="Half-time of the exchange between plasma and the voxels that vessels supply."
    )
    into: str | None = Field(
        None, description="A well-mixed compartment that is the plasma, like blood: flows between organs do the rest."
    )

    @model_validator(mode="before")
    @classmethod
    def _filled_from_the_table(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        if isinstance(given.get("from_table"), str):
            name, table = given["from_table"], known_drugs()
            if name not in table:
                raise ValueError(unknown_name("drug of the built-in table", name, table))
            for key, value in _texts(table[name]).items():
                nested = key in ROUTES and isinstance(given.get(key), dict)
                filled[key] = {**value, **given[key]} if nested else given.get(key, value)
        lacks = [key for key in NEEDED if key not in filled]
        if lacks and not set(given) - set(cls.model_fields):
            raise ValueError(f"lacks {', '.join(lacks)}: write them, or from_table with a drug of the built-in table")
        return filled

    @model_validator(mode="after")
    def _partition_is_a_ratio(self) -> Self:
        if isinstance(self.partition, float) and self.partition < 0:
            raise ValueError(f"partition: {self.partition:g} is below 0; it is a ratio of concentrations")
        return self

    @property
    def known(self) -> Known | None:
        """Return the table's entry, where this drug is taken from it."""
        return None if self.from_table is None else known_drugs()[self.from_table]

    @property
    def taken(self) -> dict[str, str]:
        """Return the values that are the table's, each with its source; depots as "oral bioavailability"."""
        known = self.known
        if known is None:
            return {}
        same = Drug.model_validate({"from_table": known.name})
        found = {key: known.sources[key] for key in NEEDED if getattr(self, key) == getattr(same, key)}
        if self.peripheral is not None and self.peripheral == same.peripheral:
            found |= {"peripheral volume": known.sources["peripheral"], "flow": known.sources["flow"]}
        for route in ROUTES:
            mine, its = getattr(self, route), getattr(same, route)
            for key in ("bioavailability", "absorption") if mine is not None and its is not None else ():
                if getattr(mine, key) == getattr(its, key):
                    found[f"{route} {key}"] = known.sources[f"{route}_{key}"]
        return found

    def is_cleared_by(self, organs: Organs | None, substance: str) -> bool:
        """Say whether organs of the network clear it, in the place of its own clearance."""
        return self.into is not None and organs is not None and substance in organs.clearance

    def partition_in(self, compartment: str) -> float:
        """Return free drug in a tissue over free drug in plasma, at equilibrium."""
        return self.partition.get(compartment, 1.0) if isinstance(self.partition, dict) else self.partition


def _texts(known: Known) -> dict[str, Any]:
    """Return a drug of the table as a user would write it; volumes and clearances per kg."""

    def per_kg(value: float, unit: str) -> str:
        return f"{round12(value / REFERENCE_WEIGHT)!r} {unit}/kg"

    texts: dict[str, Any] = {
        "molar_mass": f"{known.molar_mass!r} g/mol",
        "fraction_unbound": known.fraction_unbound,
        "clearance": per_kg(known.clearance, "L/h"),
        "volume": per_kg(known.volume, "L"),
        "apparent": known.is_apparent,
    }
    if known.specific_activity is not None:
        texts["specific_activity"] = f"{known.specific_activity!r} U/mg"
    if known.peripheral is not None and known.flow is not None:
        texts["peripheral"] = {"volume": per_kg(known.peripheral, "L"), "flow": per_kg(known.flow, "L/h")}
    for route in ROUTES:
        depot = getattr(known, route)
        if depot is not None:
            texts[route] = {"bioavailability": depot.bioavailability, "absorption": f"{depot.rate!r} /h"}
    return texts
