"""Training of the masked-diffusion world model: from cells to weights, resumable at any instant.

Each batch: t stratified over (0, 1], every measured gene masked with probability t, cross-entropy on the masked genes
weighted 1/t (an upper bound on the negative log-likelihood), plus a small KL on z. A quarter of
the batch has t = 1, the case from which few rounds start.

Source
------
Sahoo et al., MDLM, arXiv 2406.07524; Nie et al., LLaDA, arXiv 2502.09992 (1/t weights, stratified t).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from twin.errors import InputError
from twin.kernels.random import hash_words
from twin.model.backbones.backbone import Backbone
from twin.model.backbones.objective import Objective
from twin.model.batches import (
    Batch,
    ConditionVectors,
    TrainingCells,
    batch_of,
    batches,
    checked_vectors,
    imbalance,
    stratified,
)
from twin.model.learner import Learner, Loss, Team, TrainingConfig, schedule
from twin.model.network import LatentNetwork
from twin.model.objective import masked_loss
from twin.model.runtime import Runtime, device_of, missing_compiler
from twin.model.training_state import StateFile, Store

__all__ = [
    "Batch",
    "ConditionVectors",
    "Runtime",
    "Step",
    "TrainingCells",
    "TrainingConfig",
    "batch_of",
    "batches",
    "imbalance",
    "masked_loss",
    "schedule",
    "stratified",
    "train",
]

CODES = ("code_in", "code_out")  # what of `LatentNetwork` changes at the `code_rate`
LATENT_TABLES = ("code_", "effect_hurdle", "effect_value")  # what of `LatentNetwork` weight decay acts on

Network = TypeVar("Network", LatentNetwork, Backbone)


@dataclass(frozen=True)
class Step:
    """What a step reports: loss terms in nats per measured gene, and how fast it goes.

    held_out : the bound on the validation cells, nats per gene, where this step ended with a check.
    """

    step: int
    steps: int
    hurdle: float
    value: float
    kl: float
    seconds_left: float
    held_out: float | None = None

    @property
    def nats_per_gene(self) -> float:
        """Upper bound on the negative log-likelihood per gene."""
        return self.hurdle + self.value + self.kl


def train(
    net: Network,
    cells: TrainingCells,
    config: TrainingConfig,
    *,
    vectors: ConditionVectors | None = None,
    runtime: Runtime = Runtime(),  # noqa: B008 - frozen
    state_file: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Network:
    """Train in place and return the exponential moving average of the weights, on the device where they were.

    With `state_file` the state is saved every `save_every` steps, and a run that finds it goes on from there;
    batches, masks and noise are keyed by (seed, step), so that it ends as it would have without the break, bit for bit
    (on one kind of hardware).

    Parameters
    ----------
    vectors : what contexts and perturbations are; a token backbone needs them, the latent one has tables of its own.
    on_note : told, in a sentence, what was asked for and could not be done.

    Raises
    ------
    InputError
        If the state file belongs to another configuration or another set of cells, or there are too few cells.
    """
    device = device_of(runtime.device)
    home = next(net.parameters()).device
    net.to(device)
    learner = learner_of(net, cells, config, vectors, runtime, device, Team(), on_note)
    store = None if state_file is None else StateFile(state_file, state_name(net, cells, config))
    run(learner, store, on_step)
    net.to(home)
    return net


def learner_of(
    net: LatentNetwork | Backbone,
    cells: TrainingCells,
    config: TrainingConfig,
    vectors: ConditionVectors | None,
    runtime: Runtime,
    device: torch.device,
    team: Team,
    on_note: Callable[[str], None] | None = None,
    objective: Objective | None = None,
) -> Learner:
    """Return the learner of a network that is on its device; `objective` where it has been wrapped already."""
    if cells.n == 0:
        raise InputError("no cells to train on")
    if team.size > config.accumulate or config.accumulate % team.size:
        raise InputError(f"{team.size} processes cannot share {config.accumulate} blocks: set accumulate to a multiple")
    module: nn.Module
    loss: Loss
    decayed: Iterable[nn.Parameter]
    slow: Iterable[nn.Parameter] = ()
    precision = runtime.precision
    if isinstance(net, Backbone):
        if vectors is None:
            raise InputError("a token backbone is trained with condition vectors: give `vectors`")
        vectors = checked_vectors(cells, vectors)
        net.checkpoint_blocks = runtime.checkpoint_blocks
        blocks: list[nn.Module] = list(net.blocks_of())
        module = loss = objective or Objective(net)
        decayed = net.decayed()
        net.train()
    else:
        if runtime.checkpoint_blocks:
            raise InputError("checkpoint_blocks is for token backbones: the latent one keeps one vector a cell")
        module, loss, blocks, vectors = net, partial(masked_loss, net), list(net.blocks), None
        decayed = [p for k, p in net.named_parameters() if k.startswith(LATENT_TABLES)]
        slow = [p for k, p in net.named_parameters() if k in CODES]
        precision = "float32" if precision == "auto" else precision  # its log rates need more than 8 bits
    if runtime.compile:
        why_not = missing_compiler(device)
        if why_not and on_note is not None:
            on_note(why_not)
        for block in () if why_not else blocks:
            block.compile()
    learner = Learner(module, loss, decayed, config, cells, vectors, device, precision, team, slow)
    if learner.batch_size() == 0:
        raise InputError(f"{len(learner.seen)} cells to train on cannot be split into {config.accumulate} blocks")
    if config.validation and len(learner.held) == 0:
        raise InputError(f"a share of {config.validation:g} of {cells.n} cells leaves none for validation")
    return learner


def state_name(net: nn.Module, cells: TrainingCells, config: TrainingConfig) -> str:
    """Return a word for this training: its network's shape, its settings, its cells."""
    stored = int(getattr(cells.counts, "nnz", 0))  # counts that are streamed do not know it
    shape = str(getattr(net, "config", ""))
    return f"{hash_words(config.model_dump_json(), shape, cells.n, stored, int(cells.context.sum())):x}"


def run(learner: Learner, store: Store | None, on_step: Callable[[Step], None] | None) -> None:
    """Go from the last state, or from the start, to the end; the network then has its averaged weights."""
    config = learner.config
    start = learner.restore(store) if store is not None and store.exists() else 0
    began = time.monotonic()
    for step in range(start, config.steps):
        if learner.is_done:
            break
        hurdle, value, kl = learner.learn(step).tolist()
        ends = step + 1 == config.steps
        check = bool(config.validation) and ((step + 1) % config.check_every == 0 or ends)
        held_out = learner.check() if check else None
        if on_step is not None:
            each = (time.monotonic() - began) / (step + 1 - start)
            on_step(Step(step + 1, config.steps, hurdle, value, kl, each * (config.steps - step - 1), held_out))
        if store is not None and ((step + 1) % config.save_every == 0 or (learner.is_done and not ends)):
            learner.save(store, step + 1)
    learner.finish()
