"""Death: hazards of apoptosis and necrosis, and what becomes of a body."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from twin.errors import unknown_name
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    APOPTOSIS,
    BEHAVIOUR,
    CONCENTRATION,
    NECROSIS,
    POSITION,
    RADIUS,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Structure,
    Update,
    View,
)
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin.units import ConcentrationText, PerHour, PositiveHours

Float = NDArray[np.float64]

DYING = Port("death_phase", ("cell",), "1")
SINCE = Port("death_time", ("cell",), "h")
RUPTURE = Port("rupture_volume", ("cell",), "um^3")
LIVING, APOPTOTIC, SWELLING, LYSED = 0.0, 1.0, 2.0, 3.0  # values of `death_phase`

# PhysiCell 1.14, PhysiCell_standard_models.cpp
APOPTOSIS_TIME = 516.0 / 60.0  # h; 8.6 h
NECROSIS_TIME = 86_400.0 / 60.0  # h; 60 days after the body has burst
ROUNDING = 1e-9  # h; our choice: times that are sums of ticks are met
RUPTURE_RATIO = 2.0  # 1; volume at which a necrotic body bursts, of that at its death


class Hypoxia(BaseModel):
    """Necrosis for want of a substance, as PhysiCell has it for oxygen.

    The hazard is nothing above `threshold`, `rate` below `full`, and linear between the two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    substance: str = Field("oxygen", description="Of the scenario's substances.")
    threshold: ConcentrationText = Field(
        default_factory=lambda: "5 mmHg", validate_default=True, description="Above it there is no such necrosis."
    )
    full: ConcentrationText = Field(
        default_factory=lambda: "2.5 mmHg", validate_default=True, description="Below it the hazard is `rate`."
    )
    rate: PerHour = Field(
        default_factory=lambda: "0.1666666666667 /h", validate_default=True, description="Largest hazard of necrosis."
    )


class Death(Process):
    """Each cell dies at the sum of its hazards; an apoptotic body shrinks and goes, a necrotic one swells and bursts.

    The chance of dying in a step of `dt` is 1 − exp(−(a + n) dt) with hazards a of apoptosis and n of necrosis: the
    type's behaviours "apoptosis" and "necrosis" and what other processes add in the rates of those names. The moment
    of death inside the step counts, so bodies are cleared on time to within a step. How bodies shrink and swell is the
    business of `volume`; without it a necrotic body keeps its size, never bursts and is never cleared.

    Source
    ------
    `PhysiCell_standard_models.cpp` of PhysiCell 1.14: death models, `update_cell_and_death_parameters_O2_based`.
    """

    class Config(ProcessConfig):
        """How long bodies last; defaults are PhysiCell's."""

        apoptosis_time: PositiveHours = Field(
            APOPTOSIS_TIME, description="From an apoptotic death until the body is cleared."
        )
        necrosis_time: PositiveHours = Field(
            NECROSIS_TIME, description="From the bursting of a necrotic body until it is cleared."
        )
        rupture: float = Field(RUPTURE_RATIO, ge=1, description="Volume at which a necrotic body bursts, of its first.")
        hypoxia: Hypoxia | None = Field(None, description="Necrosis for want of oxygen, without a rule.")

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (
        ALIVE,
        RADIUS,
        APOPTOSIS,
        NECROSIS,
        BEHAVIOUR,
        DYING,
        SINCE,
        RUPTURE,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (ALIVE, DYING, SINCE, RUPTURE)
    sets: ClassVar[tuple[Port, ...]] = writes
    delayed: ClassVar[tuple[Port, ...]] = (RADIUS,)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("death_phase", "1"),
        Column("death_time", "h"),
        Column("rupture_volume", "um^3"),
    )
    acts_on: ClassVar[tuple[str, ...]] = ("apoptosis", "necrosis")
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return where the oxygen is looked up."""
        assert isinstance(config, cls.Config)
        return (CONCENTRATION, POSITION) if config.hypoxia is not None else ()

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what is wrong with the substance of the hypoxia."""
        assert isinstance(config, cls.Config)
        low = config.hypoxia
        if low is None:
            return []
        found = scenario.substances.get(low.substance)
        if found is None:
            return [f"hypoxia.substance: {unknown_name('substance', low.substance, scenario.substances)}"]
        try:
            threshold, full = (found.nanomolar(c, low.substance) for c in (low.threshold, low.full))
        except ValueError as error:
            return [f"hypoxia: {error}"]
        if full >= threshold:
            return [f"hypoxia: full {low.full.text} is not below threshold {low.threshold.text}"]
        return []

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say how long bodies last, and who lets them swell."""
        c = self.config
        told = [
            f"an apoptotic body is cleared after {c.apoptosis_time:g} h, a necrotic one {c.necrosis_time:g} h after it "
            f"has burst at {c.rupture:g} times its volume"
        ]
        if "volume" not in scenario.processes:
            told.append("no process changes volumes: necrotic bodies never burst")
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return who dies in `dt` hours, how far bodies are, and which are cleared."""
        c, alive, dying = self.config, view["alive"], view[DYING.name].copy()
        volume = 4.0 / 3.0 * np.pi * view["radius"] ** 3
        since = np.where(dying > LIVING, view[SINCE.name] + dt, 0.0)
        burst = (dying == SWELLING) & (volume >= view[RUPTURE.name])
        dying[burst], since[burst] = LYSED, dt  # it burst in the step before this one
        cleared = ((dying == APOPTOTIC) & (since >= c.apoptosis_time - ROUNDING)) | (
            (dying == LYSED) & (since >= c.necrosis_time - ROUNDING)
        )
        apoptosis, necrosis = self._hazards(view)
        total = apoptosis + necrosis
        luck = view.streams.stream("death").uniform(view.ids, 2)  # (cell, when and how)
        wait = -np.log1p(-luck[:, 0]) / np.where(total > 0.0, total, 1.0)
        dies = alive & (total > 0.0) & (wait < dt)
        by_necrosis = luck[:, 1] * total < necrosis
        dying[dies] = np.where(by_necrosis[dies], SWELLING, APOPTOTIC)
        since[dies] = dt - wait[dies]
        yield Set(ALIVE, alive & ~dies)
        yield Set(DYING, dying)
        yield Set(SINCE, since)
        yield Set(RUPTURE, np.where(dies, c.rupture * volume, view[RUPTURE.name]))
        for code, cause in ((APOPTOTIC, "apoptosis"), (LYSED, "necrosis")):
            rows = np.flatnonzero(cleared & (dying == code))
            if len(rows):
                yield Structure(die=rows, cause=cause)

    def _hazards(self, view: View) -> tuple[Float, Float]:
        """Return the hazards of apoptosis and of necrosis, (cell,) 1/h."""
        apoptosis = np.maximum(view.behaviour("apoptosis") + view["apoptosis"], 0.0)
        necrosis = view.behaviour("necrosis") + view["necrosis"]
        low = self.config.hypoxia
        if low is not None:
            substance = view.scenario.substances[low.substance]
            threshold = substance.nanomolar(low.threshold, low.substance)
            full = substance.nanomolar(low.full, low.substance)
            field = view["concentration"][view.substances.index(low.substance)].ravel()
            here = field[view.grid.voxel_of(view["position"])]  # (cell,) nM
            necrosis = necrosis + low.rate * np.clip((threshold - here) / (threshold - full), 0.0, 1.0)
        return apoptosis, np.maximum(necrosis, 0.0)
