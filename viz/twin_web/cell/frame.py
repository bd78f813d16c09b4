"""One hour of a simulation in numbers: what the shown cell holds, what moved, and where the cells stand."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin_web.cell.chart import Chart

Float = NDArray[np.float64]
Index = NDArray[np.intp]

PSEUDO = 0.5  # counts per 10,000 added to both means of a fold change; our choice: 100 cells of 1,500 counts see 0.07
MOVED = 0.5  # log2 fold change from which on a gene is told to have moved; our choice
SURE = 2.0  # standard errors
MOST_MOVERS, MOST_TOP, MOST_SWARM = 20, 12, 100
BAND = (10.0, 90.0)  # percentiles over replicate cells
CHANGE_UNIT = 16  # steps of a log2 unit in `change`


@dataclass(frozen=True)
class Change:
    """What a treatment did, gene by gene, over replicates and their untreated twins.

    treated, twin : (gene,) mean counts per 10,000. fold : (gene,) log2 of their ratio, `PSEUDO` added to both. error :
    (gene,) its standard error over pairs of a cell and its twin.
    """

    treated: Float
    twin: Float
    fold: Float
    error: Float

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Return whose fold change is beyond its error, (gene,)."""
        return np.abs(self.fold) > SURE * self.error

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Return which genes moved, (gene,)."""
        return self.sure & (np.abs(self.fold) > MOVED)

    def movers(self, most: int = MOST_MOVERS) -> Index:
        """Return the genes that moved most, the strongest first."""
        moved = np.flatnonzero(self.moved)
        return moved[np.argsort(-np.abs(self.fold[moved]), kind="stable")[:most]]


def per_10k(counts: sp.csr_array) -> sp.csr_array:
    """Return counts per 10,000 of each cell's library, (cell, gene)."""
    library = np.maximum(libraries(counts), 1.0)
    out = sp.csr_array(counts, dtype=np.float64)
    out.data = out.data * np.repeat(1e4 / library, np.diff(out.indptr))
    return out


def libraries(counts: sp.csr_array) -> Float:
    """Return the library sizes, (cell,)."""
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def change_of(treated: sp.csr_array, twin: sp.csr_array) -> Change:
    """Return what differs between cells and their untreated twins, row by row the same cells: counts per 10,000."""
    n = treated.shape[0]
    a, b = (np.asarray(x.sum(axis=0)).ravel() / n for x in (treated, twin))
    by_a, by_b = 1.0 / (a + PSEUDO), 1.0 / (b + PSEUDO)
    square = [np.asarray(x.sum(axis=0)).ravel() / n for x in (treated * treated, twin * twin, treated * twin)]
    # of w = T/(a + p) − U/(b + p), pair by pair: the fold change's first-order error (delta method)
    second = square[0] * by_a**2 + square[1] * by_b**2 - 2.0 * square[2] * by_a * by_b
    first = a * by_a - b * by_b
    spread = np.maximum(second - first**2, 0.0)
    error = np.sqrt(spread / max(n - 1, 1)) / np.log(2.0) if n > 1 else np.full(len(a), np.inf)
    return Change(a, b, np.log2((a + PSEUDO) / (b + PSEUDO)), error)


def cell_of(counts: sp.csr_array, row: int, genes: Sequence[str]) -> dict[str, Any]:
    """Return what one cell holds: sparse counts, library, detected genes, and those of which it has most."""
    gene, count = held(counts, row)
    top = np.argsort(-count, kind="stable")[:MOST_TOP]
    return {
        "counts": {"gene": gene.tolist(), "count": count.tolist()},
        "library": int(count.sum()),
        "detected": len(gene),
        "top": [[genes[gene[i]], int(count[i])] for i in top],
    }


def held(counts: sp.csr_array, row: int) -> tuple[Index, Index]:
    """Return the genes that a cell has messages of, and how many."""
    part = slice(counts.indptr[row], counts.indptr[row + 1])
    gene, count = counts.indices[part].astype(np.intp), counts.data[part].astype(np.intp)
    return gene[count > 0], count[count > 0]


def band(values: Float) -> list[float]:
    """Return mean and percentiles of a gene over cells, (cell,) counts per 10,000."""
    low, high = np.percentile(values, BAND)
    return [_short(values.mean()), _short(low), _short(high)]


def frame_of(
    both: sp.csr_array, follow: int, genes: Sequence[str], watched: Index, before: Float, chart: Chart | None
) -> dict[str, Any]:
    """Return what is told of one hour.

    Parameters
    ----------
    both : (2 × cell, gene) counts, the treated cells above their twins. follow : row of the shown cell.
    watched : genes whose bands are told. before : (gene,) mean counts per 10,000 at the start.
    """
    n = both.shape[0] // 2
    level = per_10k(both)
    treated, twin = level[:n], level[n:]
    change = change_of(treated, twin)
    bands = {}
    for gene, columns in zip(watched.tolist(), level[:, watched].toarray().T, strict=True):
        bands[genes[gene]] = [band(columns[:n]), band(columns[n:])]
    told = cell_of(both, follow, genes) | {
        "movers": [_mover(change, genes, before, g) for g in change.movers().tolist()],
        "moved": int(change.moved.sum()),
        "change": b64encode(
            np.clip(np.round(np.where(change.sure, change.fold, 0.0) * CHANGE_UNIT), -127, 127)
            .astype(np.int8)
            .tobytes()
        ).decode(),
        "bands": bands,
        "programs": programs_of(change, chart),
    }
    return told | places_of(both, follow, chart)


def programs_of(change: Change, chart: Chart | None) -> list[list[float]]:
    """Return for each program its share of a treated and an untreated transcriptome, counts per 10,000."""
    if chart is None:
        return []
    k = len(chart.map.programs)
    sums = [np.bincount(chart.map.whose, weights=x, minlength=k) for x in (change.treated, change.twin)]
    return [[_short(a), _short(b)] for a, b in zip(*sums, strict=True)]


def places_of(both: sp.csr_array, follow: int, chart: Chart | None) -> dict[str, Any]:
    """Return where the shown cell, its twin, and the treated replicates stand in the atlas."""
    if chart is None or chart.atlas is None:
        return {"path": None, "twin": None, "swarm": []}
    n = both.shape[0] // 2
    rows = np.concatenate([[follow, n + follow], np.arange(min(n, MOST_SWARM))])
    place = np.round(chart.atlas.placed(both[rows]), 4).tolist()
    return {"path": place[0], "twin": place[1], "swarm": place[2:]}


def place_of(one: sp.csr_array, chart: Chart | None) -> list[float] | None:
    """Return where one cell, (1, gene) counts, stands in the atlas."""
    if chart is None or chart.atlas is None:
        return None
    x, y = np.round(chart.atlas.placed(one)[0], 4).tolist()
    return [x, y]


def _mover(change: Change, genes: Sequence[str], before: Float, gene: int) -> list[Any]:
    numbers = (before[gene], change.treated[gene], change.twin[gene], change.fold[gene], change.error[gene])
    return [genes[gene], *(_short(x) for x in numbers)]


def _short(x: float) -> float:
    return float(f"{x:.4g}")
