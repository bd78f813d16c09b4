"""What a built tissue is made of: parts of space with their cells, niches, and one or several bodies in a box."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.random import Stream
from twin.kernels.shapes.cover import COVERED
from twin.kernels.shapes.scatter import scatter
from twin.kernels.shapes.solid import Solid, midpoints
from twin.scenario.builders import Built

Float = NDArray[np.float64]
Index = NDArray[np.intp]

CLOSED = 0.97 * COVERED  # 1; share of its surface that a closed layer of cells covers; our choice
ROW = 2.0 * np.sqrt(2.0 / 3.0)  # radii from one row of nuclei to the next, as in a close packing
MIDPOINTS = 48  # along the longest edge, of the rule that measures niches; our choice
LOOSER = 1.5  # how much longer the edges of a box are in which bodies are scattered; our choice, see `scatter`


@dataclass(frozen=True)
class Mix:
    """The cells of a niche.

    niche : its name. shares : type → share. alternates : whether the types stand between each other, not at random.
    """

    niche: str
    shares: Mapping[str, float]
    alternates: bool = False


@dataclass(frozen=True)
class Part:
    """Cells that are packed together.

    name : names the luck of its places. n : cells.
    place : gives their places, (cell, 3) µm, in the body's own coordinates.
    mix_of : (cell, 3) → (cell,) which of `mixes` each is of.
    """

    name: str
    n: int
    place: Callable[[Stream], Float]
    mixes: tuple[Mix, ...]
    mix_of: Callable[[Float], Index]


@dataclass(frozen=True)
class Anatomy:
    """A tissue of one or several like bodies.

    what : it is called, in messages. parts : of one body.
    low, high : (3,) µm, corners of what one body takes up.
    bodies, scattered, gap, margin : how many there are and how they lie; µm.
    """

    what: str
    parts: tuple[Part, ...]
    low: Float
    high: Float
    bodies: int = 1
    scattered: bool = False
    gap: float = 0.0
    margin: float = 0.0

    @property
    def n_cells(self) -> int:
        """How many cells all bodies have."""
        return self.bodies * sum(part.n for part in self.parts)

    @property
    def niches(self) -> tuple[str, ...]:
        """Names of the niches of a body, in its order."""
        return tuple(dict.fromkeys(mix.niche for part in self.parts for mix in part.mixes))

    @property
    def types(self) -> tuple[str, ...]:
        """The cell types that may be there."""
        named = (t for part in self.parts for mix in part.mixes for t, share in mix.shares.items() if share > 0)
        return tuple(dict.fromkeys(named))

    @property
    def size(self) -> Float:
        """Edges of what one body takes up, (3,) µm; of several, which are balls or turned at random, of a cube."""
        if self.bodies == 1:
            return self.high - self.low
        return np.full(3, 2.0 * float(np.maximum(np.abs(self.low), np.abs(self.high)).max()))

    def room(self) -> Float:
        """Return the edges of the smallest box that is given to it, (3,) µm."""
        columns, rows = self.grid
        pitch = self.size + self.gap
        edges = pitch * np.array([columns, rows, 1]) - self.gap
        if self.scattered and self.bodies > 1:
            edges[:2] *= LOOSER
        return np.asarray(edges + 2.0 * self.margin)

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows in which bodies lie in a dish."""
        columns = ceil(self.bodies**0.5)
        return columns, ceil(self.bodies / columns)

    def check_room(self, box: Float) -> Float:
        """Return the edges of what a box must hold at the least, (3,) µm.

        Raises
        ------
        InputError
            If it does not.
        """
        columns, rows = self.grid
        needed, words = self.size, f"the {self.what} takes"
        if self.bodies > 1 and not self.scattered:
            needed = (self.size + self.gap) * [columns, rows, 1] - self.gap
            words = f"{self.bodies} {self.what}s in {columns} columns and {rows} rows take"
        short = np.flatnonzero(needed > box + 1e-6)
        if len(short):
            axis = int(short[0])
            raise InputError(
                f"{words} {needed[axis]:.4g} um along {'xyz'[axis]}, and the box has {box[axis]:.4g} um: widen the "
                f"box, leave it out, or make the {self.what} smaller"
            )
        return np.asarray(needed)

    def centres(self, box: Float, stream: Stream) -> Float:
        """Return where the middles of the bodies lie in a box, (body, 3) µm.

        Raises
        ------
        InputError
            If they do not fit.
        """
        needed = self.check_room(box)
        columns, _ = self.grid
        if self.bodies == 1:
            return np.asarray(box[None, :] / 2.0)
        if self.scattered:
            half = self.size / 2.0
            return scatter(self.bodies, float(self.size[0] + self.gap), half, box - half, stream)
        number = np.arange(self.bodies)
        place = np.stack([number % columns, number // columns, 0 * number], axis=1) * (self.size + self.gap)
        return np.asarray((box - needed) / 2.0 + self.size / 2.0 + place)


def mean_radius(cells: Built, shares: Mapping[str, float]) -> float:
    """Return the radius of a cell of mean volume of a mixture, µm."""
    total = sum(shares.values())
    return float((sum(s / total * cells.radius_of(t) ** 3 for t, s in shares.items()) if total else 125.0) ** (1 / 3))


def cell_volume(radius: float) -> float:
    """Return the volume of a cell, µm³."""
    return 4.0 / 3.0 * np.pi * radius**3


def layer_area(radius: float) -> float:
    """Return how much of a surface a cell of a closed layer takes, µm²."""
    return np.pi * radius**2 / CLOSED


def portions(solid: Solid, which: Callable[[Float], Index], n: int) -> Float:
    """Return the volumes of `n` niches of a solid, (niche,) µm³, by the midpoint rule."""
    points, edges = midpoints(solid.low, solid.high, MIDPOINTS)
    inside = points[solid.holds(points)]
    return np.asarray(np.bincount(which(inside), minlength=n) * float(prod(edges.tolist())), dtype=np.float64)


def only(points: Float) -> Index:
    """Return the first of the mixes for every point: a part of one niche."""
    return np.zeros(len(points), np.intp)


def shared_out(total: int, weights: Sequence[float]) -> list[int]:
    """Return whole numbers that add up to `total` and go by `weights`, by largest remainders."""
    exact = np.asarray(weights, np.float64) / sum(weights) * total
    n = np.floor(exact).astype(np.intp)
    n[np.argsort(-(exact - n), kind="stable")[: total - int(n.sum())]] += 1
    return [int(k) for k in n]
