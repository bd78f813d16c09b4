"""Starting points for the cells of a spheroid: a close packing cut to a ball or to a shell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.packing import DENSEST, JITTER
from twin.kernels.random import Stream

Float = NDArray[np.float64]

VOLUME_POINTS = 64  # an edge; of the midpoint rule where walls cut the ball, within 0.1 %: see test_ball.py
TRIES = 24  # halvings of the spacing's bracket; our choice: within 1e-7 of it
_ROW, _LAYER = np.sqrt(3.0) / 2.0, np.sqrt(2.0 / 3.0)  # distance of rows and layers for spacing 1


@dataclass(frozen=True)
class Ball:
    """A ball, or a shell, as far as it lies in a box.

    centre : (3,) µm, inside the box. radius, inner : µm; `inner` of a whole ball is 0.
    low, high : (3,) µm, corners of the box.
    """

    centre: Float
    radius: float
    inner: float
    low: Float
    high: Float

    def holds(self, points: Float, margin: float = 0.0) -> NDArray[np.bool_]:
        """Return which points, (point, 3) µm, lie in it, `margin` µm off its surfaces and the walls."""
        away = np.linalg.norm(points - self.centre, axis=1)
        inner = self.inner + margin if self.inner > 0 else 0.0
        inset = np.minimum(margin, (self.high - self.low) / 2.0)
        inside = ((points >= self.low + inset) & (points <= self.high - inset)).all(axis=1)
        return np.asarray(inside & (away >= inner) & (away <= self.radius - margin))

    def volume(self) -> float:
        """Return its volume within the box, µm³."""
        low, high = np.maximum(self.low, self.centre - self.radius), np.minimum(self.high, self.centre + self.radius)
        if ((self.centre - self.radius >= self.low) & (self.centre + self.radius <= self.high)).all():
            return float(4.0 / 3.0 * np.pi * (self.radius**3 - self.inner**3))
        steps = [
            np.linspace(a, b, VOLUME_POINTS, endpoint=False) + (b - a) / VOLUME_POINTS / 2.0
            for a, b in zip(low, high, strict=True)
        ]
        points = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
        return float(np.prod(high - low) * self.holds(points).mean())


def pack_ball(n: int, radii: Float | float, ball: Ball, stream: Stream) -> Float:
    """Return `n` points that fill a ball evenly, for cells of the given radii.

    A hexagonal close packing around the centre, as wide as gives `n` points one mean radius off the ball's
    surfaces and the walls; of the points too many the outermost are left out, the others are jittered. They come
    in random order, so any cell may go to any of them. Cells may press on each other: `relax` parts them.

    Parameters
    ----------
    n : number of cells.
    radii : (cell,) µm, or one for all.
    ball : where they go.
    stream : where jitter and order are drawn from.

    Returns
    -------
    (cell, 3) µm, inside the ball and the box.

    Raises
    ------
    InputError
        If the cells' volume is more than 0.74 of the ball's, or they are wider than it or its shell.
    """
    radius = np.broadcast_to(np.asarray(radii, np.float64), (n,))
    if n == 0:
        return np.empty((0, 3))
    mean = float(radius.mean())
    what = "ball" if ball.inner == 0 else "shell"
    room = ball.radius if ball.inner == 0 else (ball.radius - ball.inner) / 2.0
    if mean > room:
        raise InputError(
            f"a {what} {2 * room:g} um thick has no room for cells of radius {mean:.3g} um: make it thicker"
        )
    fraction = float((4.0 / 3.0 * np.pi * radius**3).sum()) / max(ball.volume(), 1e-300)
    if fraction > DENSEST:
        raise InputError(
            f"{n} cells would fill {fraction:.2f} of the {what}, and spheres fill at most {DENSEST}: take at most "
            f"{int(n * DENSEST / fraction)} cells or a larger radius than {ball.radius:g} um"
        )
    spacing = _spacing(n, ball, mean)
    points = _lattice(spacing, ball, mean)
    lots = stream.bits(np.arange(len(points), dtype=np.uint64), np.array([4], np.uint64))
    shells = np.round(np.linalg.norm(points - ball.centre, axis=1), 6)  # µm; a lattice shell is one number
    points = points[np.lexsort((lots, shells))[:n]]
    numbers = np.arange(n, dtype=np.uint64)
    moved = points + JITTER * min(spacing, 2.0 * mean) * (2.0 * stream.uniform(numbers, 3) - 1.0)  # (cell, axis)
    points = np.where(ball.holds(moved, mean)[:, None], moved, points)
    return np.asarray(points[np.argsort(stream.bits(numbers, np.array([3], np.uint64)), kind="stable")])


def _lattice(spacing: float, ball: Ball, margin: float) -> Float:
    """Return the points of a close packing in a ball, one at the centre if nothing forbids it, (point, 3) µm."""
    inset = np.minimum(margin, (ball.high - ball.low) / 2.0)
    origin = np.clip(ball.centre, ball.low + inset, ball.high - inset)
    low = np.maximum(ball.low - origin, -ball.radius) / spacing
    high = np.minimum(ball.high - origin, ball.radius) / spacing
    k = np.arange(np.ceil(low[2] / _LAYER), np.floor(high[2] / _LAYER) + 1)
    j = np.arange(np.floor(low[1] / _ROW) - 1, np.ceil(high[1] / _ROW) + 2)
    i = np.arange(np.floor(low[0]) - 1, np.ceil(high[0]) + 2)
    k, j, i = np.meshgrid(k, j, i, indexing="ij")
    x, y, z = i + (j % 2) / 2 + (k % 2) / 2, j * _ROW + (k % 2) * _ROW / 3, k * _LAYER
    points = origin + spacing * np.stack([x, y, z], axis=-1).reshape(-1, 3)
    return points[ball.holds(points, margin)]


def _spacing(n: int, ball: Ball, margin: float) -> float:
    """Return about the widest spacing at which a close packing has `n` points in a ball, µm."""

    def enough(spacing: float) -> bool:
        return len(_lattice(spacing, ball, margin)) >= n

    close = (np.sqrt(2.0) * ball.volume() / n) ** (1 / 3)
    while not enough(close):
        close *= 0.9
    wide = close / 0.9
    while enough(wide) and wide < 4.0 * ball.radius:
        close, wide = wide, wide / 0.9
    for _ in range(TRIES):
        middle = (close + wide) / 2.0
        close, wide = (middle, wide) if enough(middle) else (close, middle)
    return float(close)
