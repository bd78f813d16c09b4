"""Training of the masked-diffusion world model: objective, schedule, resume.

Each batch: t stratified over (0, 1], every measured gene masked with probability t, cross-entropy on the masked genes
weighted 1/t (an upper bound on the negative log-likelihood), plus a small KL on z. A quarter of
the batch has t = 1, the case from which few rounds start.

Source
------
Sahoo et al., MDLM, arXiv 2406.07524; Nie et al., LLaDA, arXiv 2502.09992 (1/t weights, stratified t).
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from twin.errors import InputError
from twin.kernels.random import hash_words
from twin.kernels.tokens import tokens_of
from twin.model.network import Inputs, LatentNetwork

ALL_MASKED_SHARE = 0.25  # of each batch; our choice
CLIP = 0.05  # of the gradient's norm, nats per gene and unit; our choice
LAST_RATE = 0.02  # of the peak learning rate at the end; our choice
VALUES_PER_STEP = 6_000  # non-zero entries whose value is scored in a step, drawn at random; our choice


class TrainingConfig(BaseModel):
    """How long and how fast; the defaults are our choice, tried on 2,981 cells of 14,053 genes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(2_000, ge=1)
    batch: int = Field(64, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    warm_up: int = Field(100, ge=1)
    kl_weight: float = Field(0.3, ge=0)
    balance_weight: float = Field(1e-3, ge=0)
    ema: float = Field(0.995, ge=0, lt=1)
    seed: int = Field(0, ge=0)
    save_every: int = Field(200, ge=1)


@dataclass(frozen=True)
class TrainingCells:
    """What training sees, one row a cell.

    counts : (cell, gene) CSR. measured : (file, gene) bool. file, context : (cell,). strength : (cell, perturbation).
    """

    counts: sp.csr_array
    measured: NDArray[np.bool_]
    file: NDArray[np.intp]
    context: NDArray[np.intp]
    strength: NDArray[np.float32]

    @property
    def n(self) -> int:
        """How many cells."""
        return int(self.counts.shape[0])


@dataclass(frozen=True)
class Step:
    """What a step reports: loss terms in nats per measured gene, and how fast it goes."""

    step: int
    steps: int
    hurdle: float
    value: float
    kl: float
    seconds_left: float

    @property
    def nats_per_gene(self) -> float:
        """Upper bound on the negative log-likelihood per gene."""
        return self.hurdle + self.value + self.kl


@dataclass(frozen=True)
class Batch:
    """One batch as tensors: CSR counts and what goes with them."""

    indptr: Tensor
    gene: Tensor
    count: Tensor
    level: Tensor
    row: Tensor
    context: Tensor
    log_depth: Tensor
    strength: Tensor
    measured: Tensor


def batch_of(cells: TrainingCells, rows: NDArray[np.intp]) -> Batch:
    """Return these rows as tensors."""
    part = cells.counts[rows]
    lengths = np.diff(part.indptr)
    return Batch(
        torch.from_numpy(part.indptr.astype(np.int64)),
        torch.from_numpy(part.indices.astype(np.int64)),
        torch.from_numpy(part.data.astype(np.float32)),
        torch.from_numpy(tokens_of(part.data).astype(np.int64)),
        torch.from_numpy(np.repeat(np.arange(len(rows)), lengths)),
        torch.from_numpy(cells.context[rows].astype(np.int64)),
        torch.from_numpy(np.log(np.maximum(np.asarray(part.sum(axis=1)).ravel(), 1.0)).astype(np.float32)),
        torch.from_numpy(cells.strength[rows]),
        torch.from_numpy(cells.measured[cells.file[rows]].astype(np.float32)),
    )


def masked_loss(
    net: LatentNetwork, batch: Batch, t: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return hurdle, value and KL terms, nats per measured gene, averaged over the batch, and the imbalance of z.

    t : (cell,) masking probabilities.
    """
    n, g = batch.measured.shape
    mask = (torch.rand(n, g, generator=generator) < t[:, None]).float() * batch.measured
    weight = 1.0 / (t * batch.measured.sum(dim=1))  # (cell,)

    whole = net.visible_sum(batch.indptr, batch.gene, batch.count, batch.log_depth)
    mean, log_var = net.encode(whole, batch.context, batch.log_depth, batch.strength)
    noise = torch.randn(mean.shape, generator=generator)
    z = mean + torch.exp(0.5 * log_var) * noise
    kl = 0.5 * (mean**2 + log_var.exp() - 1.0 - log_var).sum(dim=1) / batch.measured.sum(dim=1)

    entry_masked = mask[batch.row, batch.gene]
    visible = net.visible_sum(batch.indptr, batch.gene, batch.count * (1.0 - entry_masked), batch.log_depth)
    inputs = Inputs(z, batch.context, batch.log_depth, batch.strength, visible, net.masked_sum(mask))
    log_mean = net.log_mean(inputs, net.hidden(inputs))
    effect_hurdle, effect_value = net.effects(inputs)

    log_hazard = net.log_hazard(log_mean) + effect_hurdle
    hazard = torch.exp(log_hazard.clamp(-20.0, 6.0))
    at_entries = hazard[batch.row, batch.gene]
    # −log P(0) = λ0 everywhere; where the count is not zero the term is −log(1 − exp(−λ0)) instead
    negative = (
        (hazard * mask)
        .sum(dim=1)
        .index_add(
            0,
            batch.row,
            (-torch.log(-torch.expm1(-at_entries) + 1e-12) - at_entries) * entry_masked,
        )
    )
    hurdle = (negative * weight).mean()

    hit = torch.nonzero(entry_masked > 0).ravel()
    share = 1.0
    if len(hit) > VALUES_PER_STEP:
        share = VALUES_PER_STEP / len(hit)
        hit = hit[torch.randperm(len(hit), generator=generator)[:VALUES_PER_STEP]]
    row, gene = batch.row[hit], batch.gene[hit]
    log_value = log_mean[row, gene] + net.value_bias[gene] + effect_value[row, gene]
    logits = net.level_table(gene) + net.log_odds(log_value, gene)[:, None] * net.level_value
    nll = torch.nn.functional.cross_entropy(logits, batch.level[hit] - 1, reduction="none")
    value = (nll * weight[row]).sum() / (share * n)
    return hurdle, value, kl.mean(), imbalance(mean, batch.strength)


def imbalance(z: Tensor, strength: Tensor) -> Tensor:
    """Return how far the mean z of treated cells is from that of controls, squared, summed over perturbations.

    z is to say who a cell is, not what was done to it; the arms of one experiment hold the same kinds of cells.
    """
    total = z.sum() * 0.0
    control = strength.sum(dim=1) == 0
    for p in range(strength.shape[1]):
        treated = strength[:, p] > 0
        if bool(treated.any()) and bool(control.any()):
            total = total + ((z[treated].mean(dim=0) - z[control].mean(dim=0)) ** 2).sum()
    return total


def stratified(n: int, generator: torch.Generator) -> Tensor:
    """Return n masking probabilities, stratified over (0, 1], a share of them exactly 1."""
    u = (torch.randperm(n, generator=generator) + torch.rand(1, generator=generator)) / n
    t = u.clamp(min=0.02)
    whole = round(ALL_MASKED_SHARE * n)
    t[torch.randperm(n, generator=generator)[:whole]] = 1.0
    return t


def train(
    net: LatentNetwork,
    cells: TrainingCells,
    config: TrainingConfig,
    *,
    state_file: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> LatentNetwork:
    """Train in place and return the exponential moving average of the weights.

    With `state_file` the state is saved every `save_every` steps, and a run that finds it goes on from there;
    batches, masks and noise are keyed by (seed, step), so that it ends as it would have without the break.

    Raises
    ------
    InputError
        If the state file belongs to another configuration or another set of cells.
    """
    if cells.n == 0:
        raise InputError("no cells to train on")
    parameters = [(k, p) for k, p in net.named_parameters() if p.requires_grad]
    tables = [p for k, p in parameters if k.startswith(("code_", "effect_hurdle", "effect_value"))]
    table_ids = {id(p) for p in tables}
    optimiser = torch.optim.AdamW(
        [
            {"params": tables, "weight_decay": config.weight_decay},
            {"params": [p for _, p in parameters if id(p) not in table_ids], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
    )
    average = {k: p.detach().clone() for k, p in parameters}
    name = f"{hash_words(config.model_dump_json(), cells.n, int(cells.counts.nnz), int(cells.context.sum())):x}"
    start = 0
    if state_file is not None and state_file.exists():
        start = _restore(state_file, name, net, optimiser, average)
    began = time.monotonic()
    for step in range(start, config.steps):
        generator = torch.Generator().manual_seed(hash_words(config.seed, step) % 2**63)
        rows = batch_rows(cells.n, config, step)
        batch = batch_of(cells, rows)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * schedule(step, config)
        hurdle, value, kl, skew = masked_loss(net, batch, stratified(len(rows), generator), generator)
        optimiser.zero_grad(set_to_none=True)
        loss = hurdle + value + config.kl_weight * kl + config.balance_weight * skew
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([p for _, p in parameters], CLIP)
        optimiser.step()
        decay = min(config.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, p in parameters:
                average[k].lerp_(p, 1 - decay)
        if on_step is not None:
            each = (time.monotonic() - began) / (step + 1 - start)
            on_step(
                Step(
                    step + 1,
                    config.steps,
                    float(hurdle.detach()),
                    float(value.detach()),
                    float(kl.detach()),
                    each * (config.steps - step - 1),
                )
            )
        if state_file is not None and (step + 1) % config.save_every == 0:
            _save(state_file, name, step + 1, net, optimiser, average)
    with torch.no_grad():
        for k, p in parameters:
            p.copy_(average[k])
    return net


def batch_rows(n: int, config: TrainingConfig, step: int) -> NDArray[np.intp]:
    """Return the rows of a step: epochs of a permutation keyed by the seed, whatever came before."""
    batch = min(config.batch, n)
    per_epoch = n // batch
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([config.seed, epoch]).permutation(n)
    return np.asarray(order[place * batch : (place + 1) * batch])


def schedule(step: int, config: TrainingConfig) -> float:
    """Return the learning rate's factor: linear warm-up, then a cosine."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _save(
    file: Path,
    name: str,
    step: int,
    net: LatentNetwork,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
) -> None:
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": v for k, v in moments.items()}
    part = file.with_suffix(".part")
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.contiguous().clone() for k, v in tensors.items()},
        part,
        metadata={"step": str(step), "name": name},
    )
    part.replace(file)


def _restore(
    file: Path,
    name: str,
    net: LatentNetwork,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
) -> int:
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata() or {}
    if metadata.get("name") != name:
        raise InputError(f"{file} belongs to a training with other settings or other cells; remove it to start anew")
    tensors = load_file(file)
    net.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net.")}, strict=False)
    for k in average:
        average[k].copy_(tensors[f"average.{k}"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, moment = key.split(".", 2)
            state.setdefault(int(index), {})[moment] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    return int(metadata["step"])


def batches(cells: TrainingCells, size: int) -> Iterator[NDArray[np.intp]]:
    """Yield all rows in order, `size` at a time."""
    for start in range(0, cells.n, size):
        yield np.arange(start, min(start + size, cells.n))
