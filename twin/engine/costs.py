"""What one piece of work costs, measured: the numbers that estimates and plans are made of.

Times are processor seconds of one core, measured by `python -m tests.bench.bench_population` and the other benches on
the machine that `MACHINE` names; another core may be twice as fast or half.
"""

from dataclasses import dataclass

MACHINE = "one core of an x86-64 server of 2 cores that was shared and busy, float32 on MKL"


@dataclass(frozen=True)
class Cost:
    """One unit cost.

    value : in `unit`. origin : how it is known.
    """

    value: float
    unit: str
    origin: str


_POPULATION = "measured, bench_population"

# -- time --------------------------------------------------------------------------------------------------------
SEED = Cost(
    4.8e-8, "s per cell and gene", f"{_POPULATION}: a cell of 14,000 genes, 1,000 of them expressed, in 0.66 ms"
)
TRANSITION = Cost(2.6e-8, "s per cell, gene and tick", f"{_POPULATION}: the same in 0.36 ms, a fifth of its genes due")
STEP = Cost(1e-5, "s per cell, tick and other process", f"{_POPULATION}: 4e-6 (exposure) to 3e-5 (mechanics)")
VOXEL = Cost(1e-7, "s per voxel, substance and tick", "measured, bench_fields: one exact step of diffusion")
FRAME = Cost(1.0e-7, "s per kept count", f"{_POPULATION}: compressed and written, with the state")
OBSERVE = Cost(1e-5, "s per cell and readout time", _POPULATION)
START = Cost(10.0, "s", "measured: imports, loading the model, compiled code from its cache")

# -- memory and storage ------------------------------------------------------------------------------------------
ENTRY = Cost(4.0, "B per expressed gene of a cell", "16-bit gene and 16-bit level")
CELL = Cost(250.0, "B per cell", "dense columns without z and doses: the sum of state/cells.py, rounded up")
STORED = Cost(1.9, "B per kept count", f"{_POPULATION}: zstd of 32-bit genes and counts")
PROCESS = Cost(0.95 * 2.0**30, "B", f"{_POPULATION}: interpreter, libraries, world model, one chunk at work")
SHARD = Cost(0.8 * 2.0**30, "B", f"{_POPULATION}: two shards that are compressed while a commit is written, at most")
NAMED = Cost(400.0, "B per cell of a commit", f"{_POPULATION}: its name as text and the table of its columns")
WRITTEN = Cost(12.0, "B per kept count of a commit", f"{_POPULATION}: the same where the counts fill no shard")

COSTS = {
    "a founder is drawn": SEED,
    "a transition": TRANSITION,
    "another process": STEP,
    "a field": VOXEL,
    "a count is kept": FRAME,
    "readouts": OBSERVE,
    "a count in memory": ENTRY,
    "a cell without its counts": CELL,
    "a count on disk": STORED,
    "a process of the system": PROCESS,
}
