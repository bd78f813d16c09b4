"""Small stores with planted answers, written as the engine writes them: doses, branches, replicates, a pedigree."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import networkx as nx
import numpy as np
import scipy.sparse as sp

from twin.kernels.neighbours import contact_graph
from twin.results import Ensemble, SweepAxis, Trajectory, TrajectoryWriter, create_run, open_run
from twin.results.layout import COMMITS, Readout, ReadoutLayout, trajectory_of
from twin.scenario.variants import Coordinate
from twin.state.body import Body, Compartment, Lineage
from twin.state.cells import Cells, Column
from twin.state.expression import Expression
from twin.state.fields import Grid

GENES = tuple(f"GENE{i}" for i in range(40))
UP, DOWN = range(6), range(6, 10)  # genes that a dose raises fourfold, and lowers to a quarter
TYPES = ("B cell", "monocyte")
N = 60  # cells
SIDE = 100.0  # µm
DOSES = (3.0, 10.0, 30.0, 300.0)  # U/mL
EC50, SLOPE = 20.0, 1.5
END = 2  # ticks of an hour
COLUMNS = (Column("cycle_phase", "1"), Column("pressure", "1"))
LAYOUT = ReadoutLayout(
    times=np.arange(END + 1, dtype=np.float64),
    coords={"compartment": ["tissue"], "cell_type": list(TYPES), "gene": ["GENE0", "GENE6"]},
    variables=(
        Readout("n_cells", ("compartment", "cell_type"), "1", "number of living cells"),
        Readout("response_by_type", ("compartment", "cell_type"), "1", "response"),
        Readout("gene_mean", ("compartment", "cell_type", "gene"), "counts per 10,000", "mean expression"),
        Readout("field_mean", (), "nM", "mean of a field"),
    ),
)
EVENT = {"do": "add", "at": "0 h", "substance": "IFNB1", "dose": "1 U/mL"}
TREATED = {"timeline": [EVENT]}


def response(dose: float) -> float:
    return float(dose**SLOPE / (EC50**SLOPE + dose**SLOPE))


def cells_of(
    n: int,
    seed: Sequence[int],
    *,
    strength: float = 0.0,
    genes: int = len(GENES),
    ids: Sequence[int] = (),
    alive: Sequence[bool] = (),
) -> Compartment:
    """Return a tissue whose planted genes answer to `strength` (0 none, 1 fully)."""
    rng = np.random.default_rng(list(seed))
    level = np.full((n, len(GENES)), 8.0)
    level *= np.exp(0.1 * rng.normal(size=len(GENES)))  # the luck of a replicate, which both sides share below
    level[:, UP] *= 4.0**strength
    level[:, DOWN] *= 0.25**strength
    counts = np.random.default_rng([*seed, round(1000 * strength)]).poisson(level)[:, :genes]
    position = rng.random((n, 3)) * SIDE
    cells = Cells(
        id=np.array(ids if len(ids) else range(n), dtype=np.uint64),
        parent=np.array(ids if len(ids) else range(n), dtype=np.uint64),
        birth=np.zeros(n, dtype=np.int64),
        position=position,
        radius=np.full(n, 9.0),
        cell_type=(np.arange(n) % 2).astype(np.int16),
        donor=np.zeros(n, np.int16),
        species=np.zeros(n, np.int16),
        technology=np.zeros(n, np.int16),
        group=np.zeros(n, np.int32),
        alive=np.array(alive, dtype=bool) if len(alive) else np.ones(n, bool),
        depth=np.full(n, 300.0),
        z=np.zeros((n, 2), np.float32),
        dose=np.where(np.arange(n) < n // 2, strength, 0.0)[:, None],
        time_since=np.full((n, 1), np.nan),
        ec50_factor=np.ones(n),
        clamp=sp.csr_array((n, genes)),
        names={"cell_type": TYPES, "donor": ("d1",), "species": ("human",), "technology": ("10x",)},
        columns=COLUMNS,
        extra={"cycle_phase": (np.arange(n) % 3).astype(np.float64), "pressure": position[:, 0] / SIDE},
    )
    groups: nx.DiGraph[int] = nx.DiGraph()
    groups.add_node(0, kind="organ", name="tissue")
    return Compartment(
        name="tissue",
        cells=cells,
        expression=Expression.from_counts(sp.csr_array(counts.astype(np.int32)), 32),
        grid=Grid((1, 1, 1), SIDE, (0.0, 0.0, 0.0)),
        concentration=np.zeros((0, 1, 1, 1)),
        contacts=contact_graph(position, cells.radius),
        groups=groups,
        rates={},
    )


def body_of(part: Compartment, tick: int) -> Body:
    network: nx.DiGraph[str] = nx.DiGraph()
    network.add_node("tissue")
    return Body({"tissue": part}, network, tick)


def readouts_of(part: Compartment, strength: float, luck: float) -> dict[str, np.ndarray]:
    n = [float((part.cells.alive & (part.cells.cell_type == t)).sum()) for t in range(len(TYPES))]
    return {
        "n_cells": np.array([n]),
        "response_by_type": np.array([[strength + luck, strength + luck]]),
        "gene_mean": np.full((1, len(TYPES), 2), strength),
        "field_mean": np.array(strength),
    }


def ensemble_of(branches: Sequence[str], replicates: int, doses: Sequence[float]) -> Ensemble:
    """Return a trunk that is the same at all doses, and branches that are not."""
    axes = (SweepAxis("dose", len(doses), (Coordinate("dose", tuple(doses), "U/mL", KEY),)),) if doses else ()
    found = []
    for b, branch in enumerate(branches):
        for r in range(replicates):
            places = [(d, r) for d in range(len(doses))] if doses else [(r,)]
            for group in [places] if b == 0 else [[p] for p in places]:
                full = tuple((b, *p) if len(branches) > 1 else p for p in group)
                point = (group[0][0],) if doses else ()
                found.append(Trajectory(f"{branch}-{'-'.join(map(str, group[0]))}", branch, point, r, None, 0, full))
    return Ensemble(tuple(branches), axes, replicates, tuple(found))


KEY = "branches.treated.timeline.0.dose"


def doses_store(path: Path, replicates: int = 3, doses: Sequence[float] = DOSES) -> Path:
    """Write a run of a trunk and a branch at several doses."""
    scenario = {"name": "planted", "branches": {"treated": TREATED}, "observe": {"genes": ["GENE0", "GENE6"]}}
    attributes = {"seed": 1, "tick": 1.0, "n_ticks": END, "scenario": scenario, "last_measured_time_h": 1.0}
    create_run(path, attributes, LAYOUT, ensemble_of(("trunk", "treated"), replicates, doses), ("tissue",))
    for trajectory in open_run(path).trajectories:
        dose = 0.0 if trajectory.branch == "trunk" else doses[trajectory.point[0]]
        luck = 0.01 * float(np.random.default_rng([7, trajectory.replicate, round(10 * dose)]).normal())
        _write(path, trajectory, response(dose), luck)
    return path


def without_last_replicate(whole: Path, path: Path) -> Path:
    """Copy a run, its last replicate not begun."""
    shutil.copytree(whole, path)
    last = [t for t in open_run(path).trajectories if t.replicate == open_run(path).replicates - 1]
    for trajectory in last:
        (trajectory_of(path, trajectory.id) / COMMITS).write_text("[]", "utf-8")
    return path


def branches_store(path: Path) -> Path:
    """Make a run whose branches are alike but for a dose; nothing is committed."""
    branches = {f"d{dose:g}": {"timeline": [{**EVENT, "dose": f"{dose:g} U/mL"}]} for dose in DOSES}
    scenario = {"name": "branched", "branches": branches}
    attributes = {"seed": 1, "tick": 1.0, "n_ticks": END, "scenario": scenario}
    create_run(path, attributes, LAYOUT, ensemble_of(("trunk", *branches), 2, ()), ("tissue",))
    return path


def plain_store(path: Path) -> Path:
    """Write a run without branches or replicates: planted genes answer fully at the end."""
    attributes = {"seed": 1, "tick": 1.0, "n_ticks": END, "scenario": {"name": "plain"}}
    create_run(path, attributes, LAYOUT, Ensemble.plain(1), ("tissue",))
    _write(path, open_run(path).trajectories[0], 1.0, 0.0)
    return path


def _write(path: Path, trajectory: Trajectory, strength: float, luck: float) -> None:
    """Keep the start, where nothing has happened, and the end."""
    at = TrajectoryWriter(path, trajectory, GENES, ("IFNB1",), (), 1.0)
    for tick in range(END + 1):
        part = cells_of(N, (3, trajectory.replicate), strength=strength if tick else 0.0)
        if tick in (0, END):
            at.frame(body_of(part, tick))
        at.readouts(tick, readouts_of(part, strength if tick else 0.0, luck))
    at.commit(body_of(part, END))


# 0 divides at 1 h into 10 and 11, 10 at 2 h into 20 and 21; 11 is dying at the end, 1 lives on, 2 was cleared at 1 h.
EVENTS = (
    (10, 0, 1, "birth"),
    (11, 0, 1, "birth"),
    (2, 2, 1, "death: apoptosis"),
    (20, 10, 2, "birth"),
    (21, 10, 2, "birth"),
)
LIVING = {0: (0, 1, 2), 1: (10, 11, 1), 2: (20, 21, 11, 1)}


def lineage_store(path: Path) -> Path:
    """Write a run with the pedigree above."""
    attributes = {"seed": 1, "tick": 1.0, "n_ticks": END, "scenario": {"name": "pedigree", "processes": {"death": {}}}}
    create_run(path, attributes, LAYOUT, Ensemble.plain(1), ("tissue",))
    at = TrajectoryWriter(path, open_run(path).trajectories[0], (), ("IFNB1",), (), 1.0)
    for tick, ids in LIVING.items():
        part = cells_of(len(ids), (9,), genes=0, ids=ids, alive=[i != 11 or tick < END for i in ids])
        at.frame(body_of(part, tick))
        at.readouts(tick, readouts_of(part, 0.0, 0.0))
    lineage = Lineage()
    for cell, parent, tick, event in EVENTS:
        lineage.record(cell, parent, tick, event)
    part.lineage = lineage
    at.commit(body_of(part, END))
    return path
