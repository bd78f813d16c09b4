"""The mechanics in torch against the compiled kernel."""

import numpy as np
import pytest
import torch

from tests.kernels.test_forces import BOX, LAW, MINUTE, OPEN, crawling, crowd
from twin.kernels.mechanics import MechanicsParams, Space, Springs, Traits, move_cells
from twin.kernels.mechanics_torch import move_cells_torch
from twin.kernels.motility import Scent

SPACES = {
    "open": OPEN,
    "box": BOX,
    "ring": Space(np.zeros(3), np.full(3, 60.0), periodic=(True, False, True)),
    "plane": Space(np.zeros(3), np.array([60.0, 60.0, 20.0]), plane=True),
    "membranes": Space(
        np.zeros(3), np.full(3, 60.0), membranes=np.array([[30.0, 30, 30, 0, 0, 0, 15], [0, 0, 40, 0, 0.6, 0.8, 0]])
    ),
}


def difference(space: Space, params: MechanicsParams, device: str) -> tuple[float, int]:
    """Largest difference (µm, and of pressures) of the two after 6 min of all forces, and of their contacts."""
    position, radius = crowd(2, 120)
    position[:, 2] = np.where(space.plane, 10.0, position[:, 2])
    position[7] = position[20]  # two cells at one point
    random = np.random.default_rng(8)
    traits = Traits(
        repulsion=random.uniform(300, 900, 120),
        adhesion=random.uniform(0, 100, 120),
        adhesion_range=random.uniform(1, 1.5, 120),
        affinity=random.random((120, 3)),
        cell_type=random.integers(0, 3, 120),
        movable=random.random(120) > 0.1,
        membrane_repulsion=np.full(120, 600.0),
        membrane_adhesion=random.uniform(0, 200, 120),
    )
    scent = Scent(random.random((1, 4, 4, 4)), random.normal(size=(120, 1)), np.zeros(3), 15.0)
    springs = Springs(random.permutation(120)[:40].reshape(20, 2), np.full(20, 2.0), np.full(20, 8.0))
    extra = (None, traits, crawling(120, scent), springs)
    mine = move_cells(position, radius, space, params, 0.1, *extra)
    where = torch.from_numpy(position).to(device)
    place, theirs = move_cells_torch(where, torch.from_numpy(radius).to(device), space, params, 0.1, *extra)
    assert place.device == where.device
    assert mine.stats.substeps == theirs.stats.substeps
    assert np.abs(mine.position - position).max() > 0.1
    worst = max(np.abs(place.cpu().numpy() - mine.position).max(), np.abs(theirs.pressure - mine.pressure).max())
    return float(worst), int((mine.contacts != theirs.contacts).nnz)


@pytest.mark.parametrize("name", SPACES)
def test_torch_moves_cells_as_the_compiled_kernel_does(name: str) -> None:
    worst, contacts = difference(SPACES[name], LAW, "cpu")
    assert worst < 1e-9
    assert contacts == 0


def test_torch_takes_the_fixed_step_as_the_compiled_kernel_does() -> None:
    worst, contacts = difference(BOX, MechanicsParams(fixed_step=MINUTE / 10), "cpu")
    assert worst < 1e-9
    assert contacts == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_moves_cells_as_the_compiled_kernel_does() -> None:
    worst, contacts = difference(BOX, LAW, "cuda")
    assert worst < 1e-9
    assert contacts == 0


def test_no_cells_move_nowhere() -> None:
    place, moved = move_cells_torch(torch.zeros((0, 3)), torch.zeros(0), BOX, LAW, 1.0)
    assert place.shape == (0, 3)
    assert moved.contacts.shape == (0, 0)
