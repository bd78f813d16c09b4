"""Drugs on their way through the body: from a dose to plasma, and from there to tissue."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.kernels.pharmacokinetics import (
    CENTRAL,
    ELIMINATED,
    LN2,
    SITES,
    advance,
    compartment_rates,
    with_effect_site,
)
from twin.model.contract import WorldModel
from twin.process import (
    CONCENTRATION,
    SINK,
    SOURCE,
    Add,
    At,
    BodyProcess,
    BodyUpdate,
    Keep,
    Phase,
    Port,
    ProcessConfig,
    Rate,
    Update,
    View,
)
from twin.scenario.drugs import Drug
from twin.scenario.schema import Scenario
from twin.scenario.timeline import GiveDose, is_due
from twin.state.stores import Store
from twin.state.vessels import supplied_voxels
from twin_dosing import pending
from twin_dosing.assumed import assumptions
from twin_dosing.faults import dose_faults, drug_faults
from twin_dosing.pending import Pending, nanomoles
from twin_dosing.process import time_faults

Float = NDArray[np.float64]

LITRE = 1e15  # µm³
PLASMA, FREE, AMOUNT, GIVEN, UNDER_WAY = "plasma", "plasma_free", "drug_amount", "drug_given", "drug_under_way"
VESSELS = "vessel_slab"  # a source of cells: a tissue that has vessels here and there
NOT_YET = "not yet in the body"  # of what has been given


class Pharmacokinetics(BodyProcess):
    """Doses of the timeline come into plasma, are distributed and eliminated, and reach tissue as free drug.

    One or two compartments with depots, all of first order, exact in time for doses, lags and ends of infusions at
    any time within a tick. The drug's substance relaxes in every voxel that vessels supply to fu × plasma × partition.
    A drug that goes `into` a well-mixed compartment has that for its plasma: what flows from there to organs is the
    affair of the organ network, and no drug comes or goes otherwise.
    """

    class Config(ProcessConfig):
        """Nothing to set: drugs stand under `drugs`, their doses under `timeline`."""

    reads: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    writes: ClassVar[tuple[Port, ...]] = (CONCENTRATION,)
    phase: ClassVar[Phase] = Phase.TIMELINE

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return sources and sinks, where vessels are here and there in a tissue."""
        return (SOURCE, SINK) if any(home.cells.source == VESSELS for home in scenario.compartments.values()) else ()

    @classmethod
    def stores_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Store, ...]:
        """Return levels in plasma and amounts of each drug."""
        if not scenario.drugs:
            return ()
        drugs = ("drug", tuple(scenario.drugs))
        places = ("dose_place", tuple(map(str, range(pending.PLACES))))
        return (
            Store(PLASMA, "nM", (drugs,), about="total drug in plasma"),
            Store(FREE, "nM", (drugs,), about="free drug in plasma"),
            Store(AMOUNT, "nmol", (drugs, ("drug_site", (*SITES, NOT_YET))), about="drug by where it is"),
            Store(GIVEN, "nmol", (drugs,), about="drug given since the run began"),
            Store(UNDER_WAY, "1", (drugs, places, ("dose_field", pending.FIELDS)), observed=False),
        )

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which drugs and doses cannot be, each at its place."""
        faults = []
        for name, drug in scenario.drugs.items():
            faults += [f"drugs.{name}{fault}" for fault in drug_faults(name, drug, scenario)]
        vessels = [name for name, home in scenario.compartments.items() if home.cells.source == VESSELS]
        if vessels and "diffusion" not in scenario.processes:
            faults.append(f"what leaves the vessels of {vessels[0]} does not spread: add diffusion to the processes")
        for i, event in enumerate(scenario.timeline):
            if isinstance(event, GiveDose):
                found = [*time_faults(event, scenario), *dose_faults(event, scenario)]
                faults += [f"timeline[{i}]{fault}" for fault in found]
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return each drug's numbers with where they come from, and how it is taken to reach the cells."""
        return assumptions(scenario)

    def step_body(self, views: Mapping[str, View], dt: float) -> Iterable[BodyUpdate]:
        """Return levels and amounts at the end of the tick, and what becomes of the drugs' fields in it."""
        first = next(iter(views.values()))
        scenario = first.scenario
        if not scenario.drugs:
            return
        kept = {name: first.stores[name].copy() for name in (PLASMA, FREE, AMOUNT, GIVEN, UNDER_WAY)}
        tissues = [Tissue.of(view) for view in views.values()]
        for i, (name, drug) in enumerate(scenario.drugs.items()):
            new = list(_due(first, name, drug))
            kept[GIVEN][i] += sum(dose.left for dose in new)
            parts = [d.until(first.time, first.time + dt) for d in (*pending.read(kept[UNDER_WAY][i]), *new)]
            inputs = [piece for piece, _ in parts if piece is not None]
            later = [left for _, left in parts if left is not None]
            kept[UNDER_WAY][i] = pending.written(later, name)
            amounts = kept[AMOUNT][i, : len(SITES)].copy()
            litres = plasma_volume(drug, scenario) / LITRE
            place = first.substances.index(drug.substance or name)
            if drug.into is not None:
                amounts[CENTRAL] = views[drug.into]["concentration"][place].item() * litres
            rate = LN2 / drug.equilibration
            rates = with_effect_site(rates_of(name, drug, scenario), drug.fraction_unbound / litres, rate)
            after = advance(rates, np.append(amounts, 0.0), dt, inputs)
            if drug.into is not None:
                pool = next(tissue for tissue in tissues if tissue.view.compartment == drug.into)
                pool.change[place] = (after[CENTRAL] - amounts[CENTRAL]) / litres
            else:
                cleared = after[ELIMINATED] - amounts[ELIMINATED]
                mean = drug.fraction_unbound * cleared / (rates[ELIMINATED, CENTRAL] * dt * litres)
                for tissue in tissues:
                    tissue.relax(place, rate, dt, drug.partition_in(tissue.view.compartment), after[-1], mean)
            kept[PLASMA][i] = after[CENTRAL] / litres
            kept[FREE][i] = drug.fraction_unbound * kept[PLASMA][i]
            kept[AMOUNT][i, :-1] = after[: len(SITES)]
            kept[AMOUNT][i, -1] = sum(dose.left for dose in later)
        yield from (Keep(name, value) for name, value in kept.items())
        for tissue in tissues:
            yield from (At(tissue.view.compartment, update) for update in tissue.updates())


@dataclass(frozen=True)
class Tissue:
    """One compartment, and what becomes of its fields in a tick.

    supplied : (z, y, x), voxels where blood meets the tissue.
    change : (substance, z, y, x) nM. source, sink : the same shape, nM/h and 1/h; of vessels in a tissue.
    """

    view: View
    supplied: NDArray[np.bool_]
    change: Float
    source: Float
    sink: Float

    @classmethod
    def of(cls, view: View) -> "Tissue":
        """Return a compartment of which nothing has changed yet."""
        supplied = supplied_voxels(view.scenario.compartments[view.compartment], view.grid)
        zero = np.zeros_like(view["concentration"])
        return cls(view, supplied, zero, zero.copy(), zero.copy())

    def relax(self, place: int, rate: float, dt: float, partition: float, end: float, mean: float) -> None:
        """Let a substance relax to free drug in plasma.

        Where vessels are everywhere it follows the course of plasma exactly. Where they are here and there, what they
        give spreads at once: then diffusion, which takes sources and sinks along, gets the mean of plasma in the tick.

        Parameters
        ----------
        place : of the substance. rate : 1/h. partition : at equilibrium; 0: nothing comes or goes.
        end : nM, what a tissue that held nothing has of free drug at the tick's end. mean : nM, of free drug in plasma.
        """
        if partition == 0:
            return
        if self.supplied.all():
            level = self.view["concentration"][place]  # (z, y, x)
            self.change[place] = level * np.expm1(-rate * dt) + partition * end
        else:
            self.source[place] = np.where(self.supplied, rate * partition * mean, 0.0)
            self.sink[place] = np.where(self.supplied, rate, 0.0)

    def updates(self) -> Iterator[Update]:
        """Yield what has changed."""
        yield Add(CONCENTRATION, self.change)
        if not self.supplied.all():
            yield Rate(SOURCE, self.source)
            yield Rate(SINK, self.sink)


def rates_of(name: str, drug: Drug, scenario: Scenario) -> Float:
    """Return the generator of a drug's amounts in this subject, (site, site) 1/h.

    Plasma that is a pool has no second compartment, and clears nothing where organs do.
    """
    weight = scenario.subject.body_weight
    is_elsewhere = drug.is_cleared_by(scenario.organs, drug.substance or name)
    absorption = [depot.absorption if depot is not None else 0.0 for depot in (drug.oral, drug.subcutaneous)]
    second = drug.peripheral if drug.into is None else None
    return compartment_rates(
        0.0 if is_elsewhere else drug.clearance.of(weight),
        plasma_volume(drug, scenario),
        0.0 if second is None else second.volume.of(weight),
        0.0 if second is None else second.flow.of(weight),
        (absorption[0], absorption[1]),
    )


def plasma_volume(drug: Drug, scenario: Scenario) -> float:
    """Return the volume of the central compartment, µm³."""
    if drug.into is None:
        return drug.volume.of(scenario.subject.body_weight)
    pool = scenario.compartments[drug.into].volume
    assert pool is not None, drug.into
    return pool


def _due(view: View, name: str, drug: Drug) -> Iterator[Pending]:
    """Yield the doses of a drug that are given now."""
    scenario = view.scenario
    for index, event in enumerate(scenario.timeline):
        if not isinstance(event, GiveDose) or event.drug != name:
            continue
        if is_due(event, index, view.tick - view.drawn.delay, scenario.tick, scenario.n_ticks, view.released):
            given = view.drawn.dose * nanomoles(event, drug, scenario)  # with the operator's error
            yield Pending.of(event, drug, given, view.time)
