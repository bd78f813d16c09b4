"""From where a tissue is looked at: one parallel projection for VTK, Matplotlib and scale bars."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

ELEVATION = 32.0  # degrees above the horizon; our choice: top and side of a slab are both seen
FLAT_ELEVATION = 65.0  # degrees; a layer of cells is looked at from above
AZIMUTH = 25.0  # degrees off the front; our choice: shows that a block has depth
LONG_AZIMUTH = 0.0  # degrees; a slab is seen straight, so that its length runs level across the picture
OPEN_AZIMUTH, OPEN_ENOUGH = 45.0, 0.3  # degrees and cosine: a face that was cut open is seen so well; our choice
LONG, FLAT = 3.0, 0.25  # ratios of edges from which a box counts as long, or flat; our choice
SEEN = 1e-6  # cosine; a face that turns away further than this is not seen
MARGIN = 0.02  # of the larger half edge, free on all sides; our choice


@dataclass(frozen=True)
class Camera:
    """A parallel projection: lengths in the plane of the picture are true everywhere.

    focus : (axis,) µm, what the middle of the picture shows.
    right, up, toward : (axis,) unit vectors; `toward` points at the viewer.
    half_width, half_height : half of what the picture shows, µm.
    """

    focus: Float
    right: Float
    up: Float
    toward: Float
    half_width: float
    half_height: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """What the picture shows as (left, right, bottom, top), µm about the focus."""
        return -self.half_width, self.half_width, -self.half_height, self.half_height

    def project(self, points: Float) -> Float:
        """Return `points` (…, axis) µm as (…, 3): right, up and nearness to the viewer, µm."""
        return np.asarray((points - self.focus) @ np.stack([self.right, self.up, self.toward], axis=1))


def look_at(box: Float, opened: tuple[int, int] | None = None) -> Camera:
    """Place a camera that shows the whole `box` with its longest edge across the picture.

    Parameters
    ----------
    box : (2, axis) lower and upper corner, µm.
    opened : the side from which one sees into it, as axis and sign, where it was cut: the camera turns towards it.
    """
    size = np.maximum(box[1] - box[0], 1e-9)
    x, y, z = size
    across, deep = (x, y) if x >= y else (y, x)
    azimuth = np.radians(LONG_AZIMUTH if across > LONG * max(deep, z) else AZIMUTH)
    turn = np.pi / 2 if y > x else 0.0  # from the other side: y runs across the picture
    azimuth += turn
    if opened is not None and opened[0] < 2:
        axis, sign = opened
        turns = (azimuth, *(turn + np.radians(a) for a in (OPEN_AZIMUTH, -OPEN_AZIMUTH)))
        turns = (*turns, *(a + np.pi for a in turns))
        azimuth = max(
            turns, key=lambda a: min(sign * (np.sin(a), -np.cos(a))[axis], OPEN_ENOUGH)
        )  # the first that does
    elevation = np.radians(FLAT_ELEVATION if z < FLAT * deep else ELEVATION)
    front = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    toward = np.cos(elevation) * front + np.sin(elevation) * np.array([0.0, 0.0, 1.0])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    camera = Camera(box.mean(axis=0), right, np.cross(toward, right), toward, 1.0, 1.0)
    seen = np.abs(camera.project(corners(box)))  # (corner, 3)
    width, height = float(seen[:, 0].max()), float(seen[:, 1].max())
    margin = MARGIN * max(width, height)
    return Camera(camera.focus, right, camera.up, toward, width + margin, height + margin)


def corners(box: Float) -> Float:
    """Return the eight corners of `box` (2, axis), as (corner, axis) with z fastest."""
    return np.array(list(product(*box.T)))


def edges(box: Float, toward: Float, *, front: bool) -> Float:
    """Return edges of `box` (2, axis) as (edge, 2, axis): of the visible faces, or those behind and beside.

    A frame without the edges that lie in front does not cross what stands in the box.
    """
    chosen = []
    for along in range(3):
        b, c = (axis for axis in range(3) if axis != along)
        for side_b, side_c in product((0, 1), repeat=2):
            seen = [(toward[a] if s else -toward[a]) > SEEN for a, s in ((b, side_b), (c, side_c))]
            if any(seen) if front else not all(seen):
                ends = box.copy()  # (2, axis)
                ends[:, b], ends[:, c] = box[side_b, b], box[side_c, c]
                chosen.append(ends)
    return np.array(chosen)
