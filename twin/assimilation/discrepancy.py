"""How far the twin is from a measured snapshot, cell type by cell type."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.metrics.distances import median_distance, mmd, squared_distances
from twin.assimilation.snapshot import Snapshot, library_sizes, log_per_10k
from twin.kernels.random import Stream, hash_words

Float = NDArray[np.float64]

MOST_COMPARED = 1000  # cells a type whose pairs are looked at; our choice: 10^6 distances
LEAST = 3  # cells of a type on each side below which only its share is told; our choice
DIGITS = 6  # significant, of what is recorded: below it a sum hangs on the number of threads


@dataclass(frozen=True)
class Discrepancy:
    """One cell type of the twin against the same type of the snapshot; NaN where there are too few cells.

    n_twin, n_measured : cells (of the snapshot those by which it is scored). share_twin, share_measured : of all cells
    of the compared types. pearson, mse : of the mean log1p counts per 10,000 over the measured genes. energy, mmd :
    over the genes that vary most (energy distance without the bias of few cells: it can be below 0; √MMD², width the
    median distance of measured cells). library : median library size over the snapshot's. floor : energy distance of
    the two halves of the snapshot, where one half is held out.
    """

    cell_type: str
    n_twin: int
    n_measured: int
    share_twin: float
    share_measured: float
    pearson: float
    mse: float
    energy: float
    mmd: float
    library: float
    floor: float

    def record(self) -> dict[str, str | float | int | None]:
        """Return it as plain values; None for NaN, which JSON does not know."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def discrepancies(
    snapshot: Snapshot,
    counts: sp.csr_array,
    types: NDArray[np.str_],
    ids: NDArray[np.uint64],
    wanted: Sequence[str],
) -> list[Discrepancy]:
    """Return how far cells are from the snapshot, one entry a wanted type.

    Parameters
    ----------
    counts : (cell, gene) CSR, living cells of the twin. types : (cell,) names. ids : (cell,).
    """
    twin_total = int(np.isin(types, wanted).sum())
    scored = {name: snapshot.scored(name) for name in wanted}
    measured_total = sum(len(rows) for rows in scored.values())
    found = []
    for name in wanted:
        mine = np.flatnonzero(types == name)
        theirs = scored[name]
        shares = (len(mine) / max(twin_total, 1), len(theirs) / max(measured_total, 1))
        if min(len(mine), len(theirs)) < LEAST:
            nothing = (float("nan"),) * 6
            found.append(Discrepancy(name, len(mine), len(theirs), *shares, *nothing))
            continue
        genes = np.flatnonzero(snapshot.measured)
        a = _bulk(counts[mine], snapshot)[genes]
        b = _bulk(snapshot.counts[theirs], snapshot)[genes]
        few = mine[_picked(ids[mine])]
        x = snapshot.genes.project(counts[few])
        y = snapshot.genes.project(snapshot.counts[theirs[_picked(theirs.astype(np.uint64))]])
        library = np.median(library_sizes(counts[mine], snapshot.measured))
        library /= np.median(library_sizes(snapshot.counts[theirs], snapshot.measured))
        correcting = snapshot.rows(name, test=False)
        halves = snapshot.test.any() and len(correcting) >= LEAST
        found.append(
            Discrepancy(
                name,
                len(mine),
                len(theirs),
                *shares,
                pearson=float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan"),
                mse=float(((a - b) ** 2).mean()),
                energy=energy(x, y),
                mmd=mmd(x, y, max(median_distance(y), 1e-12))[0],
                library=float(library),
                floor=energy(snapshot.genes.project(snapshot.counts[correcting[:MOST_COMPARED]]), y)
                if halves
                else float("nan"),
            )
        )
    return found


def energy(x: Float, y: Float) -> float:
    """Return 2 E|X − Y| − E|X − X'| − E|Y − Y'| over distinct pairs: 0 on average where the laws are one.

    x, y : (cell, axis), at least two cells each. Source: Székely & Rizzo, J Stat Plan Inference 143:1249 (2013).
    """
    n, m = len(x), len(y)
    xy, xx, yy = (
        sum(float(np.sqrt(block).sum()) for block in squared_distances(a, b)) for a, b in ((x, y), (x, x), (y, y))
    )
    return 2 * xy / (n * m) - xx / (n * (n - 1)) - yy / (m * (m - 1))


def composition_distance(found: Sequence[Discrepancy]) -> float:
    """Return half the sum of |share of the twin − share of the snapshot| over types: 0 alike, 1 nothing in common."""
    return 0.5 * sum(abs(d.share_twin - d.share_measured) for d in found)


def total(found: Sequence[Discrepancy], what: str = "energy") -> float:
    """Return the mean of a number over types, each by its measured cells; NaN where no type has it."""
    pairs = [(getattr(d, what), d.n_measured) for d in found if np.isfinite(getattr(d, what))]
    if not pairs:
        return float("nan")
    return float(np.average([value for value, _ in pairs], weights=[n for _, n in pairs]))


def table(before: Sequence[Discrepancy], after: Sequence[Discrepancy] | None = None) -> list[str]:
    """Return the lines of a table: one type a row, what was corrected beside what was not."""
    head = (
        f"  {'':<18}{'twin':>7}{'file':>7}{'share':>14}{'Pearson':>9}{'MSE':>9}{'library':>9}{'energy':>9}{'floor':>8}"
    )
    lines = [head + ("   after" if after is not None else "")]
    later = {d.cell_type: d for d in after or ()}
    for d in before:
        row = f"  {d.cell_type:<18}{d.n_twin:>7}{d.n_measured:>7}{d.share_twin:>7.1%}{d.share_measured:>7.1%}"
        row += f"{_shown(d.pearson, '9.3f')}{_shown(d.mse, '9.4f')}{_shown(d.library, '9.2f')}"
        row += f"{_shown(d.energy, '9.3f')}{_shown(d.floor, '8.3f')}"
        if d.cell_type in later:
            row += f"{_shown(later[d.cell_type].energy, '8.3f')}"
        lines.append(row)
    return lines


def _shown(value: float, form: str) -> str:
    return f"{value:{form}}" if np.isfinite(value) else "–".rjust(int(form.split(".")[0]))


def _plain(value: str | float | int) -> str | float | int | None:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
    return value


def _bulk(counts: sp.csr_array, snapshot: Snapshot) -> Float:
    """Return the mean of log1p counts per 10,000, (gene,)."""
    return np.asarray(log_per_10k(counts, snapshot.measured).mean(axis=0)).ravel()


def _picked(ids: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return at most `MOST_COMPARED` places, chosen by a hash of the ids, in order."""
    if len(ids) <= MOST_COMPARED:
        return np.arange(len(ids), dtype=np.intp)
    luck = Stream(hash_words("cells compared with a snapshot")).bits(ids, np.zeros(len(ids), np.uint64))
    return np.sort(np.argsort(luck, kind="stable")[:MOST_COMPARED])
