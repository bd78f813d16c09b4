"""Training of token backbones: it learns, survives kill -9, stops early, and computes as it is told to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tests.model.backbones.tiny import KINDS, cells, tiny
from twin.errors import InputError
from twin.kernels.random import hash_words
from twin.model.backbones.lingshu import Lingshu
from twin.model.backbones.objective import Objective, inputs_of
from twin.model.backbones.patches import Patches
from twin.model.batches import batch_of, stratified
from twin.model.learner import CLIP, Team, batch_rows
from twin.model.runtime import Runtime, device_of, missing_compiler
from twin.model.training import ConditionVectors, Step, TrainingConfig, learner_of, train
from twin.model.training_state import StateFile

CPU = Runtime(device="cpu")
CONFIG = TrainingConfig(steps=40, batch=32, warm_up=5, save_every=5, validation=0.2, check_every=5)
ROOT = Path(__file__).parents[3]
CHILD = """
import sys, time, torch
from pathlib import Path
from tests.model.backbones.test_token_training import CONFIG, CPU
from tests.model.backbones.tiny import cells, tiny
from twin.model.training import train
torch.set_num_threads(1)
data, vectors = cells()
train(tiny(sys.argv[1], seed=5), data, CONFIG, vectors=vectors, runtime=CPU, state_file=Path(sys.argv[2]),
      on_step=lambda s: time.sleep(0.1))
"""


def trained(kind: str, runtime: Runtime = CPU, **changes: object) -> tuple[Patches | Lingshu, list[Step]]:
    data, vectors = cells()
    seen: list[Step] = []
    config = CONFIG.model_copy(update=changes)
    net = tiny(kind)
    train(net, data, config, vectors=vectors, runtime=runtime, on_step=seen.append)
    return net, seen


def assert_same(a: torch.nn.Module, b: torch.nn.Module) -> None:
    for (name, x), (_, y) in zip(a.named_parameters(), b.named_parameters(), strict=True):
        assert torch.equal(x, y), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_falls_also_on_cells_kept_apart(kind: str) -> None:
    _, seen = trained(kind, steps=120, learning_rate=5e-3)
    checks = [s.held_out for s in seen if s.held_out is not None]
    assert len(checks) == 24
    assert min(checks) < 0.9 * checks[0]
    first, last = (np.mean([s.nats_per_gene for s in part]) for part in (seen[:10], seen[-10:]))
    assert last < 0.95 * first


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_killed_with_sigkill_ends_bit_for_bit_as_one_that_was_not(kind: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    state = tmp_path / "state.safetensors"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, kind, str(state)], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while not state.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.25)  # some steps beyond what was saved
    finally:
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    data, vectors = cells()
    steps: list[Step] = []
    resumed = train(
        tiny(kind, seed=77), data, CONFIG, vectors=vectors, runtime=CPU, state_file=state, on_step=steps.append
    )
    assert 5 < steps[0].step < 38
    straight: list[Step] = []
    whole = train(tiny(kind, seed=5), data, CONFIG, vectors=vectors, runtime=CPU, on_step=straight.append)
    assert_same(resumed, whole)
    assert [s.held_out for s in steps] == [s.held_out for s in straight[steps[0].step - 1 :]]


def test_a_half_written_state_is_no_state(tmp_path: Path) -> None:
    """What a kill leaves in the midst of saving lies beside the state, not in its place."""
    data, vectors = cells()
    file = tmp_path / "state.safetensors"
    train(tiny("patches"), data, CONFIG.model_copy(update={"steps": 5}), vectors=vectors, runtime=CPU, state_file=file)
    (tmp_path / "state.part").write_bytes(file.read_bytes()[:1000])
    _, tensors, _ = StateFile(file, _name(file)).load()
    assert any(k.startswith("best.") for k in tensors)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        StateFile(file, "x").load()


def _name(file: Path) -> str:
    with safe_open(file, framework="pt") as opened:
        return str(opened.metadata()["name"])


def test_training_stops_when_validation_no_longer_improves_and_returns_the_best(tmp_path: Path) -> None:
    data, vectors = cells(120)
    config = TrainingConfig(
        steps=400, batch=64, warm_up=1, learning_rate=0.05, validation=0.3, check_every=4, patience=3, ema=0.5
    )
    seen: list[Step] = []
    state = tmp_path / "state.safetensors"

    def go(on_step: list[Step]) -> torch.nn.Module:
        return train(
            tiny("patches"),
            data,
            config,
            vectors=vectors,
            runtime=CPU,
            state_file=state,
            on_step=on_step.append,
        )

    net = go(seen)
    checks = [s.held_out for s in seen if s.held_out is not None]
    assert seen[-1].step < 400
    assert checks[-4] == min(checks)
    best = TrainingConfig(**{**config.model_dump(), "steps": 400, "patience": 0})
    told: list[Step] = []

    class Enough(Exception):  # noqa: N818 - it is no error
        pass

    def until(step: Step) -> None:
        told.append(step)
        if step.step == seen[-1].step:
            raise Enough

    with pytest.raises(Enough):  # patience changes when it ends, not what it does
        train(tiny("patches"), data, best, vectors=vectors, runtime=CPU, on_step=until)
    assert [s.held_out for s in told] == [s.held_out for s in seen]
    again: list[Step] = []
    assert_same(go(again), net)  # a stopped training does not go on
    assert again == []


def test_the_blocks_of_a_batch_make_one_gradient() -> None:
    """With accumulate = 2 a step's gradient is the mean of the two halves', each under the luck of its number."""
    data, vectors = cells()
    config = TrainingConfig(batch=32, accumulate=2)
    told = (CPU, torch.device("cpu"), Team())
    net, other = tiny("patches"), tiny("patches")
    step = 3
    losses = learner_of(net, data, config, vectors, *told).learn(step)
    objective, terms = Objective(other), torch.zeros(3)
    rows = batch_rows(data.n, 32, config.seed, step).reshape(2, 16)
    for block, key in enumerate(((config.seed, step), (config.seed, step, 1))):
        luck = torch.Generator().manual_seed(hash_words(*key) % 2**63)
        batch = batch_of(data, rows[block], vectors)
        hurdle, value, kl, skew = objective(batch, stratified(16, luck), luck)
        loss = hurdle + value + config.kl_weight * kl + config.balance_weight * skew
        loss.backward()  # gradients add up
        terms += torch.stack([hurdle, value, kl]).detach() / 2
    torch.testing.assert_close(losses, terms)
    grads = [p.grad / 2 for p in other.parameters() if p.grad is not None]
    norm = torch.stack([g.norm() for g in grads]).norm()
    for p, g in zip(net.parameters(), grads, strict=True):
        torch.testing.assert_close(p.grad, g * min(1.0, CLIP / float(norm)), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointed_blocks_learn_the_same(kind: str) -> None:
    a, _ = trained(kind, steps=4)
    b, _ = trained(kind, CPU.model_copy(update={"checkpoint_blocks": True}), steps=4)
    assert_same(a, b)
    kept: list[int] = []
    for checkpointed in (False, True):
        net = tiny(kind)
        net.checkpoint_blocks = checkpointed
        sizes: list[int] = []
        data, vectors = cells()
        batch = batch_of(data, np.arange(8), vectors)
        with torch.autograd.graph.saved_tensors_hooks(lambda x, s=sizes: s.append(x.numel()) or x, lambda x: x):  # type: ignore[misc]
            net.hidden(inputs_of(net, batch))
        kept.append(sum(sizes))
    assert kept[1] < 0.6 * kept[0]


def test_bfloat16_learns_nearly_the_same_and_is_not_the_same() -> None:
    a, seen = trained("patches", steps=10)
    b, also = trained("patches", CPU.model_copy(update={"precision": "bfloat16"}), steps=10)
    assert also[-1].nats_per_gene == pytest.approx(seen[-1].nats_per_gene, rel=0.02)
    assert also[-1].nats_per_gene != seen[-1].nats_per_gene
    assert all(p.dtype == torch.float32 for p in b.parameters())
    assert any(not torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_compiled_blocks_learn_nearly_the_same() -> None:
    if missing_compiler(torch.device("cpu")):
        pytest.skip("no compiler")
    _, seen = trained("patches", steps=5)
    _, also = trained("patches", CPU.model_copy(update={"compile": True}), steps=5)
    assert [s.nats_per_gene for s in also] == pytest.approx([s.nats_per_gene for s in seen], rel=1e-3)


def test_without_a_compiler_training_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    notes: list[str] = []
    data, vectors = cells()
    config = CONFIG.model_copy(update={"steps": 2})
    compiled = Runtime(device="cpu", compile=True)
    net = train(tiny("patches"), data, config, vectors=vectors, runtime=compiled, on_note=notes.append)
    assert notes == ["not compiled: no C++ compiler was found (no-such-compiler)"]
    plain = train(tiny("patches"), data, config, vectors=vectors, runtime=CPU)
    assert_same(net, plain)


def test_what_cannot_be_trained_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data, vectors = cells(40)

    def refused(said: str, given: ConditionVectors | None = vectors, runtime: Runtime = CPU, **changes: object) -> None:
        with pytest.raises(InputError, match=said):
            train(tiny("patches"), data, CONFIG.model_copy(update=changes), vectors=given, runtime=runtime)

    refused("is trained with condition vectors", None)
    refused(
        "1 contexts and 1 perturbations have one, the cells have 2",
        ConditionVectors(vectors.context[:1], vectors.perturbation),
    )
    refused("vector of perturbation 0", ConditionVectors(vectors.context, vectors.perturbation * np.nan))
    refused("cannot be split into 64 blocks", accumulate=64)
    refused("leaves none for validation", validation=1e-6)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused("torch sees no CUDA device", runtime=Runtime(device="cuda"))
    assert device_of("auto") == torch.device("cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_on_cuda(kind: str) -> None:
    net, seen = trained(kind, Runtime(device="cuda"), steps=60, learning_rate=5e-3)
    assert seen[-1].nats_per_gene < seen[0].nats_per_gene
    assert next(net.parameters()).device.type == "cpu"
