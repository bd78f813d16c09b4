"""What more workers bring, and what Dask takes.

`python -m tests.bench.bench_workers` prints the table; runs of one and of two workers alternate, so that a machine that
is busy for a while slows both.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from distributed import Client, LocalCluster

from twin.engine.cluster import local_client
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
TISSUE = """\
name: tissue
duration: 3 h
tick: 30 min
seed: 1
compartments:
  blood:
    box: [600 um, 600 um, 600 um]
    cells:
      source: model
      count: {count}
      composition: {{CD14 Mono: 0.5, CD4 Naive T: 0.5}}
      radius: {{default: 4 um}}
processes: {{transition: {{}}}}
observe: {{every: 3 h}}
execution: {{commit_every: 3 h}}
"""


def bench_workers() -> dict[str, float]:
    """Return wall times of 32 trajectories of some seconds each on one and on two workers, and their ratio."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with TemporaryDirectory() as folder:
        file = _written(Path(folder), hours=16, replicates=TRAJECTORIES, count=1500)
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
    plain: list[float] = []
    dask: list[float] = []
    started: list[float] = []
    with TemporaryDirectory() as folder, local_client(1) as client:
        file = _written(Path(folder), hours=24, replicates=1, count=6000)
        plans = ready(check_file(file)[0])
        torch.set_num_threads(1)
        for i in range(ROUNDS):
            out = Path(folder) / f"plain-{i}"
            ensemble = plans.futures.ensemble
            create_run(out, record_of(plans.plan, plans.world), layout_of(plans.world), ensemble, ["dish"])
            start = perf_counter()
            segment(plans.loaded, out, jobs_of(ensemble)[0], plans.world.scenario.n_ticks)
            plain.append(perf_counter() - start)
            for times, cluster in ((dask, client), (started, None)):
                start = perf_counter()
                simulate(plans.loaded, Path(folder) / f"dask-{i}-{cluster is None}", prepared=plans, cluster=cluster)
                times.append(perf_counter() - start)
    return {
        "one segment: s": min(plain),
        "the same run under Dask: times as long": min(dask) / min(plain),
        "the same, with Dask's start: times as long": min(started) / min(plain),
    }


def bench_shared_tissue(count: int = 10_000) -> dict[str, float]:
    """Return wall times of a few ticks of one tissue with whole transcriptomes on one and two workers of a cluster."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tissue.yaml"
        file.write_text(TISSUE.format(count=count), encoding="utf-8")
        plans = ready(check_file(file)[0])
        for workers in (1, 2):
            with (
                LocalCluster(  # type: ignore[no-untyped-call]  # Dask's own
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                ) as cluster,
                Client(cluster) as client,  # type: ignore[no-untyped-call]  # Dask's own
            ):
                for i in range(ROUNDS):
                    start = perf_counter()
                    simulate(plans.loaded, Path(folder) / f"{workers}-{i}", prepared=plans, cluster=client)
                    seconds[workers].append(perf_counter() - start)
    one, two = min(seconds[1]), min(seconds[2])
    return {
        "one tissue, one worker of a cluster: s": one,
        "one tissue, two workers that share its chunks: s": two,
        "one tissue, two workers against one": one / two,
    }


def _written(folder: Path, **values: int) -> Path:
    file = folder / f"bench-{values['replicates']}.yaml"
    file.write_text(SCENARIO.format(**values), encoding="utf-8")
    return file


if __name__ == "__main__":
    for name, value in (bench_overhead() | bench_workers() | bench_shared_tissue()).items():
        print(f"{name:<52} {value:10.3g}")
