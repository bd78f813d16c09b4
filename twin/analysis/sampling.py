"""Our model as a generator of populations: trained from nothing on a set's training cells, in few rounds or many."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch

from twin.analysis.protocol.bases import Bases
from twin.analysis.protocol.generation import GenerationSet, GenerationTask, Generator, generation_table
from twin.analysis.protocol.table import Table
from twin.kernels.random import Streams
from twin.model.contract import Condition
from twin.model.masked import MaskedDiffusion

ROUNDS = (1, 2, 3, 8, 32, 256)
NAME = "twin"
AROUND = "twin, around training cells"  # no generation from nothing: beside a peer's row of the same kind


@dataclass
class Sampler:
    """Cells drawn from a network trained on the task's cells: a type by its share, a depth by its law, then all genes.

    rounds : K. latent : False takes z away, so that only what was revealed in earlier rounds ties genes together.
    around : True takes z, type and library size of training cells drawn at random, so that only genes are drawn.
    """

    bases: Bases
    rounds: int = 1
    latent: bool = True
    around: bool = False

    def __call__(self, task: GenerationTask) -> sp.csr_array:
        """Return as many cells as are asked for, (cell, gene) counts."""
        label = task.obs["cell_type"].to_numpy(dtype=np.str_)
        contexts, context = np.unique(label, return_inverse=True)
        counts = sp.csr_array(task.training)
        totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        names = [str(c) for c in contexts]
        model = self.bases.base(counts, totals, task.genes, names, context.astype(np.intp), task.seed)
        model = model if self.latent else without_latent(model)
        chosen = np.random.default_rng(task.seed).integers(len(context), size=task.n)
        asked = context[chosen].astype(np.intp)
        ids, streams = np.arange(task.n, dtype=np.uint64), Streams(task.seed, 0, 0)
        nothing = np.zeros((task.n, len(model.perturbations)))
        depth = totals[chosen] if self.around else model.depths(asked, ids, streams)
        condition = Condition(ids, asked, depth, nothing, np.full_like(nothing, np.nan), np.ones(task.n))
        if self.around:
            z = model.encode(counts[chosen], condition)
            blank = sp.csr_array((task.n, len(task.genes)), dtype=np.int32)
            effects = model.effects(condition)
            return model.decoder.target(blank, z, condition, effects, streams, "sample", steps=self.rounds)
        return sp.csr_array(model.sample(condition, streams, steps=self.rounds)[0])


def without_latent(model: MaskedDiffusion) -> MaskedDiffusion:
    """Return a copy that knows nothing of a cell but its context and what is revealed of it: z is 0 for all."""
    net = deepcopy(model.net)
    with torch.no_grad():
        net.prior_mean.zero_()
        net.prior_root.zero_()
        net.from_z.weight.zero_()
    return MaskedDiffusion(net, model.knowledge, model.card)


def few_steps(
    bases: Bases,
    wanted: GenerationSet,
    *,
    folder: Path,
    rounds: Sequence[int] = ROUNDS,
    seeds: Sequence[int] = (0,),
    on_row: Callable[[str, str], None] | None = None,
) -> Table:
    """Return the table of one population in K rounds, with z and without, beside independent genes and real cells."""
    generators: dict[str, Generator] = {}
    for latent in (True, False):
        for k in rounds:
            name = f"{NAME}, {k} round{'s' if k > 1 else ''}" + ("" if latent else ", without z")
            generators[name] = Sampler(bases, k, latent)
    table = generation_table(generators, [wanted], folder=folder, seeds=seeds, on_row=on_row)
    return replace(table, key="few-steps", name=f"Few rounds: {wanted.name}", notes=())
