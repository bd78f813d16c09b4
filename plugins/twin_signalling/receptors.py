"""Which cells can receive a substance, and the conditions under which the world model is asked."""

import numpy as np
from numpy.typing import NDArray

from twin.errors import unknown_name
from twin.gates import clamp_factors, type_rates
from twin.kernels.exposure import gate_receptor
from twin.model.contract import WorldModel
from twin.process import View
from twin.scenario.schema import Reception, Scenario

Float = NDArray[np.float64]


def competence_of(view: View, reception: Reception) -> Float:
    """Return each cell's receptor competence in [0, 1], (cell,); 0 for the dead.

    Rates are read, not raw counts (both subunits are seldom counted in one cell that has the
    receptor), and a rate is that of the cell's type: at the trained dose a type's measured effect
    already contains its receptor level, so a type that has the receptor at all has competence 1, times
    the cell's own clamp factor of the scarcest subunit. `competence` of the scenario stands in for
    a type's 0 or 1; the clamp of a cell still acts on it.
    """
    genes = [view.model.genes.index(gene) for gene in reception.receptor]
    code, factors = view["cell_type"], clamp_factors(view, genes)
    if genes:
        competence = gate_receptor(type_rates(view, genes), factors, code, reception.detection)
    else:
        competence = np.ones(view.n_cells)
    for name, value in reception.competence.items():
        mine = view.type_is([name])
        competence[mine] = value * np.clip(factors[mine], 0.0, 1.0).min(axis=1, initial=1.0)
    return np.where(view["alive"], competence, 0.0)


def reception_faults(scenario: Scenario, model: WorldModel) -> list[str]:
    """Return which names of the receptions stand for nothing, a sentence each."""
    faults = []
    for i, reception in enumerate(scenario.signalling.reception):
        where = f"signalling.reception[{i}]"
        if reception.substance not in scenario.substances:
            faults.append(f"{where}: {unknown_name('substance', reception.substance, scenario.substances)}")
        faults += [
            f"{where}.receptor: {unknown_name('gene of the world model', gene, model.genes)}"
            for gene in reception.receptor
            if gene not in model.genes
        ]
    return faults
