"""Substances spread, decay and are taken up: ∂c/∂t = D ∇²c − (λ + k) c + s."""

from collections.abc import Iterable
from math import log
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from twin.errors import RunError, unknown_name
from twin.kernels.diffusion import QuasiSteady, decay_length, diffuse_with_uptake
from twin.kernels.diffusion_torch import diffuse_on_device
from twin.model.contract import WorldModel
from twin.process import CONCENTRATION, SINK, SOURCE, Add, Phase, Port, Process, ProcessConfig, Rate, Update, View
from twin.scenario.schema import Scenario, Substance
from twin.units import MOLECULES_PER_NM_UM3

PICOMOLAR = 1e-3  # nM
MEAN = Port("mean_concentration", CONCENTRATION.dims, "nM")  # a rate: over the last step


class Diffusion(Process):
    """Spread, decay, release and uptake of every substance of a compartment.

    What cells release and take up comes in as the rates `source` and `sink`, whoever writes them.
    Without those, between closed walls, mass is conserved but for the decay.
    """

    class Config(ProcessConfig):
        """How fields are followed within a tick."""

        tolerance: float = Field(
            default=1e-3,
            gt=0,
            le=0.1,
            description="Accepted relative error in time of a tick, above 0.1 % of the top.",
        )
        quasi_steady: QuasiSteady | dict[str, QuasiSteady] = Field(
            default="auto",
            description="Take the steady state instead of following the transient: auto (where the transient is proved "
            "to be gone, and it is cheaper), always or never; of all substances, or by substance.",
        )

        device: Literal["cpu", "cuda"] = Field(
            default="cpu", description="Where it is computed; cuda: on a GPU, always following the transient."
        )

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (CONCENTRATION, SOURCE, SINK)
    writes: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    phase: ClassVar[Phase] = Phase.FIELDS

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the mean over a step where what cells take up of it is counted."""
        return (MEAN,) if _is_counted(scenario) else ()

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which substances of `quasi_steady` are not there, or can never settle."""
        assert isinstance(config, cls.Config)
        faults = []
        if config.device == "cuda":
            if not torch.cuda.is_available():
                faults.append("device: there is no CUDA device here: write cpu")
            if _is_counted(scenario):
                faults.append("device: internalisation counts on the mean of a step, which only cpu gives")
            if "always" in _choices(config, scenario).values():
                faults.append("device: cuda always follows the transient: leave quasi_steady: always out")
        for name, choice in _choices(config, scenario).items():
            substance = scenario.substances.get(name)
            if substance is None:
                faults.append(f"quasi_steady: {unknown_name('substance', name, scenario.substances)}")
            elif choice == "always" and substance.diffusivity == 0:
                faults.append(f"quasi_steady: {name} has no diffusivity, so that it never settles: write never")
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return decay lengths, walls, errors, and where a concentration stops to be a mean of many molecules."""
        told = []
        choices = _choices(self.config, scenario)
        for name, substance in scenario.substances.items():
            length = decay_length(substance.diffusivity, _decay(substance))
            walls = substance.walls.model_dump()
            open_walls = [f"{wall} {'held' if not isinstance(v, str) else v}" for wall, v in walls.items()]
            kinds = set(walls.values()) if all(isinstance(v, str) for v in walls.values()) else set()
            told.append(
                f"{name}: decay length √(D/λ) = {length:.3g} µm before any uptake; "
                f"walls: {'all ' + kinds.pop() if len(kinds) == 1 else ', '.join(open_walls)}"
            )
            if choices.get(name) == "always":
                told.append(f"{name} is taken as settled in every tick, whatever its transient")
        if scenario.substances:
            settled = f", or steady where less than {self.config.tolerance:g} of a transient is left"
            told.append(
                "fields are exact in time within a tick (to 1e-8 of the top"
                f"{settled if 'auto' in choices.values() else ''}); what cells release and take up is held over a tick"
            )
            for name, compartment in scenario.compartments.items():
                molecules = PICOMOLAR * compartment.spacing**3 * MOLECULES_PER_NM_UM3
                told.append(
                    f"{name}: a voxel of {compartment.spacing:g} µm holds {molecules:.3g} molecules at 1 pM; "
                    "fields are mean concentrations, without the noise of few molecules"
                )
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return the change of the concentrations over `dt` hours, and their mean where it is counted with."""
        c, substances = view["concentration"], view.substances  # (substance, z, y, x), nM
        for word, values in (("concentration", c), ("source", view["source"]), ("sink", view["sink"])):
            _check(view, word, values)
        if self.config.device == "cuda":
            return [Add(CONCENTRATION, _on_gpu(view, dt) - c)]
        choices = _choices(self.config, view.scenario)
        wanted: list[QuasiSteady] = [choices.get(name, "auto") for name in substances.names]
        after = diffuse_with_uptake(
            c,
            substances.diffusivity,
            substances.decay,
            dt,
            view.spacing,
            view["sink"],
            walls=None if view.well_mixed else substances.walls,  # a pool has none
            source=view["source"],
            tolerance=self.config.tolerance,
            quasi_steady=wanted,
            mean=_is_counted(view.scenario),
        )
        for name, error, choice in zip(substances.names, after.error, wanted, strict=True):
            if error > self.config.tolerance and choice != "always":
                raise RunError(
                    f"{view.compartment}, {name} at {view.time:g} h: the error of a {dt:g} h tick is {error:.2g}, "
                    f"above the tolerance {self.config.tolerance:g}: the tick is far too long for the voxels; "
                    "shorten it, raise processes.diffusion.tolerance or write quasi_steady: always"
                )
        updates: list[Update] = [Add(CONCENTRATION, after.field - c)]
        if after.mean is not None:
            updates.append(Rate(MEAN, after.mean))
        return updates


def _on_gpu(view: View, dt: float) -> NDArray[np.float64]:
    """Return the concentrations after `dt` hours, computed on the GPU."""
    s = view.substances
    c, sink, source = (torch.tensor(a, device="cuda") for a in (view["concentration"], view["sink"], view["source"]))
    after = diffuse_on_device(
        c, s.diffusivity.tolist(), s.decay.tolist(), dt, view.spacing, sink, walls=s.walls, source=source
    )
    return np.asarray(after.cpu().numpy())


def _check(view: View, word: str, values: NDArray[np.float64]) -> None:
    """Refuse what would make a field negative or no number, and say of which substance and where."""
    bad = ~(values >= 0) | ~np.isfinite(values)
    if bad.any():
        i, *place = (int(k) for k in np.argwhere(bad)[0])
        z, y, x = place
        name = view.substances.names[i]
        raise RunError(
            f"{view.compartment}, {name} at {view.time:g} h: the {word} in voxel x {x}, y {y}, z {z} "
            f"is {values[i, z, y, x]:g}; it has to be a number >= 0"
        )


def _choices(config: Diffusion.Config, scenario: Scenario) -> dict[str, QuasiSteady]:
    """Return the choice of each substance that has one."""
    if isinstance(config.quasi_steady, dict):
        return config.quasi_steady
    return dict.fromkeys(scenario.substances, config.quasi_steady)


def _is_counted(scenario: Scenario) -> bool:
    return "internalisation" in scenario.processes


def _decay(substance: Substance) -> float:
    """Return λ, 1/h, from either of the two ways to write it."""
    if substance.half_life is not None:
        return log(2) / substance.half_life
    return substance.decay or 0.0
