"""Tiny token backbones, and cells with a known law to train them on."""

import numpy as np
import scipy.sparse as sp
import torch

from twin.kernels.random import Streams
from twin.model.backbones.lingshu import Lingshu, LingshuConfig
from twin.model.backbones.patches import Patches, PatchesConfig
from twin.model.backbones.sampler import Ask
from twin.model.training import ConditionVectors, TrainingCells

N_GENES = 53  # no multiple of any patch: the last one is not full
KINDS = ("patches", "lingshu")
LUCK = Streams(0, 0, 0)
RESPONDERS = np.arange(5, 12)  # genes that the perturbation raises


def tiny(kind: str, n_genes: int = N_GENES, seed: int = 0, packing: int = 8) -> Patches | Lingshu:
    """Return a small backbone whose weights are all away from their special starting values."""
    torch.manual_seed(seed)
    sizes = {"n_genes": n_genes, "context_width": 3, "perturbation_width": 2}
    net: Patches | Lingshu
    if kind == "patches":
        net = Patches(PatchesConfig(**sizes, latent=3, patch=8, width=16, blocks=2, heads=2, code_in=4, code_out=6))
    else:
        config = {**sizes, "packing": packing, "width": 16, "blocks": 2, "heads": 2, "inner": 32}
        net = Lingshu(LingshuConfig.model_validate(config))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    net.start(torch.linspace(0.2, 2.0, n_genes) / n_genes, 0.6 ** torch.arange(281) + 1e-5)
    return net


def ask(net: Patches | Lingshu, n: int, seed: int = 0, arms: int = 1) -> Ask:
    """Return a question about n cells of which nothing is alike; every second one is treated at the trained dose."""
    rng = np.random.default_rng(seed)
    c = net.config
    return Ask(
        np.arange(n, dtype=np.uint64) + np.uint64(100),
        rng.normal(size=(n, c.context_width)).astype(np.float32),
        rng.normal(4.0, 0.3, n).astype(np.float32),
        rng.normal(size=(n, c.latent)).astype(np.float32),
        rng.normal(size=(n, arms, c.perturbation_width)).astype(np.float32),
        np.tile(np.arange(n)[:, None] % 2.0, (1, arms)),
    )


def cells(n: int = 240, seed: int = 0) -> tuple[TrainingCells, ConditionVectors]:
    """Return cells of two contexts, half of them treated, from two files of which one lacks three genes."""
    rng = np.random.default_rng(seed)
    context, treated, file = (rng.integers(0, 2, n) for _ in range(3))
    log_rate = rng.normal(-0.7, 0.8, (2, N_GENES))[context]
    log_rate[np.ix_(np.flatnonzero(treated), RESPONDERS)] += 2.0
    counts = rng.poisson(np.exp(log_rate))
    measured = np.ones((2, N_GENES), dtype=np.bool_)
    measured[1, :3] = False
    counts[~measured[file]] = 0
    strength = treated[:, None].astype(np.float32)
    vectors = ConditionVectors(np.eye(2, 3, dtype=np.float32), np.ones((1, 2), np.float32))
    return TrainingCells(sp.csr_array(counts.astype(np.int32)), measured, file, context, strength), vectors
