"""The torch step against the NumPy one, on CPU tensors; and on a GPU where there is one."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from twin.kernels.diffusion import Walls, diffuse_with_uptake
from twin.kernels.diffusion_torch import diffuse_on_device

Float = NDArray[np.float64]
WALLS: list[Walls] = [
    ("closed",) * 6,
    (5.0, 1.0, "closed", 2.0, 0.0, "closed"),
    ("periodic", "periodic", "closed", "closed", 3.0, 3.0),
]
D, DECAY = np.array([1.08e5, 6e6, 60.0]), np.array([0.14, 6.0, 0.0])


def made(seed: int, strength: float) -> tuple[Float, Float, Float]:
    random = np.random.default_rng(seed)
    shape = (3, 6, 7, 8)
    return random.random(shape), strength * random.random(shape), 10 * random.random(shape)


def on(device: str, c: Float, sink: Float, source: Float, dt: float, diffusivity: Float = D) -> Float:
    tensors = (torch.as_tensor(a, device=device) for a in (c, sink, source))
    field, k, s = tensors
    done = diffuse_on_device(field, diffusivity.tolist(), DECAY.tolist(), dt, 10.0, k, walls=WALLS, source=s)
    assert done.device == field.device
    np.testing.assert_array_equal(field.cpu().numpy(), c)  # not modified
    return np.asarray(done.cpu().numpy())


@pytest.mark.parametrize("strength", [0.0, 20.0, 2e3])
@pytest.mark.parametrize("dt", [1e-3, 0.1, 2.0])
def test_on_the_cpu_it_is_the_numpy_step(strength: float, dt: float) -> None:
    c, sink, source = made(1, strength)
    ours = diffuse_with_uptake(c, D, DECAY, dt, 10.0, sink, walls=WALLS, source=source, quasi_steady="never").field
    for mine, theirs in zip(on("cpu", c, sink, source, dt), ours, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * theirs.max())


def test_without_diffusion_every_voxel_is_on_its_own() -> None:
    c, sink, source = made(2, 20.0)
    ours = diffuse_with_uptake(c, 0 * D, DECAY, 0.5, 10.0, sink, walls=WALLS, source=source).field
    np.testing.assert_allclose(on("cpu", c, sink, source, 0.5, 0 * D), ours, rtol=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("strength", [0.0, 20.0])
def test_on_a_gpu_it_is_the_same_step(strength: float) -> None:
    c, sink, source = made(3, strength)
    ours = on("cpu", c, sink, source, 0.1)
    for mine, theirs in zip(on("cuda", c, sink, source, 0.1), ours, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * theirs.max())
