"""What cells have taken up and hold: amounts and concentrations inside."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from twin.kernels.exchange import NANOMOLAR_UM3_PER_AMOL
from twin.model.contract import WorldModel
from twin.process import POSITION, RADIUS, Add, Phase, Port, Process, ProcessConfig, Set, Update, View
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin_exchange.ports import MEAN, clearance_of, held_of, inside_of, is_given_back, lost_of, slowest, taken_up


class Internalisation(Process):
    """Each cell keeps what it took up in the last step of the fields: its clearance × the mean concentration there.

    The mean is that of the field's own step, so that what leaves the field and what arrives in cells is the same
    to rounding. A division halves the amount; a body takes it along, or gives it back (`exchange.release_at_death`).
    """

    class Config(ProcessConfig):
        """Nothing to set: who takes up what stands under `cell_types`."""

    reads: ClassVar[tuple[Port, ...]] = (POSITION, RADIUS, MEAN)
    phase: ClassVar[Phase] = Phase.EXPOSURE

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return clearances, losses and amounts of every substance that is taken up."""
        names = taken_up(scenario)
        lost = map(lost_of, names) if is_given_back(scenario) else ()
        return (*map(clearance_of, names), *lost, *map(held_of, names))

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return amounts and concentrations inside."""
        return (*map(held_of, taken_up(scenario)), *cls.sets_for(config, scenario))

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return concentrations inside."""
        return tuple(map(inside_of, taken_up(scenario)))

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return two columns a substance that is taken up: the amount, and its concentration inside."""
        held = (Column(held_of(name).name, "amol", inherit="share") for name in taken_up(scenario))
        return (*held, *(Column(inside_of(name).name, "nM") for name in taken_up(scenario)))

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return that nothing is taken up, and a pace that is not that of the fields."""
        faults = []
        own, fields = slowest(scenario, "internalisation"), slowest(scenario, "diffusion")
        if own and fields and own != fields:
            faults.append("interval: it counts step by step of diffusion: give both the same interval, or none")
        if "exchange" in scenario.processes and not taken_up(scenario):
            faults.append("no cell type takes anything up: give a '<substance> uptake' under cell_types")
        return faults

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return what each cell has taken up and lost, and its concentration inside."""
        voxel = view.grid.voxel_of(view["position"])  # (cell,)
        volume = 4.0 / 3.0 * np.pi * view["radius"] ** 3
        updates: list[Update] = []
        for name in taken_up(view.scenario):
            mean = view["mean_concentration"][view.substances.index(name)].ravel()[voxel]  # (cell,) nM
            gained = dt * view[clearance_of(name).name] * mean / NANOMOLAR_UM3_PER_AMOL
            if is_given_back(view.scenario):
                gained -= dt * view[lost_of(name).name]
            held = view[held_of(name).name] + gained
            updates += [Add(held_of(name), gained), Set(inside_of(name), held * NANOMOLAR_UM3_PER_AMOL / volume)]
        return updates
