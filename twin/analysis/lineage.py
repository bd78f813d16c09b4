"""Clones: who descends from which founder, how many they are, and how unevenly."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.results import Run
from twin.results.graphs import BIRTH


def founders_of(lineage: pd.DataFrame, ids: Iterable[int]) -> NDArray[np.uint64]:
    """Return the founder of each cell, (cell,); who was never born is its own.

    Parameters
    ----------
    lineage : `Run.lineage()`.
    """
    births = lineage[lineage["event"] == BIRTH]
    founder: dict[int, int] = {}
    for i, parent in zip(births["id"].tolist(), births["parent"].tolist(), strict=True):  # mothers come first
        founder[i] = founder.get(parent, parent)
    return np.array([founder.get(int(i), int(i)) for i in ids], dtype=np.uint64)


def generations_of(lineage: pd.DataFrame, ids: Iterable[int]) -> NDArray[np.int64]:
    """Return how many divisions lie between each cell and its founder, (cell,)."""
    births = lineage[lineage["event"] == BIRTH]
    depth: dict[int, int] = {}
    for i, parent in zip(births["id"].tolist(), births["parent"].tolist(), strict=True):
        depth[i] = depth.get(parent, 0) + 1
    return np.array([depth.get(int(i), 0) for i in ids], dtype=np.int64)


def clone_sizes(run: Run, replicate: int = 0, compartment: str | None = None) -> pd.DataFrame:
    """Return how many living cells every clone has at every kept time: rows are times in h, columns founders.

    A clone that has died out has 0 from then on; one of which no cell lived at a kept time has no column.
    """
    lineage = run.lineage(replicate, compartment)
    rows = {}
    for time in run.times(replicate):
        obs = run.cells(float(time), replicate, compartment).obs
        alive = obs["id"].to_numpy()[obs["alive"].to_numpy(dtype=np.bool_)]
        founder, size = np.unique(founders_of(lineage, alive), return_counts=True)
        rows[float(time)] = pd.Series(size, index=founder)
    table = pd.DataFrame(rows).T.fillna(0).astype(np.int64)
    return table.rename_axis(index="time", columns="founder").sort_index(axis=1)


def effective_clones(sizes: pd.DataFrame) -> pd.Series:
    """Return the number of equally large clones that would be as diverse, at every time: 1 / Σ p² (Simpson).

    sizes : `clone_sizes`. NaN where no cell lives.
    """
    total = sizes.sum(axis=1)
    share = sizes.div(total.where(total > 0), axis=0)
    return (1.0 / (share**2).sum(axis=1, min_count=1)).rename("effective clones")
