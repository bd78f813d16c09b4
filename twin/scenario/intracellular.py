"""Mechanistic cells: the section `intracellular` of a scenario, SBML models inside cells and their ties to the tissue.

Numbers of `parameters`, `initial` and `spread` are in the units of the model's own file; whatever crosses its border
(time, concentrations, rates) is converted, by units that the file states or the scenario declares.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from twin.errors import InputError
from twin.scenario.document import Document
from twin.scenario.overlay import Key
from twin.units import ConcentrationText, PerHour, SecretionRate, concentration, quantity

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario

MODEL_UNIT = "model unit"  # of columns and signals that are a model's own: as its file has them
SBML = "sbml:"  # what the word of a rule's signal begins with
NAMED = re.compile(r"(field|dose|gene|clamp|column):(.+)")  # signals of the tissue that name something
PLAIN = ("volume", "voxel")  # and those that do not


def _unit(of: Callable[[str], float | None], what: str, example: str) -> Any:
    """Return the type of a unit of the model's file, "min" or "0.5 uM": how many of ours one of them is, by `of`."""

    def check(value: object) -> float:
        text = f"1 {value}" if isinstance(value, str) and not re.match(r"\s*[-+.\d]", value) else str(value)
        try:
            ours = of(text)
        except ValueError:
            ours = None
        if ours is None or not ours > 0:
            raise ValueError(f"{value!r} is not {what}: write {example}")
        return ours

    schema = {"type": "string", "description": f"{what}, for example {example}", "examples": [example]}
    return BeforeValidator(check), WithJsonSchema(schema)


def _hours(text: str) -> float:
    return quantity(text, "hour", "a time", "1 h")


def _nanomolar(text: str) -> float | None:
    given = concentration(text)
    return given.value if given.kind == "molar" else None


TimeUnit = Annotated[float, *_unit(_hours, "a unit of time", "min")]
ConcentrationUnit = Annotated[float, *_unit(_nanomolar, "a unit of concentration", "nM")]


def _or_text(schema: dict[str, Any]) -> None:
    """Let a signal alone stand for an input of which nothing else is said."""
    written = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "examples": ["field:IFNB1"]}, written]


class Input(Document):
    """What the tissue tells a model: a signal of the cell, held while the model is stepped."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    signal: str = Field(
        description="field:IFNB1 (concentration at the cell), dose:IFNB1 (at its receptor), gene:STAT1 (the world "
        "model's expected rate, counts per 10,000), clamp:STAT1 (1: free, 0: knocked out), column:damage (a number of "
        "the cell), volume (of the cell, um^3), voxel (the cell's share of its voxel, um^3)."
    )
    times: float = Field(1.0, description="Factor on the signal, in units of the model's file.")
    factor: bool = Field(
        False,
        description="Multiply the quantity's own value instead of replacing it; a gene then counts as its rate over "
        "the mean of its cell type.",
    )

    @model_validator(mode="before")
    @classmethod
    def _spelt_out(cls, given: object) -> object:
        return {"signal": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _is_a_signal(self) -> Self:
        if self.signal not in PLAIN and NAMED.fullmatch(self.signal) is None:
            raise ValueError(
                f"{self.signal!r} is no signal of the tissue: write field:, dose:, gene:, clamp: or column: and a "
                "name, or volume, or voxel"
            )
        return self

    @property
    def kind(self) -> str:
        """Return what kind of signal it is: field, dose, gene, clamp, column, volume or voxel."""
        return self.signal.partition(":")[0]

    @property
    def name(self) -> str:
        """Return the name in the signal; "" of a volume."""
        return self.signal.partition(":")[2]


class Exchange(Document):
    """A species that is the substance of a field, both ways: molecule for molecule.

    local: the species is the concentration in the cell's share of its voxel, and reactions of the model change it.
    membrane: the species is inside the cell, and the membrane lets it through at rate × (outside − inside).
    """

    substance: str
    by: Literal["local", "membrane"] = "local"
    rate: PerHour | None = Field(None, description="Of the membrane: permeability × surface over volume of the cell.")

    @model_validator(mode="after")
    def _a_membrane_has_a_rate(self) -> Self:
        if (self.by == "membrane") != (self.rate is not None):
            raise ValueError("by: membrane needs a rate, like '6 /h', and local has none")
        return self


class Drive(Document):
    """A quantity of the model that adds to a behaviour of the cell."""

    of: str = Field(description="An SBML id: a species, a parameter or a reaction.")
    per_unit: str | float = Field(description="How much of the behaviour one unit of it is: 0.1 /h of apoptosis, say.")


class Flow(Document):
    """A quantity of the model at whose value the cell releases a substance, or takes it up."""

    of: str = Field(description="An SBML id: a reaction, a species or a parameter.")
    per_unit: SecretionRate = Field(description="The flow that one unit of it is.")


class Dosed(Document):
    """A quantity of the model that the world model feels as a dose of a perturbation."""

    of: str = Field(description="An SBML id: a species, a parameter or a reaction.")
    per_unit: ConcentrationText | None = Field(
        None, description="The dose that one unit of it is; without it, the model's unit of concentration."
    )


class Outputs(Document):
    """What a model tells the tissue, at the end of each of its steps."""

    behaviours: dict[str, Drive] = Field(
        default_factory=dict, description="By behaviour (apoptosis, migration speed, …): added to its base value."
    )
    release: dict[str, Flow] = Field(default_factory=dict, description="By substance; the mean of a step's ends.")
    uptake: dict[str, Flow] = Field(
        default_factory=dict,
        description="By substance; the field's step takes it as first order in the concentration, so it may be fast "
        "against the tick.",
    )
    doses: dict[str, Dosed] = Field(default_factory=dict, description="By perturbation of the world model.")
    columns: tuple[str, ...] = Field(
        (), description="SBML ids beside the species that become columns of the cells, like an assignment rule's."
    )


class Intracellular(Document):
    """An SBML model that runs inside cells.

    text : the model itself; the scenario's loader reads it from the file.
    """

    file: str = Field(description="An SBML file (.xml), beside the scenario.")
    cell_types: tuple[str, ...] = Field(min_length=1, description="Whose living cells have it.")
    per: Literal["cell", "type"] = Field(
        "cell", description="Each cell a state of its own, or one state for all cells of a type in a compartment."
    )
    parameters: dict[str, float] = Field(default_factory=dict, description="Other values than the file's, by SBML id.")
    initial: dict[str, float] = Field(default_factory=dict, description="Other values at the start, by SBML id.")
    spread: dict[str, Annotated[float, Field(ge=0, le=3)]] = Field(
        default_factory=dict,
        description="Standard deviation among cells of the natural log of a parameter or an initial value; daughters "
        "inherit their mother's.",
    )
    time_unit: TimeUnit | None = Field(None, description="Of the model's time, where its file states none.")
    concentration_unit: ConcentrationUnit | None = Field(
        None, description="Of the model's concentrations, where its file states none and a field or dose is tied to it."
    )
    inputs: dict[str, Input] = Field(default_factory=dict, description="What the tissue sets, by SBML id.")
    knock_out: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="By gene: parameters and species that go down to the share that a knock-out leaves of it.",
    )
    exchange: dict[str, Exchange] = Field(default_factory=dict, description="By species: both ways with a field.")
    outputs: Outputs = Outputs()
    precision: float = Field(1e-7, ge=1e-12, le=1e-2, description="Relative tolerance of the solver (CVODE).")
    text: SkipJsonSchema[str] = Field("", exclude=True, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _read_from_the_file(cls, given: object) -> object:
        if isinstance(given, dict) and "text" in given:
            raise ValueError("text is no key: the model stands in a file")
        return given


def column_of(model: str, symbol: str) -> str:
    """Return the column of a quantity of a model."""
    return f"sbml_{model}_{symbol}"


def spread_of(model: str, symbol: str) -> str:
    """Return the column of a cell's own factor on a parameter or an initial value; 0 until it is drawn."""
    return f"sbml_{model}_spread_{symbol}"


def knocked_of(model: str, gene: str) -> str:
    """Return the column of the share of a gene that the cell's species were last brought down to."""
    return f"sbml_{model}_knocked_{gene}"


def dose_of(perturbation: str) -> str:
    """Return the rate by which models give a cell a dose of a perturbation: `exposure` adds it to what is felt."""
    return f"model_dose_{perturbation}"


def doses_of(scenario: "Scenario") -> tuple[str, ...]:
    """Return the perturbations that some model drives."""
    return tuple(dict.fromkeys(name for m in scenario.intracellular.values() for name in m.outputs.doses))


def perturbations_of(scenario: "Scenario") -> set[str]:
    """Return the perturbations of the world model that models hear of or drive."""
    heard = {i.name for m in scenario.intracellular.values() for i in m.inputs.values() if i.kind == "dose"}
    return heard | set(doses_of(scenario))


def genes_of(scenario: "Scenario") -> Iterator[tuple[tuple[Key, ...], str]]:
    """Yield each gene that a model is tied to, with its place in the document."""
    for name, model in scenario.intracellular.items():
        for symbol, given in model.inputs.items():
            if given.kind in ("gene", "clamp"):
                yield ("intracellular", name, "inputs", symbol), given.name
        for gene in model.knock_out:
            yield ("intracellular", name, "knock_out", gene), gene


def signal_of(word: str) -> tuple[str, str]:
    """Return the model and the quantity of a rule's signal, sbml:jak_stat.ISGF3; "" for what is not there."""
    model, _, symbol = word.removeprefix(SBML).partition(".")
    return model, symbol


def with_models(
    scenario: "Scenario", read: Callable[[str], str]
) -> tuple["Scenario | None", list[tuple[tuple[Key, ...], str]]]:
    """Return a scenario with the texts of its models, or None and what is wrong, each with its key.

    read : the text of a file that the scenario names.
    """
    faults: list[tuple[tuple[Key, ...], str]] = []
    models = {}
    for name, model in scenario.intracellular.items():
        if not name.isidentifier():
            faults.append((("intracellular", name), f"{name!r} is no plain word: columns are called by it"))
        try:
            models[name] = model.model_copy(update={"text": read(model.file)})
        except InputError as error:
            faults.append((("intracellular", name, "file"), str(error)))
    if faults:
        return None, faults
    return scenario.model_copy(update={"intracellular": models}), []
