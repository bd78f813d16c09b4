"""Sharded training: two processes see what one sees."""

import os
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.multiprocessing.spawn import spawn as start_processes

from tests.model.backbones.tiny import cells, tiny
from twin.errors import InputError
from twin.model.parallel import team, train_sharded
from twin.model.runtime import Runtime
from twin.model.training import Step, TrainingConfig, train

CPU = Runtime(device="cpu")
CONFIG = TrainingConfig(steps=8, batch=32, warm_up=2, accumulate=2, save_every=3, validation=0.2, check_every=4)


def work(rank: int, size: int, port: int, folder: Path) -> None:
    """One process of the team: trains, and the first one writes what it saw and got."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(size))
    torch.set_num_threads(1)
    data, vectors = cells()
    seen: list[Step] = []

    with team() as here:
        net = train_sharded(
            tiny("patches"),
            data,
            CONFIG,
            vectors,
            here,
            runtime=CPU,
            state_folder=folder / "state",
            on_step=seen.append,
        )
        assert (net is None) == (rank > 0)
        assert (seen == []) == (rank > 0)
    if net is not None:
        losses = [[s.step, s.hurdle, s.value, s.kl, s.held_out or 0.0] for s in seen]
        save_file(
            {"seen": torch.tensor(losses, dtype=torch.float64), **net.state_dict()}, folder / "result.safetensors"
        )


def spawn(folder: Path) -> None:
    """Run the team, whose members look for this file's package last: an installed `twin` stays the one they import."""
    root = str(Path(__file__).parents[3])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, root])  # a spawned process takes its path from here
        start_processes(work, (2, port, folder), nprocs=2)  # type: ignore[no-untyped-call]  # torch's own


@pytest.mark.skipif(sys.platform != "linux", reason="gloo between spawned processes is tried on Linux")
def test_two_processes_see_the_losses_of_one(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    data, vectors = cells()
    seen: list[Step] = []
    one = train(tiny("patches"), data, CONFIG, vectors=vectors, runtime=CPU, on_step=seen.append)
    expected = [[s.step, s.hurdle, s.value, s.kl, s.held_out or 0.0] for s in seen]
    spawn(tmp_path)
    result = load_file(tmp_path / "result.safetensors")
    np.testing.assert_allclose(result.pop("seen").numpy(), np.array(expected), rtol=1e-5)
    assert len(expected) == 8
    assert expected[0][1] > 1.02 * expected[-1][1]
    for name, value in one.state_dict().items():
        torch.testing.assert_close(result[name], value, rtol=1e-3, atol=1e-4, msg=name)
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == ["latest.json", "step-00000006"]
    # taken up from the sixth step, it ends the same, bit for bit
    spawn(tmp_path)
    again = load_file(tmp_path / "result.safetensors")
    assert again.pop("seen")[:, 0].tolist() == [7.0, 8.0]
    assert all(torch.equal(again[name], result[name]) for name in again)


def test_a_team_needs_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match="start the training with torchrun"), team():
        pass
