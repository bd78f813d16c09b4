"""What mechanistic cells cost: 10,000 instances of a model of ten species over a day, and how much memory they take.

The model is that of scenarios/jak_stat.xml, in cells that all differ (receptors and STAT are spread), in a bath of
interferon that decays; a tick is half an hour and each cell's solver begins anew in it. `python -m
tests.bench.bench_sbml --cells 10000 --threads 2` prints the table.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import psutil

from twin.engine.loop import advance
from twin.kernels.blocks import Crew
from twin.verification.tissue import Tissue

MODEL = Path(__file__).parents[2] / "scenarios" / "jak_stat.xml"
TICKS = 48  # of half an hour
WARM = 8  # ticks after which memory is looked at first


def bench_sbml(n: int = 10_000, threads: int = 2) -> dict[str, float]:
    """Return seconds of a day, microseconds a cell and tick, and how memory grows; nothing without libRoadRunner."""
    if find_spec("roadrunner") is None:
        return {}
    tissue = _tissue(n)
    resident = []
    began = perf_counter()
    with Crew(threads) as crew:
        for _ in range(TICKS):
            advance(tissue.world, tissue.body, 0, crew)
            resident.append(psutil.Process().memory_info().rss / 2**20)
    spent = perf_counter() - began
    states = tissue.column("sbml_jak_stat_ISG")
    assert len(set(states)) > 0.99 * n, "cells are alike: they would be stepped once"
    assert (states > 1.0).all(), "the model did not answer"
    name = f"SBML, {n:,} cells x 10 species, CVODE, {threads} threads"
    return {
        f"{name}: s/day": spent,
        f"{name}: us/cell/tick": 1e6 * spent / (n * TICKS),
        f"{name}: MiB at the end": resident[-1],
        f"{name}: MiB gained after tick {WARM}": resident[-1] - resident[WARM],
    }


def _tissue(n: int) -> Tissue:
    edge = 20.0 * max(1, round((n * 1000.0) ** (1 / 3) / 20.0))  # µm; one cell a voxel of 10 µm, about
    cells = {"source": "model", "count": n, "composition": {"cell": 1.0}, "radius": {"default": "3 um"}}
    return Tissue(
        n,
        {"sbml": {}, "diffusion": {}},
        models={MODEL.name: MODEL.read_text(encoding="utf-8")},
        tick="30 min",
        compartments={"tissue": {"box": [f"{edge:g} um"] * 3, "spacing": "20 um", "cells": cells}},
        substances={"IFNB1": {"diffusivity": "30 um^2/s", "half_life": "5 h", "initial": "0.05 nM"}},
        intracellular={
            "jak_stat": {
                "file": MODEL.name,
                "cell_types": ["cell"],
                "inputs": {"IFN": "field:IFNB1"},
                "spread": {"R": 0.3, "STAT": 0.2},
            }
        },
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_sbml", description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for name, value in bench_sbml(options.cells, options.threads).items():
        print(f"{name:<70} {value:.4g}")


if __name__ == "__main__":
    main()
