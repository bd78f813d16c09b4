"""Who is near whom: a cell list that finds all close pairs in a time linear in the number of cells.

Cells are counted into the bins of a grid, and only bins that touch are compared. The neighbours of
each cell come in ascending row order, so that a sum over them has one order and one rounding,
however the work is split and however the list was made.
"""

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from twin.kernels.blocks import Crew

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BINS_PER_CELL = 32  # our choice: bounds the memory of the grid where cells are few in a wide space
CONTACT_TOLERANCE = 0.01  # our choice: a gap below 1 % of the two radii is a touch
_OPEN = np.zeros(3)


def neighbour_list(
    position: Float, reach: Float, period: Float = _OPEN, crew: Crew | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """List the pairs of cells nearer than the sum of their reaches.

    O(cells) where the density is bounded. The bins are as wide as the largest pair of reaches, so
    a single giant among small cells slows all; so do dense clusters in a space of more than
    `BINS_PER_CELL` bins a cell. Along a periodic axis the nearest image counts.

    Parameters
    ----------
    position : (cell, 3) µm, finite. Not modified.
    reach : (cell,) µm, >= 0; for one cutoff among all, half of it. Not modified.
    period : (3,) µm, after which space repeats along x, y, z; 0 where it does not. Two largest reaches at least.
    crew : threads; one where not given. The result is the same.

    Returns
    -------
    indptr : (cell + 1,) where the neighbours of each cell begin.
    indices : (pair twice,) rows of the neighbours, ascending for each cell; never the cell itself.

    Source
    ------
    Allen and Tildesley, Computer Simulation of Liquids (2017), section 5.3, cell structures.
    """
    n = len(position)
    assert position.shape == (n, 3), position.shape
    assert reach.shape == (n,), reach.shape
    if n < 2:
        return np.zeros(n + 1, np.int64), np.empty(0, np.int32)
    assert np.isfinite(position).all(), "positions must be finite"
    crew = Crew(1) if crew is None else crew
    bins, shape = bins_of(position, 2.0 * float(reach.max()), period)
    # one kind of array for the compiled kernels: read-only or strided ones would make numba compile them again
    start, member, place = _sorted_into_bins(
        np.require(position, requirements=["C", "W"]),
        np.require(reach, requirements=["C", "W"]),
        bins,
        int(shape.prod()),
    )
    fixed = (start, member, place, bins, shape, np.asarray(period, np.float64))
    indptr = np.zeros(n + 1, np.int64)
    crew.over_rows(_count, n, *fixed, indptr)
    np.cumsum(indptr, out=indptr)
    indices = np.empty(int(indptr[-1]), np.int32)
    crew.over_rows(_fill, n, *fixed, indptr, indices)
    return indptr, indices


def bins_of(position: Float, edge: float, period: Float = _OPEN) -> tuple[Int, Int]:
    """Number the bin of each cell in a grid over the cells' bounding box; over a whole period where there is one.

    Parameters
    ----------
    position : (cell, 3) µm, at least one cell.
    edge : least edge of a bin, µm; it grows where the grid would have too many bins.
    period : (3,) µm; 0 where space does not repeat.

    Returns
    -------
    bins : (cell,) flat numbers, x fastest.
    shape : (3,) bins along x, y, z.
    """
    repeats = period > 0.0
    low = np.where(repeats, 0.0, position.min(axis=0))
    extent = np.where(repeats, period, position.max(axis=0) - low)
    most = float(BINS_PER_CELL * len(position) + 1024)
    edge = max(edge, float(extent.max()) * 1e-9, 1e-300)  # so that a reach of zero makes no endless grid
    while np.prod(np.floor(extent / edge) + 1.0) > most:
        edge *= 1.25
    # bins tile a period exactly, and are a little wider than asked for
    shape = np.where(repeats, np.maximum(np.floor(extent / edge), 1.0), np.floor(extent / edge) + 1.0).astype(np.int64)
    width = np.where(repeats, extent / shape, edge)
    offset = position - low
    if repeats.any():
        length = np.where(repeats, period, 1.0)
        offset = np.where(repeats, offset - np.floor(offset / length) * length, offset)
    index = np.minimum((offset / width).astype(np.int64), shape - 1)  # (cell, 3)
    return (index[:, 2] * shape[1] + index[:, 1]) * shape[0] + index[:, 0], shape


def contact_graph(position: Float, radius: Float, period: Float = _OPEN) -> sp.csr_array:
    """Return who touches whom: 1 where d < (1 + `CONTACT_TOLERANCE`) (R_i + R_j).

    Narrower than the range of adhesion (1.25): two cells that only pull at each other through a
    gap do not touch. A pair at rest, at 0.952 (R_i + R_j), does.

    Parameters
    ----------
    position : (cell, 3) µm.
    radius : (cell,) µm.
    period : (3,) µm; 0 where space does not repeat.

    Returns
    -------
    (cell, cell) float32, symmetric, sorted indices, empty diagonal.
    """
    n = len(position)
    return graph_of(n, *neighbour_list(position, (1.0 + CONTACT_TOLERANCE) * radius, period))


def graph_of(n: int, indptr: Int, indices: NDArray[np.int32]) -> sp.csr_array:
    """Return a list of neighbours as a graph of ones, (cell, cell) float32."""
    graph = sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(n, n))
    graph.has_sorted_indices = True
    return graph


@njit(cache=True, nogil=True, error_model="numpy")
def _sorted_into_bins(position: Float, reach: Float, bins: Int, n_bins: int) -> tuple[Int, NDArray[np.int32], Float]:
    """Return where each bin starts, its rows, and their places and reaches (slot, 4), bin by bin."""
    n = len(position)
    start = np.zeros(n_bins + 1, np.int64)  # (bin + 1,)
    for i in range(n):
        start[bins[i] + 1] += 1
    for b in range(n_bins):
        start[b + 1] += start[b]
    cursor = start[:-1].copy()
    member = np.empty(n, np.int32)
    place = np.empty((n, 4))  # (slot, x y z reach)
    for i in range(n):
        s = cursor[bins[i]]
        cursor[bins[i]] = s + 1
        member[s] = i
        place[s, 0], place[s, 1], place[s, 2] = position[i, 0], position[i, 1], position[i, 2]
        place[s, 3] = reach[i]
    return start, member, place


@njit(cache=True, nogil=True, error_model="numpy")
def _around(bin: int, count: int, wraps: bool) -> tuple[int, int]:
    """Return the first and the last bin to look at along an axis; they may lie outside where space repeats."""
    if not wraps:
        return max(bin - 1, 0), min(bin + 1, count - 1)
    if count < 3:
        return 0, count - 1
    return bin - 1, bin + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _visit(
    slot: int,
    start: Int,
    member: NDArray[np.int32],
    place: Float,
    bins: Int,
    shape: Int,
    period: Float,
    found: NDArray[np.int32],
    write: bool,
) -> int:
    """Count the neighbours of the cell in a slot; where asked for, write them to `found`, in the order of the bins."""
    x, y, z, own, i = place[slot, 0], place[slot, 1], place[slot, 2], place[slot, 3], member[slot]
    nx, ny, nz = shape
    lx, ly, lz = period
    wraps = lx > 0.0 or ly > 0.0 or lz > 0.0
    at = bins[i]
    x0, x1 = _around(at % nx, nx, lx > 0.0)
    y0, y1 = _around(at // nx % ny, ny, ly > 0.0)
    z0, z1 = _around(at // (nx * ny), nz, lz > 0.0)
    n = 0
    for cz in range(z0, z1 + 1):
        for cy in range(y0, y1 + 1):
            row = ((cz % nz) * ny + cy % ny) * nx
            runs = 2 if lx > 0.0 and (x0 < 0 or x1 >= nx) else 1  # a row of bins that goes round is two
            for run in range(runs):
                first, last = x0, x1
                if runs == 2:
                    if x0 < 0:
                        first, last = (nx - 1, nx - 1) if run == 1 else (0, x1)
                    else:
                        first, last = (x0, nx - 1) if run == 1 else (0, 0)
                for s in range(start[row + first], start[row + last + 1]):
                    dx, dy, dz = place[s, 0] - x, place[s, 1] - y, place[s, 2] - z
                    if wraps:
                        if lx > 0.0:
                            dx -= lx * np.rint(dx / lx)
                        if ly > 0.0:
                            dy -= ly * np.rint(dy / ly)
                        if lz > 0.0:
                            dz -= lz * np.rint(dz / lz)
                    far = place[s, 3] + own
                    if dx * dx + dy * dy + dz * dz < far * far and s != slot:
                        if write:
                            j = member[s]
                            k = n  # kept ascending: a cell has few neighbours, mostly in order already
                            while k > 0 and found[k - 1] > j:
                                found[k] = found[k - 1]
                                k -= 1
                            found[k] = j
                        n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _count(
    first: int,
    last: int,
    start: Int,
    member: NDArray[np.int32],
    place: Float,
    bins: Int,
    shape: Int,
    period: Float,
    indptr: Int,
) -> None:
    nowhere = np.empty(0, np.int32)
    for slot in range(first, last):
        indptr[member[slot] + 1] = _visit(slot, start, member, place, bins, shape, period, nowhere, False)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    first: int,
    last: int,
    start: Int,
    member: NDArray[np.int32],
    place: Float,
    bins: Int,
    shape: Int,
    period: Float,
    indptr: Int,
    indices: NDArray[np.int32],
) -> None:
    for slot in range(first, last):
        i = member[slot]
        _visit(slot, start, member, place, bins, shape, period, indices[indptr[i] : indptr[i + 1]], True)
