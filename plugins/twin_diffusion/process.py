"""Substances spread, decay and are taken up: ∂c/∂t = D ∇²c − (λ + k) c + s."""

from collections.abc import Iterable
from math import log
from typing import ClassVar

from pydantic import Field

from twin.errors import RunError
from twin.kernels.diffusion import decay_length, diffuse_with_uptake
from twin.model.contract import WorldModel
from twin.process import CONCENTRATION, SINK, SOURCE, Add, Phase, Port, Process, ProcessConfig, Update, View
from twin.scenario.schema import Scenario, Substance
from twin.units import MOLECULES_PER_NM_UM3

PICOMOLAR = 1e-3  # nM


class Diffusion(Process):
    """Spread, decay, release and uptake of every substance of a compartment.

    What cells release and take up comes in as the rates `source` and `sink`, whoever writes them.
    Without those, between closed walls, mass is conserved but for the decay.
    """

    class Config(ProcessConfig):
        """How exactly uptake, which differs from voxel to voxel, is followed within a tick."""

        tolerance: float = Field(
            default=1e-3,
            gt=0,
            le=0.1,
            description="Accepted relative error in time of a tick, above 0.1 % of the top.",
        )
        max_substeps: int = Field(default=1024, ge=2, le=2**20, description="The most substeps of a tick.")

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (CONCENTRATION, SOURCE, SINK)
    writes: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    phase: ClassVar[Phase] = Phase.FIELDS

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return decay lengths, walls, and where a concentration stops to be a mean of many molecules."""
        told = []
        for name, substance in scenario.substances.items():
            length = decay_length(substance.diffusivity, _decay(substance))
            walls = substance.walls.model_dump()
            open_walls = [f"{wall} {'held' if not isinstance(v, str) else v}" for wall, v in walls.items()]
            kinds = set(walls.values()) if all(isinstance(v, str) for v in walls.values()) else set()
            told.append(
                f"{name}: decay length √(D/λ) = {length:.3g} µm before any uptake; "
                f"walls: {'all ' + kinds.pop() if len(kinds) == 1 else ', '.join(open_walls)}"
            )
        if scenario.substances:
            for name, compartment in scenario.compartments.items():
                molecules = PICOMOLAR * compartment.spacing**3 * MOLECULES_PER_NM_UM3
                told.append(
                    f"{name}: a voxel of {compartment.spacing:g} µm holds {molecules:.3g} molecules at 1 pM; "
                    "fields are mean concentrations, without the noise of few molecules"
                )
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return the change of the concentrations over `dt` hours."""
        c, substances = view["concentration"], view.substances  # (substance, z, y, x), nM
        after = diffuse_with_uptake(
            c,
            substances.diffusivity,
            substances.decay,
            dt,
            view.spacing,
            view["sink"],
            walls=substances.walls,
            source=view["source"],
            tolerance=self.config.tolerance,
            max_substeps=self.config.max_substeps,
        )
        for name, substeps, error in zip(substances.names, after.substeps, after.error, strict=True):
            if error > self.config.tolerance:
                raise RunError(
                    f"{view.compartment}, {name} at {view.time:g} h: after {substeps} substeps of a {dt:g} h "
                    f"tick the error is {error:.2g}, above the tolerance {self.config.tolerance:g}; "
                    "raise processes.diffusion.max_substeps or shorten the tick"
                )
        return [Add(CONCENTRATION, after.field - c)]


def _decay(substance: Substance) -> float:
    """Return λ, 1/h, from either of the two ways to write it."""
    if substance.half_life is not None:
        return log(2) / substance.half_life
    return substance.decay or 0.0
