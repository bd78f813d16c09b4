"""The scenario document. Its field names are the words of the YAML file.

Every quantity is text with a unit in the file and a number in the units of `twin.units` here.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.scenario.timeline import Event
from twin.units import (
    Clearance,
    Concentration,
    ConcentrationText,
    Diffusivity,
    Hours,
    Micrometres,
    MolarMass,
    PerHour,
    Position,
    PositiveHours,
    SecretionRate,
    Solubility,
    SpecificActivity,
)


class Document(BaseModel):
    """Frozen, and a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorldModelChoice(Document):
    """Which cell world model moves the cells."""

    name: str = Field("default", description="A model of `twin plugins`, or 'checkpoint' with a path.")
    path: str | None = Field(None, description="Folder of a trained checkpoint, beside the scenario.")

    @model_validator(mode="after")
    def _path_means_checkpoint(self) -> Self:
        if (self.path is not None) != (self.name == "checkpoint"):
            raise ValueError("a path goes with name: checkpoint, and that name needs a path")
        return self


class Region(Document):
    """A part of the box: what is not given is not limited."""

    x: tuple[Position, Position] | None = None
    y: tuple[Position, Position] | None = None
    z: tuple[Position, Position] | None = None


class CellSource(Document):
    """What all ways of making cells share."""

    radius: dict[str, Micrometres] = Field(
        default_factory=dict, description="Cell radius by type; 'default' for the others."
    )
    place: dict[str, Region] = Field(default_factory=dict, description="Where cells of a type are put.")
    ec50_spread: float = Field(
        0.5, ge=0, le=3, description="Standard deviation of the natural log of the EC50 among cells."
    )


class SampledCells(CellSource):
    """Cells whose transcriptomes the world model draws."""

    source: Literal["model"]
    count: int = Field(ge=0, le=100_000_000)
    composition: Literal["measured"] | dict[str, Annotated[float, Field(ge=0)]] = Field(
        "measured", description="Shares of the cell types; 'measured': as in the model's training data."
    )


class MeasuredCells(CellSource):
    """Cells of the user's AnnData: raw counts, `obs` columns by name."""

    source: Literal["h5ad"]
    file: str = Field(description="An .h5ad file (or .zarr) of raw counts, beside the scenario.")
    count: int | None = Field(None, ge=1, description="How many; drawn at random. Without it: all.")
    cell_type: str = Field("cell_type", description="The obs column that names the cell type.")
    where: dict[str, str] = Field(
        default_factory=dict,
        description="Keep cells whose obs column has this value, e.g. condition: control.",
    )
    spatial: bool = Field(False, description="Take the places of the cells from obsm['spatial'] (µm).")


class Compartment(Document):
    """One tissue, organoid or pool: a box of cells and fields."""

    organ: str = Field("tissue", description="What it is part of; the top of its tree of groups.")
    box: tuple[Micrometres, Micrometres, Micrometres] = Field(description="Edges along x, y, z.")
    spacing: Micrometres = Field(10.0, description="Edge of a voxel of the concentration fields.")
    cells: Annotated[SampledCells | MeasuredCells, Field(discriminator="source")]


WallChoice = Literal["closed", "periodic"] | ConcentrationText


class Walls(Document):
    """What happens at the six faces of a box: closed, periodic, or held at a concentration."""

    x_low: WallChoice = "closed"
    x_high: WallChoice = "closed"
    y_low: WallChoice = "closed"
    y_high: WallChoice = "closed"
    z_low: WallChoice = "closed"
    z_high: WallChoice = "closed"

    @model_validator(mode="after")
    def _periodic_comes_in_pairs(self) -> Self:
        for axis in "xyz":
            pair = (getattr(self, f"{axis}_low"), getattr(self, f"{axis}_high"))
            if (pair[0] == "periodic") != (pair[1] == "periodic"):
                raise ValueError(f"{axis}_low and {axis}_high must be periodic together")
        return self


class Substance(Document):
    """A soluble factor."""

    diffusivity: Diffusivity
    half_life: PositiveHours | None = Field(None, description="Of decay in the medium; or give decay.")
    decay: PerHour | None = None
    molar_mass: MolarMass | None = None
    specific_activity: SpecificActivity | None = None
    solubility: Solubility | None = Field(None, description="Of a gas, so that its amounts can be given in mmHg.")
    initial: ConcentrationText | None = Field(None, description="Everywhere at the start.")
    walls: Walls = Walls()

    @model_validator(mode="after")
    def _one_word_for_decay(self) -> Self:
        if self.half_life is not None and self.decay is not None:
            raise ValueError("give half_life or decay, not both")
        return self

    def nanomolar(self, amount: Concentration, name: str) -> float:
        """Return an amount of this substance in nM; ValueError where what the conversion needs is not given."""
        return amount.to_nanomolar(self.molar_mass, self.specific_activity, name, self.solubility)


class Secretion(Document):
    """Cells of some types release a substance at a fixed or a gene-gated rate."""

    substance: str
    by: tuple[str, ...] = Field(min_length=1, description="Cell types.")
    rate: SecretionRate = Field(description="Of one cell, at full gate.")
    gene: str | None = Field(None, description="Gate: the model's expected rate of this gene.")
    half_rate: float = Field(1.0, gt=0, description="Expected counts per 10,000 at which the gate is half.")
    start: Hours = 0.0
    end: Hours | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"ends at {self.end:g} h, but starts at {self.start:g} h")
        return self


class Reception(Document):
    """Cells take a substance up and feel it as a perturbation of the world model."""

    substance: str
    perturbation: str | None = Field(None, description="Of the world model; without it, only uptake.")
    receptor: tuple[str, ...] = Field((), description="Subunits, gene symbols; the scarcest one limits.")
    uptake: Clearance = Field(0.0, description="Volume cleared by one cell at full competence.")
    detection: float = Field(
        1e-3, ge=0, description="A subunit expected below this (counts per 10,000) in a type is not there."
    )
    competence: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict, description="Fixed receptor competence by cell type, instead of the model's."
    )
    ec50: ConcentrationText | None = Field(
        None,
        description="Local concentration of half effect: the model's whole dose axis, the trained dose "
        "included, is scaled by it (a relative potency). Without it: the model's own.",
    )


class Signalling(Document):
    """Who releases what, and who notices."""

    secretion: tuple[Secretion, ...] = ()
    reception: tuple[Reception, ...] = ()


class Rule(Document):
    """A signal raises or lowers a behaviour of a cell type: a line of PhysiCell's grammar.

    The behaviour goes from its base value to `saturation` by a Hill function of the signal.
    """

    cell_type: str
    signal: str = Field(description="oxygen, pressure, contact with tumour, gene:HIF1A, program:hypoxia, …")
    response: Literal["increases", "decreases"]
    behaviour: str = Field(description="apoptosis, migration speed, oxygen uptake, attack tumour, …")
    saturation: str | float = Field(description="Value of the behaviour at full signal, with its unit.")
    half_max: str | float = Field(description="Signal of half effect, with its unit.")
    power: float = Field(4.0, gt=0, le=100, description="Hill power.")
    applies_to_dead: bool = False


class Response(Document):
    """A score between control (0) and the full, trained dose (1)."""

    program: str
    perturbation: str


class Distance(Document):
    """Bins of distance from the cells of a type or from a wall, along which readouts are given."""

    source: str = Field(description="A cell type, or a wall: x_low, x_high, y_low, …")
    edges: tuple[Position, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _edges_rise(self) -> Self:
        if any(b <= a for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must rise")
        return self


class Observe(Document):
    """What is written while the run goes."""

    every: PositiveHours = 1.0
    cells_every: PositiveHours | None = Field(None, description="Whole cells; without it, as `every`.")
    genes: tuple[str, ...] = ()
    columns: tuple[str, ...] = Field(
        (), description="Numbers of the cells themselves, mean by type: radius, depth, or a column of a process."
    )
    programs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    response: Response | None = None
    distance: Distance | None = None


class Execution(Document):
    """How it is computed; nothing here may change a result but `chunk`."""

    chunk: int = Field(256, ge=16, le=65_536, description="Cells computed together; recorded in the run.")
    commit_every: PositiveHours = Field(6.0, description="Simulated time between commits.")
    memory_limit_gib: float = Field(16.0, gt=0)


class Scenario(Document):
    """One experiment: tissues of cells, what surrounds them, what is done to them, and when."""

    name: str = Field(min_length=1, max_length=80)
    description: str = ""
    duration: PositiveHours
    tick: PositiveHours = 0.5
    seed: int = Field(0, ge=0, lt=2**63)
    replicates: int = Field(1, ge=1, le=100_000)
    world_model: WorldModelChoice = WorldModelChoice()
    compartments: dict[str, Compartment] = Field(min_length=1)
    substances: dict[str, Substance] = Field(default_factory=dict)
    cell_types: dict[str, dict[str, str | float]] = Field(
        default_factory=dict,
        description="Base values of behaviours by cell type, like tumour: {apoptosis: 0.003 /h, migration speed: "
        "1 um/min}; 'default' holds for all types.",
    )
    rules: tuple[Rule, ...] = ()
    signalling: Signalling = Signalling()
    processes: dict[str, dict[str, object]] = Field(min_length=1)
    timeline: tuple[Event, ...] = ()
    observe: Observe = Observe()
    execution: Execution = Execution()

    @property
    def n_ticks(self) -> int:
        """How many ticks the run has."""
        return round(self.duration / self.tick)
