"""What a scenario may set of the mechanics of its cells."""

from typing import Literal, Self

from pydantic import Field, model_validator

from twin.kernels.mechanics import ADHESION, ADHESION_RANGE, REPULSION
from twin.process import ProcessConfig
from twin.units import PositiveHours, Speed
from twin_mechanics.membranes import Membrane

MEMBRANE_REPULSION = 10.0 * 60.0  # µm/h; PhysiCell 1.14, cell_BM_repulsion_strength 10 µm/min
MEMBRANE_ADHESION = 4.0 * 60.0  # µm/h; PhysiCell 1.14, cell_BM_adhesion_strength 4 µm/min
PERSISTENCE = 1.0 / 60.0  # h; PhysiCell 1.14, persistence_time 1 min
SUBSTEPS = 100_000  # our choice: an hour at 0.1 min takes 600


class MechanicsConfig(ProcessConfig):
    """The law of force, the cells' own motion, the space and the time step; defaults are PhysiCell's.

    What holds for one cell type stands under `cell_types` in the scenario, by PhysiCell's words ("cell-cell
    adhesion", "adhesive affinity to tumour", "migration speed", …), and goes before what is set here for all.
    """

    repulsion: Speed = Field(default=REPULSION, description="Speed at which two cells part at full overlap.")
    adhesion: Speed = Field(default=ADHESION, description="Speed at which two cells pull, at full overlap.")
    adhesion_range: float = Field(
        default=ADHESION_RANGE,
        ge=1,
        le=3,
        description="Reach of adhesion, as a multiple of the sum of radii.",
    )
    speed: Speed = Field(default=0.0, description="Speed of a cell's own motion; 0: it does not crawl.")
    persistence: PositiveHours = Field(default=PERSISTENCE, description="Mean time between two directions.")
    bias: float = Field(
        default=0.0, ge=0, le=1, description="0: a random walk; 1: straight along the chemotactic direction."
    )
    chemotaxis: dict[str, float] = Field(
        default_factory=dict, description="How much cells are drawn to each substance; below 0 they flee it."
    )
    membranes: tuple[Membrane, ...] = Field(default=(), description="Planes and spheres that cells keep to or off.")
    membrane_repulsion: Speed = Field(default=MEMBRANE_REPULSION, description="Speed away from a membrane.")
    membrane_adhesion: Speed = Field(default=MEMBRANE_ADHESION, description="Speed towards a membrane within reach.")
    periodic: tuple[Literal["x", "y", "z"], ...] = Field(
        default=(), description="Axes along which cells that leave come in again on the other side."
    )
    plane: bool = Field(default=False, description="Cells move in the plane in the middle of the box's z: a monolayer.")
    max_step: PositiveHours | None = Field(default=None, description="Substeps are no longer than this.")
    fixed_step: PositiveHours | None = Field(
        default=None,
        description="Step like PhysiCell, at this interval (0.1 min) by Adams and Bashforth's method, "
        "instead of the adaptive step.",
    )
    max_substeps: int = Field(default=SUBSTEPS, ge=1, description="A step that needs more than this is an error.")
    threads: int = Field(default=1, ge=1, le=256, description="Threads; the result does not depend on it.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where forces are computed.")

    @model_validator(mode="after")
    def _it_can_be_done(self) -> Self:
        if self.adhesion > 0 and self.adhesion >= self.repulsion:
            raise ValueError(
                f"adhesion {self.adhesion:g} um/h is not below repulsion {self.repulsion:g} um/h: "
                "cells would fall into one point; make repulsion the larger"
            )
        if self.plane and "z" in self.periodic:
            raise ValueError("plane: true keeps z as it is, so z cannot be periodic: leave z out of periodic")
        if self.fixed_step is not None and self.max_step is not None:
            raise ValueError("give fixed_step or max_step, not both")
        return self
