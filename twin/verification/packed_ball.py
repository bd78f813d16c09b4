"""Oxygen of the close-packed ball of published comparisons: PhysiCell's numbers, and what its scheme converges to."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from twin.kernels.diffusion import diffuse_with_uptake
from twin.state.fields import Grid
from twin.verification.biofvm import biofvm
from twin.verification.case import Row

Float = NDArray[np.float64]

GRID = Grid((30, 30, 30), 20.0, (-300.0, -300.0, -300.0))
N_CELLS, VOLUME, SPACING = 10_000, 2494.0, 15.984  # 1, µm³ and µm, 0.95 diameters
OXYGEN, DECAY, UPTAKE, TOP = 6e6, 6.0, 600.0, 38.0  # µm²/h, 1/h, 1/h, mmHg
TIME, MINUTE = 0.2, 1.0 / 60.0  # h
PHYSICELL_LEAST, PHYSICELL_MEAN = 14.17821, 32.52449  # mmHg; PhysiCell 1.14.2 after 12 min, measured
NUDGE = 1e-3  # µm; our choice: sites on the faces of voxels fall to either side, as they do after a step of mechanics
HOLD = 2e6  # 1/h; our choice: brings a voxel to within 0.01 mmHg of what the walls are held at


def oxygen_of_the_ball() -> Iterator[Row]:
    """Yield the least and the mean oxygen by PhysiCell's scheme at its step, and by it and ours as steps vanish."""
    voxel = GRID.voxel_of(_ball() + NUDGE * np.random.default_rng(1).normal(size=(N_CELLS, 3)))
    cells = np.bincount(voxel, minlength=30**3).reshape(GRID.shape).astype(np.float64)
    share = UPTAKE * VOLUME / GRID.voxel_volume  # 1/h, of one cell in its voxel
    start = np.full(GRID.shape, TOP)
    theirs = [
        biofvm(start, OXYGEN, DECAY, dt * MINUTE, round(TIME / dt / MINUTE), 20.0, cells=cells, uptake=share, held=TOP)
        for dt in (0.01, 0.005, 0.0025)
    ]
    yield Row("least by PhysiCell's scheme, dt 0.01 min, mmHg", PHYSICELL_LEAST, float(theirs[0].min()), 0.05)
    yield Row("mean by PhysiCell's scheme, dt 0.01 min, mmHg", PHYSICELL_MEAN, float(theirs[0].mean()), 0.005)
    limit = (theirs[0] - 6 * theirs[1] + 8 * theirs[2]) / 3  # without its errors of first and second order
    wall = np.ones(GRID.shape, bool)
    wall[1:-1, 1:-1, 1:-1] = False
    sink, source = np.where(wall, HOLD, share * cells), np.where(wall, HOLD * TOP, 0.0)
    ours = diffuse_with_uptake(
        start[None],
        np.array([OXYGEN]),
        np.array([DECAY]),
        TIME,
        20.0,
        sink[None],
        source=source[None],
        quasi_steady="never",
    ).field
    for what, of in (("least", np.min), ("mean", np.mean)):
        off = abs(float(of(theirs[0])) - float(of(limit)))
        told = f"{off:.2g} mmHg (PhysiCell at dt 0.01)"
        yield Row(f"{what} as dt goes to 0, theirs against ours, mmHg", float(of(limit)), float(of(ours)), 0.05, told)


def _ball() -> Float:
    """Return the sites of a hexagonal close packing nearest to the origin, (cell, 3) µm."""
    k = int(N_CELLS ** (1 / 3)) + 2
    i, j, layer = np.meshgrid(*[np.arange(-k, k + 1)] * 3, indexing="ij")
    x, y = i + (j + layer) % 2 / 2, j * np.sqrt(3) / 2 + layer % 2 * np.sqrt(3) / 6
    sites = np.stack([x, y, layer * np.sqrt(2 / 3)], axis=-1).reshape(-1, 3) * SPACING
    return np.asarray(sites[np.argsort((sites**2).sum(axis=1), kind="stable")[:N_CELLS]], dtype=np.float64)
