"""Measured files in, as the tables of a family of tasks: one gene axis, library sizes, contexts, hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.protocol.task import CONTROL, Float, Mask, Task
from twin.analysis.scores import dispersion_genes, lognorm
from twin.data.counts import is_control, read_counts
from twin.errors import InputError

N_GENES = 1_000  # genes of largest dispersion, scored where a whole transcriptome is measured; as the reference tables
PANEL = 2_000  # files of at most as many genes are panels that their packagers chose: all are scored; our choice
HOURS = {"h": 1.0, "d": 24.0, "min": 1 / 60}  # h


@dataclass(frozen=True)
class Cells:
    """The cells of a family's files; fields as those of a `Task`."""

    counts: sp.csr_array
    genes: tuple[str, ...]
    totals: Float
    obs: pd.DataFrame
    scored: NDArray[np.intp]
    logged: Float

    def where(self, **columns: object) -> Mask:
        """Return the cells whose obs columns have the given values, (cell,)."""
        found = np.ones(len(self.obs), dtype=np.bool_)
        for name, value in columns.items():
            found &= np.asarray(self.obs[name] == value, dtype=np.bool_)
        return found

    def task(
        self,
        family: str,
        name: str,
        *,
        start: Mask,
        truth: Mask,
        hidden: Mask,
        condition: str,
        dose: float = float("nan"),
        time: float = float("nan"),
        peers: Sequence[str] = (),
        panel: Sequence[str] = (),
        features: Mapping[str, Float] | None = None,
    ) -> Task:
        """Return one task on these cells: all that is not `hidden` is visible."""
        return Task(
            family,
            name,
            self.counts,
            self.genes,
            self.totals,
            self.obs,
            ~(hidden | truth),
            start,
            truth,
            self.scored,
            self.logged,
            condition,
            dose,
            time,
            tuple(peers),
            tuple(panel),
            features or {},
        )

    def take(self, keep: Mask) -> "Cells":
        """Return some of the cells, with the genes that are scored chosen anew."""
        rows = np.flatnonzero(keep)
        part = replace(self, counts=self.counts[rows], totals=self.totals[rows], obs=self.obs.iloc[rows])
        return _scored(part)


def read_cells(
    folder: Path,
    files: Sequence[str],
    *,
    context: str = "cell_type",
    whole_totals: bool = False,
    extra: Sequence[str] = (),
) -> Cells:
    """Read the files of a family, pooled over the genes that all of them measure (order of the first).

    Scored are the 1,000 genes of largest dispersion on all cells, or all genes of a panel of at most 2,000. The list
    sees the hidden cells, for every predictor alike.

    Parameters
    ----------
    context : obs column of the unit of similarity.
    whole_totals : normalise with obs['total_counts'] (the file holds a panel, the column the whole transcriptome).
    extra : further obs columns to keep.

    Raises
    ------
    InputError
        If a file is not there, or lacks a column.
    """
    return _read(folder.resolve(), tuple(files), context, whole_totals, tuple(extra))


@lru_cache(maxsize=4)
def _read(folder: Path, files: tuple[str, ...], context: str, whole_totals: bool, extra: tuple[str, ...]) -> Cells:
    parts = [read_counts(folder / name) for name in files]
    shared = set(parts[0].genes).intersection(*(part.genes for part in parts[1:]))
    genes = tuple(gene for gene in parts[0].genes if gene in shared)
    counts, tables = [], []
    for name, part in zip(files, parts, strict=True):
        place = {gene: i for i, gene in enumerate(part.genes)}
        counts.append(part.counts[:, [place[gene] for gene in genes]])
        wanted = (context, "cell_type", "donor", "condition", "dose", "time", "time_unit", *extra)
        missing = [c for c in (*wanted, *(("total_counts",) if whole_totals else ())) if c not in part.obs]
        if missing:
            raise InputError(f"{folder / name} has no obs column {missing[0]!r}")
        raw = part.obs
        condition = np.asarray(raw["condition"].astype(str), dtype=np.str_)
        unit = raw["time_unit"].astype(str).str.split().str[0].map(HOURS).to_numpy(dtype=np.float64, na_value=np.nan)
        table = pd.DataFrame(
            {
                "context": raw[context].astype(str).to_numpy(),
                "donor": raw["donor"].astype(str).to_numpy(),
                "condition": np.where(is_control(condition), CONTROL, condition),
                "dose": raw["dose"].to_numpy(dtype=np.float64),
                "time": raw["time"].to_numpy(dtype=np.float64) * unit,
                "file": name,
                "cell_type": raw["cell_type"].astype(str).to_numpy(),
                **{c: raw[c].to_numpy() for c in extra},
            },
            index=raw.index.astype(str),
        )
        if whole_totals:
            table["total_counts"] = raw["total_counts"].to_numpy(dtype=np.float64)
        tables.append(table)
    pooled = sp.csr_array(sp.vstack(counts, format="csr"))
    pooled.sort_indices()
    obs = pd.concat(tables)
    totals = obs.pop("total_counts") if whole_totals else np.asarray(pooled.sum(axis=1)).ravel()
    empty = np.zeros(0)
    return _scored(Cells(pooled, genes, np.asarray(totals, dtype=np.float64), obs, empty.astype(np.intp), empty))


def _scored(cells: Cells) -> Cells:
    """Return the cells with the genes that are scored and their logarithms."""
    logged = lognorm(cells.counts, cells.totals)
    n = len(cells.genes)
    scored = np.arange(n, dtype=np.intp) if n <= PANEL else dispersion_genes(logged, N_GENES)
    return replace(cells, scored=scored, logged=logged[:, scored].toarray().astype(np.float64))
