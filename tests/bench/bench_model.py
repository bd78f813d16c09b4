"""How fast the embedded world model moves blood cells: transitions a second, every gene that they measured.

All cells are exposed at the trained dose, which is the dear case; Δt is 1 h, chunks are those of a run.
"""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch

from twin import registry
from twin.kernels.random import Streams
from twin.model.contract import Condition

N_CELLS, CHUNK = 1_024, 256
ELAPSED = 1.0  # h
REPEATS = 3


def bench_model(threads: Sequence[int]) -> dict[str, float]:
    """Return transitions a second by number of torch threads, the best of three."""
    whole = registry.model("default")
    here = [name for name, share in zip(whole.contexts, whole.composition, strict=True) if share > 0]
    model = whole.focused(here, perturbations=["IFNB1"])
    before = torch.get_num_threads()
    ids = np.arange(N_CELLS, dtype=np.uint64)
    context = (np.arange(N_CELLS) % len(model.contexts)).astype(np.intp)
    streams = Streams(0, 0, 0)
    shape = (N_CELLS, len(model.perturbations))
    condition = Condition(
        ids=ids,
        context=context,
        depth=model.depths(context, ids, streams),
        dose=np.tile([p.reference for p in model.perturbations], (N_CELLS, 1)),
        time_since=np.full(shape, 1.0),
        ec50_factor=np.ones(N_CELLS),
    )
    counts, z = model.sample(condition, streams)
    chunks = [slice(first, first + CHUNK) for first in range(0, N_CELLS, CHUNK)]
    rates = {}
    for n in threads:
        torch.set_num_threads(n)
        best = 0.0
        for repeat in range(REPEATS + 1):  # the first one compiles
            start = perf_counter()
            for rows in chunks:
                luck = Streams(0, 0, repeat)
                model.transition(counts[rows], z[rows], condition.rows(rows), ELAPSED, model.kappa(), luck)
            best = max(best, N_CELLS / (perf_counter() - start)) if repeat else 0.0
        rates[f"model, {len(model.genes):,} genes, {n} thread{'s' if n > 1 else ''}: transitions/s"] = best
    torch.set_num_threads(before)
    return rates
