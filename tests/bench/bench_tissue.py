"""What an hour of tissue costs: the hexagonal close-packed ball of published comparisons, in processor seconds.

Cells of PhysiCell's default size, packed at 0.95 of two radii, neither dividing nor dying, take up oxygen that comes
in from all six walls: D = 1e5 µm²/min, decay 0.1 /min, uptake 10 /min, 38 mmHg on the walls, voxels of 20 µm, mechanics
at PhysiCell's 0.1 min and at our adaptive step. Each row is measured in a process of its own, on one thread, and scaled
to an hour. Beside it, where it is installed (`pip install pyphysicell==0.1.4`), the same ball in pyphysicell.

`python -m tests.bench.bench_tissue` prints the table; `--cells 1000000 --part mechanics` one row.

Source
------
PhysiCell 1.14.2, 12 min of 10,000 cells: radius of gyration 147.42803 µm, farthest cell 190.29964 µm, oxygen at least
14.17821 and on average 32.52449 mmHg.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from tests.bench.bench_mechanics import close_packed_ball
from twin.kernels.diffusion import diffuse_with_uptake
from twin.kernels.mechanics import MechanicsParams, Space, move_cells
from twin.state.fields import Grid

Float = NDArray[np.float64]

VOLUME = 2494.0  # µm³; PhysiCell's default cell
RADIUS = (VOLUME * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)  # µm
HALF_EDGE = {10_000: 300.0, 50_000: 500.0, 100_000: 600.0}  # µm, of the box, as in the comparison
WALL = 38.0  # mmHg; concentrations are linear, so their unit does not matter here
DIFFUSIVITY, DECAY, UPTAKE = 1e5 * 60.0, 0.1 * 60.0, 10.0 * 60.0  # µm²/h, 1/h, 1/h
SPACING = 20.0  # µm
TICK = 0.1  # h; our choice: PhysiCell's phenotype step of 6 min, after which fields and cells meet anew
MINUTES = 12.0
PARTS = ("mechanics", "adaptive", "tissue", "tissue adaptive", "pyphysicell")
ROOT = Path(__file__).parents[2]


def bench_tissue(sizes: tuple[int, ...] = (10_000,), parts: tuple[str, ...] = PARTS) -> dict[str, float]:
    """Return processor seconds a simulated hour, and bytes a cell, by part and number of cells."""
    rates = {}
    for n in sizes:
        for part in parts:
            if part == "pyphysicell" and find_spec("pyphysicell") is None:
                continue
            row = measured(n, part)
            rates[f"ball of {n:,} cells, {part}: CPU-s/h"] = row["cpu_s_per_hour"]
            if part == "mechanics":
                rates[f"ball of {n:,} cells, {part}: bytes/cell"] = row["bytes_per_cell"]
    return rates


def measured(n: int, part: str, minutes: float = MINUTES) -> dict[str, float]:
    """Return a row, measured in a process of its own on one thread."""
    command = [sys.executable, "-m", "tests.bench.bench_tissue", "--cells", str(n), "--part", part]
    told = subprocess.run(
        [*command, "--minutes", str(minutes), "--json"],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
            "PYTHONPATH": ":".join(filter(None, sys.path)),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    row: dict[str, float] = json.loads(told.stdout)
    return row


def run_ball(n: int, part: str, minutes: float) -> dict[str, float]:
    """Run the ball here and now; processor seconds a simulated hour, memory, and what to compare."""
    if part == "pyphysicell":
        return _run_pyphysicell(n, minutes)
    half = HALF_EDGE.get(n, 4.0 * RADIUS * n ** (1.0 / 3.0))
    ball = close_packed_ball(n)
    space = Space(np.full(3, -half), np.full(3, half))
    fixed = None if "adaptive" in part else 0.1 / 60.0
    law = MechanicsParams(fixed_step=fixed, max_substeps=1_000_000)
    radius, ids = np.full(n, RADIUS), np.arange(n, dtype=np.uint64)
    edge = round(2.0 * half / SPACING)
    grid = Grid((edge, edge, edge), SPACING, (-half, -half, -half))
    field = np.full((1, *grid.shape), WALL) if "tissue" in part else np.empty((0, *grid.shape))

    def advance(position: Float, oxygen: Float, hours: float) -> tuple[Float, Float]:
        if len(oxygen):
            oxygen = _breathed(oxygen, position, grid, hours)
        return move_cells(position, radius, space, law, hours, ids).position, oxygen

    few = close_packed_ball(50)  # compile
    move_cells(few, radius[:50], space, law, TICK)
    if len(field):
        _breathed(field, few, grid, TICK)
    before, start = _resident(), process_time()
    position, left = ball, minutes / 60.0
    while left > 1e-9:
        position, field = advance(position, field, min(TICK, left))
        left -= TICK
    spent = process_time() - start
    distance = np.linalg.norm(position, axis=1)
    row = {
        "cpu_s_per_hour": spent * 60.0 / minutes,
        "bytes_per_cell": (_peak() - before) / n,
        "radius_of_gyration_um": float(np.sqrt((distance**2).mean())),
        "farthest_um": float(distance.max()),
    }
    if len(field):
        row |= {"oxygen_min": float(field.min()), "oxygen_mean": float(field.mean())}
    return row


def _breathed(oxygen: Float, position: Float, grid: Grid, hours: float) -> Float:
    """Return oxygen after `hours` of diffusion, decay and uptake by cells that stay where they are."""
    n_voxels = int(np.prod(grid.shape))
    cells = np.bincount(grid.voxel_of(position), minlength=n_voxels).reshape(1, *grid.shape)
    sink = UPTAKE * VOLUME / grid.voxel_volume * cells.astype(np.float64)  # (substance, z, y, x), 1/h
    walls = ((WALL,) * 6,)
    return diffuse_with_uptake(
        oxygen, np.array([DIFFUSIVITY]), np.array([DECAY]), hours, grid.spacing, sink, walls=walls
    ).field


def _run_pyphysicell(n: int, minutes: float) -> dict[str, float]:
    """Run the same ball in pyphysicell 0.1.4, without growth, death and motility."""
    import pyphysicell as pc

    half = HALF_EDGE.get(n, 4.0 * RADIUS * n ** (1.0 / 3.0))
    oxygen = pc.Substrate(
        "oxygen",
        diffusion_coefficient=1e5,
        decay_rate=0.1,
        initial_condition=WALL,
        dirichlet_enabled=True,
        dirichlet_value=WALL,
        dirichlet_faces={f"{axis}{side}": (True, WALL) for axis in "xyz" for side in ("min", "max")},
    )
    cell = pc.CellType("default", secretion={"oxygen": pc.SecretionEntry(uptake_rate=10.0)})
    model = pc.Model(
        domain=pc.Domain(-half, half, -half, half, -half, half, SPACING, SPACING, SPACING, use_2D=False),
        substrates=[oxygen],
        cell_types=[cell],
        initial_cells=[(*map(float, place), "default") for place in close_packed_ball(n)],
        omp_num_threads=1,
        calculate_gradients=False,
    )
    before = _resident()
    simulation = pc.Simulation(model, seed=0)
    start = process_time()
    simulation.run(until=minutes, record_every=1e9)
    spent = process_time() - start
    cells = simulation.cells
    distance = np.linalg.norm(cells.position[: cells.n], axis=1)
    density = simulation.microenvironment.density
    return {
        "cpu_s_per_hour": spent * 60.0 / minutes,
        "bytes_per_cell": (_peak() - before) / n,
        "radius_of_gyration_um": float(np.sqrt((distance**2).mean())),
        "farthest_um": float(distance.max()),
        "oxygen_min": float(density.min()),
        "oxygen_mean": float(density.mean()),
    }


def _peak() -> float:
    """Return the most memory that this process has held, bytes."""
    told = Path("/proc/self/status")  # ru_maxrss counts the process that started this one, too
    for line in told.read_text().splitlines() if told.is_file() else ():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) * 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


def _resident() -> float:
    """Return the memory that this process holds, bytes; its peak where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE")) if told.is_file() else _peak()


def main() -> None:
    """Print one row, or the table of the comparison."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_tissue", description=__doc__)
    parser.add_argument("--cells", type=int, help="one size; without it 10,000, 50,000 and 100,000")
    parser.add_argument("--part", choices=PARTS, help="one part; without it all")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="simulated time")
    parser.add_argument("--json", action="store_true", help="print one row as JSON, measured in this process")
    options = parser.parse_args()
    if options.json:
        print(json.dumps(run_ball(options.cells, options.part, options.minutes)))
        return
    for n in [options.cells] if options.cells else list(HALF_EDGE):
        for part in [options.part] if options.part else PARTS:
            if part == "pyphysicell" and find_spec("pyphysicell") is None:
                continue
            row = measured(n, part, options.minutes)
            print(f"{n:>9,} cells  {part:<15}", "  ".join(f"{k} {v:.7g}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
