"""What a cell cycle is: phases, each with its mean length, left by chance, on time, or at a size."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.scenario.behaviours import MOST_PHASES
from twin.units import Micrometres, PositiveHours

ModelName = Literal[
    "live",
    "ki67_basic",
    "ki67_advanced",
    "flow_cytometry",
    "flow_cytometry_separated",
    "cycling_quiescent",
    "none",
]


class CyclePhase(BaseModel):
    """One phase of a cycle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    duration: PositiveHours | None = Field(None, description="Mean time in it; its rate of exit is one over this.")
    fixed: bool = Field(False, description="It lasts exactly that long; without it, its end is a matter of chance.")
    spread: float = Field(
        0.0, ge=0, le=1, description="Standard deviation of a fixed duration or a size among cells, as a share of it."
    )
    radius: Micrometres | None = Field(
        None, description="Instead of a duration: it ends when a cell's cross-section is that of this radius."
    )
    grows: bool = Field(False, description="Cells grow to twice their own volume in it, and keep it until they divide.")
    divides: bool = Field(False, description="Cells divide at its end.")

    @model_validator(mode="after")
    def _one_way_out(self) -> Self:
        if (self.duration is None) == (self.radius is None):
            raise ValueError(f"phase {self.name!r} ends after a duration or at a radius: give one of the two")
        if self.fixed and self.radius is not None:
            raise ValueError(f"phase {self.name!r} ends at a radius: leave out fixed")
        if self.spread and not (self.fixed or self.radius is not None):
            raise ValueError(f"phase {self.name!r}: a spread goes with a fixed duration or a radius; add fixed: true")
        return self


def _phase(name: str, hours: float, **more: bool) -> CyclePhase:
    return CyclePhase.model_validate({"name": name, "duration": f"{hours:.12g} h"} | more)


# PhysiCell 1.14, PhysiCell_standard_models.cpp; mean hours in a phase, or one over a rate per minute
CYCLES: dict[str, tuple[CyclePhase, ...]] = {
    "live": (_phase("live", 1 / 0.0432, grows=True, divides=True),),
    "ki67_basic": (
        _phase("Ki67-", 4.59),
        _phase("Ki67+", 15.5, fixed=True, grows=True, divides=True),
    ),
    "ki67_advanced": (
        _phase("Ki67-", 3.62),
        _phase("Ki67+ premitotic", 13.0, fixed=True, grows=True, divides=True),
        _phase("Ki67+ postmitotic", 2.5, fixed=True),
    ),
    "flow_cytometry": (
        _phase("G0/G1", 1 / (0.00324 * 60)),
        _phase("S", 1 / (0.00208 * 60), grows=True),
        _phase("G2/M", 1 / (0.00333 * 60), divides=True),
    ),
    "flow_cytometry_separated": (
        _phase("G0/G1", 1 / (0.00335 * 60)),
        _phase("S", 1 / (0.00208 * 60), grows=True),
        _phase("G2", 1 / (0.00417 * 60)),
        _phase("M", 1 / (0.0167 * 60), divides=True),
    ),
    "cycling_quiescent": (
        _phase("quiescent", 4.59),
        _phase("cycling", 15.5, fixed=True, grows=True, divides=True),
    ),
    "none": (),
}


class Inhibition(BaseModel):
    """What stops a cell from cycling: it stays in its phase, and does not grow, as long as it is so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["pressure", "neighbours", "free_surface", "free_area"]
    threshold: float = Field(
        ge=0, description="Of pressure and neighbours the most, of free surface and free area the least."
    )


class CycleChoice(BaseModel):
    """The cycle of a cell type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelName = Field("live", description="A cycle of PhysiCell, with its rates; or none.")
    phases: tuple[CyclePhase, ...] = Field((), max_length=MOST_PHASES, description="Instead: a cycle of your own.")
    inhibition: tuple[Inhibition, ...] = Field((), description="Each of these stops the cycle in `inhibited`.")
    inhibited: tuple[str, ...] = Field(
        (), description="Names of the phases that can be stopped; without it: the first."
    )

    @model_validator(mode="after")
    def _a_cycle_comes_round(self) -> Self:
        if self.phases and "model" in self.model_fields_set:
            raise ValueError("give a model or phases of your own, not both")
        divides = [phase.name for phase in self.phases if phase.divides]
        if self.phases and len(divides) != 1:
            raise ValueError(f"{len(divides)} phases divide; mark the one at whose end cells divide with divides: true")
        names = [phase.name for phase in self.cycle]
        if len(set(names)) < len(names):
            raise ValueError(f"two phases have one name: {', '.join(names)}")
        unknown = [name for name in self.inhibited if name not in names]
        if unknown:
            raise ValueError(f"no phase is called {unknown[0]!r}: phases are {', '.join(names)}")
        return self

    @property
    def cycle(self) -> tuple[CyclePhase, ...]:
        """The phases, in order; the last one leads to the first."""
        return self.phases or CYCLES[self.model]

    @property
    def grown(self) -> tuple[bool, ...]:
        """In which phases a cell aims at twice its own volume: from the one that grows to the one that divides."""
        phases = self.cycle
        if not phases or not any(phase.grows for phase in phases):
            return (False,) * len(phases)
        first = next(k for k, phase in enumerate(phases) if phase.grows)
        last = next(k for k, phase in enumerate(phases) if phase.divides)
        n = len(phases)
        return tuple((k - first) % n <= (last - first) % n for k in range(n))
