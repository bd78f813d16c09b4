"""Volume: fluid and solids of each cell go to their targets; size and library follow."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from twin.kernels.volume import VolumeTargets, relax_volume
from twin.model.contract import WorldModel
from twin.process import ALIVE, DEPTH, GROWTH, RADIUS, Phase, Port, Process, ProcessConfig, Set, Update, View
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin.units import PerHour, PositiveHours

Float = NDArray[np.float64]

FLUID = Port("fluid", ("cell",), "um^3")
NUCLEAR = Port("nuclear_solid", ("cell",), "um^3")
CYTOPLASMIC = Port("cytoplasmic_solid", ("cell",), "um^3")
NATIVE = Port("native_volume", ("cell",), "um^3")
AREA = Port("disc_area", ("cell",), "um^2")
NATIVE_AREA = Port("native_area", ("cell",), "um^2")
DEATH_PHASE = Port("death_phase", ("cell",), "1")  # of the process `death`: 0 living, then as below
APOPTOTIC, SWELLING, LYSED = 1, 2, 3

FLUID_FRACTION = 0.75  # 1; PhysiCell 1.14, class Volume
NUCLEAR_FRACTION = 540.0 / 2494.0  # 1; PhysiCell 1.14, nucleus and whole of a cell in µm³
SMALLEST_RADIUS = 0.1  # µm; our choice: what is left of a body does not vanish before it is cleared
SMALLEST_DEPTH = 1e-3  # counts; our choice: a body of which nothing is left is still a number
SAME = 1e-9  # relative; our choice: below it, a radius and its parts differ by rounding alone


class Rates(BaseModel):
    """How fast the parts of a volume go to their targets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fluid: PerHour
    nuclear: PerHour
    cytoplasmic: PerHour


# PhysiCell 1.14, PhysiCell_standard_models.cpp and class Volume; there per minute
LIVING = Rates(fluid="3 /h", nuclear="0.33 /h", cytoplasmic="0.27 /h")
APOPTOSIS = Rates(fluid="3 /h", nuclear="0.35 /h", cytoplasmic="1 /h")
NECROSIS = Rates(fluid="0.67 /h", nuclear="0.013 /h", cytoplasmic="0.0032 /h")
LYSIS = Rates(fluid="0.05 /h", nuclear="0.013 /h", cytoplasmic="0.0032 /h")


class Body(BaseModel):
    """What a cell is made of, and how fast that changes while it lives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fluid_fraction: float = Field(FLUID_FRACTION, gt=0, lt=1, description="Share of the volume that is fluid.")
    nuclear_fraction: float = Field(
        NUCLEAR_FRACTION, gt=0, lt=1, description="Share of the solids that is in the nucleus."
    )
    rates: Rates = Field(LIVING, description="Of a living cell.")


class Volume(Process):
    """Cells relax to the volume that they aim at: their own, or `1 + growth` times it while they grow.

    A cell's own volume is that of its radius when the run begins (or when it comes in); daughters have their mother's.
    What another process adds to a radius (a meal, a merger) becomes part of the cell, and is given up again where
    the cell's own volume stays. An apoptotic body dries up, a necrotic one takes water in until it bursts, and then
    dries up. The library size follows the volume: a daughter has half, and grows it back.

    With `flat` cells are discs of a monolayer: a living one gains `growth` times its own area (that of its radius at
    the start, which daughters inherit) in `flat` hours, and a division halves what it has.

    Source
    ------
    Ghaffarizadeh et al., PhysiCell, PLoS Comput Biol 14 (2018) e1005991, volume; `PhysiCell_standard_models.cpp`.
    """

    class Config(Body, ProcessConfig):
        """Shares and rates; defaults are PhysiCell's."""

        types: dict[str, Body] = Field(default_factory=dict, description="Cell types that differ.")
        apoptosis: Rates = Field(APOPTOSIS, description="Of an apoptotic body.")
        necrosis: Rates = Field(NECROSIS, description="Of a necrotic body that swells.")
        lysis: Rates = Field(LYSIS, description="Of a necrotic body that has burst.")
        flat: PositiveHours | None = Field(
            None, description="Cells are discs; one that grows gains its own area in this time."
        )

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (RADIUS, DEPTH, ALIVE, GROWTH, Port("cell_type", ("cell",), "1"))
    writes: ClassVar[tuple[Port, ...]] = (RADIUS, DEPTH, FLUID, NUCLEAR, CYTOPLASMIC, NATIVE)
    sets: ClassVar[tuple[Port, ...]] = writes
    columns: ClassVar[tuple[Column, ...]] = (
        Column("fluid", "um^3", inherit="share"),
        Column("nuclear_solid", "um^3", inherit="share"),
        Column("cytoplasmic_solid", "um^3", inherit="share"),
        Column("native_volume", "um^3"),
    )
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return how cells die, where a process lets them."""
        return (DEATH_PHASE,) if "death" in scenario.processes else ()

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return what discs have beside."""
        assert isinstance(config, cls.Config)
        return (AREA, NATIVE_AREA) if config.flat is not None else ()

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the same: all that it writes it sets."""
        return cls.writes_for(config, scenario)

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return the areas of discs."""
        assert isinstance(config, cls.Config)
        discs = (Column("disc_area", "um^2", inherit="share"), Column("native_area", "um^2"))
        return discs if config.flat is not None else ()

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Say what volumes a cell aims at, and what of it the library follows."""
        c = self.config
        if c.flat is not None:
            return [
                f"Cells are discs: one that grows gains the area of its radius at the start in {c.flat:g} h.",
                "The library size of a cell is in proportion to its area.",
            ]
        return [
            f"A cell aims at the volume of its radius at the start, {c.fluid_fraction:.0%} of it fluid; while it grows "
            "for a division, at twice that. It is the same sphere whatever presses on it.",
            "The library size of a cell is in proportion to its volume.",
        ]

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return volumes, radii and library sizes as they are after `dt` hours."""
        if self.config.flat is not None:
            yield from self._discs(view, dt / self.config.flat)
            return
        body = self._bodies(view)
        parts, native, before = self._taken_in(view, body)
        fluid, nuclear, cytoplasmic = relax_volume(*parts, self._targets(view, body, native), dt)
        after = fluid + nuclear + cytoplasmic
        radius = np.maximum((3.0 / (4.0 * np.pi) * after) ** (1 / 3), SMALLEST_RADIUS)
        yield Set(FLUID, fluid)
        yield Set(NUCLEAR, nuclear)
        yield Set(CYTOPLASMIC, cytoplasmic)
        yield Set(NATIVE, native)
        yield Set(RADIUS, radius)
        yield Set(DEPTH, np.maximum(view["depth"] * after / before, SMALLEST_DEPTH))

    def _discs(self, view: View, share: float) -> Iterable[Update]:
        """Return the areas of discs that gain this share of their own area."""
        area = np.where(view["disc_area"] > 0.0, view["disc_area"], np.pi * view["radius"] ** 2)
        native = np.where(view["native_area"] > 0.0, view["native_area"], area)
        grown = area + np.where(view["alive"], view["growth"], 0.0) * native * share
        yield Set(AREA, grown)
        yield Set(NATIVE_AREA, native)
        yield Set(RADIUS, np.sqrt(grown / np.pi))
        yield Set(DEPTH, np.maximum(view["depth"] * grown / area, SMALLEST_DEPTH))

    def _bodies(self, view: View) -> dict[str, Float]:
        """Return each number of `Body` for each cell, (cell,)."""
        laws = [self.config.types.get(name, self.config) for name in view.names["cell_type"]]
        by_type = {
            "fluid_fraction": [law.fluid_fraction for law in laws],
            "nuclear_fraction": [law.nuclear_fraction for law in laws],
            "fluid": [law.rates.fluid for law in laws],
            "nuclear": [law.rates.nuclear for law in laws],
            "cytoplasmic": [law.rates.cytoplasmic for law in laws],
        }
        return {name: np.asarray(values, np.float64)[view["cell_type"]] for name, values in by_type.items()}

    def _taken_in(self, view: View, body: dict[str, Float]) -> tuple[tuple[Float, Float, Float], Float, Float]:
        """Return the parts of each cell's volume with what was added to its radius; its own volume; what it had."""
        fluid, nuclear, cytoplasmic, native = (view[port.name] for port in (FLUID, NUCLEAR, CYTOPLASMIC, NATIVE))
        whole = 4.0 / 3.0 * np.pi * view["radius"] ** 3
        had = fluid + nuclear + cytoplasmic
        new = native == 0.0  # at the start, or just come in: no volume of its own yet
        more = np.where(np.abs(whole - had) > SAME * whole, whole - had, 0.0)
        more = np.where(~new & (view["radius"] <= SMALLEST_RADIUS), 0.0, more)  # what is left of a body
        more = np.maximum(more, -had)
        wet = np.where(more >= 0.0, body["fluid_fraction"] * more, more * fluid / np.where(had > 0, had, 1.0))
        # a cell's own nucleus is only of its own making: what is taken in is cytoplasm
        dry = more - wet
        to_nucleus = np.where(
            new, body["nuclear_fraction"] * dry, np.where(more >= 0, 0.0, more * nuclear / np.where(had > 0, had, 1.0))
        )
        parts = (fluid + wet, nuclear + to_nucleus, cytoplasmic + dry - to_nucleus)
        return parts, np.where(new, whole, native), np.where(new, whole, np.maximum(had, 1e-12))

    def _targets(self, view: View, body: dict[str, Float], native: Float) -> VolumeTargets:
        """Return where each cell's volume goes: to its own, to twice that, or, of a dead body, to nothing."""
        c, alive = self.config, view["alive"]
        dying = view[DEATH_PHASE.name] if DEATH_PHASE in self.reads else np.zeros(view.n_cells)
        solid = native * (1.0 + view["growth"]) * (1.0 - body["fluid_fraction"])
        fraction = body["fluid_fraction"].copy()
        rates = {name: body[name].copy() for name in ("fluid", "nuclear", "cytoplasmic")}
        for code, law, water in ((APOPTOTIC, c.apoptosis, 0.0), (SWELLING, c.necrosis, 1.0), (LYSED, c.lysis, 0.0)):
            rows = dying == code
            fraction[rows], solid[rows] = water, 0.0
            for name, values in rates.items():
                values[rows] = getattr(law, name)
        still = ~alive & (dying == 0)  # dead of something that says nothing of its volume
        for values in rates.values():
            values[still] = 0.0
        nuclear = body["nuclear_fraction"] * solid
        return VolumeTargets(fraction, nuclear, solid - nuclear, rates["fluid"], rates["nuclear"], rates["cytoplasmic"])
