"""The benchmark of the token backbones counts what it says."""

import pytest

from tests.bench.bench_backbones import bench_backbones


@pytest.mark.slow
def test_the_benchmark_measures_every_configuration() -> None:
    rates = bench_backbones([1], n_genes=1_000)
    assert all(value > 0 for value in rates.values())
    for name in ("lingshu S=32, 3 guided steps, 1 thread", "patches S=64, 1 guided step, 1 thread"):
        cells, passes = rates[f"{name}: cells/s"], rates[f"{name}: passes/s"]
        assert passes / cells == pytest.approx(6 if "3 guided" in name else 2)
    tokens = 32 + 2  # groups and conditions; 6 passes, each with 85.2 M multiply-adds a token, and attention
    least = 6 * tokens * (2 * 85_196_800 + 13 * 4 * tokens * 640) / 1e9
    assert least < rates["lingshu S=32, 3 guided steps, 1 thread: GFLOP a cell"] < 1.5 * least
