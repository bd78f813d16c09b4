"""What a tissue of any size would need: sums that grow as they should, and words for what cannot be."""

from dataclasses import replace

import pytest

from twin.engine import costs, estimate
from twin.engine.estimate import Load
from twin.engine.scale import Machine, Needs, describe, needs_of
from twin.errors import InputError

LOAD = Load(
    n_cells=1e5,
    n_voxels=2e4,
    drawn=1e5,
    measured=0.0,
    genes=14_000,
    expressed=1_000.0,
    latent=16,
    perturbations=1,
    n_ticks=48,
    n_readouts=25,
    n_frames=5,
    waiting=2,
    transitions=1.0,
    others=4.0,
    changes=False,
)
VOLUME = 1.6e8  # µm³
MACHINE = Machine(32, 128.0)


def needs(n_cells: float = 1e9, within: float = 24.0, load: Load = LOAD, machine: Machine = MACHINE) -> Needs:
    return needs_of(load, n_cells, within, machine, VOLUME, commits=4)


def test_twice_the_cells_take_twice_of_everything() -> None:
    one, two = needs(1e9), needs(2e9)
    for name in ("stored", "states", "transposed"):
        assert getattr(two, name) == pytest.approx(2 * getattr(one, name))
    assert two.machines == pytest.approx(2 * one.machines, abs=1)
    assert sum(two.cpu_seconds.values()) == pytest.approx(2 * sum(one.cpu_seconds.values()))


def test_less_time_takes_more_machines_until_it_is_kept() -> None:
    slow, fast = needs(within=24.0), needs(within=0.5)
    assert 48 * (slow.for_time - 1) < fast.for_time <= 48 * slow.for_time  # whole machines
    assert fast.for_memory == slow.for_memory
    assert fast.wall_hours <= 0.5
    assert slow.machines == slow.for_memory


def test_a_million_cells_of_a_thousand_genes_fit_into_16_gib() -> None:
    assert 4.0 < estimate.memory_bytes(LOAD.scaled(1e6)) / estimate.GIB < 16.0
    assert estimate.memory_bytes(LOAD.scaled(4e6)) / estimate.GIB > 16.0


def test_births_and_kept_instants_take_memory() -> None:
    base = estimate.memory_bytes(LOAD)
    assert estimate.memory_bytes(replace(LOAD, changes=True)) == pytest.approx(base + LOAD.counts_bytes)
    assert estimate.memory_bytes(replace(LOAD, waiting=9)) > base
    assert estimate.memory_bytes(replace(LOAD, measured=1e5)) > base


def test_one_machine_speaks_to_no_other() -> None:
    alone = needs(1e5, 1e6)
    assert (alone.machines, alone.halo, alone.transposed) == (1, 0.0, 0.0)


def test_what_cannot_be_counted_up_is_told() -> None:
    with pytest.raises(InputError, match="no cells"):
        needs(load=replace(LOAD, n_cells=0.0))
    with pytest.raises(InputError, match="machines of 2 GiB are too small"):
        needs(machine=Machine(8, 2.0))


def test_each_number_stands_beside_its_origin() -> None:
    text = describe(LOAD, needs(), 1e9, 24.0, MACHINE)
    assert "1,000,000,000 cells of 1,000 expressed genes" in text
    for cost in costs.COSTS.values():
        assert cost.origin in text
    assert "not there yet" in text
