"""Solids by their signed distance: balls, rods, blocks and layers, joined and cut, rounded where they meet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Point = Float | Sequence[float]  # (3,) µm
Distance = Callable[[Float], Float]  # (point, 3) µm → (point,) µm, negative inside

GRID = 64  # midpoints along the longest edge, of the volume's rule; our choice: within 0.5 %, see test_solid.py
STEP = 1e-3  # µm; of the difference quotient that gives a gradient


@dataclass(frozen=True)
class Solid:
    """A part of space.

    distance : from its surface, negative inside; its gradient is at most 1 long, and 1 but where parts meet.
    low, high : (3,) µm, corners of a block that holds all of it that counts.
    """

    distance: Distance
    low: Float
    high: Float

    def holds(self, points: Float, margin: float = 0.0) -> NDArray[np.bool_]:
        """Return which points (point, 3) lie in it and its block, `margin` µm off its surface, (point,)."""
        boxed = ((points >= self.low) & (points <= self.high)).all(axis=1)
        return np.asarray(boxed & (self.distance(points) <= -margin))

    def grown(self, by: float) -> "Solid":
        """Return the solid whose surface lies `by` µm outside of this one's; its block grows with it."""
        return Solid(lambda points: self.distance(points) - by, self.low - by, self.high + by)

    def within(self, low: Float, high: Float) -> "Solid":
        """Return what of it lies in a block; the block's faces are no part of its surface."""
        return Solid(self.distance, np.asarray(low, np.float64), np.asarray(high, np.float64))

    def volume(self) -> float:
        """Return its volume within its block, µm³: a voxel that the surface crosses counts by how much lies inside."""
        points, edges = midpoints(self.low, self.high, GRID)
        share = np.clip(0.5 - self.distance(points) / float(edges.mean()), 0.0, 1.0)
        return float(share.sum() * np.prod(edges))

    def slope(self, points: Float) -> tuple[Float, Float]:
        """Return the distance of points from the surface, (point,) µm, and its gradient, (point, 3)."""
        here = self.distance(points)
        steps = STEP * np.eye(3)
        return here, np.stack([self.distance(points + step) - here for step in steps], axis=1) / STEP


def midpoints(low: Float, high: Float, n: int) -> tuple[Float, Float]:
    """Return middles of the cells of a grid over a block, (point, 3) µm, and the edges of one, (3,) µm.

    n : cells along the longest edge; along the others as many as make them about cubes, at least 4.
    """
    size = high - low
    counts = np.maximum(np.round(n * size / size.max()).astype(int), 4)
    along = [low[i] + (np.arange(counts[i]) + 0.5) * size[i] / counts[i] for i in range(3)]
    points = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)
    return points, np.asarray(size / counts)


def ball(centre: Point, radius: float) -> Solid:
    """Return a ball; radius : µm."""
    middle = np.asarray(centre, np.float64)
    return Solid(lambda points: np.linalg.norm(points - middle, axis=1) - radius, middle - radius, middle + radius)


def rod(start: Point, end: Point, radius: float) -> Solid:
    """Return a rod with round ends: all that is at most `radius` µm from the line between two points."""
    one, other = np.asarray(start, np.float64), np.asarray(end, np.float64)
    along = other - one
    square = max(float(along @ along), 1e-300)

    def distance(points: Float) -> Float:
        share = np.clip((points - one) @ along / square, 0.0, 1.0)
        return np.asarray(np.linalg.norm(points - one - share[:, None] * along, axis=1) - radius)

    return Solid(distance, np.minimum(one, other) - radius, np.maximum(one, other) + radius)


def tube(along: int, at: Float, radius: float, low: Float, high: Float) -> Solid:
    """Return a round tube along an axis, from end to end of a block.

    along : 0 = x, 1 = y, 2 = z. at : (2,) µm, where it passes in the other two. low, high : (3,) µm, the block.
    """
    others = [axis for axis in range(3) if axis != along]
    return Solid(lambda points: np.linalg.norm(points[:, others] - at, axis=1) - radius, low, high)


def half(axis: int, at: float, low: Float, high: Float) -> Solid:
    """Return all of a block that lies above `at` µm along an axis; only that face is its surface."""
    return Solid(lambda points: at - points[:, axis], np.asarray(low, np.float64), np.asarray(high, np.float64))


def block(low: Point, high: Point) -> Solid:
    """Return a block between two corners, (3,) µm each."""
    lower, upper = np.asarray(low, np.float64), np.asarray(high, np.float64)
    middle, half = (lower + upper) / 2.0, (upper - lower) / 2.0

    def distance(points: Float) -> Float:
        off = np.abs(points - middle) - half  # (point, 3)
        return np.asarray(np.linalg.norm(np.maximum(off, 0.0), axis=1) + np.minimum(off.max(axis=1), 0.0))

    return Solid(distance, lower, upper)


def joined(parts: list[Solid], rounding: float = 0.0) -> Solid:
    """Return all that lies in any of the parts; edges where they meet are rounded over about `rounding` µm."""
    assert parts, "nothing to join"

    def distance(points: Float) -> Float:
        found = parts[0].distance(points)
        for part in parts[1:]:
            found = _least(found, part.distance(points), rounding)
        return found

    return Solid(distance, np.min([p.low for p in parts], axis=0), np.max([p.high for p in parts], axis=0))


def without(whole: Solid, parts: list[Solid], rounding: float = 0.0) -> Solid:
    """Return a solid less all of the parts; edges are rounded as by `joined`."""

    def distance(points: Float) -> Float:
        found = whole.distance(points)
        for part in parts:
            found = -_least(-found, part.distance(points), rounding)
        return found

    return Solid(distance, whole.low, whole.high)


def _least(one: Float, other: Float, rounding: float) -> Float:
    """Return the smaller of two distances, rounded where they are nearly the same.

    Source
    ------
    Quilez, Smooth minimum (2013), the quadratic polynomial.
    """
    if rounding <= 0:
        return np.minimum(one, other)
    near = np.maximum(rounding - np.abs(one - other), 0.0) / rounding
    return np.asarray(np.minimum(one, other) - near**2 * rounding / 4.0)
