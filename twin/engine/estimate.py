"""What a run will take: memory, so that it is refused before it is allocated, and time."""

from collections.abc import Mapping

from twin.model.contract import WorldModel
from twin.scenario.schema import Compartment, Scenario

GIB = 2.0**30  # bytes
PROCESS_BYTES = 0.8 * GIB  # interpreter, libraries, world model, one chunk at work; our choice
EXPRESSED_GENES = 1000  # per cell; our choice (Kang PBMC 710, deep plates 5,500)
ENTRY_BYTES = 4  # 16-bit gene, 16-bit token
STORED_BYTES = 8  # of an entry while a commit is written: 32-bit gene, 32-bit count
CELL_BYTES = 250  # dense columns of a cell without z and doses; sum of state/cells.py, rounded up
FIELD_COPIES = 8  # of a concentration grid at work: field, rates, transforms; our choice

# One core, our choice until tests/bench says better on the machine at hand.
TRANSITION_SECONDS = 1e-3  # per cell and tick
STEP_SECONDS = 1e-5  # per cell, tick and other process
VOXEL_SECONDS = 1e-7  # per voxel, substance and tick
FRAME_SECONDS = 2e-4  # per cell of a snapshot, written
START_SECONDS = 10.0  # imports, loading the model


def n_voxels(compartment: Compartment) -> int:
    """Return how many voxels a compartment's fields have."""
    n = 1
    for edge in compartment.box:
        n *= max(1, round(edge / compartment.spacing))
    return n


def frames_per_commit(scenario: Scenario) -> int:
    """Return how many snapshots of all cells wait in memory for the next commit."""
    every = scenario.observe.cells_every or scenario.observe.every
    return max(1, round(min(scenario.execution.commit_every, scenario.duration) / every)) + 1


def memory_bytes(scenario: Scenario, n_cells: Mapping[str, int], model: WorldModel) -> float:
    """Return the memory that one trajectory needs at its peak, bytes.

    Parameters
    ----------
    n_cells : per compartment.
    """
    frames, n_substances = frames_per_commit(scenario), len(scenario.substances)
    cell = CELL_BYTES + 4 * model.latent_size + 16 * len(model.perturbations)
    entries = min(EXPRESSED_GENES, len(model.genes)) * (ENTRY_BYTES * (1 + frames) + STORED_BYTES * frames)
    total = PROCESS_BYTES
    for name, compartment in scenario.compartments.items():
        total += n_cells.get(name, 0) * (entries + cell * (1 + frames))
        total += 8.0 * n_voxels(compartment) * n_substances * (FIELD_COPIES + frames)
    return total


def seconds(scenario: Scenario, n_cells: Mapping[str, int], transitions: float, others: float) -> float:
    """Return how long one replicate takes on one core, s.

    transitions, others : steps of the transcriptome and of other processes, per tick on average.
    """
    every = scenario.observe.cells_every or scenario.observe.every
    cells = sum(n_cells.values())
    voxels = sum(n_voxels(c) for c in scenario.compartments.values()) * len(scenario.substances)
    tick = cells * (TRANSITION_SECONDS * transitions + STEP_SECONDS * others) + voxels * VOXEL_SECONDS
    return START_SECONDS + scenario.n_ticks * tick + scenario.duration / every * cells * FRAME_SECONDS
