"""What cells give to and take from the voxels around them, by PhysiCell's law."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twin.errors import RunError
from twin.kernels.exchange import NANOMOLAR_UM3_PER_AMOL, exchange_rates, per_voxel
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    BEHAVIOUR,
    POSITION,
    RADIUS,
    SINK,
    SOURCE,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Rate,
    Update,
    View,
)
from twin.scenario.behaviours import behaviours_of
from twin.scenario.schema import Scenario
from twin_exchange.ports import clearance_of, held_of, is_counted, is_given_back, lost_of, slowest, taken_up

Float = NDArray[np.float64]

DEAD_UPTAKE = 0.1  # 1; of the uptake of the living: PhysiCell 1.14, Cell::start_death
ROUNDING = 1e-9  # of a behaviour's largest value: a shift by rules may miss zero by so much; our choice
WORDS = ("secretion", "secretion target", "uptake", "export")


class Exchange(Process):
    """Secretion, uptake and export of every substance by every cell, each into its own voxel.

    dρ/dt = S (ρ* − ρ) V/V_voxel − U ρ V/V_voxel + E/V_voxel with the behaviours "<substance> secretion" S,
    "<substance> secretion target" ρ*, "<substance> uptake" U and "<substance> export" E of a cell of volume V. The
    field's step takes them all at once, without splitting. The dead secrete and export only what rules that apply
    to the dead make them, and take up a tenth.
    """

    class Config(ProcessConfig):
        """Who exchanges what stands under `cell_types`."""

        release_at_death: float = Field(
            0.0,
            ge=0,
            le=1,
            description="Share of what a cell has taken up that goes back into its voxel when it dies; the rest is "
            "digested. 0: it stays in the body. Needs the process internalisation.",
        )

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (POSITION, RADIUS, ALIVE, BEHAVIOUR, Port("cell_type", ("cell",), "1"))
    writes: ClassVar[tuple[Port, ...]] = (SOURCE, SINK)
    acts_on: ClassVar[tuple[str, ...]] = (
        "{substance} secretion",
        "{substance} secretion target",
        "{substance} uptake",
        "{substance} export",
    )
    phase: ClassVar[Phase] = Phase.SOURCES

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return what is held of each substance, where it is given back at death."""
        return tuple(map(held_of, taken_up(scenario))) if is_given_back(scenario) else ()

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return what each cell clears and loses, where that is counted."""
        cleared = map(clearance_of, taken_up(scenario)) if is_counted(scenario) else ()
        lost = map(lost_of, taken_up(scenario)) if is_given_back(scenario) else ()
        return (*cleared, *lost)

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return base values that cannot be, and what the count of uptake needs."""
        faults = [*_value_faults(scenario)]
        assert isinstance(config, cls.Config)
        if config.release_at_death > 0 and not is_counted(scenario):
            faults.append("release_at_death: nobody counts what cells take up: add the process internalisation")
        if 0 < slowest(scenario, "exchange") < slowest(scenario, "diffusion"):
            faults.append("interval: what is released between two steps of diffusion would be lost: step it less often")
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what the dead do, and what happens to what is taken up."""
        told = ["the dead neither secrete nor export; they take up a tenth (PhysiCell)"]
        if is_counted(scenario):
            share = self.config.release_at_death
            told.append(
                f"what is taken up is kept; at death {share:.0%} of it goes back to the voxel, the rest is digested"
                if share
                else "what is taken up is kept and goes with the body; what is secreted and exported is made anew"
            )
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return what all cells release (nM/h) and take up (1/h) in each voxel."""
        shape, spacing = view.grid.shape, view.spacing
        source = np.zeros((len(view.substances.names), *shape))
        sink = np.zeros_like(source)
        voxel = view.grid.voxel_of(view["position"])  # (cell,)
        volume = 4.0 / 3.0 * np.pi * view["radius"] ** 3  # (cell,) µm³
        alive = view["alive"]
        counted = taken_up(view.scenario) if is_counted(view.scenario) else ()
        updates: list[Update] = []
        for i, name in enumerate(view.substances.names):
            given = _behaviours_of(view, name)
            if given is not None:
                secretion, target, uptake, export = given
                uptake = np.where(alive, uptake, DEAD_UPTAKE * uptake)
                source[i], sink[i] = exchange_rates(
                    voxel,
                    volume,
                    shape,
                    spacing,
                    uptake=uptake,
                    secretion=secretion,
                    target=target,
                    export=export,
                )
                if name in counted:
                    updates.append(Rate(clearance_of(name), uptake * volume))
            if name in counted and is_given_back(view.scenario):
                lost = np.where(alive, 0.0, np.maximum(view[held_of(name).name], 0.0)) / dt  # (cell,) amol/h
                given_back = self.config.release_at_death * lost * NANOMOLAR_UM3_PER_AMOL
                source[i] += per_voxel(voxel, given_back, shape, spacing)
                updates.append(Rate(lost_of(name), lost))
        return [Rate(SOURCE, source), Rate(SINK, sink), *updates]


def _behaviours_of(view: View, name: str) -> tuple[Float, Float, Float, Float] | None:
    """Return S, ρ*, U and E of each cell, or None where the scenario says nothing of the substance."""
    words = [f"{name} {word}" for word in WORDS]
    if not any(word in view.behaviours.given or word in view.behaviours.ruled for word in words):
        return None
    values = [_of_the_dead_too(view, word) for word in words]
    for word, value in zip(words, values, strict=True):
        if (value < -ROUNDING * np.max(np.abs(value), initial=0.0)).any() or not np.isfinite(value).all():
            cell = int(np.argmin(np.where(np.isfinite(value), value, -np.inf)))
            raise RunError(
                f"{view.compartment}, cell {view.ids[cell]} at {view.time:g} h: its {word!r} is {value[cell]:g}; rules "
                "have to keep it >= 0"
            )
    secretion, target, uptake, export = (np.maximum(value, 0.0) for value in values)
    return secretion, target, uptake, export


def _of_the_dead_too(view: View, word: str) -> Float:
    """Return a behaviour of each cell; of what a body gives off, only by how far rules raise it from its base."""
    value = view.behaviour(word)
    if word.endswith((" secretion", " export")):
        base = view.behaviours.base(word, view.names["cell_type"])[view["cell_type"]]
        value = np.where(view["alive"], value, np.maximum(value - base, 0.0))
    return value


def _value_faults(scenario: Scenario) -> Iterator[str]:
    """Yield base values that are negative, and secretion that leads nowhere."""
    given = behaviours_of(scenario).given
    for substance in scenario.substances:
        for word in WORDS:
            for cell_type, value in given.get(f"{substance} {word}", {}).items():
                if value < 0:
                    text = scenario.cell_types[cell_type][f"{substance} {word}"]
                    yield f"cell_types.{cell_type}.{substance} {word}: {text} is negative; write a value >= 0"
        targets = given.get(f"{substance} secretion target", {})
        for cell_type, value in given.get(f"{substance} secretion", {}).items():
            if value > 0 and not {cell_type, "default"} & targets.keys():
                yield (
                    f"cell_types.{cell_type}.{substance} secretion: towards which concentration? Add "
                    f"'{substance} secretion target', like '1 nM'"
                )
