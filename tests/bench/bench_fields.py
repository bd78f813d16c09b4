"""How fast fields are: ticks with uptake that differs from voxel to voxel, alone and with cells in them.

The work with cells is that of published comparisons: oxygen around a hexagonal close-packed ball of 10,000 of
PhysiCell's default cells in 27,000 voxels, held at 38 at the walls, uptake 10 /min. Processor seconds, one thread.
"""

from collections.abc import Callable
from functools import partial
from time import process_time

import numpy as np
from numpy.typing import NDArray

from twin.kernels.diffusion import Diffused, diffuse_with_uptake
from twin.kernels.exchange import exchange_rates
from twin.state.fields import Grid

Float = NDArray[np.float64]

EDGE = 64  # voxels
SPACING = 10.0  # µm
DIFFUSIVITY = np.array([30.0 * 3600.0])  # µm²/h; a small protein in dense tissue
DECAY = np.array([0.14])  # 1/h
DURATION = 0.5  # h, a tick
REPEATS = 3

CELL_RADIUS = 8.4127  # µm; PhysiCell's default cell, 2494 µm³
OXYGEN, OXYGEN_DECAY, TOP = np.array([6e6]), np.array([6.0]), 38.0  # µm²/h, 1/h, mmHg
UPTAKE = 600.0  # 1/h; 10 /min
BALL = Grid((30, 30, 30), 20.0, (-300.0, -300.0, -300.0))


def bench_fields() -> dict[str, float]:
    """Return ticks a second of a box with weak and with strong uptake, and what oxygen costs a simulated hour."""
    rng = np.random.default_rng(0)
    field, uneven = rng.random((1, EDGE, EDGE, EDGE)), rng.random((1, EDGE, EDGE, EDGE))
    rates = {}
    for strength in (20.0, 500.0):  # 1/h; packed cells that clear 2e4 µm³/h, and 25 times that
        word, sink = f"uptake 0-{strength:g} /h", strength * uneven
        seconds, done = _fastest(partial(diffuse_with_uptake, field, DIFFUSIVITY, DECAY, DURATION, SPACING, sink))
        rates[f"field, {EDGE}³ voxels, {word}: ticks of {DURATION:g} h/s"] = 1.0 / seconds
        rates[f"field, {EDGE}³ voxels, {word}: voxel-updates/s"] = int(done.passes[0]) * field.size / seconds
    ball = hexagonal_ball(10_000)
    warm = oxygen_tick(np.full((1, *BALL.shape), TOP), ball, 0.1).field
    for dt in (0.1, 6.0):
        seconds, _ = _fastest(partial(oxygen_tick, warm, ball, dt / 60))
        rates[f"oxygen, 27k voxels + 10k cells, dt {dt:g} min: CPU-s per simulated h"] = seconds * 60 / dt
    return rates


def oxygen_tick(field: Float, position: Float, dt: float) -> Diffused:
    """Return the ball's oxygen after `dt` hours: uptake summed into voxels, then one step of the field."""
    volume = np.full(len(position), 4 / 3 * np.pi * CELL_RADIUS**3)
    source, sink = exchange_rates(BALL.voxel_of(position), volume, BALL.shape, BALL.spacing, uptake=UPTAKE)
    return diffuse_with_uptake(
        field, OXYGEN, OXYGEN_DECAY, dt, BALL.spacing, sink[None], walls=[(TOP,) * 6], source=source[None]
    )


def hexagonal_ball(n: int) -> Float:
    """Return the n sites of a hexagonal close packing nearest to the origin, 0.95 diameters apart, (n, 3) µm."""
    k = int(n ** (1 / 3)) + 2
    i, j, layer = np.meshgrid(*[np.arange(-k, k + 1)] * 3, indexing="ij")
    x, y = i + (j + layer) % 2 / 2, j * np.sqrt(3) / 2 + layer % 2 * np.sqrt(3) / 6
    sites = np.stack([x, y, layer * np.sqrt(2 / 3)], axis=-1).reshape(-1, 3) * 0.95 * 2 * CELL_RADIUS
    return np.asarray(sites[np.argsort((sites**2).sum(axis=1), kind="stable")[:n]])


def _fastest(work: Callable[[], Diffused]) -> tuple[float, Diffused]:
    """Return (processor seconds of the fastest of some repeats, what it gave); the first run compiles."""
    work()
    best = np.inf
    for _ in range(REPEATS):
        start = process_time()
        done = work()
        best = min(best, process_time() - start)
    return best, done
