"""A field as a block cut open: the faces that a viewer sees."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_viz.camera import Camera, Float
from twin_viz.cut import Cut
from twin_viz.substance import Field


@dataclass(frozen=True)
class Face:
    """One flat side of the block, made of voxels.

    points : (row + 1, column + 1, axis) µm, corners of the voxels.
    concentration : (row, column).
    """

    points: Float
    concentration: Float


@dataclass(frozen=True)
class Block:
    """The half of a field behind its middle, as seen from a camera.

    faces : those that face the viewer; they do not hide one another.
    axis, at : the slice through the middle stands on `axis` at `at` µm.
    box : (2, axis) µm, corners of what stays.
    in_front : (cell,) bool, source cells on the open side of the slice.
    """

    faces: tuple[Face, ...]
    axis: int
    at: float
    box: Float
    in_front: NDArray[np.bool_]


def cut_open(field: Field, camera: Camera, cut: Cut | None = None) -> Block:
    """Take away what `cut` does not keep; without one the half nearer to the viewer, so that the middle shows."""
    toward = camera.toward
    axis = int(np.argmax(np.abs(toward[:2]))) if cut is None else cut.axis
    edges = [*field.edges]
    values = field.concentration.transpose(2, 1, 0)  # (x, y, z)
    n = values.shape[axis]
    middle = n // 2 if cut is None else int(np.clip(np.searchsorted(edges[axis], cut.at), 0, n))
    faces_upper = bool(toward[axis] > 0) if cut is None else bool(cut.below)
    stays = slice(0, max(middle, 1)) if faces_upper else slice(min(middle, n - 1), None)
    values = np.take(values, np.arange(values.shape[axis])[stays], axis=axis)
    edges[axis] = edges[axis][stays.start : stays.start + values.shape[axis] + 1]
    faces = []
    for normal in range(3):
        if abs(toward[normal]) < 1e-6:
            continue
        end = -1 if toward[normal] > 0 else 0
        others = [a for a in range(3) if a != normal]
        points = np.empty((len(edges[others[0]]), len(edges[others[1]]), 3))
        points[..., others[0]], points[..., others[1]] = np.meshgrid(edges[others[0]], edges[others[1]], indexing="ij")
        points[..., normal] = edges[normal][end]
        faces.append(Face(points, np.take(values, end, axis=normal)))
    at = float(edges[axis][-1 if faces_upper else 0])
    place = field.source[:, axis]
    box = np.array([[e[0] for e in edges], [e[-1] for e in edges]])
    return Block(tuple(faces), axis, at, box, np.asarray(place > at if faces_upper else place < at))
