"""`python -m tests.bench`: every speed that is watched, in one table."""

import argparse
import json
import os
import platform
from pathlib import Path

import torch

from tests.bench.bench_backbones import bench_backbones
from tests.bench.bench_commands import bench_demo, bench_help
from tests.bench.bench_fields import bench_fields
from tests.bench.bench_mechanics import bench_mechanics
from tests.bench.bench_model import bench_model
from tests.bench.bench_population import bench_population
from tests.bench.bench_sbml import bench_sbml
from tests.bench.bench_store import bench_store
from tests.bench.bench_tissue import bench_tissue
from tests.bench.bench_viz import bench_viz
from tests.bench.bench_web import bench_web
from tests.bench.bench_workers import bench_overhead, bench_shared_tissue, bench_workers


def main() -> None:
    """Measure, print one table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure how fast twin is here.")
    parser.add_argument("--quick", action="store_true", help="only --help, transitions, mechanics and fields")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE, too")
    options = parser.parse_args()
    machine = machine_of()
    print(", ".join(f"{word}: {value}" for word, value in machine.items()), flush=True)
    rates = bench_help()
    threads = sorted({1, torch.get_num_threads()})
    rates |= bench_model(threads)
    if not options.quick:
        rates |= bench_backbones(threads)
    rates |= bench_mechanics()
    rates |= bench_fields()
    if not options.quick:
        rates |= bench_tissue()
        rates |= bench_sbml()
        rates |= bench_workers() | bench_overhead() | bench_shared_tissue()
        rates |= bench_population((2_000, 10_000))
        rates |= bench_store()
        rates |= bench_viz()
        rates |= bench_web()
        rates |= bench_demo()
    width = max(map(len, rates))
    for name, value in rates.items():
        print(f"{name:<{width}}  {_rounded(value):>12}")
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine, "rates": rates}, indent=2) + "\n", encoding="utf-8")


def machine_of() -> dict[str, str]:
    """Return what the numbers were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": str(cores),
        "processor": _processor(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """Return the processor's name: Linux tells it in a file, other systems by `platform`."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _rounded(value: float) -> str:
    """Return three digits, with separators where they are many."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
