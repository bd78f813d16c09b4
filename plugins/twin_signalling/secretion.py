"""What cells give to and take from the fields around them."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from twin.errors import unknown_name
from twin.gates import cell_rates
from twin.kernels.exposure import hill
from twin.model.contract import WorldModel
from twin.process import (
    ALIVE,
    CLAMP,
    CONCENTRATION,
    DEPTH,
    DOSE,
    EC50_FACTOR,
    LATENT,
    POSITION,
    SINK,
    SOURCE,
    TIME_SINCE,
    Phase,
    Port,
    Process,
    ProcessConfig,
    Rate,
    Update,
    View,
)
from twin.scenario import signalling
from twin.scenario.schema import Scenario
from twin_signalling.receptors import (
    competence_of,
    competition,
    reception_faults,
    receptors_of,
)

Float = NDArray[np.float64]

NANOMOLAR_UM3_PER_AMOL = 1e6  # nM·µm³/amol; units.py


class Secretion(Process):
    """Release by cells of some types, and uptake by receptors, each into the cell's own voxel.

    A gated release is the full rate times r/(r + half_rate), r the world model's expected rate of the gene (of a
    factor of two chains, of the scarcer) in this cell as it is now (its individuality, its exposure, its knocked-out
    genes), floored by the mean of its type.
    Uptake is first order in the concentration: clearance × receptor competence / what antagonists shift (1 + Σ b/K_B).
    """

    class Config(ProcessConfig):
        """Nothing to set: who releases and takes up what stands under `signalling`."""

    reads: ClassVar[tuple[Port, ...]] = (
        POSITION,
        ALIVE,
        DEPTH,
        LATENT,
        DOSE,
        TIME_SINCE,
        EC50_FACTOR,
        CLAMP,
        Port("cell_type", ("cell",), "1"),
        Port("id", ("cell",), "1"),
    )
    writes: ClassVar[tuple[Port, ...]] = (SOURCE, SINK)
    phase: ClassVar[Phase] = Phase.SOURCES

    @classmethod
    def reads_for(cls, config: ProcessConfig, scenario: Scenario) -> tuple[Port, ...]:
        """Return the concentrations, where antagonists hinder the uptake."""
        hindered = any(r.antagonists and r.uptake > 0 for r in scenario.signalling.reception)
        return (CONCENTRATION,) if hindered else ()

    @classmethod
    def check(cls, config: ProcessConfig, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return which substances and genes of the secretions are not known."""
        faults = []
        for i, secretion in enumerate(scenario.signalling.secretion):
            where = f"signalling.secretion[{i}]"
            if secretion.substance not in scenario.substances:
                faults.append(f"{where}: {unknown_name('substance', secretion.substance, scenario.substances)}")
            faults += [
                f"{where}.gene: {unknown_name('gene of the world model', gene, model.genes)}"
                for gene in secretion.genes
                if gene not in model.genes
            ]
        if "exposure" not in scenario.processes:  # which otherwise tells them
            faults += reception_faults(scenario, model)
        return faults

    def assumptions(self, scenario: Scenario, model: WorldModel) -> list[str]:
        """Return at what constant rates cells release, and how uptake is meant."""
        told = []
        for secretion in scenario.signalling.secretion:
            gate = (
                "at a fixed rate"
                if secretion.gene is None
                else f"by the expected rate of {secretion.gene}, half at {secretion.half_rate:g} per 10,000"
            )
            told.append(f"{secretion.substance}: {', '.join(secretion.by)} release it {gate}")
        if any(reception.uptake > 0 for reception in scenario.signalling.reception):
            told.append("uptake is first order: receptors do not saturate")
        return told

    def step(self, view: View, dt: float) -> Iterable[Update]:
        """Return what all cells release (nM/h) and take up (1/h) in each voxel during this tick."""
        source = np.zeros((len(view.substances.names), *view.grid.shape))
        sink = np.zeros_like(source)
        voxel = view.grid.voxel_of(view["position"])  # (cell,)
        for secretion in view.scenario.signalling.secretion:
            released = release(view, secretion, dt) * NANOMOLAR_UM3_PER_AMOL
            source[view.substances.index(secretion.substance)] += _per_voxel(view, voxel, released)
        for reception in view.scenario.signalling.reception:
            if reception.uptake > 0:
                cleared = reception.uptake * competence_of(view, reception, receptors_of(view, reception))
                cleared = cleared / competition(view, reception, view["position"])
                sink[view.substances.index(reception.substance)] += _per_voxel(view, voxel, cleared)
        return [Rate(SOURCE, source), Rate(SINK, sink)]


def release(view: View, secretion: signalling.Secretion, dt: float) -> Float:
    """Return what each cell releases on average over this tick, (cell,) amol/h."""
    end = np.inf if secretion.end is None else secretion.end
    share = max(0.0, min(end, view.time + dt) - max(secretion.start, view.time)) / dt
    released = np.zeros(view.n_cells)
    rows = np.flatnonzero(view["alive"] & view.type_is(secretion.by))
    if share == 0 or len(rows) == 0:
        return released
    released[rows] = secretion.rate * share
    genes = view.genes_of(secretion.genes)
    if genes is None:  # cells of another world model, which do not have it
        return np.zeros(view.n_cells)
    if genes:
        rate = cell_rates(view, genes, rows).min(axis=1)
        released[rows] *= hill(rate, secretion.half_rate)
    return released


def _per_voxel(view: View, voxel: NDArray[np.intp], amount: Float) -> Float:
    """Return the sum of `amount` (cell,) in each voxel per µm³, (z, y, x)."""
    size = int(np.prod(view.grid.shape))
    total = np.bincount(voxel, weights=amount, minlength=size)
    return np.asarray(total.reshape(view.grid.shape) / view.grid.voxel_volume)
