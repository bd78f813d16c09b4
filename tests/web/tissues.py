"""Runs of known tissues, of any size, written tick by tick as a run that goes on writes them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import scipy.sparse as sp

from tests.results.bodies import PERTURBATIONS
from twin.results import Ensemble, Trajectory, TrajectoryWriter, create_run, extend_run
from twin.results.layout import Readout, ReadoutLayout
from twin.state.body import Body, Compartment
from twin.state.cells import Cells
from twin.state.expression import Expression
from twin.state.fields import Grid

TYPES = ("B", "CD14 Mono", "CD4 T", "NK", "pDC")
GENES = ("ISG15", "IFI6", "CXCL10", *(f"GENE{i}" for i in range(197)))
LATE = 3  # place of a gene that only the hours after the first ones turn on, and that nobody observes
SUBSTANCES = ("IFNB1",)
TICK = 1.0  # h
ROOM = 1500.0  # µm³ a cell: a packed tissue
NAMES = {"cell_type": TYPES, "donor": ("d1",), "species": ("human",), "technology": ("10x 3' v3",)}


def box_of(n: int) -> tuple[float, float, float]:
    """Return the edges of a slab that n cells fill, µm: twice as long as wide, and half as high."""
    edge = float(np.cbrt(n * ROOM))
    return round(2 * edge), round(edge), round(edge / 2)


def tissue(n: int, tick: int, seed: int = 0, expressed: int = 20) -> Compartment:
    """Return n cells that drift, the first of them releasing a factor; their interferon genes rise with it.

    expressed : genes a cell, beside those of interferon.
    """
    rng = np.random.default_rng(seed)
    box = np.array(box_of(n))
    position = rng.random((n, 3)) * box
    kind = rng.choice(len(TYPES) - 1, n).astype(np.int16)
    kind[position[:, 0] < 0.05 * box[0]] = len(TYPES) - 1
    position += np.sin(tick + np.arange(n))[:, None] * 2.0
    near = np.exp(-position[:, 0] / (0.4 * box[0])) * min(tick, 6) / 6
    counts = sp.csr_array(
        (
            rng.integers(1, 4, n * expressed).astype(np.int32),
            rng.integers(len(GENES) // 2, len(GENES), n * expressed),
            np.arange(0, n * expressed + 1, expressed),
        ),
        shape=(n, len(GENES)),
    )
    moved = np.random.default_rng([seed, tick])
    signal = sp.csr_array(moved.poisson(np.outer(8 * near, [1.0, 0.6, 0.3, 2.0 * (tick > LATE)])).astype(np.int32))
    counts = sp.csr_array(
        counts + sp.hstack([signal, sp.csr_array((n, len(GENES) - 4), dtype=np.int32)]), dtype=np.int32
    )
    counts.sum_duplicates()
    grid = Grid((4, 8, 16), box[0] / 16, (0.0, 0.0, 0.0))
    x = (np.arange(16) + 0.5) * box[0] / 16
    level = 0.05 * min(tick, 6) / 6 * np.exp(-x / (0.3 * box[0]))
    groups: nx.DiGraph[int] = nx.DiGraph()
    groups.add_node(0, kind="organ", name="lymph node")
    return Compartment(
        name="tissue",
        cells=_cells(position, kind, tick, n),
        expression=Expression.from_counts(counts, 4096),
        grid=grid,
        concentration=np.broadcast_to(level, (1, 4, 8, 16)).copy(),
        contacts=sp.csr_array((n, n), dtype=np.int8),
        groups=groups,
        rates={},
    )


def _cells(position: np.ndarray, kind: np.ndarray, tick: int, n: int) -> Cells:
    alive = np.ones(n, bool)
    alive[: tick * n // 100] = False  # a hundredth of them dies each hour
    return Cells(
        id=(np.arange(n, dtype=np.uint64) * np.uint64(7919) + np.uint64(2**40))[::-1].copy(),
        parent=np.zeros(n, np.uint64),
        birth=np.zeros(n, np.int64),
        position=position,
        radius=np.where(kind == 1, 6.0, 4.5),
        cell_type=kind,
        donor=np.zeros(n, np.int16),
        species=np.zeros(n, np.int16),
        technology=np.zeros(n, np.int16),
        group=np.zeros(n, np.int32),
        alive=alive,
        depth=np.full(n, 2000.0),
        z=np.zeros((n, 1), np.float32),
        dose=np.zeros((n, 2)),
        time_since=np.full((n, 2), np.nan),
        ec50_factor=np.ones(n),
        clamp=sp.csr_array((n, len(GENES))),
        names=NAMES,
        columns=(),
        extra={},
    )


class Writer:
    """A run that is written as the test wishes: hour by hour, each committed at once."""

    def __init__(self, path: Path, n: int, n_ticks: int = 8) -> None:
        self.path, self.n = path, n
        self._futures: tuple[Trajectory, ...] = (Trajectory("aa", "trunk", (), 0, None, 0, ((0,),)),)
        self._layout = ReadoutLayout(
            times=np.arange(n_ticks + 1, dtype=np.float64) * TICK,
            coords={"compartment": ["tissue"]},
            variables=(Readout("n_cells", ("compartment",), "1", "cells"),),
        )
        scenario = {
            "name": "known tissue",
            "compartments": {"tissue": {"box": list(box_of(n))}},
            "substances": {name: {} for name in SUBSTANCES},
            "observe": {"genes": ["ISG15"], "programs": {"interferon": ["ISG15", "IFI6", "CXCL10"]}},
        }
        self._about = {"seed": 1, "tick": TICK, "n_ticks": n_ticks, "scenario": scenario}
        create_run(path, self._about, self._layout, Ensemble(("trunk",), (), 1, self._futures), ("tissue",))

    def fork(self, tick: int) -> None:
        """Let the run have a second future, which forks after so many ticks."""
        trunk = replace(self._futures[0], places=((0, 0),))
        self._futures = (trunk, Trajectory("bb", "treated", (), 0, "aa", tick, ((1, 0),)))
        extend_run(self.path, self._about, self._layout, Ensemble(("trunk", "treated"), (), 1, self._futures))

    def write(self, ticks: Sequence[int], *, future: int = 0, expressed: int = 20) -> None:
        """Keep and commit these ticks, each for itself."""
        writer = TrajectoryWriter(self.path, self._futures[future], GENES, PERTURBATIONS, SUBSTANCES, TICK)
        for tick in ticks:
            part = tissue(self.n, tick, expressed=expressed)
            if future:
                part.cells.cell_type[: self.n // 2] = 0  # what was done to them made half of them B cells
            body = Body({"tissue": part}, nx.DiGraph(), tick)
            writer.frame(body)
            writer.readouts(tick, {"n_cells": np.array([self.n])})
            writer.commit(body)
        writer.close()
