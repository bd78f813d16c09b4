"""How fast token backbones draw guided cells: the published Lingshu recipe, and patches in one round.

Weights are drawn, not trained: the passes cost the same; how many values a head has to give depends on how many
counts are drawn non-zero, which the starting rates set to some 900 a cell. Operations are counted by torch as it runs
them.
"""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from twin.kernels.random import Streams
from twin.model.backbones.lingshu import LingshuConfig
from twin.model.backbones.patches import PatchesConfig
from twin.model.backbones.sampler import Ask, draw
from twin.model.backbones.sizes import build
from twin.model.runtime import device_of

N_GENES, WIDTH = 14_053, 64
GUIDANCE = 2.0  # Lingshu-Cell's for genetic perturbations
ROOFLINE = 989e12  # FLOP/s, bfloat16 without sparsity: NVIDIA H200 (SXM) data sheet
REPEATS = 2
ON_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # which torch does not count


def bench_backbones(threads: Sequence[int], n_genes: int = N_GENES) -> dict[str, float]:
    """Return cells/s, passes/s and GFLOP a cell of each configuration, by threads, and on CUDA where there is one."""
    before = torch.get_num_threads()
    sizes = {"n_genes": n_genes, "context_width": WIDTH, "perturbation_width": WIDTH}
    rates: dict[str, float] = {}
    for name, config, rounds, rows in (
        ("lingshu S=32, 3 guided steps", LingshuConfig.model_validate({**sizes, "packing": 32}), 3, 2),
        ("patches S=64, 1 guided step", PatchesConfig(**sizes), 1, 8),
    ):
        for n in threads:
            torch.set_num_threads(n)
            told = _measure(config, rounds, rows, "cpu", 1)
            rates |= {f"{name}, {n} thread{'s' if n > 1 else ''}: {word}": value for word, value in told.items()}
        if torch.cuda.is_available():
            told = _measure(config, rounds, 0, "cuda", 8)
            told["fraction of the roofline"] = told["GFLOP a cell"] * 1e9 * told["cells/s"] / ROOFLINE
            rates |= {f"{name}, CUDA: {word}": value for word, value in told.items()}
    torch.set_num_threads(before)
    return rates


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]  # torch's own


def _measure(
    config: LingshuConfig | PatchesConfig, rounds: int, rows: int, device: str, batches: int
) -> dict[str, float]:
    """Return what drawing `batches` full batches of guided cells costs, the best of the repeats.

    rows : passes in a batch, two for each cell; 0: the device's usual number.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build(config).eval()
    rate = np.random.default_rng(0).gamma(0.3, 1.0, config.n_genes)
    levels = 0.4 ** np.arange(281.0) + 1e-9
    levels[0] = 15.0 * levels[1:].sum()
    net.start(torch.from_numpy(rate / rate.sum()).float(), torch.from_numpy(levels / levels.sum()).float())
    net.to(device_of(device))
    per_batch = (rows or 128) // 2
    n = per_batch * batches
    rng = np.random.default_rng(1)
    ask = Ask(
        np.arange(n, dtype=np.uint64),
        rng.normal(size=(n, WIDTH)).astype(np.float32),
        np.full(n, 7.5, np.float32),
        rng.normal(size=(n, config.latent)).astype(np.float32),
        rng.normal(size=(n, 1, WIDTH)).astype(np.float32),
        np.ones((n, 1)),
    )

    def once(cells: int) -> float:
        start = perf_counter()
        draw(net, ask.rows(np.arange(cells)), Streams(0, 0, 0), "bench", rounds=rounds, guidance=GUIDANCE, rows=rows)
        return perf_counter() - start

    once(per_batch)  # makes the tables of weights
    with FlopCounterMode(display=False, custom_mapping={ON_CPU: _attention}) as counted:
        once(per_batch)
    seconds = min(once(n) for _ in range(REPEATS))
    return {
        "cells/s": n / seconds,
        "passes/s": 2 * rounds * n / seconds,
        "GFLOP a cell": counted.get_total_flops() / per_batch / 1e9,
    }
