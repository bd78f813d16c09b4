"""Renewal: cells divide until their divisions are used up, and die, both at random."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from pydantic import Field

from twin.process import ALIVE, Phase, Port, Process, ProcessConfig, Set, Structure, Update, View
from twin.state.cells import Column
from twin.units import PositiveHours

AGE = Port("age", ("cell",), "h")
DIVISIONS = Port("divisions", ("cell",), "1")


class Renewal(Process):
    """Each cell divides and dies as a Poisson process; after `limit` divisions a line no longer divides.

    Source
    ------
    Hayflick, Moorhead, The serial cultivation of human diploid cell strains, Exp Cell Res 1961: the limit.
    """

    class Config(ProcessConfig):
        """How long cells take, and how often they can."""

        cycle: PositiveHours = Field(24.0, description="Mean time between divisions.")
        lifespan: PositiveHours = Field(240.0, description="Mean time until death.")
        limit: int = Field(50, ge=0, description="Divisions that a line of cells has.")

    config: Config
    reads: ClassVar[tuple[Port, ...]] = (ALIVE, AGE, DIVISIONS)
    writes: ClassVar[tuple[Port, ...]] = (AGE, DIVISIONS)
    sets: ClassVar[tuple[Port, ...]] = (AGE, DIVISIONS)
    columns: ClassVar[tuple[Column, ...]] = (
        Column("age", "h", inherit="zero"),
        Column("divisions", "1", inherit="copy"),
    )
    phase: ClassVar[Phase] = Phase.PHENOTYPE

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return ages and divisions as they are after `dt` hours, and who divides and who dies in them."""
        chance = 1 - np.exp(-dt / np.array([self.config.cycle, self.config.lifespan]))
        luck = view.streams.stream("renewal").uniform(view.ids, 2)  # (cell, event)
        dies = view["alive"] & (luck[:, 1] < chance[1])
        divides = view["alive"] & ~dies & (luck[:, 0] < chance[0]) & (view["divisions"] < self.config.limit)
        yield Set(AGE, view["age"] + dt)
        yield Set(DIVISIONS, view["divisions"] + divides)
        yield Structure(divide=np.flatnonzero(divides), die=np.flatnonzero(dies), cause="old age")
