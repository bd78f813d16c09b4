"""A tissue without transcriptomes, run in memory: what the cases of growth, motion and death are made of."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.engine.loop import advance
from twin.engine.plan import compile_plan
from twin.engine.seeding import seed_body
from twin.engine.world import World, build_world
from twin.scenario.intracellular import with_models
from twin.scenario.load import LoadedScenario, ScenarioSource
from twin.scenario.overlay import Marked
from twin.scenario.schema import Scenario
from twin.state.body import Body, Compartment

Float = NDArray[np.float64]


class Tissue:
    """One compartment of cells of the world model `none`, that goes on as long as it is asked to.

    document : sections of a scenario; what is not given is a box of 200 µm, one type "cell" of radius 8.4127 µm
        (PhysiCell's 2494 µm³), ticks of 6 min.
    models : texts of the SBML files that the section `intracellular` names.
    """

    def __init__(
        self,
        count: int,
        processes: Mapping[str, Any],
        replicate: int = 0,
        models: Mapping[str, str] = MappingProxyType({}),
        **document: Any,
    ) -> None:
        cells = {"source": "model", "count": count, "composition": {"cell": 1.0}, "radius": {"default": "8.4127 um"}}
        usual: dict[str, Any] = {
            "name": "tissue",
            "duration": "100 weeks",
            "tick": "6 min",
            "world_model": {"name": "none"},
            "compartments": {"tissue": {"box": ["200 um"] * 3, "spacing": "20 um", "cells": cells}},
            "processes": dict(processes),
        }
        written = usual | document
        every = {"every": written["tick"]}
        written = {"observe": every, "execution": {"commit_every": written["tick"]}} | written
        scenario, faults = with_models(Scenario.model_validate(written), models.__getitem__)
        assert scenario is not None, faults
        source = ScenarioSource(Path("tissue.yaml"), Path(), Marked(written), frozenset(), allow_outside=False)
        loaded = LoadedScenario.of(source, scenario)
        plan = compile_plan(loaded)
        self.world: World = build_world(loaded, plan.whole, plan.processes)
        self.replicate = replicate
        self.body: Body = seed_body(self.world, replicate)

    @property
    def home(self) -> Compartment:
        """The compartment as it is now."""
        return next(iter(self.body.compartments.values()))

    @property
    def time(self) -> float:
        """Hours since the start."""
        return self.body.tick * self.world.scenario.tick

    def run(self, ticks: int, each: Callable[["Tissue"], None] | None = None) -> "Tissue":
        """Go on by this many ticks; `each` is called after every one."""
        for _ in range(ticks):
            advance(self.world, self.body, self.replicate)
            if each is not None:
                each(self)
        return self

    def column(self, name: str) -> Float:
        """Return a column of the cells by its port's name, (cell,) or wider."""
        return np.asarray(self.home.cells.arrays()[name], dtype=np.float64)
