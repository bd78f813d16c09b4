"""What cells notice of the fields around them: a dose at the receptor, and since when."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from twin.data.substances import to_nanomolar
from twin.errors import unknown_name
from twin.kernels.exposure import sample_field
from twin.model.contract import Perturbation, WorldModel
from twin.process import (
    ALIVE,
    CLAMP,
    CONCENTRATION,
    DEPTH,
    DOSE,
    EC50_FACTOR,
    POSITION,
    TIME_SINCE,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Update,
    View,
)
from twin.scenario.intracellular import dose_of, doses_of
from twin.scenario.schema import Scenario
from twin.scenario.signalling import Reception
from twin_signalling.receptors import competence_of, competition, reception_faults, receptors_of

BEGINS_AT = 0.01  # of the cell's own EC50: from this dose on a cell counts as exposed; our choice


class Exposure(Process):
    """Dose at the receptor = local concentration × receptor competence, and the time since it began.

    The concentration is interpolated between voxel centres (trilinear); competing antagonists divide it by
    1 + Σ b/K_B (Gaddum, Schild). Several substances, contact signals and intracellular models that act as one
    perturbation add up. An
    `ec50` in the scenario scales a substance's dose by (the model's EC50 / this one): its half effect then lies at
    the scenario's EC50 for every cell, whatever the cell's own sensitivity, and the trained dose scales along. Once
    exposure has begun the time goes on, also when the substance is gone again.
    """

    class Config(ProcessConfig):
        """Nothing to set: who receives what stands under `signalling`."""

    reads: ClassVar[tuple[Port, ...]] = (
        POSITION,
        ALIVE,
        DEPTH,
        EC50_FACTOR,
        CLAMP,
        CONCENTRATION,
        DOSE,
        TIME_SINCE,
        Port("cell_type", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (DOSE, TIME_SINCE)
    sets: ClassVar[tuple[Port, ...]] = (DOSE, TIME_SINCE)
    phase: ClassVar[Phase] = Phase.EXPOSURE

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the columns of the contact signals that are felt, and the doses that intracellular models give."""
        touched = (Port(s.column, ("cell",), "1") for s in scenario.signalling.contact if s.perturbation is not None)
        return (*touched, *(Port(dose_of(name), ("cell",), "nM") for name in doses_of(scenario)))

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which names, doses and combinations of the receptions cannot be used."""
        faults = reception_faults(scenario, model)
        known = {p.name: p for p in model.perturbations}
        seen: set[tuple[str, str]] = set()
        for i, reception in enumerate(scenario.signalling.reception):
            where, name = f"signalling.reception[{i}]", reception.perturbation
            if name is None:
                if reception.ec50 is not None:
                    faults.append(f"{where}.ec50: an EC50 needs a perturbation that it is of")
                if reception.uptake == 0:
                    faults.append(f"{where}: does nothing; give a perturbation, an uptake or both")
                continue
            if name not in known:
                message = unknown_name("perturbation of the world model", name, known)
                faults.append(f"{where}.perturbation: {message}")
            elif not known[name].ec50 > 0:
                faults.append(
                    f"{where}.perturbation: {name} of the world model was trained without a dose; train it with one"
                )
            if (reception.substance, name) in seen:
                faults.append(f"{where}: {reception.substance} is felt as {name} twice; keep one of them")
            seen.add((reception.substance, name))
            faults += _ec50_faults(reception, scenario, where)
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return what is taken for granted of receptors, and any EC50 that is not the model's."""
        receptions = [r for r in scenario.signalling.reception if r.perturbation is not None]
        told = [
            f"{r.substance} is felt as {r.perturbation} with an EC50 of {r.ec50.text}, not the model's"
            for r in receptions
            if r.ec50 is not None
        ]
        if receptions:
            told.append(
                "a cell type that has a receptor has it fully: the effect measured in it contains its receptor level"
            )
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return doses and times since exposure began, as they are at the end of this tick."""
        dose, since = view["dose"].copy(), view["time_since"].copy()  # (cell, perturbation)
        columns = {name: i for i, name in enumerate(view.perturbations)}
        perturbations = {p.name: p for p in view.model.perturbations}
        felt: set[str] = set()
        for reception in view.scenario.signalling.reception:
            if reception.perturbation is None or reception.perturbation not in columns:  # of another world model
                continue
            if reception.perturbation not in felt:
                dose[:, columns[reception.perturbation]] = 0.0
            felt.add(reception.perturbation)
            field = view["concentration"][view.substances.index(reception.substance)]
            local = sample_field(field, view["position"], view.grid.origin, view.spacing)
            potency = _potency(view, reception, perturbations[reception.perturbation])
            competence = competence_of(view, reception, receptors_of(view, reception))
            shift = competition(view, reception, view["position"])
            dose[:, columns[reception.perturbation]] += potency * local / shift * competence
        for signal in view.scenario.signalling.contact:
            if signal.perturbation is None or signal.dose is None or signal.perturbation not in columns:
                continue
            if signal.perturbation not in felt:
                dose[:, columns[signal.perturbation]] = 0.0
            felt.add(signal.perturbation)
            dose[:, columns[signal.perturbation]] += view[signal.column] * to_nanomolar(
                signal.perturbation, signal.dose
            )
        for name in doses_of(view.scenario):
            if name not in columns:
                continue
            if name not in felt:
                dose[:, columns[name]] = 0.0
            felt.add(name)
            dose[:, columns[name]] += view[dose_of(name)]
        for name in sorted(felt):
            column = columns[name]
            begins = dose[:, column] > BEGINS_AT * perturbations[name].ec50 * view["ec50_factor"]
            before = since[:, column]
            since[:, column] = np.where(np.isnan(before), np.where(begins, dt, np.nan), before + dt)
        return [Set(DOSE, dose), Set(TIME_SINCE, since)]


def _potency(view: View, reception: Reception, perturbation: Perturbation) -> float:
    """Return the model's EC50 over the scenario's: the factor on this substance's dose."""
    if reception.ec50 is None:
        return 1.0
    return perturbation.ec50 / view.scenario.substances[reception.substance].nanomolar(
        reception.ec50, reception.substance
    )


def _ec50_faults(reception: Reception, scenario: Scenario, where: str) -> list[str]:
    """Return what keeps an EC50 from being a concentration above zero, in nM."""
    substance = scenario.substances.get(reception.substance)
    if reception.ec50 is None or substance is None:
        return []
    if reception.ec50.value == 0:
        return [f"{where}.ec50: {reception.ec50.text} is no EC50: it has to be above 0"]
    try:
        substance.nanomolar(reception.ec50, reception.substance)
    except ValueError as error:
        return [f"{where}.ec50: {error}"]
    return []
