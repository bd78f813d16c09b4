"""The scenario document. Its field names are the words of the YAML file.

Every quantity is text with a unit in the file and a number in the units of `twin.units` here.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from twin.anatomy.build import with_box
from twin.data.drugs import known_factors
from twin.data.substances import Known
from twin.errors import unknown_name
from twin.scenario.builders import Builder
from twin.scenario.document import Document
from twin.scenario.drugs import Drug, Subject
from twin.scenario.futures import Axis, Branch
from twin.scenario.intracellular import Intracellular
from twin.scenario.organs import Organs
from twin.scenario.signalling import Complexes, Reception, Signalling
from twin.scenario.sources import CellSource
from twin.scenario.spatial import Spatial
from twin.scenario.timeline import Event
from twin.scenario.variation import Variation
from twin.scenario.watch import Conditions
from twin.units import (
    Concentration,
    ConcentrationText,
    Diffusivity,
    Hours,
    Micrometres,
    MolarMass,
    PerHour,
    Position,
    PositiveHours,
    Solubility,
    SpecificActivity,
    Volume,
    quantity,
    round12,
)


class WorldModelChoice(Document):
    """Which cell world model moves the cells."""

    name: str = Field("default", description="A model of `twin plugins`, or 'checkpoint' with a path.")
    path: str | None = Field(None, description="Folder of a trained checkpoint, beside the scenario.")

    @model_validator(mode="after")
    def _path_means_checkpoint(self) -> Self:
        if (self.path is not None) != (self.name == "checkpoint"):
            raise ValueError("a path goes with name: checkpoint, and that name needs a path")
        return self


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
    spatial: bool | Spatial = Field(
        False, description="Take places from obsm['spatial']: true, where it is in µm in the box; or say what it means."
    )
    orthologs: str | None = Field(
        None, description="A table of orthologs (.tsv, .csv) beside the scenario: genes take their human symbols."
    )

    @property
    def files(self) -> tuple[str, ...]:
        """Files that its cells are made of."""
        spots = self.spatial.spots if isinstance(self.spatial, Spatial) else None
        reference = spots.reference if spots is not None else None
        more = (self.orthologs, None if reference is None else reference.file)
        return (self.file, *(file for file in more if file is not None))


class TableCells(CellSource):
    """Cells whose types and places stand in a table, PhysiCell's cells.csv; the world model draws transcriptomes."""

    source: Literal["table"]
    file: str = Field(description="Text with the columns x, y, z (um) and type, beside the scenario.")
    types: tuple[str, ...] = Field((), description="Names of the types that the table counts from 0.")
    origin: tuple[Position, Position, Position] = Field(
        (0.0, 0.0, 0.0), description="Where the box's lower corner lies in the coordinates of the table."
    )

    @property
    def files(self) -> tuple[str, ...]:
        """Files that its cells are made of."""
        return (self.file,)


POOL = {"source": "model", "count": 0, "composition": {}}  # the cells of a pool that names none


def _cells_or_volume(schema: dict[str, Any]) -> None:
    """Say what a compartment needs: cells, of which many bring their box; or a volume."""
    schema.pop("required")
    schema["anyOf"] = [{"required": ["cells"]}, {"required": ["volume"]}]


def _edge_of(volume: object) -> str:
    """Return the edge of a pool's voxel; a wrong volume is told at its own key, so that any edge does here."""
    try:
        found = quantity(volume, "micrometer ** 3", "a volume", "5 L")
    except ValueError:
        found = 1.0
    return f"{max(found, 1.0) ** (1 / 3)!r} um"


class Compartment(Document):
    """One tissue or organoid, a box of cells and fields; or a well-mixed pool, a volume of them."""

    model_config = ConfigDict(json_schema_extra=_cells_or_volume)

    organ: str = Field("tissue", description="What it is part of; the top of its tree of groups.")
    species: str | None = Field(None, description="The organism, like human or mouse; without it: as the file says.")
    world_model: WorldModelChoice | None = Field(None, description="Of its cells; without it: the scenario's.")
    volume: Volume | None = Field(None, description="Of a well-mixed pool, like blood, in the place of a box.")
    box: tuple[Micrometres, Micrometres, Micrometres] = Field(description="Edges along x, y, z.")
    spacing: Micrometres = Field(10.0, description="Edge of a voxel of the concentration fields.")
    cells: Annotated[SampledCells | MeasuredCells | TableCells | Builder, Field(discriminator="source")]

    @model_validator(mode="before")
    @classmethod
    def _boxed(cls, given: object) -> object:
        """Fill in the box that built cells need."""
        return with_box(given)

    @model_validator(mode="before")
    @classmethod
    def _pool_is_a_voxel(cls, given: object) -> object:
        """Fill in box, spacing and cells of a pool: one voxel of its volume."""
        if not isinstance(given, dict) or given.get("volume") is None:
            return given
        if "box" in given or "spacing" in given:
            raise ValueError("give a box, or the volume of a well-mixed pool, not both")
        edge = _edge_of(given["volume"])
        return {"cells": POOL, **given, "box": [edge] * 3, "spacing": edge}

    @property
    def well_mixed(self) -> bool:
        """Whether it is a pool, whose cells have no places."""
        return self.volume is not None


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


FROM_TABLE = {  # what the built-in table can fill in, and the unit that it has there
    "diffusivity": "um^2/h",
    "half_life": "h",
    "molar_mass": "g/mol",
    "specific_activity": "U/mg",
    "solubility": "nM/mmHg",
}


def _table_stands_for_diffusivity(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["from_table"]}]


class Substance(Document):
    """A soluble factor."""

    model_config = ConfigDict(json_schema_extra=_table_stands_for_diffusivity)

    from_table: str | None = Field(
        None, description="A name of the built-in table, like IL2: what is not written here is taken from there."
    )
    diffusivity: Diffusivity
    half_life: PositiveHours | None = Field(None, description="Of decay in the medium; or give decay.")
    decay: PerHour | None = None
    molar_mass: MolarMass | None = None
    specific_activity: SpecificActivity | None = None
    solubility: Solubility | None = Field(None, description="Of a gas, so that its amounts can be given in mmHg.")
    initial: ConcentrationText | None = Field(None, description="Everywhere at the start.")
    walls: Walls = Walls()

    @model_validator(mode="before")
    @classmethod
    def _filled_from_the_table(cls, given: object) -> object:
        if not isinstance(given, dict) or not isinstance(given.get("from_table"), str):
            return given
        name, table = given["from_table"], known_factors()
        if name not in table:
            raise ValueError(unknown_name("substance of the built-in table", name, table))
        filled = dict(given)
        for key, unit in FROM_TABLE.items():
            value = getattr(table[name], key)
            if value is not None and not (key == "half_life" and "decay" in given):
                filled.setdefault(key, f"{value!r} {unit}")
        return filled

    @property
    def known(self) -> Known | None:
        """Return the table's entry, where this substance is taken from it."""
        return None if self.from_table is None else known_factors()[self.from_table]

    @property
    def taken(self) -> dict[str, str]:
        """Return the values that are the table's, each with its source."""
        known = self.known
        if known is None:
            return {}
        values = {key: getattr(known, key) for key in FROM_TABLE}
        same = (key for key, value in values.items() if value is not None and getattr(self, key) == round12(value))
        return {key: known.sources[key] for key in same}

    @model_validator(mode="after")
    def _one_word_for_decay(self) -> Self:
        if self.half_life is not None and self.decay is not None:
            raise ValueError("give half_life or decay, not both")
        return self

    def nanomolar(self, amount: Concentration, name: str) -> float:
        """Return an amount of this substance in nM; ValueError where what the conversion needs is not given."""
        return amount.to_nanomolar(self.molar_mass, self.specific_activity, name, self.solubility)


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

    every: PositiveHours = Field(1.0, description="Where only `at` is given, it does not count.")
    at: tuple[Hours, ...] = Field((), description="Times of readouts, in the place of `every` or beside it.")
    cells_every: PositiveHours | None = Field(None, description="Whole cells; without it, as `every`.")
    genes: tuple[str, ...] = ()
    columns: tuple[str, ...] = Field(
        (), description="Numbers of the cells themselves, mean by type: radius, depth, or a column of a process."
    )
    programs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    quantities: dict[str, str] = Field(
        default_factory=dict,
        description="Numbers of your own by name, like isg: mean(gene:ISG15, cell_type=pDC); see the README.",
    )
    response: Response | None = None
    distance: Distance | None = None
    by_group: tuple[Literal["niche", "organoid", "organ", "body"], ...] = Field(
        (), description="Readouts of groups of cells, beside those of types: of each niche, organoid, organ."
    )

    @property
    def regular(self) -> bool:
        """Whether readouts are taken every so often."""
        return not self.at or "every" in self.model_fields_set


class Execution(Document):
    """How it is computed; nothing here may change a result but `chunk`."""

    chunk: int = Field(256, ge=16, le=65_536, description="Cells computed together; recorded in the run.")
    commit_every: PositiveHours = Field(6.0, description="Simulated time between commits.")
    memory_limit_gib: float = Field(
        16.0, gt=0, description="Of all trajectories that run at a time in workers of our own; on a cluster of each."
    )


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
    subject: Subject = Subject()
    drugs: dict[str, Drug] = Field(default_factory=dict, description="What the body does with what the timeline doses.")
    cell_types: dict[str, dict[str, str | float]] = Field(
        default_factory=dict,
        description="Base values of behaviours by cell type, like tumour: {apoptosis: 0.003 /h, migration speed: "
        "1 um/min}; 'default' holds for all types.",
    )
    rules: tuple[Rule, ...] = ()
    signalling: Signalling = Signalling()
    organs: Organs | None = Field(
        None, description="How compartments hang together: blood and lymph flows, clearance, cells that travel."
    )
    intracellular: dict[str, Intracellular] = Field(
        default_factory=dict, description="SBML models inside cells, each by a name of its own; see processes.sbml."
    )
    processes: dict[str, dict[str, object]] = Field(min_length=1)
    timeline: tuple[Event, ...] = ()
    variation: Variation | None = Field(
        None, description="In what replicates differ beside the luck of single cells: donors, batches, operators."
    )
    branches: dict[str, Branch] = Field(
        default_factory=dict,
        description="Futures that fork from this scenario, the trunk; their past is computed once.",
    )
    sweep: dict[str, Axis] = Field(
        default_factory=dict, description="Axes along which values are varied; every combination is run."
    )
    observe: Observe = Observe()
    stop_when: Conditions = Field((), description="What ends a trajectory before its time, like n_tumour < 5.")
    execution: Execution = Execution()

    @property
    def n_ticks(self) -> int:
        """How many ticks the run has."""
        return round(self.duration / self.tick)

    def complexes(self, reception: Reception) -> Complexes:
        """Return a substance's receptors: those that are written, else the table's; () where any cell receives it."""
        if reception.written is not None:
            return reception.written
        substance = self.substances.get(reception.substance)
        return substance.known.receptors if substance is not None and substance.known is not None else ()
