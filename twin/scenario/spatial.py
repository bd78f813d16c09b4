"""What the coordinates of a file of spatial data mean: their unit, its sections and spots, the size of its cells."""

from typing import Literal, Self

from pydantic import Field, model_validator

from twin.scenario.document import Document
from twin.units import Micrometres

USUAL_SPOT = 0.25  # radius of a spot over the pitch: Visium 27.5 of 100 µm, Spatial Transcriptomics 50 of 200 µm


class Sections(Document):
    """Consecutive sections of one tissue, which are stacked along z."""

    column: str = Field(description="The obs column that names the section.")
    spacing: Micrometres = Field(description="Along z, from one section to the next.")
    order: tuple[str, ...] = Field((), description="From the lowest to the highest; without it: sorted by name.")


class Reference(Document):
    """Single cells of which the cells of spots are drawn."""

    file: str = Field(description="An .h5ad file (or .zarr) of raw counts, beside the scenario.")
    cell_type: str = Field("cell_type", description="The obs column that names the cell type.")
    where: dict[str, str] = Field(default_factory=dict, description="Keep cells whose obs column has this value.")
    types: Literal["profile", "label"] = Field(
        "profile",
        description="What a spot's cells are: a mixture that fits its counts (non-negative least squares), or all of "
        "the type that its own cell_type names.",
    )


class Spots(Document):
    """Spots that hold several cells: how many, where in the spot, and what each of them holds."""

    cells_per_spot: int = Field(10, ge=1, le=10_000, description="On average.")
    law: Literal["same", "poisson", "counts"] = Field(
        "same",
        description="All alike; or, at least 1, a Poisson number; or in proportion to the spot's counts.",
    )
    radius: Micrometres | None = Field(None, description="Of a spot; without it a quarter of the pitch.")
    reference: Reference | None = Field(
        None, description="Single cells to draw from; without it a spot's own counts are dealt out among its cells."
    )


class AreaColumn(Document):
    """The measured area of each cell."""

    area: str = Field(description="The obs column of areas, µm².")


class Spatial(Document):
    """How obsm['spatial'] becomes places in the box: the tissue stands in its middle."""

    scale: Micrometres | None = Field(None, description="Length of one unit of the coordinates, like 0.065 um.")
    pitch: Micrometres | None = Field(
        None, description="Distance between neighbours, like 100 um between spots: gives the scale (by the median)."
    )
    margin: Micrometres = Field(20.0, description="Around the tissue, where the box is left out.")
    thickness: Micrometres | None = Field(
        None, description="Of a section along z, over which its cells are spread; without it they lie in a plane."
    )
    sections: Sections | None = None
    spots: Spots | None = Field(None, description="Where rows are spots, not cells.")
    drop_within: Micrometres | None = Field(
        None, description="Of rows nearer to each other than this (one cell segmented twice) the first is kept."
    )
    radius: Literal["neighbours"] | AreaColumn | None = Field(
        None,
        description="Cells so large that none overlaps its neighbours: neighbours, up to `radius` of their type; or "
        "{area: column}, up to their measured area.",
    )
    niche: str | None = Field(
        None, description="The obs column of regions, like cortical layers: niches of the tissue."
    )

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        if self.scale is not None and self.pitch is not None:
            raise ValueError("give scale or pitch, not both")
        if self.spots is not None and self.spots.radius is None and self.pitch is None:
            raise ValueError("give the radius of a spot under spots, or the pitch, a quarter of which it is then")
        if self.sections is not None and self.thickness is not None and self.thickness > self.sections.spacing:
            raise ValueError(
                f"sections of thickness {self.thickness:g} um cannot lie {self.sections.spacing:g} um apart"
            )
        if self.spots is not None and self.radius is not None and not isinstance(self.radius, str):
            raise ValueError("a spot's area is not its cells': leave radius out, or write neighbours")
        return self

    @property
    def spot_radius(self) -> float:
        """Radius of a spot, µm; 0 where rows are cells."""
        if self.spots is None:
            return 0.0
        if self.spots.radius is not None:
            return self.spots.radius
        assert self.pitch is not None, "checked when the document was"
        return USUAL_SPOT * self.pitch
