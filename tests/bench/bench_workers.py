"""What more workers bring, and what Dask takes.

`python -m tests.bench.bench_workers` prints the table; runs of one and of two workers alternate, so that a machine that
is busy for a while slows both.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from twin.engine.identity import record_of
from twin.engine.observe import layout_of
from twin.engine.plan import check_file
from twin.engine.segments import jobs_of, segment
from twin.engine.simulation import ready, simulate
from twin.results import create_run

TRAJECTORIES, ROUNDS = 32, 2
SCENARIO = """\
name: bench
duration: {hours} h
tick: 6 min
seed: 1
replicates: {replicates}
world_model: {{name: none}}
compartments:
  dish:
    box: [400 um, 400 um, 400 um]
    spacing: 20 um
    cells:
      source: model
      count: {count}
      composition: {{tumour: 1}}
      place: {{tumour: {{ball: {{centre: [200 um, 200 um, 200 um], radius: 150 um}}}}}}
substances:
  oxygen: {{diffusivity: 1e5 um^2/min, decay: 0.1 /min}}
processes: {{exchange: {{}}, diffusion: {{}}, cycle: {{model: live}}, volume: {{}}, mechanics: {{}}}}
observe: {{every: {hours} h}}
execution: {{commit_every: {hours} h}}
"""


def bench_workers() -> dict[str, float]:
    """Return wall times of 32 trajectories on one and on two workers, and their ratio."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with TemporaryDirectory() as folder:
        file = _written(Path(folder), hours=4, replicates=TRAJECTORIES, count=600)
        plans = ready(check_file(file)[0])
        for i in range(ROUNDS):
            for workers in (1, 2):
                start = perf_counter()
                simulate(plans.loaded, Path(folder) / f"{i}-{workers}", prepared=plans, workers=workers)
                seconds[workers].append(perf_counter() - start)
    one, two = min(seconds[1]), min(seconds[2])
    return {
        "32 trajectories, one worker: s": one,
        "32 trajectories, two workers: s": two,
        "32 trajectories, two workers against one": one / two,
    }


def bench_overhead() -> dict[str, float]:
    """Return the wall time of a segment of more than 10 s, and how many times as long a run of it under Dask takes."""
    plain, dask = [], []
    with TemporaryDirectory() as folder:
        file = _written(Path(folder), hours=12, replicates=1, count=3000)
        plans = ready(check_file(file)[0])
        torch.set_num_threads(1)
        for i in range(ROUNDS):
            out = Path(folder) / f"plain-{i}"
            ensemble = plans.futures.ensemble
            create_run(out, record_of(plans.plan, plans.world), layout_of(plans.world), ensemble, ["dish"])
            start = perf_counter()
            segment(plans.loaded, out, jobs_of(ensemble)[0], plans.world.scenario.n_ticks)
            plain.append(perf_counter() - start)
            start = perf_counter()
            simulate(plans.loaded, Path(folder) / f"dask-{i}", prepared=plans)
            dask.append(perf_counter() - start)
    return {"one segment: s": min(plain), "the same under Dask, with its start: times as long": min(dask) / min(plain)}


def _written(folder: Path, **values: int) -> Path:
    file = folder / f"bench-{values['replicates']}.yaml"
    file.write_text(SCENARIO.format(**values), encoding="utf-8")
    return file


if __name__ == "__main__":
    for name, value in (bench_overhead() | bench_workers()).items():
        print(f"{name:<52} {value:10.3g}")
