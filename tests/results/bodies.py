"""Small bodies with something of everything, to write and read back."""

from pathlib import Path

import networkx as nx
import numpy as np
import scipy.sparse as sp

from twin.results import Ensemble, TrajectoryWriter, create_run, open_run
from twin.results.layout import Readout, ReadoutLayout
from twin.state.body import Body, Compartment, Lineage
from twin.state.cells import Cells, Column
from twin.state.expression import Expression
from twin.state.fields import Grid

GENES = tuple(f"GENE{i}" for i in range(50))
PERTURBATIONS = ("IFNB1", "TNF/LTA")
SUBSTANCES = ("IFNB1", "IL6")
TYPES, DONORS = ("B cell", "monocyte"), ("d1", "d2")
NAMES = {"cell_type": TYPES, "donor": DONORS, "species": ("human",), "technology": ("10x 3' v3",)}
COLUMNS = (Column("age", "h"), Column("polarity", "1", width=3, inherit="zero"))
TICK = 0.25  # h
LAYOUT = ReadoutLayout(
    times=np.arange(9, dtype=np.float64) * TICK,
    coords={"compartment": ["tissue", "pool"], "gene": list(GENES), "distance": np.array([25.0, 75.0])},
    variables=(
        Readout("n_cells", ("compartment",), "1", "cells"),
        Readout("gene_mean", ("compartment", "gene"), "count", "counts per 10,000"),
        Readout("response_by_distance", ("compartment", "distance"), "1", "response"),
    ),
)


def cells(rng: np.random.Generator, n: int) -> Cells:
    clamp = sp.csr_array(rng.random((n, len(GENES))) * (rng.random((n, len(GENES))) < 0.05))
    if n:
        clamp.data[:1] = 0.0  # a knock-out is a stored zero
    time_since = rng.random((n, 2))
    time_since[::2] = np.nan
    return Cells(
        id=rng.integers(0, 2**64, n, dtype=np.uint64),
        parent=rng.integers(0, 2**64, n, dtype=np.uint64),
        birth=rng.integers(0, 5, n),
        position=rng.random((n, 3)) * 100,
        radius=4 + rng.random(n),
        cell_type=rng.integers(0, 2, n).astype(np.int16),
        donor=rng.integers(0, 2, n).astype(np.int16),
        species=np.zeros(n, np.int16),
        technology=np.zeros(n, np.int16),
        group=np.full(n, 2, np.int32),
        alive=rng.random(n) > 0.1,
        depth=rng.random(n) * 2000,
        z=rng.normal(size=(n, 4)).astype(np.float32),
        dose=rng.random((n, 2)),
        time_since=time_since,
        ec50_factor=np.exp(rng.normal(size=n)),
        clamp=clamp,
        names=NAMES,
        columns=COLUMNS,
        extra={"age": rng.random(n), "polarity": rng.random((n, 3))},
    )


def compartment(rng: np.random.Generator, name: str, n: int, chunk_size: int = 8) -> Compartment:
    counts = sp.csr_array(rng.poisson(0.4, (n, len(GENES))).astype(np.int32))
    if counts.nnz:
        counts.data[0] = 4321  # a level that spans several counts
    touching = sp.csr_array(np.triu(rng.random((n, n)) < 0.1, 1).astype(np.int8))
    groups: nx.DiGraph[int] = nx.DiGraph()
    groups.add_node(0, kind="organ", name=name)
    groups.add_edge(0, 2, share=0.1)
    return Compartment(
        name=name,
        cells=cells(rng, n),
        expression=Expression.from_counts(counts, chunk_size),
        grid=Grid((2, 3, 4), 10.0, (5.0, 0.0, -5.0)),
        concentration=rng.random((len(SUBSTANCES), 2, 3, 4)),
        contacts=sp.csr_array(touching + touching.T),
        groups=groups,
        rates={"source": {"secretion": rng.random((2, 2, 3, 4))}, "death/rate": {"b": rng.random(n)}},
    )


def body(seed: int = 0, n: tuple[int, int] = (30, 7), tick: int = 0) -> Body:
    rng = np.random.default_rng([seed, tick])
    network: nx.DiGraph[str] = nx.DiGraph()
    network.add_edge("tissue", "pool", flow=1.5)
    parts = {name: compartment(rng, name, size) for name, size in zip(("tissue", "pool"), n, strict=True)}
    return Body(parts, network, tick)


def new_run(path: Path, n_replicates: int = 1) -> Path:
    attributes = {"seed": 1, "tick": TICK, "n_ticks": 8, "scenario": {"name": "small"}}
    create_run(path, attributes, LAYOUT, Ensemble.plain(n_replicates), ("tissue", "pool"))
    return path


def writer(run: Path, replicate: int = 0) -> TrajectoryWriter:
    return TrajectoryWriter(run, open_run(run).ensemble.find(replicate), GENES, PERTURBATIONS, SUBSTANCES, TICK)


def readouts(b: Body) -> dict[str, np.ndarray]:
    parts = b.compartments.values()
    means = [np.asarray(c.expression.to_counts(c.cells.id).sum(0)) / max(1, c.cells.n) for c in parts]
    return {
        "n_cells": np.array([c.cells.n for c in parts]),
        "gene_mean": np.stack(means),
        "response_by_distance": np.full((2, 2), 0.5 * b.tick),
    }


def step(at: TrajectoryWriter, b: Body) -> None:
    """Keep everything of one instant."""
    at.frame(b)
    at.readouts(b.tick, readouts(b))


def write_ticks(at: TrajectoryWriter, first: int, last: int, seed: int = 0) -> Body:
    """Keep the ticks from `first` to `last`, commit at the last one; the tissue grows by a cell a tick."""
    lineage = Lineage()
    for tick in range(first, last + 1):
        now = body(seed, (30 + tick, 7), tick)
        ids = now.compartments["tissue"].cells.id
        lineage.record(int(ids[-1]), int(ids[0]), tick, "birth")
        step(at, now)
    now.compartments["tissue"].lineage = lineage
    at.commit(now)
    return now
