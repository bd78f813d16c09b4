"""Training a token backbone on many devices: weights, gradients and moments sharded (FSDP2).

Each process computes its share of the blocks that a batch is split into (`TrainingConfig.accumulate`); a block's luck
is keyed by its number, so that any number of processes sees the same losses but for rounding. Started by torchrun, one
process a device, or by any launcher that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT:

    with team() as here:
        trained = train_sharded(net, cells, config, vectors, here)

Source
------
Zhao et al., PyTorch FSDP, arXiv 2304.11277; Liang et al., TorchTitan, arXiv 2410.06511 (FSDP2: one parameter, one
DTensor).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from twin.errors import InputError
from twin.model.backbones.lingshu import Lingshu
from twin.model.backbones.objective import Objective
from twin.model.backbones.patches import Patches
from twin.model.backbones.sizes import build
from twin.model.batches import ConditionVectors, TrainingCells
from twin.model.learner import Team, TrainingConfig
from twin.model.runtime import Runtime, device_of
from twin.model.training import Step, learner_of, run, state_name
from twin.model.training_state import ShardedState


@contextmanager
def team() -> Iterator[Team]:
    """Join the processes that the launcher started, and leave them at the end: NCCL on CUDA, gloo on the CPU.

    Raises
    ------
    InputError
        If no launcher has said which process this is.
    """
    missing = [word for word in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if word not in os.environ]
    if missing:
        raise InputError(f"{', '.join(missing)} are not set: start the training with torchrun")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), _mean, _reshard)
    finally:
        dist.destroy_process_group()


def _mean(x: Tensor) -> Tensor:
    whole = x.clone()
    dist.all_reduce(whole)
    return whole / dist.get_world_size()


def _reshard(module: torch.nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def train_sharded(
    net: Patches | Lingshu,
    cells: TrainingCells,
    config: TrainingConfig,
    vectors: ConditionVectors,
    here: Team,
    *,
    runtime: Runtime = Runtime(),  # noqa: B008 - frozen
    state_folder: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Patches | Lingshu | None:
    """Train and return the averaged network, on the CPU, in the first process; None in the others.

    `net` holds the same weights in every process and is used up: its parameters become shards.

    Parameters
    ----------
    state_folder : where each process keeps its part of the state every `save_every` steps; a run that finds a whole
        one, of as many processes, goes on from there.
    on_step : called in the first process.

    Raises
    ------
    InputError
        If the blocks cannot be shared by the processes, or the state is another training's.
    """
    device = device_of(runtime.device)
    name = state_name(net, cells, config)
    net.to(device)
    mesh = init_device_mesh(device.type, (here.size,))
    for block in net.blocks_of():
        fully_shard(block, mesh=mesh)
    objective = Objective(net)
    fully_shard(objective, mesh=mesh)
    learner = learner_of(net, cells, config, vectors, runtime, device, here, objective=objective)
    store = None if state_folder is None else ShardedState(state_folder, name, here.rank, here.size, dist.barrier)
    run(learner, store, on_step if here.rank == 0 else None)
    whole = {k: _gathered(v, keep=here.rank == 0) for k, v in net.state_dict().items()}
    if here.rank > 0:
        return None
    result = build(net.config)
    result.load_state_dict(whole)
    return result


def _gathered(value: Tensor, *, keep: bool) -> Tensor:
    """Return a sharded tensor as a whole on the CPU; every process takes part, some do not keep it."""
    gather = getattr(value, "full_tensor", None)
    whole = value if gather is None else torch.as_tensor(gather())
    return whole.cpu() if keep else whole.new_empty(0, device="cpu")
