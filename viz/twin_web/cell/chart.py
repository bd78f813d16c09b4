"""The charts of a panel of genes: where each gene stands on the map of a cell, and where cells stand in the atlas."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import InputError
from twin_web.cell.programs import Program

Float = NDArray[np.float64]
Index = NDArray[np.intp]

NEIGHBOURS = 15  # of a new cell among those of the atlas; as UMAP's own neighbourhoods
FORMAT = 1
HOURS = (1, 2, 3, 5, 8)  # h; of the treated cells of an atlas, a fifth each; our choice
ATTENDED = "attended"  # last word to a process that draws, whose input is held open by who waits for the charts


@dataclass(frozen=True)
class Map:
    """Where genes stand: one place each, program by program.

    x, y : (gene,) on a square grid, from 0; whose : (gene,) program. mean : (gene,) counts per 10,000 of the panel's
    untreated cells.
    """

    x: Index
    y: Index
    whose: Index
    mean: Float
    programs: tuple[Program, ...]

    @property
    def side(self) -> int:
        """Return how many places the grid has along an edge."""
        return int(max(self.x.max(), self.y.max())) + 1


@dataclass(frozen=True)
class Atlas:
    """Reference cells of a panel in two dimensions, and what places another cell among them.

    place : (cell, 2) within −1 … 1. kind : (cell,) index into `kinds`. arm : (cell,) index into `arms`, 0 untreated.
    point : (cell, component) principal components. genes : (variable gene,) index on the panel. centre : (variable
    gene,) mean of ln(1 + counts per 10,000). loading : (variable gene, component).
    """

    place: Float
    kind: Index
    arm: Index
    kinds: tuple[str, ...]
    arms: tuple[str, ...]
    point: Float
    genes: Index
    centre: Float
    loading: Float

    def components(self, counts: sp.csr_array) -> Float:
        """Return the principal components of cells, (cell, component), from their counts on the panel's axis."""
        library = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
        some = sp.csr_array(counts[:, self.genes], dtype=np.float64)
        some.data = np.log1p(some.data * np.repeat(1e4 / library, np.diff(some.indptr)))
        return np.asarray(some @ self.loading - self.centre @ self.loading)

    def placed(self, counts: sp.csr_array) -> Float:
        """Return where cells stand, (cell, 2): among the `NEIGHBOURS` reference cells that are nearest in components.

        A mean of their places, weighted as UMAP weighs neighbours: exp(−(d − d₁)/σ), d₁ the distance to the nearest and
        σ such that the weights sum to log₂ of their number. So a cell can only stand where reference cells do, or
        between them.
        """
        return self.among(self.components(counts))

    def among(self, point: Float, without: Index | None = None) -> Float:
        """Return where cells with these components stand, (cell, 2).

        without : (reference cell,) those that are left out.
        """
        far = (point**2).sum(axis=1)[:, None] + (self.point**2).sum(axis=1)[None] - 2 * point @ self.point.T
        if without is not None:
            far[:, without] = np.inf
        k = min(NEIGHBOURS, len(self.point))
        near = np.argpartition(far, k - 1, axis=1)[:, :k]
        d = np.sqrt(np.maximum(np.take_along_axis(far, near, axis=1), 0.0))
        over = d - d.min(axis=1, keepdims=True)
        low, high = np.full((len(d), 1), 1e-6), np.full((len(d), 1), 1e6)
        for _ in range(60):  # bisection of log σ
            scale = np.sqrt(low * high)
            many = np.exp(-over / scale).sum(axis=1, keepdims=True) > np.log2(k)
            low, high = np.where(many, low, scale), np.where(many, scale, high)
        weight = np.exp(-over / np.sqrt(low * high))
        weight /= weight.sum(axis=1, keepdims=True)
        return np.asarray((weight[:, :, None] * self.place[near]).sum(axis=1))


@dataclass(frozen=True)
class Chart:
    """What is drawn once for a panel.

    model : fingerprint. genes : of the panel. contexts : that share it.
    """

    model: str
    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    map: Map
    atlas: Atlas | None

    @property
    def panel(self) -> str:
        """Return the id of the panel."""
        return panel_id(self.genes)


def panel_id(genes: Sequence[str]) -> str:
    """Return the name of a panel: a hash of its genes, in order."""
    return sha256("\n".join(genes).encode()).hexdigest()[:16]


def chart_name(fingerprint: str, panel: str) -> str:
    """Return the name of the file of a panel's charts; panel : its id."""
    return f"{fingerprint[:16]}-{panel}.npz"


def save_chart(chart: Chart, file: Path) -> None:
    """Write a chart; the file is there whole or not at all."""
    m, a = chart.map, chart.atlas
    about: dict[str, Any] = {
        "format": FORMAT,
        "model": chart.model,
        "axis": chart.genes,
        "contexts": chart.contexts,
        "programs": [vars(p) for p in m.programs],
    }
    arrays: dict[str, NDArray[Any]] = {
        "x": m.x.astype(np.uint16),
        "y": m.y.astype(np.uint16),
        "whose": m.whose.astype(np.uint8),
        "mean": m.mean.astype(np.float16),
    }
    if a is not None:
        about |= {"kinds": a.kinds, "arms": a.arms}
        arrays |= {
            "place": a.place.astype(np.float32),
            "kind": a.kind.astype(np.uint8),
            "arm": a.arm.astype(np.uint8),
            "point": a.point.astype(np.float16),
            "genes": a.genes.astype(np.uint32),
            "centre": a.centre.astype(np.float32),
            "loading": a.loading.astype(np.float16),
        }
    part = file.with_name(file.name + ".partial")
    with part.open("wb") as stream:
        np.savez_compressed(stream, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type] # arrays by name
    part.replace(file)


def load_chart(file: Path) -> Chart:
    """Read what `save_chart` wrote.

    Raises
    ------
    InputError
        If it is of another format.
    """
    with np.load(file) as held:
        about = json.loads(held["about"].tobytes())
        if about["format"] != FORMAT:
            raise InputError(f"{file} is a chart of another version of twin: delete it, it is drawn anew")
        programs = tuple(Program(**{**p, "top": tuple(p["top"])}) for p in about["programs"])
        x, y, whose = (held[key].astype(np.intp) for key in ("x", "y", "whose"))
        drawn = Map(x, y, whose, held["mean"].astype(np.float64), programs)
        atlas = None
        if "place" in held:
            atlas = Atlas(
                held["place"].astype(np.float64),
                held["kind"].astype(np.intp),
                held["arm"].astype(np.intp),
                tuple(about["kinds"]),
                tuple(about["arms"]),
                held["point"].astype(np.float64),
                held["genes"].astype(np.intp),
                held["centre"].astype(np.float64),
                held["loading"].astype(np.float64),
            )
        return Chart(about["model"], tuple(about["axis"]), tuple(about["contexts"]), drawn, atlas)
