"""What cells notice of the cells that touch them: ligands on their neighbours' membranes."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.data.substances import to_nanomolar
from twin.errors import unknown_name
from twin.gates import cell_rates
from twin.kernels.contacts import contact_areas
from twin.kernels.exposure import hill
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    CLAMP,
    CONTACTS,
    DEPTH,
    DOSE,
    EC50_FACTOR,
    LATENT,
    POSITION,
    RADIUS,
    TIME_SINCE,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Set,
    Update,
    View,
)
from twin.scenario import signalling
from twin.scenario.schema import Scenario
from twin.state.cells import Column
from twin_signalling.receptors import competence_of, receptor_faults, there

Float = NDArray[np.float64]


class ContactSignal(Process):
    """Juxtacrine signals: column contact_<ligand> = receptor competence × what the cells that touch it show.

    A living neighbour shows the expected rate r of its ligand gene (of a complex, the scarcest), or r/(r + half_rate),
    times one or the area of the contact. The sum stands in the column, which rules and readouts can use, and which
    `exposure` turns into a dose where the signal names a perturbation. It is that of the contacts at the start of the
    tick; a process such as `mechanics` finds them.
    """

    class Config(ProcessConfig):
        """Nothing to set: who shows what to whom stands under `signalling.contact`."""

    reads: ClassVar[tuple[Port, ...]] = (
        POSITION,
        RADIUS,
        ALIVE,
        DEPTH,
        LATENT,
        DOSE,
        TIME_SINCE,
        EC50_FACTOR,
        CLAMP,
        CONTACTS,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    phase: ClassVar[Phase] = Phase.SOURCES

    @classmethod
    def columns_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Column, ...]:
        """Return one column a signal; a daughter starts without contacts."""
        return tuple(Column(s.column, "1", inherit="zero") for s in scenario.signalling.contact)

    @classmethod
    def writes_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the columns as ports."""
        return tuple(Port(s.column, ("cell",), "1") for s in scenario.signalling.contact)

    @classmethod
    def sets_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return all that it writes."""
        return cls.writes_for(config, scenario)

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which genes, perturbations and doses of the contact signals cannot be used."""
        faults = []
        known = {p.name: p for p in model.perturbations}
        for i, signal in enumerate(scenario.signalling.contact):
            where, name = f"signalling.contact[{i}]", signal.perturbation
            faults += [
                f"{where}.ligand: {unknown_name('gene of the world model', gene, model.genes)}"
                for gene in signal.genes
                if gene not in model.genes
            ]
            faults += receptor_faults(where, signal, signal.written or (), model, signal.ligand)
            if name is None or signal.dose is None:
                continue
            if name not in known:
                faults.append(f"{where}.perturbation: {unknown_name('perturbation of the world model', name, known)}")
            elif not known[name].ec50 > 0:
                faults.append(f"{where}.perturbation: {name} of the world model was trained without a dose")
            try:
                to_nanomolar(name, signal.dose)
            except ValueError as error:
                faults.append(f"{where}.dose: {error}")
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return how neighbours are counted."""
        told = []
        for s in scenario.signalling.contact:
            by = ", ".join(s.by) or "all types"
            each = (
                "the area of each contact in µm² (of the disc in which two spheres meet)" if s.weigh == "area" else "1"
            )
            gate = f"r/(r + {s.half_rate:g})" if s.half_rate is not None else "r"
            told.append(f"{s.column}: sum over touching cells of {by}, {gate} × {each}, r the expected {s.ligand}")
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return the columns of all signals."""
        return [Set(Port(s.column, ("cell",), "1"), contact_signal(view, s)) for s in view.scenario.signalling.contact]


def contact_signal(view: View, signal: signalling.ContactSignal) -> Float:
    """Return what each cell receives of a ligand from the cells that touch it, (cell,)."""
    shown = np.zeros(view.n_cells)
    mine = view["alive"] & view.type_is(signal.by or view.names["cell_type"])
    rows = np.flatnonzero(mine)
    genes = view.genes_of(signal.genes)
    if len(rows) and genes is not None:
        rate = cell_rates(view, genes, rows).min(axis=1)
        shown[rows] = rate if signal.half_rate is None else hill(rate, signal.half_rate)
    weights = view.contacts
    if signal.weigh == "area":
        weights = contact_areas(view["position"], view["radius"], view.contacts)
    competence = competence_of(view, signal, there(signal.written or (), view.model.genes))
    return np.asarray(competence * (weights @ shown), dtype=np.float64)
