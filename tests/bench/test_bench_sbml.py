"""The benchmark of mechanistic cells runs, and its memory is flat."""

import pytest

from tests.bench.bench_sbml import bench_sbml

pytest.importorskip("roadrunner")


@pytest.mark.slow
def test_a_day_of_mechanistic_cells_takes_no_more_memory_in_the_evening_than_in_the_morning() -> None:
    rates = bench_sbml(400)
    gained = next(value for name, value in rates.items() if "gained" in name)
    assert gained < 3.0  # MiB, in 40 ticks
    assert next(value for name, value in rates.items() if "us/cell" in name) < 2_000
