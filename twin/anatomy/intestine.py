"""Crypts and villi: an epithelium along a lumen, in niches from the crypt's base to the villus."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.anatomy.parts import Anatomy, Index, Mix, Part, cell_volume, layer_area, mean_radius, only
from twin.kernels.random import Stream
from twin.kernels.shapes.cover import cover, surface_points
from twin.kernels.shapes.fill import fill
from twin.kernels.shapes.solid import Solid, half, joined, rod, without
from twin.scenario.builders import CryptVillus

Float = NDArray[np.float64]
Height = Callable[[Float], Float]

BASE, AMPLIFYING, NECK = "crypt base", "transit-amplifying zone", "crypt neck"
VILLUS, BODY = "villus", "villus domain"  # of a tissue; of an organoid, whose body stands for the villi
ROUNDING = 15.0  # µm; of the edge between crypt and villus or body; our choice
CLEAR = 4.0  # µm; between crypts and villus, and between crypts; our choice
ABOVE, BELOW = 40.0, 30.0  # µm; free lumen above the villi, stroma below the crypts; our choice
MEASURED = 20_000  # points that tell how much of an epithelium each niche is; our choice


def crypt_villus(cells: CryptVillus) -> Anatomy:
    """Return an organoid with budding crypts, or a piece of tissue."""
    return _organoid(cells) if cells.form == "organoid" else _tissue(cells)


def directions(n: int) -> Float:
    """Return where the crypts of an organoid bud, (crypt, 3) unit vectors.

    Around the y axis, so that a section through the middle shows them all; from seven on evenly over the sphere.
    """
    number = np.arange(n)
    if n > 6:
        y = 1.0 - (2.0 * number + 1.0) / n
        turn = number * np.pi * (3.0 - np.sqrt(5.0))
        flat = np.sqrt(1.0 - y**2)
        return np.stack([flat * np.cos(turn), y, flat * np.sin(turn)], axis=1)
    turn = 2.0 * np.pi * (number + 0.25) / n
    return np.stack([np.cos(turn), 0.0 * turn, np.sin(turn)], axis=1)


def _organoid(cells: CryptVillus) -> Anatomy:
    """Return the closed form: cells around a central lumen and the lumina of its crypts."""
    ways, thin, wide = directions(cells.crypts), cells.crypt_lumen / 2.0, cells.lumen / 2.0
    tip = wide + cells.crypt_depth  # µm from the middle to the end of a crypt's lumen
    origin = np.zeros(3)
    crypts = [rod(origin, (tip - thin) * way, thin) for way in ways]
    size = _size(cells)
    lining = joined([rod(origin, origin, wide), *crypts], ROUNDING).grown(size)

    def height(points: Float) -> Float:
        """Return how far above the base of its crypt each point lies; of the body far above."""
        to_crypt = np.stack([crypt.distance(points) for crypt in crypts], axis=1)
        along = (points @ ways.T)[np.arange(len(points)), np.argmin(to_crypt, axis=1)]
        return np.asarray(tip + size - along)

    reach = tip + 2.0 * size
    part = _epithelium(cells, lining, height, BODY)
    return Anatomy(
        "organoid",
        (part,),
        np.full(3, -reach),
        np.full(3, reach),
        cells.organoids,
        cells.arrangement == "scattered",
        cells.gap,
        cells.margin,
    )


def _tissue(cells: CryptVillus) -> Anatomy:
    """Return the open form: villi in a row along x, crypts around each, stroma below."""
    size, thin, wide = _size(cells), cells.crypt_lumen / 2.0, cells.villus_width / 2.0
    outer = thin + 2.0 * size  # µm, radius of a crypt with its epithelium
    ring = max(wide + outer + CLEAR, (outer + CLEAR / 2) / np.sin(np.pi / max(cells.crypts, 2)))
    pitch = 2.0 * (ring + outer + CLEAR)
    middles = (np.arange(cells.villi) - (cells.villi - 1) / 2.0) * pitch
    depth = cells.crypt_depth
    low = np.array([-cells.villi * pitch / 2.0, -pitch / 2.0, -depth - 2.0 * size - BELOW])
    high = np.array([cells.villi * pitch / 2.0, pitch / 2.0, cells.villus_height + ABOVE])
    # what is solid: a villus is `size` slimmer than its cells' middles, since those lie on the lumen's grown surface
    villi = [rod([x, 0, -wide], [x, 0, cells.villus_height - wide], wide) for x in middles]
    turns = 2.0 * np.pi * np.arange(cells.crypts) / cells.crypts
    feet = [(x + ring * np.cos(turn), ring * np.sin(turn)) for x in middles for turn in turns]
    crypts = [rod([x, y, thin - depth], [x, y, ROUNDING], thin) for x, y in feet]
    lumen = joined([without(half(2, 0.0, low, high), villi, ROUNDING), *crypts], ROUNDING)
    lining = lumen.grown(size).within(low, high)
    parts = [_epithelium(cells, lining, lambda points: np.asarray(points[:, 2] + depth + size), VILLUS)]
    if cells.stroma:
        radius = mean_radius(cells, cells.stroma)
        below = lumen.grown(2.0 * size)
        stroma = Solid(lambda points: -below.distance(points), low, high)
        room = stroma.volume()
        n = int(cells.stroma_packing * room / cell_volume(radius))

        def place(stream: Stream) -> Float:
            return fill(n, radius, stroma, stream, room)

        parts.append(Part("stroma", n, place, (Mix("lamina propria", cells.stroma),), only))
    return Anatomy("tissue", tuple(parts), low, high)


def _size(cells: CryptVillus) -> float:
    """Return the mean radius of the epithelium's cells, µm: of those of the villus, which are most of them."""
    return mean_radius(cells, cells.villus)


def _epithelium(cells: CryptVillus, lining: Solid, height: Height, top: str) -> Part:
    """Return one closed layer on a surface, its niches by the height above the crypt's base."""
    mixes = (
        Mix(BASE, cells.base, alternates=True),
        Mix(AMPLIFYING, cells.amplifying),
        Mix(NECK, cells.neck),
        Mix(top, cells.villus),
    )
    edges = np.array([cells.base_height, cells.amplifying_height, cells.crypt_depth])

    def zone(points: Float) -> Index:
        return np.asarray(np.searchsorted(edges, height(points), side="right"))

    points, area = surface_points(MEASURED, lining, Stream(0))
    share = np.bincount(zone(points), minlength=len(mixes)) / max(len(points), 1)
    each = float(sum(s * layer_area(mean_radius(cells, mix.shares)) for s, mix in zip(share, mixes, strict=True)))
    n, size = round(area / each), float(np.sqrt(each / layer_area(1.0)))
    return Part("epithelium", n, lambda stream: cover(n, size, lining, stream), mixes, zone)
