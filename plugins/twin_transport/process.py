"""Between compartments: blood and lymph carry substances, and cells travel by themselves."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    CLAMP,
    CONCENTRATION,
    DEPTH,
    DOSE,
    EC50_FACTOR,
    LATENT,
    SOURCE,
    TIME_SINCE,
    Add,
    At,
    BodyProcess,
    BodyUpdate,
    Keep,
    Move,
    Phase,
    Port,
    ProcessConfig,
    View,
)
from twin.scenario.network import network_of
from twin.scenario.schema import Scenario
from twin.state.stores import Store
from twin_transport.circulation import Circulation
from twin_transport.traffic import departures, ways

MOVED, CLEARED = "cells_moved", "substance_cleared"


class Transport(BodyProcess):
    """Substances flow between organs, exactly for any dt; living cells leave at their own hazards, gated by receptors.

    A compartment is a sample of its organ: all its perfused voxels exchange with the organ's blood alike, and its mean
    stands for the organ. A cell leaves at the rate of its way × its gate, and takes one way a step at most.
    """

    class Config(ProcessConfig):
        """Nothing to set: what flows and travels stands under `organs`."""

    reads: ClassVar[tuple[Port, ...]] = (
        ALIVE,
        DEPTH,
        LATENT,
        DOSE,
        TIME_SINCE,
        EC50_FACTOR,
        CLAMP,
        CONCENTRATION,
        SOURCE,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    phase: ClassVar[Phase] = Phase.TRANSPORT

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        self._made: Circulation | None = None  # follows from the scenario alone

    @classmethod
    def stores_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Store, ...]:
        """Return how many cells have gone each way, and what each organ has cleared of each substance."""
        found = []
        paths = ways(scenario)
        if paths:
            labels = tuple(f"{source} to {target}" for source, target in paths)
            found.append(Store(MOVED, "1", (("way", labels),), about="cells that have gone each way"))
        if scenario.organs is not None and scenario.organs.clearance:
            axes = (("compartment", tuple(scenario.compartments)), ("substance", tuple(scenario.substances)))
            found.append(Store(CLEARED, "nmol", axes, about="amount cleared by the whole organ"))
        return tuple(found)

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return that there is nothing to carry, where there is nothing."""
        if scenario.organs is None:
            return ["nothing says what flows where: add the section organs, with flows or traffic"]
        return []

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what is taken for granted of organs, and what the built-in table fills in."""
        network, organs = network_of(scenario), scenario.organs
        told = list(network.taken)
        if network.edges and scenario.substances:
            told.append(
                "organs are well stirred and perfusion-limited: blood and lymph leave one in equilibrium with it"
            )
        scales = zip(network.names, network.volume, strict=True)
        shares = [f"{name} {network.sample[name] / volume:.3g}" for name, volume in scales]
        if network.edges and scenario.substances:
            told.append(f"compartments stand for whole organs, of which they are: {', '.join(shares)}")
            told += self._hurried(scenario)
        if organs is not None and organs.traffic:
            told.append("a cell that travels is one cell in either compartment, whatever share of its organ that is")
        return told

    def _hurried(self, scenario: Scenario) -> list[str]:
        """Return in which organs cells take up from blood that passes faster than a step sees."""
        network, dt = network_of(scenario), self.interval or scenario.tick
        turns = network.flow.sum(axis=1) / network.volume  # (compartment,) 1/h
        fast = [f"{name} {rate:.3g}" for name, rate in zip(network.names, turns, strict=True) if rate * dt > 1]
        if not fast or not any(reception.uptake for reception in scenario.signalling.reception):
            return []
        return [
            f"blood passes faster than a step of {dt:g} h sees (times an hour: {', '.join(fast)}): what cells release "
            "is washed out while it comes, but what they take up of it is that of an organ without flow; take a "
            "shorter tick where uptake matters"
        ]

    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        """Return how the concentrations change, who leaves for where, and what was cleared."""
        first = next(iter(views.values()))
        if self._made is None or self._made.scenario is not first.scenario:
            grids = {name: view.grid for name, view in views.items()}
            self._made = Circulation(first.scenario, first.substances, grids)
        if self._made.flows:
            fields = {name: view["concentration"] for name, view in views.items()}
            released = {name: view["source"] * dt for name, view in views.items()}
            after, cleared = self._made.step(fields, released, dt)
            for name, field in after.items():
                yield At(name, Add(CONCENTRATION, field - fields[name]))
            if CLEARED in first.stores:
                yield Keep(CLEARED, first.stores[CLEARED] + cleared)
        places = ways(first.scenario)
        for (source, target), rows in departures(views, dt).items():
            yield Move(source, rows, target, tally=(MOVED, places.index((source, target))))
