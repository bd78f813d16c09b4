"""A builder's document as an anatomy, the box that it needs, and its cells in that box."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from twin.anatomy.intestine import crypt_villus
from twin.anatomy.parts import Anatomy, Index, Mix, shared_out
from twin.anatomy.round_bodies import cyst, spheroid
from twin.anatomy.slabs import cortical_layers, lymphoid_patch, monolayer, vessel_slab
from twin.errors import InputError
from twin.kernels.random import Stream, Streams
from twin.kernels.shapes.scatter import spread_out
from twin.scenario.builders import (
    BUILDERS,
    Built,
    CorticalLayers,
    CryptVillus,
    Cyst,
    LymphoidPatch,
    Monolayer,
    Spheroid,
    VesselSlab,
)
from twin.units import Micrometres

Float = NDArray[np.float64]
Box = tuple[float, float, float]

SPACING = 10.0  # µm; edge of a voxel where none is given
SLACK = 1e-9  # relative; an edge that is a multiple of the spacing but for rounding is not made longer


@dataclass(frozen=True)
class BuiltCells:
    """The cells of a built tissue, before anybody has a transcriptome.

    code : (cell,) place of its type among `types`. position : (cell, 3) µm from the box's lower corner.
    group : (cell,) node of the tree that `tree_of` gives.
    """

    code: Index
    position: Float
    group: NDArray[np.int32]


def anatomy_of(cells: Built, box: Box | None = None) -> Anatomy:
    """Return the anatomy that a document describes.

    box : edges of the compartment, µm; None where it has none yet: then what fills its box takes its own size.

    Raises
    ------
    InputError
        If its measures contradict each other.
    """
    return _anatomy(Document(cells), box)


class Document:
    """A document that is the same as another that says the same: its tables keep it from being hashed."""

    def __init__(self, cells: Built) -> None:
        self.cells = cells
        self.text = cells.model_dump_json()

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.text == other.text


@lru_cache(maxsize=64)
def _anatomy(document: Document, box: Box | None) -> Anatomy:
    cells, room = document.cells, None if box is None else np.array(box)
    match cells:
        case Spheroid():
            return spheroid(cells)
        case Cyst():
            return cyst(cells)
        case CryptVillus():
            return crypt_villus(cells)
        case CorticalLayers():
            return cortical_layers(cells, room)
        case Monolayer():
            return monolayer(cells, room)
        case VesselSlab():
            return vessel_slab(cells, room)
        case LymphoidPatch():
            return lymphoid_patch(cells, room)
    raise AssertionError(f"no anatomy of a {type(cells).__name__}")


def box_for(cells: Built, spacing: float) -> Box:
    """Return the smallest box of whole voxels that holds a tissue with its margin, µm; spacing : µm.

    Raises
    ------
    InputError
        As `anatomy_of`.
    """
    x, y, z = (max(1, ceil(edge / spacing * (1.0 - SLACK))) * spacing for edge in anatomy_of(cells).room().tolist())
    return x, y, z


def with_box(given: object) -> object:
    """Return a compartment's document with the box that its builder needs, where it has none.

    Raises
    ------
    ValueError
        If the builder's measures contradict each other.
    """
    if not isinstance(given, dict) or given.get("box") is not None or given.get("volume") is not None:
        return given
    cells = given.get("cells")
    builder = BUILDERS.get(str(cells.get("source"))) if isinstance(cells, dict) else None
    if builder is None:
        return given
    try:
        spacing = TypeAdapter(Micrometres).validate_python(given.get("spacing", f"{SPACING} um"))
        box = box_for(builder.model_validate(cells), spacing)
    except ValidationError:
        box = (SPACING,) * 3  # what is wrong is told where the document is checked
    except InputError as error:
        raise ValueError(f"cells: {error}") from error
    return {**given, "box": [f"{edge!r} um" for edge in box]}


def tree_of(anatomy: Anatomy, organ: str, name: str) -> "nx.DiGraph[int]":
    """Return the tree of groups of a compartment: its organ, its organoids, and the niches of each.

    Nodes are numbers from 0, with `name` and `kind`; of several organoids each is called by the compartment and a
    number from 1.
    """
    tree: nx.DiGraph[int] = nx.DiGraph()
    tree.add_node(0, name=organ, kind="organ")
    for body in range(anatomy.bodies):
        own = _organoid(body, anatomy)
        tree.add_node(own, name=name if anatomy.bodies == 1 else f"{name} {body + 1}", kind="organoid")
        tree.add_edge(0, own)
        for k, niche in enumerate(anatomy.niches):
            tree.add_node(own + 1 + k, name=niche, kind="niche")
            tree.add_edge(own, own + 1 + k)
    return tree


def _organoid(body: int, anatomy: Anatomy) -> int:
    """Return the node of an organoid."""
    return 1 + body * (1 + len(anatomy.niches))


def build(anatomy: Anatomy, box: Box, types: tuple[str, ...], name: str, streams: Streams) -> BuiltCells:
    """Return the cells of a compartment.

    types : all that they can be of. name : of the compartment, for their luck.

    Raises
    ------
    InputError
        If the tissue does not fit into its box, or its cells do not fit into it.
    """
    luck = streams.stream(f"bodies of {name}")
    middles = anatomy.centres(np.array(box), luck)
    codes, positions, groups = [np.empty(0, np.intp)], [np.empty((0, 3))], [np.empty(0, np.int32)]
    order = {t: i for i, t in enumerate(types)}
    niches = {niche: k for k, niche in enumerate(anatomy.niches)}
    for body, middle in enumerate(middles):
        turn = _rotation(luck, body) if anatomy.bodies > 1 else np.eye(3)
        shift = middle if anatomy.bodies > 1 else middle - (anatomy.low + anatomy.high) / 2.0
        for part in anatomy.parts:
            stream = streams.stream(f"{part.name} of {name}", body)
            points = part.place(stream)
            which = part.mix_of(points)
            codes.append(_types(part.mixes, which, points, order, stream))
            positions.append(points @ turn.T + shift)
            nodes = np.array([niches[mix.niche] for mix in part.mixes]) + _organoid(body, anatomy) + 1
            groups.append(nodes[which].astype(np.int32))
    position = np.clip(np.concatenate(positions), 0.0, np.array(box))
    return BuiltCells(np.concatenate(codes), position, np.concatenate(groups))


def _types(mixes: tuple[Mix, ...], which: Index, points: Float, order: Mapping[str, int], stream: Stream) -> Index:
    """Return a type for each cell: in each niche as many as the shares say, at random or by turns."""
    code = np.empty(len(points), np.intp)
    lots = stream.bits(np.arange(len(points), dtype=np.uint64), np.array([5], np.uint64))
    for k, mix in enumerate(mixes):
        rows = np.flatnonzero(which == k)
        if not len(rows):
            continue
        shares = {t: share for t, share in mix.shares.items() if share > 0}
        counts = shared_out(len(rows), list(shares.values()))
        rows = rows[np.argsort(lots[rows], kind="stable")]
        if mix.alternates and len(counts) > 1:  # the first is what is left between the others
            rows = _others_first(points[rows], counts, stream, rows)
        edges = np.cumsum([0, *counts])
        for t, low, high in zip(shares, edges, edges[1:], strict=False):
            code[rows[low:high]] = order[t]
    return code


def _others_first(points: Float, counts: list[int], stream: Stream, rows: Index) -> Index:
    """Return rows in an order in which all types but the first lie as far from their own kind as may be."""
    left = np.arange(len(points))
    chosen: list[Index] = []
    for k, n in enumerate(counts[1:]):
        picked = spread_out(points[left], n, Stream(stream.key ^ (k + 1)))
        chosen.append(left[picked])
        left = np.delete(left, picked)
    return np.asarray(rows[np.concatenate([left, *chosen])])


def _rotation(stream: Stream, body: int) -> Float:
    """Return a random rotation, (3, 3).

    Source
    ------
    Shoemake, Uniform random rotations, Graphics Gems III (1992): an even unit quaternion.
    """
    u, a, b = stream.uniform(np.array([body + 2**20], np.uint64), 3)[0]
    a, b = 2.0 * np.pi * a, 2.0 * np.pi * b
    x, y = np.sqrt(1.0 - u) * np.array([np.sin(a), np.cos(a)])
    z, w = np.sqrt(u) * np.array([np.sin(b), np.cos(b)])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
