"""Cells push, pull and touch: overdamped mechanics of a compartment."""

from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from twin.kernels.mechanics import ADHESION, ADHESION_RANGE, REPULSION, MechanicsParams, relax
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    CONTACTS,
    POSITION,
    RADIUS,
    Add,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Update,
    View,
)
from twin.scenario.schema import Scenario
from twin.units import Speed

WALL_MARGIN = 1e-6  # µm; our choice: adding an increment to a position rounds, and must not leave the box


class Mechanics(Process):
    """Repulsion and adhesion between cells, walls of the box, and the graph of who touches whom.

    Dead bodies push until they are cleared, but no longer adhere.
    """

    class Config(ProcessConfig):
        """The law of force; defaults are PhysiCell's."""

        repulsion: Speed = Field(default=REPULSION, description="Speed at which two cells part at full overlap.")
        adhesion: Speed = Field(default=ADHESION, description="Speed at which two cells pull, at full overlap.")
        adhesion_range: float = Field(
            default=ADHESION_RANGE,
            ge=1,
            le=3,
            description="Reach of adhesion, as a multiple of the sum of radii.",
        )
        max_substeps: int = Field(default=10_000, ge=1, description="A step that needs more than this is an error.")

        @model_validator(mode="after")
        def _cells_do_not_merge(self) -> Self:
            if self.adhesion > 0 and self.adhesion >= self.repulsion:
                raise ValueError(
                    f"adhesion {self.adhesion:g} um/h is not below repulsion {self.repulsion:g} um/h: "
                    "cells would fall into one point; make repulsion the larger"
                )
            return self

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (POSITION, RADIUS, ALIVE)
    writes: ClassVar[tuple[Port, ...]] = (POSITION, CONTACTS)
    sets: ClassVar[tuple[Port, ...]] = (CONTACTS,)
    phase: ClassVar[Phase] = Phase.MECHANICS

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say that motion is overdamped, and where the law of force is from."""
        c = self.config
        usual = (c.repulsion, c.adhesion, c.adhesion_range) == (REPULSION, ADHESION, ADHESION_RANGE)
        source = "defaults of PhysiCell 1.14" if usual else "set by the scenario"
        return [
            "Cells are spheres whose motion is overdamped: velocity follows force at once, without inertia.",
            f"Repulsion {c.repulsion / 60:g} um/min, adhesion {c.adhesion / 60:g} um/min within "
            f"{c.adhesion_range:g} times the sum of radii ({source}).",
            "Walls repel a cell as its mirror image would; dead bodies push but do not adhere.",
        ]

    def step(self, view: View, dt: float) -> list[Update]:
        """Return how far each cell moves in `dt` hours, and who touches whom afterwards."""
        c, position = self.config, view["position"]
        low = np.asarray(view.grid.origin) + WALL_MARGIN
        high = np.asarray(view.grid.origin) + view.grid.size - WALL_MARGIN
        params = MechanicsParams(c.repulsion, c.adhesion, c.adhesion_range, max_substeps=c.max_substeps)
        moved, contacts, _ = relax(
            position, view["radius"], low, high, params, dt, ids=view.ids, adhesive=view["alive"]
        )
        return [Add(POSITION, moved - position), Set(CONTACTS, contacts)]
