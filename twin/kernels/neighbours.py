"""Who is near whom: a cell list that finds all close pairs in a time linear in the number of cells.

Cells are counted into the bins of a grid, and only bins that touch are compared. The neighbours of
each cell come in ascending row order, so that a sum over them has one order and one rounding,
however the work is split and however the list was made.
"""

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]

BINS_PER_CELL = 32  # our choice: bounds the memory of the grid where cells are few in a wide space
CONTACT_TOLERANCE = 0.01  # our choice: a gap below 1 % of the two radii is a touch


def neighbour_list(position: Float, reach: Float) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """List the pairs of cells nearer than the sum of their reaches.

    O(cells) where the density is bounded. The bins are as wide as the largest pair of reaches, so
    a single giant among small cells slows all; so do dense clusters in a space of more than
    `BINS_PER_CELL` bins a cell.

    Parameters
    ----------
    position : (cell, 3) µm, finite. Not modified.
    reach : (cell,) µm, >= 0; for one cutoff among all, half of it. Not modified.

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
    bins, shape = bins_of(position, 2.0 * float(reach.max()))
    # copies: a read-only or strided array would make numba compile the kernel once more
    return _pairs(np.array(position, order="C"), np.array(reach), bins, shape)


def bins_of(position: Float, edge: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the bin of each cell in a grid over the cells' bounding box.

    Parameters
    ----------
    position : (cell, 3) µm, at least one cell.
    edge : least edge of a bin, µm; it grows where the grid would have too many bins.

    Returns
    -------
    bins : (cell,) flat numbers, x fastest.
    shape : (3,) bins along x, y, z.
    """
    low = position.min(axis=0)
    extent = position.max(axis=0) - low
    most = float(BINS_PER_CELL * len(position) + 1024)
    edge = max(edge, float(extent.max()) * 1e-9, 1e-300)  # so that a reach of zero makes no endless grid
    while np.prod(np.floor(extent / edge) + 1.0) > most:
        edge *= 1.25
    shape = np.floor(extent / edge).astype(np.int64) + 1
    index = np.minimum(((position - low) / edge).astype(np.int64), shape - 1)  # (cell, 3)
    return (index[:, 2] * shape[1] + index[:, 1]) * shape[0] + index[:, 0], shape


def contact_graph(position: Float, radius: Float) -> sp.csr_array:
    """Return who touches whom: 1 where d < (1 + `CONTACT_TOLERANCE`) (R_i + R_j).

    Narrower than the range of adhesion (1.25): two cells that only pull at each other through a
    gap do not touch. A pair at rest, at 0.952 (R_i + R_j), does.

    Parameters
    ----------
    position : (cell, 3) µm.
    radius : (cell,) µm.

    Returns
    -------
    (cell, cell) float32, symmetric, sorted indices, empty diagonal.
    """
    n = len(position)
    indptr, indices = neighbour_list(position, (1.0 + CONTACT_TOLERANCE) * radius)
    graph = sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(n, n))
    graph.has_sorted_indices = True
    return graph


@njit(cache=True, nogil=True, error_model="numpy")
def _pairs(
    position: Float, reach: Float, bins: NDArray[np.int64], shape: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    n = len(position)
    nx, ny, nz = shape
    start = np.zeros(nx * ny * nz + 1, np.int64)  # (bin + 1,)
    for i in range(n):
        start[bins[i] + 1] += 1
    for b in range(nx * ny * nz):
        start[b + 1] += start[b]
    cursor = start[:-1].copy()
    member = np.empty(n, np.int32)  # rows, bin by bin
    place, span = np.empty((n, 3)), np.empty(n)
    for i in range(n):
        s = cursor[bins[i]]
        cursor[bins[i]] = s + 1
        member[s] = i
        place[s] = position[i]
        span[s] = reach[i]
    indptr = np.zeros(n + 1, np.int64)
    indices = np.empty(0, np.int32)
    following = np.empty(n, np.int64)
    for filling in range(2):  # count first, then fill
        if filling == 1:
            for i in range(n):
                indptr[i + 1] += indptr[i]
                following[i] = indptr[i]
            indices = np.empty(indptr[n], np.int32)
        for j in range(n):  # each j is appended to its neighbours' lists: these come out ascending
            x, y, z, own = position[j, 0], position[j, 1], position[j, 2], reach[j]
            bx, by, bz = bins[j] % nx, bins[j] // nx % ny, bins[j] // (nx * ny)
            for cz in range(max(bz - 1, 0), min(bz + 2, nz)):
                for cy in range(max(by - 1, 0), min(by + 2, ny)):
                    row = (cz * ny + cy) * nx
                    for s in range(start[row + max(bx - 1, 0)], start[row + min(bx + 2, nx)]):
                        dx, dy, dz = place[s, 0] - x, place[s, 1] - y, place[s, 2] - z
                        far = span[s] + own
                        i = member[s]
                        if dx * dx + dy * dy + dz * dz < far * far and i != j:
                            if filling == 0:
                                indptr[i + 1] += 1
                            else:
                                indices[following[i]] = j
                                following[i] += 1
    return indptr, indices
