"""What a large tissue costs: made, taken one tick on, stored and read back, each cell with its whole transcriptome.

Cells of three blood types express about 1,000 genes each; interferon beta from one cell in a hundred spreads through
all of them, and the world model, mechanics and the field step every cell. Each size is measured in a process of its
own; memory is the most that this process held during the step.

`python -m tests.bench.bench_population --cells 1000000 --threads 2` prints one size; several, or without `--cells`
10,000 and 50,000, print how much dearer a cell is in the last than in the first, too. `--soak 15` runs ticks for so
many minutes instead and prints memory and open files as they go.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from types import SimpleNamespace

import numpy as np
import torch
from numpy.typing import NDArray

from twin.engine.estimate import Load, memory_bytes, parts_of
from twin.engine.identity import record_of
from twin.engine.loop import advance
from twin.engine.measure import Moment
from twin.engine.observe import layout_of, observe_body
from twin.engine.plan import check_file
from twin.engine.seeding import seed_body
from twin.engine.simulation import prepare
from twin.engine.world import World
from twin.kernels.blocks import Crew
from twin.process import Process, Update, View
from twin.results import Ensemble, TrajectoryWriter, create_run, open_run
from twin.results.state import load_state
from twin.state.body import Body
from twin.state.expression import Expression

ROOT = Path(__file__).parents[2]
SIZES = (10_000, 50_000)
COMPOSITION = {"DC": 0.5, "CD16 Mono": 0.49, "pDC": 0.01}  # the blood types that express about 1,000 genes
ROOM = 1_600.0  # µm³ a cell: a third of it is filled
SPACING = 20.0  # µm
TICK = 0.5  # h
GIB = 2.0**30


def bench_population(sizes: Iterable[int] = SIZES, threads: int = 1) -> dict[str, float]:
    """Return rates by size, and how much more a cell of the last size takes than one of the first."""
    rates: dict[str, float] = {}
    each: list[float] = []
    for n in sizes:
        row = measured(n, threads)
        each.append(row["tick: CPU-s"] / n)
        rates |= {f"tissue of {n:,} cells, {word}": value for word, value in row.items()}
    if len(each) > 1:
        rates["cost of a cell and tick, the largest tissue over the smallest"] = each[-1] / each[0]
    return rates


def measured(n: int, threads: int = 1) -> dict[str, float]:
    """Return a row, measured in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_population", "--json", "--cells", str(n), "--threads", str(threads)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    row: dict[str, float] = json.loads(told.stdout)
    return row


def scenario_of(n: int) -> dict[str, object]:
    """Return the tissue of `n` cells as a scenario document."""
    edge = f"{SPACING * ceil((n * ROOM) ** (1 / 3) / SPACING):.0f} um"
    return {
        "name": "population",
        "duration": "10000 h",
        "tick": f"{TICK} h",
        "compartments": {
            "tissue": {
                "box": [edge] * 3,
                "spacing": f"{SPACING} um",
                "cells": {"source": "model", "count": n, "composition": COMPOSITION},
            }
        },
        "substances": {"IFNB1": {"diffusivity": "30 um^2/s", "half_life": "5 h", "molar_mass": "20 kDa"}},
        "signalling": {
            "secretion": [{"substance": "IFNB1", "by": ["pDC"], "rate": "20000 molecules/h"}],
            "reception": [{"substance": "IFNB1", "perturbation": "IFNB1", "receptor": ["IFNAR1", "IFNAR2"]}],
        },
        "processes": {name: {} for name in ("secretion", "diffusion", "exposure", "transition", "mechanics")},
        "observe": {"every": f"{TICK} h", "genes": ["ISG15"]},
        "execution": {"commit_every": f"{TICK} h", "memory_limit_gib": 1000},
    }


def run_population(n: int, threads: int, folder: Path) -> dict[str, float]:
    """Make, move, store and read a tissue here and now; seconds, memory and sizes of each step."""
    row: dict[str, float] = {}
    writer, world, load = _opened(n, folder)
    spent: dict[str, float] = {}
    timed = replace(world, processes=tuple((name, _Timed(name, p, spent)) for name, p in world.processes))
    torch.set_num_threads(1)
    with Crew(threads, begin=lambda: torch.set_num_threads(1)) as crew:
        advance(world, seed_body(_opened(64, folder / "small")[1], 0), 0)  # compile
        with _step("seed", row):
            body = seed_body(world, 0, crew)
        with _step("first frame", row):
            writer.readouts(0, _observed(world, body))
            writer.frame(body)
        with _step("tick", row):
            advance(timed, body, 0, crew)
    row |= {f"tick, {name}: CPU-s": seconds for name, seconds in spent.items()}
    with _step("second frame", row):
        writer.readouts(1, _observed(world, body))
        writer.frame(body)
    with _step("commit", row):
        writer.commit(body)
    kept = body.compartments["tissue"].expression
    entries = sum(len(chunk.gene) for chunk in kept.chunks)
    sums = _sums(kept)
    row["genes a cell"] = entries / n
    del body, kept
    with _step("state read back", row):
        again = load_state(next(folder.glob("run/trajectories/0000/state-*")))
    assert _sums(again.compartments["tissue"].expression) == sums
    del again
    with _step("cells read back", row):
        cells = open_run(folder / "run").cells(lazy=True)
        read = sum(int(block.compute(scheduler="sync").nnz) for block in cells.X.blocks)
    assert read == entries, (read, entries)
    row["run on disk: GiB"] = sum(file.stat().st_size for file in folder.glob("run/**/*") if file.is_file()) / GIB
    row["peak memory: GiB"] = max(value for word, value in row.items() if word.endswith("peak GiB"))
    load = replace(load, n_ticks=1, n_readouts=2, n_frames=2, waiting=2)
    row["peak memory, expected: GiB"] = memory_bytes(load) / GIB
    steps = ("seed", "first frame", "tick", "second frame", "commit")
    row["all that is written: CPU-s"] = sum(row[f"{step}: CPU-s"] for step in steps)
    row["all that is written, expected: CPU-s"] = sum(parts_of(load).values())
    return row


def soak(n: int, minutes: float, folder: Path) -> Iterator[tuple[int, float, int]]:
    """Run ticks, each stored and committed, for so long; yield (tick, memory in MiB, open files) after each."""
    writer, world, _ = _opened(n, folder)
    torch.set_num_threads(1)
    body = seed_body(world, 0)
    end = perf_counter() + 60.0 * minutes
    while perf_counter() < end:
        advance(world, body, 0)
        writer.readouts(body.tick, _observed(world, body))
        writer.frame(body)
        writer.commit(body)
        yield body.tick, _resident() / 2**20, len(os.listdir("/proc/self/fd"))


def _opened(n: int, folder: Path) -> tuple[TrajectoryWriter, World, Load]:
    """Return the writer, the world and the load of a run of `n` cells that begins in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "population.yaml"
    file.write_text(json.dumps(scenario_of(n)))
    loaded, plan = check_file(file)
    world = prepare(loaded)
    alone = Ensemble.plain(1)
    create_run(folder / "run", record_of(plan, world), layout_of(world), alone, ["tissue"])
    names = world.model.genes, world.perturbations, world.substances.names
    return TrajectoryWriter(folder / "run", alone.trajectories[0], *names, TICK), world, plan.load


def _observed(world: World, body: Body) -> dict[str, NDArray[np.float64]]:
    return observe_body(world, body, None, Moment(world, body, []))


class _Timed(Process):
    """A process whose processor seconds are counted."""

    def __init__(self, name: str, process: Process, spent: dict[str, float]) -> None:
        self._name, self._process, self._spent = name, process, spent
        for word in ("reads", "writes", "sets", "columns", "interval"):
            setattr(self, word, getattr(process, word))

    def step(self, view: View, dt: float) -> Iterator[Update]:
        """Yield what the process gives."""
        start = process_time()
        for update in self._process.step(view, dt):
            self._spent[self._name] = self._spent.get(self._name, 0.0) + process_time() - start
            yield update
            start = process_time()
        self._spent[self._name] = self._spent.get(self._name, 0.0) + process_time() - start


@contextmanager
def _step(name: str, row: dict[str, float]) -> Iterator[None]:
    """Note seconds and peak memory of a step."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    start = SimpleNamespace(wall=perf_counter(), cpu=process_time())
    yield
    row[f"{name}: s"] = perf_counter() - start.wall
    row[f"{name}: CPU-s"] = process_time() - start.cpu
    row[f"{name}: peak GiB"] = _peak() / GIB
    print(f"{name}: {row[f'{name}: s']:.1f} s, {row[f'{name}: peak GiB']:.2f} GiB", file=sys.stderr, flush=True)


def _sums(expression: Expression) -> tuple[int, int]:
    chunks = expression.chunks
    return sum(int(c.token.sum()) for c in chunks), sum(int(c.gene.sum(dtype="int64")) for c in chunks)


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024.0 for line in lines if line.startswith("VmHWM:"))


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))


def main() -> None:
    """Print one row, the table, or a soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_population", description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", help="sizes; without it 10,000 and 50,000")
    parser.add_argument("--threads", type=int, default=1, help="that share the chunks of cells")
    parser.add_argument("--folder", type=Path, help="where the run is written; without it in the temporary folder")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="run ticks for so long, and print memory")
    parser.add_argument("--json", action="store_true", help="print one row as JSON, measured in this process")
    options = parser.parse_args()
    if not (options.json or options.soak):
        for word, value in bench_population(options.cells or SIZES, options.threads).items():
            print(f"{word:<60} {value:>12.4g}")
        return
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=options.folder) as folder:
        if options.soak:
            for tick, memory, files in soak((options.cells or [2_000])[0], options.soak, Path(folder)):
                print(f"tick {tick}: {memory:,.1f} MiB, {files} open files", flush=True)
        else:
            print(json.dumps(run_population(options.cells[0], options.threads, Path(folder))))


if __name__ == "__main__":
    main()
