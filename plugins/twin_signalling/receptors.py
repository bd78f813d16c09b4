"""Which cells can receive a signal, and what competes for their receptors."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.errors import unknown_name
from twin.gates import clamp_factors, type_rates
from twin.kernels.exposure import dose_shift, gate_receptor, sample_field
from twin.model.contract import WorldModel
from twin.process import View
from twin.scenario.schema import Scenario
from twin.scenario.signalling import Antagonist, Complexes, Received, Reception, absent_receptors, present

Float = NDArray[np.float64]


def competence_of(view: View, received: Received, complexes: Complexes | None) -> Float:
    """Return each cell's receptor competence in [0, 1], (cell,); 0 for the dead.

    Rates are read, not raw counts (both subunits are seldom counted in one cell that has the
    receptor), and a rate is that of the cell's type: at the trained dose a type's measured effect
    already contains its receptor level, so a type that has the receptor at all has competence 1, times
    the cell's own clamp factor of the scarcest subunit. Of several receptors the best counts. `competence` of the
    scenario stands in for a type's 0 or 1; the clamp of a cell still acts on it.

    complexes : the receptors, any of which will do, on the model's genes; () where every cell receives it, None where
        the compartment's model has none of them.
    """
    code = view["cell_type"]
    gated = np.zeros((view.n_cells, max(len(complexes or ()), 1)))  # (cell, receptor)
    free = np.ones_like(gated)
    for i, whole in enumerate(complexes or ((),)):
        genes = [view.model.genes.index(gene) for gene in whole]
        factors = clamp_factors(view, genes)
        gated[:, i] = gate_receptor(type_rates(view, genes), factors, code, received.detection) if genes else 1.0
        free[:, i] = np.clip(factors, 0.0, 1.0).min(axis=1, initial=1.0)
    competence = gated.max(axis=1) if complexes is not None else np.zeros(view.n_cells)
    for name, value in received.competence.items():
        mine = view.type_is([name])
        competence[mine] = value * free[mine].max(axis=1)
    return np.where(view["alive"], competence, 0.0)


def receptors_of(view: View, reception: Reception) -> Complexes | None:
    """Return the receptors of a reception that the compartment's model has the genes of, as `there`."""
    return there(view.scenario.complexes(reception), view.model.genes)


def there(complexes: Complexes, genes: Sequence[str]) -> Complexes | None:
    """Return the receptors all of whose genes are there; () of none that are asked for, None where all are absent."""
    found = present(complexes, genes)
    return None if complexes and not found else found


def competition(view: View, reception: Reception, position: Float) -> Float:
    """Return by how much antagonists shift the dose at each place, (place,); 1 without any."""
    if not reception.antagonists:
        return np.ones(len(position))
    local, constants = [], []
    for antagonist in reception.antagonists:
        field = view["concentration"][view.substances.index(antagonist.substance)]
        local.append(sample_field(field, position, view.grid.origin, view.spacing))
        constants.append(_constant(view.scenario, antagonist))
    return dose_shift(np.stack(local, axis=1), np.array(constants))


def _constant(scenario: Scenario, antagonist: Antagonist) -> float:
    return scenario.substances[antagonist.substance].nanomolar(antagonist.ki, antagonist.substance)


def reception_faults(scenario: Scenario, model: WorldModel) -> list[str]:
    """Return which names and constants of the receptions stand for nothing, a sentence each."""
    faults = []
    for i, reception in enumerate(scenario.signalling.reception):
        where = f"signalling.reception[{i}]"
        if reception.substance not in scenario.substances:
            faults.append(f"{where}: {unknown_name('substance', reception.substance, scenario.substances)}")
        faults += receptor_faults(where, reception, scenario.complexes(reception), model, reception.substance)
        for j, antagonist in enumerate(reception.antagonists):
            faults += _antagonist_faults(f"{where}.antagonists[{j}]", antagonist, reception, scenario)
    return faults


def receptor_faults(where: str, received: Received, complexes: Complexes, model: WorldModel, ligand: str) -> list[str]:
    """Return which receptor genes of a signal the model does not have."""
    if received.receptor:
        return [
            f"{where}.receptor: {unknown_name('gene of the world model', gene, model.genes)}"
            for gene in received.receptor
            if gene not in model.genes
        ]
    absent = absent_receptors(complexes, model.genes, ligand)
    return [f"{where}.receptor: {absent}"] if absent is not None else []


def _antagonist_faults(where: str, antagonist: Antagonist, reception: Reception, scenario: Scenario) -> list[str]:
    name = antagonist.substance
    if name not in scenario.substances:
        return [f"{where}.substance: {unknown_name('substance', name, scenario.substances)}"]
    if name == reception.substance:
        return [f"{where}.substance: {name!r} cannot be its own antagonist"]
    try:
        constant = _constant(scenario, antagonist)
    except ValueError as error:
        return [f"{where}.ki: {error}"]
    return [] if constant > 0 else [f"{where}.ki: {antagonist.ki.text} is no constant: it has to be above 0"]
