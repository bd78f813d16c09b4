"""What a run will take: memory, so that it is refused before it is allocated, and time.

Both are sums of unit costs (`twin.engine.costs`) over what the scenario holds; `python -m tests.bench.bench_population`
prints them beside what was measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from twin.engine import costs
from twin.kernels.random import Streams
from twin.model.contract import Condition, WorldModel
from twin.process import Phase, Process
from twin.results.waiting import WAITING_BYTES
from twin.scenario.builders import Built
from twin.scenario.schema import Compartment, Scenario

GIB = 2.0**30  # bytes
EXPRESSED_GENES = 1000  # per cell, where it is not drawn; our choice (Kang PBMC 710, deep plates 5,500)
LEAST_DRAWN = 20_000  # cells; our choice: from here on a few cells are drawn to see how many genes they express
DRAWN = 8  # cells of each type; our choice
TOUCHING = 14  # cells that touch one, in a packed tissue; our choice (12 in a close packing)
FIELD_COPIES = 8  # of a concentration grid at work: field, rates, transforms; our choice
MEASURED_BYTES = 12  # of a count of the user's file, which stays in memory beside the state


@dataclass(frozen=True)
class Load:
    """What one trajectory holds and does.

    n_cells, n_voxels : in all compartments; voxels are counted once a substance.
    drawn, measured : of the cells, how many the world model draws, and how many come from a file.
    genes, expressed : on the axis, and of them with a count above 0 in a cell.
    latent, perturbations : numbers a cell.
    n_ticks, n_readouts, n_frames : ticks, times of readouts, kept instants of all cells.
    waiting : kept instants that a commit writes together.
    transitions, others : steps of the transcriptome and of other processes a tick, on average.
    changes : whether cells may be born and die.
    """

    n_cells: float
    n_voxels: float
    drawn: float
    measured: float
    genes: int
    expressed: float
    latent: int
    perturbations: int
    n_ticks: int
    n_readouts: int
    n_frames: int
    waiting: int
    transitions: float
    others: float
    changes: bool

    def scaled(self, n_cells: float) -> "Load":
        """Return the same tissue with more cells in as much more space."""
        by = n_cells / self.n_cells
        return replace(
            self, n_cells=n_cells, n_voxels=self.n_voxels * by, drawn=self.drawn * by, measured=self.measured * by
        )

    @property
    def cell_bytes(self) -> float:
        """Bytes of a cell without its counts: columns, and whom it touches."""
        return costs.CELL.value + 4 * self.latent + 16 * self.perturbations + 12 * TOUCHING

    @property
    def counts_bytes(self) -> float:
        """Bytes of all cells' counts."""
        return self.n_cells * self.expressed * costs.ENTRY.value


def load_of(
    scenario: Scenario,
    n_cells: Mapping[str, int],
    model: WorldModel,
    processes: Mapping[str, Process],
    every: Mapping[str, int],
) -> Load:
    """Return what a scenario's trajectories hold and do.

    n_cells : per compartment. every : per process, how many ticks lie between its steps.
    """
    observe = scenario.observe
    kept = observe.cells_every or observe.every
    moves = [n for n, p in processes.items() if p.phase == Phase.TRANSITION and model.genes and model.turns_over]
    source = {name: compartment.cells for name, compartment in scenario.compartments.items()}
    from_file = [n for n, c in source.items() if c.source == "h5ad" or (isinstance(c, Built) and c.transcriptomes)]
    measured = sum(n_cells.get(name, 0) for name in from_file)
    total = sum(n_cells.values())
    return Load(
        n_cells=total,
        n_voxels=sum(map(n_voxels, scenario.compartments.values())) * len(scenario.substances),
        drawn=total - measured,
        measured=measured,
        genes=len(model.genes),
        expressed=expressed_genes(scenario, model, total),
        latent=model.latent_size,
        perturbations=len(model.perturbations),
        n_ticks=scenario.n_ticks,
        n_readouts=round(scenario.duration / observe.every) + 1,
        n_frames=round(scenario.duration / kept) + 1,
        waiting=max(1, round(min(scenario.execution.commit_every, scenario.duration) / kept)) + 1,
        transitions=sum(1 / every[name] for name in moves),
        others=sum(1 / every[name] for name in processes if name not in moves),
        changes=any(process.phase == Phase.PHENOTYPE for process in processes.values()),
    )


def n_voxels(compartment: Compartment) -> int:
    """Return how many voxels a compartment's fields have."""
    n = 1
    for edge in compartment.box:
        n *= max(1, round(edge / compartment.spacing))
    return n


def expressed_genes(scenario: Scenario, model: WorldModel, n_cells: int) -> float:
    """Return how many genes a cell expresses on average: of many cells that are drawn, a few are drawn to see it."""
    few = [_expressed(c, model) for c in scenario.compartments.values()] if n_cells >= LEAST_DRAWN else []
    return min(float(len(model.genes)), max(few, default=float(EXPRESSED_GENES)))


def _expressed(compartment: Compartment, model: WorldModel) -> float:
    source = compartment.cells
    if source.source != "model" or not model.genes:
        return float(EXPRESSED_GENES)
    if isinstance(source.composition, str):
        shares = dict(zip(model.contexts, model.composition.tolist(), strict=True))
    else:
        shares = {name: share for name, share in source.composition.items() if name in model.contexts}
    some = [name for name, share in shares.items() if share > 0]
    context = np.repeat([model.contexts.index(name) for name in some], DRAWN).astype(np.intp)
    ids, none = np.arange(len(context), dtype=np.uint64), np.zeros((len(context), len(model.perturbations)))
    streams = Streams(0, 0, -1)
    here = Condition(ids, context, model.depths(context, ids, streams), none, none + np.nan, np.ones(len(context)))
    counts, _ = model.sample(here, streams)
    genes = np.diff(counts.indptr).reshape(-1, DRAWN).mean(axis=1)
    return float(np.average(genes, weights=[shares[name] for name in some])) if some else float(EXPRESSED_GENES)


def memory_bytes(load: Load) -> float:
    """Return the memory that one trajectory needs at its peak, bytes."""
    counts = load.counts_bytes * (2 if load.changes else 1)  # births and deaths put the chunks together anew
    if load.counts_bytes <= WAITING_BYTES:  # above it kept counts wait on the disk
        counts += load.counts_bytes * load.waiting
    written = load.n_cells * load.expressed * load.waiting * costs.WRITTEN.value
    return (
        costs.PROCESS.value
        + counts
        + load.n_cells * load.cell_bytes * (2 + load.waiting)
        + load.n_cells * load.waiting * costs.NAMED.value
        + min(written, costs.SHARD.value)
        + load.measured * load.expressed * MEASURED_BYTES
        + 8.0 * load.n_voxels * (FIELD_COPIES + load.waiting)
    )


def seconds(load: Load) -> float:
    """Return how long one trajectory takes on one core, s."""
    return costs.START.value + sum(parts_of(load).values())


def parts_of(load: Load) -> dict[str, float]:
    """Return the processor seconds of a trajectory by what they go to."""
    n, ticks = load.n_cells, load.n_ticks
    return {
        "founders": load.drawn * load.genes * costs.SEED.value,
        "transitions": ticks * n * load.genes * load.transitions * costs.TRANSITION.value,
        "other processes": ticks * n * load.others * costs.STEP.value,
        "fields": ticks * load.n_voxels * costs.VOXEL.value,
        "readouts": load.n_readouts * n * costs.OBSERVE.value,
        "kept cells": load.n_frames * n * load.expressed * costs.FRAME.value,
    }
