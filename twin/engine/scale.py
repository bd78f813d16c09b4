"""What a tissue of any size would need of a cluster: unit costs times what the scenario holds, each with its origin."""

from dataclasses import dataclass
from math import ceil

from twin.engine import costs, estimate
from twin.engine.estimate import GIB, Load
from twin.errors import InputError

TIB = 2.0**40
USABLE = 0.8  # of a machine's memory; our choice: the system and the page cache take the rest
EFFICIENCY = 0.8  # of cores that share a tissue's chunks; our choice, below what 2 and 4 threads were measured at
TASK_BYTES = 20e3  # a segment's arguments and answer; our choice: a scenario's text, a path, a few numbers
REACH = 16.0  # µm, of the forces between two cells; our choice: 1.25 × the two radii of cells of 6.4 µm
HALO_BYTES = 64.0  # of a cell that a neighbouring part has to know: id, place, radius, type
EXCHANGES = 10  # substeps of mechanics a tick; our choice: 1 at rest, hundreds where many divide
TRANSPOSES = 4  # all of the field's values go to other machines so often, in each exact step of diffusion
COLUMN_STORED = 120.0  # B per kept cell on the disk, its columns compressed; our choice, see bench_population
GPU_BANDWIDTH = 3.35e12  # B/s; NVIDIA H100 SXM, data sheet
GPU_MEMORY = 80e9  # B; the same
GPU_BYTES = 8.0  # per cell and gene of a transition: the mean of a gene is written and read once, 32 bit


@dataclass(frozen=True)
class Machine:
    """One computer of the cluster; memory in GiB."""

    cores: int
    memory: float


@dataclass(frozen=True)
class Needs:
    """What a run needs.

    cpu_seconds : by what they go to. machines : how many; for_memory, for_time : what asks for them.
    wall_hours : how long it takes on them.
    memory, stored, states, traffic, halo, transposed : bytes: in use, kept cells, states of one commit, to and from
        the scheduler, between neighbouring parts, of fields between all.
    gpus : at least, for the transitions alone.
    """

    cpu_seconds: dict[str, float]
    machines: int
    for_memory: int
    for_time: int
    cells_a_machine: float
    wall_hours: float
    memory: float
    stored: float
    states: float
    traffic: float
    halo: float
    transposed: float
    gpus: int


def needs_of(load: Load, n_cells: float, within: float, machine: Machine, volume: float, commits: int) -> Needs:
    """Return what `n_cells` of a scenario's tissue need to be done `within` so many hours.

    Parameters
    ----------
    volume : of the scenario's compartments, µm³. commits : of a trajectory.

    Raises
    ------
    InputError
        If the scenario has no cells, or a machine cannot even hold the program.
    """
    if load.n_cells <= 0:
        raise InputError("the scenario has no cells, so nothing can be counted up: give it some")
    large = load.scaled(n_cells)
    fixed = costs.PROCESS.value + costs.SHARD.value
    room = USABLE * machine.memory * GIB - fixed
    each = (estimate.memory_bytes(load.scaled(1e7)) - fixed) / 1e7  # of a tissue too large to wait in memory
    if room <= each:
        raise InputError(
            f"machines of {machine.memory:g} GiB are too small: {fixed / USABLE / GIB:.1f} GiB are needed before the "
            "first cell"
        )
    parts = estimate.parts_of(large)
    work = sum(parts.values())
    for_memory = ceil(n_cells * each / room)
    for_time = ceil(work / (within * 3600.0 * machine.cores * EFFICIENCY))
    machines = max(for_memory, for_time)
    scale = n_cells / load.n_cells
    side = (volume * scale / machines) ** (1 / 3)  # µm, of one part
    density = load.n_cells / volume
    inside = max(side - 2 * REACH, 0.0)
    halo_cells = density * (side**3 - inside**3) * machines if machines > 1 else 0.0
    moved = large.n_voxels * 8.0 * TRANSPOSES if machines > 1 else 0.0
    return Needs(
        cpu_seconds=parts,
        machines=machines,
        for_memory=for_memory,
        for_time=for_time,
        cells_a_machine=room / each,
        wall_hours=work / (machines * machine.cores * EFFICIENCY) / 3600.0,
        memory=n_cells * each + machines * fixed,
        stored=large.n_frames * n_cells * (large.expressed * costs.STORED.value + COLUMN_STORED),
        states=2 * (large.counts_bytes + n_cells * large.cell_bytes),
        traffic=machines * commits * TASK_BYTES,
        halo=halo_cells * HALO_BYTES * EXCHANGES * large.n_ticks,
        transposed=moved * large.n_ticks,
        gpus=max(
            ceil(large.n_ticks * n_cells * load.genes * load.transitions * GPU_BYTES / GPU_BANDWIDTH / within / 3600.0),
            ceil(n_cells * each / GPU_MEMORY),
        ),
    )


def describe(load: Load, needs: Needs, n_cells: float, within: float, machine: Machine) -> str:
    """Return the needs as text, then the unit costs with their origins."""
    cpu = sum(needs.cpu_seconds.values())
    asked = "memory" if needs.for_memory >= needs.for_time else "time"
    wall = needs.wall_hours * 3600.0
    lines = [
        f"{n_cells:,.0f} cells of {load.expressed:,.0f} expressed genes, {load.n_ticks:,} ticks, one replicate, within "
        f"{within:g} h",
        "",
        f"machines   {needs.machines:,} of {machine.cores} cores and {machine.memory:g} GiB "
        f"({needs.for_memory:,} for memory, {needs.for_time:,} for time: {asked} decides)",
        f"cores      {needs.machines * machine.cores:,}, {EFFICIENCY:.0%} of their time at work",
        f"wall time  {needs.wall_hours:,.2f} h ({cpu / 3600:,.0f} core hours: {_shares(needs.cpu_seconds)})",
        f"memory     {_bytes(needs.memory)} in all; a machine holds up to {needs.cells_a_machine:,.0f} cells",
        f"storage    {_bytes(needs.stored)} of kept cells ({load.n_frames:,} times), {_bytes(needs.states)} of states "
        f"while a commit is written; {_bytes((needs.stored + needs.states) / wall)}/s on average",
        f"traffic    {_bytes(needs.traffic)} to and from the scheduler: paths and numbers, no arrays",
        f"  if one tissue spans the machines: {_bytes(needs.halo)} of cells at the borders and "
        f"{_bytes(needs.transposed)} of fields, {_bytes((needs.halo + needs.transposed) / wall / needs.machines)}/s a "
        "machine",
        f"GPUs       at least {needs.gpus:,} of 80 GB for the transitions in the same time: a bound from memory and "
        "its bandwidth (H100 data sheet); nothing was measured on a GPU",
        "",
        "Today one tissue lives on one machine, whose cores share its chunks; more machines run more tissues, "
        "replicates and sweep points. A tissue that spans machines is not there yet: the lines above say what it would "
        "cost.",
        "",
        f"Unit costs ({costs.MACHINE})",
    ]
    width = max(map(len, costs.COSTS))
    lines += [f"  {name:<{width}}  {c.value:.3g} {c.unit}; {c.origin}" for name, c in costs.COSTS.items()]
    chosen = {
        "cores at work": f"{EFFICIENCY:.0%}; our choice: 97 % of 2 and 90 % of 4 threads measured, all steps of a tick",
        "a border cell": f"{HALO_BYTES:g} B, within {REACH:g} µm of a border, {EXCHANGES} times a tick; our choice",
        "a voxel that travels": f"8 B, {TRANSPOSES} times a tick; arithmetic: two transposes there and back",
        "a kept cell's columns": f"{COLUMN_STORED:g} B on the disk; our choice",
        "a task": f"{TASK_BYTES / 1e3:g} kB; our choice",
    }
    return "\n".join([*lines, *(f"  {name:<{width}}  {text}" for name, text in chosen.items())])


def _shares(parts: dict[str, float]) -> str:
    total = sum(parts.values())
    large = sorted(parts, key=lambda name: -parts[name])[:3]
    return ", ".join(f"{name} {parts[name] / total:.0%}" for name in large)


def _bytes(value: float) -> str:
    for unit, size in (("PiB", 2.0**50), ("TiB", TIB), ("GiB", GIB), ("MiB", 2.0**20), ("KiB", 2.0**10)):
        if value >= size:
            return f"{value / size:,.3g} {unit}" if value < 1000 * size else f"{value / size:,.0f} {unit}"
    return f"{value:.0f} B"
