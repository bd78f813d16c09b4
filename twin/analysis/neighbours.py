"""Who is whose neighbour, by places alone: the nearest, those of a Delaunay triangulation, those within a distance."""

from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree

from twin.errors import InputError

Float = NDArray[np.float64]

Kind = Literal["nearest", "delaunay", "radius"]
NEAREST = 6  # neighbours of a cell; squidpy's default
FLAT = 1e-6  # extent along an axis, of the largest, below which a tissue has no such axis; our choice


def neighbour_graph(
    position: Float, kind: Kind = "nearest", *, nearest: int = NEAREST, radius: float | None = None
) -> sp.csr_array:
    """Return who is whose neighbour, (cell, cell) of ones, symmetric, with an empty diagonal.

    Parameters
    ----------
    position : (cell, 2 or 3), in any unit. An axis along which all cells are alike does not count. Not modified.
    kind : nearest (the k nearest of one of the two), delaunay, or radius (at most that far apart).
    nearest : k. radius : in the unit of `position`.

    Raises
    ------
    InputError
        If a radius is missing, or cells lie so that there is no triangulation.
    """
    n = len(position)
    extent = np.ptp(position, axis=0) if n else np.zeros(position.shape[1])
    place = position[:, extent > FLAT * extent.max(initial=0.0)]
    if kind == "radius":
        if radius is None:
            raise InputError("neighbours by radius need one: give radius=30.0")
        pairs = cKDTree(place).query_pairs(radius, output_type="ndarray") if place.shape[1] else np.empty((0, 2), int)
    elif kind == "delaunay":
        try:
            corners = Delaunay(place).simplices  # (simplex, corner)
        except (QhullError, ValueError) as error:
            raise InputError(f"{n} cells on a line or in a point have no triangulation: take the nearest") from error
        width = corners.shape[1]
        pairs = np.concatenate([corners[:, [i, j]] for i in range(width) for j in range(i)])
    else:
        k = min(nearest, n - 1)
        if k < 1 or not place.shape[1]:
            return sp.csr_array((n, n), dtype=np.float64)
        near = cKDTree(place).query(place, k=k + 1)[1]  # (cell, rank); a cell is nearest to itself, or its twin is
        first = np.repeat(np.arange(n), k + 1)
        pairs = np.stack([first, near.ravel()], axis=1)
    graph = sp.csr_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(n, n))
    graph = sp.csr_array(graph + graph.T)
    graph.setdiag(0.0)
    graph.eliminate_zeros()
    graph.data[:] = 1.0
    return graph
