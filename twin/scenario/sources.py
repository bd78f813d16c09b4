"""What all ways of making the cells of a compartment share."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from twin.scenario.document import Document
from twin.scenario.region import Region
from twin.units import Micrometres

DEFAULT_RADIUS = 5.0  # µm; our choice, between a lymphocyte (4) and a monocyte (6)


class CellSource(Document):
    """What all ways of making cells share."""

    radius: dict[str, Micrometres] = Field(
        default_factory=dict, description="Cell radius by type; 'default' for the others."
    )
    place: dict[str, Region] = Field(default_factory=dict, description="Where cells of a type are put.")
    ec50_spread: float = Field(
        0.5, ge=0, le=3, description="Standard deviation of the natural log of the EC50 among cells."
    )

    @property
    def files(self) -> tuple[str, ...]:
        """Files that its cells are made of."""
        return ()

    def radius_of(self, cell_type: str) -> float:
        """Return the radius of cells of a type, µm."""
        return self.radius.get(cell_type, self.radius.get("default", DEFAULT_RADIUS))


def _one_type(given: object) -> object:
    return {given: 1.0} if isinstance(given, str) else given


def _not_nothing(shares: dict[str, float]) -> dict[str, float]:
    if shares and sum(shares.values()) <= 0:
        raise ValueError("the shares add up to nothing")
    return shares


Mixture = Annotated[
    dict[str, Annotated[float, Field(ge=0)]],
    BeforeValidator(_one_type),
    AfterValidator(_not_nothing),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}],
            "description": "One cell type, or several with their shares.",
        }
    ),
]


class Transcriptomes(Document):
    """Measured cells, drawn at random with replacement for the cells of the same type that are built."""

    file: str = Field(description="An .h5ad file (or .zarr) of raw counts, beside the scenario.")
    cell_type: str = Field("cell_type", description="The obs column that names the cell type.")
    where: dict[str, str] = Field(
        default_factory=dict, description="Take cells whose obs column has this value, e.g. condition: control."
    )
    types: dict[str, str] = Field(
        default_factory=dict, description="What a type of the tissue is called in the file, where that differs."
    )

    def named(self, cell_type: str) -> str:
        """Return what the file calls a type of the tissue."""
        return self.types.get(cell_type, cell_type)
