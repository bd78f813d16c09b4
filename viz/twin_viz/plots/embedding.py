"""Simulated cells beside measured ones in one embedding, and how well the two mix in it."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twin.analysis.metrics.distances import ilisi
from twin.analysis.scores import dispersion_genes, lognorm
from twin.errors import InputError, MissingExtraError, UnknownNameError
from twin.results import Run
from twin_viz import palette
from twin_viz.camera import Float
from twin_viz.coloring import TYPE_LIMIT
from twin_viz.page import SMALL
from twin_viz.plots.measured import Measured, measured_cells
from twin_viz.plots.scene import Point, counted, names_of, scene_of
from twin_viz.plots.sheet import name_axes, note, sheet

SIZE = (13.2, 5.6)  # inches
MOST_CELLS = 2000  # of each side; our choice: UMAP of twice as many takes half a minute
VARIABLE_GENES, COMPONENTS, NEIGHBOURS = 2000, 30, 15
LEAST_CELLS = 30  # of each side
SEED = 0
SIMULATED, REAL = "#d55e00", "#0072b2"
FAINT = "#e6e6e6"


@dataclass(frozen=True)
class Embedding:
    """Equal numbers of simulated and measured cells in one space.

    place : (cell, 2) UMAP, the measured first. n : of each. kinds : (cell,) types.
    mixed, halves : iLISI of measured against simulated cells, and of two halves of the measured ones.
    """

    place: Float
    n: int
    kinds: np.ndarray[Any, np.dtype[np.str_]]
    mixed: float
    halves: float


def umap(
    run: Run,
    measured: Path | str | None = None,
    where: Mapping[str, str] | None = None,
    type_column: str | None = None,
    cell_type: str | Sequence[str] = (),
    time: float | str | None = None,
    compartment: str | None = None,
    replicate: int = 0,
    branch: str | None = None,
    point: Point = None,
) -> Figure:
    """Draw measured and simulated cells in one UMAP: each by type, and both over each other.

    Counts per 10,000, logarithm, 2,000 most variable genes of the measured cells, 30 principal components, 15
    neighbours. As many simulated as measured cells, drawn at random with a fixed seed.

    Parameters
    ----------
    measured : .h5ad or .zarr of raw counts; without it the file that the scenario names (a snapshot at that time, or
        what its cells were made of).
    where : obs column → value of the measured cells that are taken. type_column : of their types.
    cell_type : only these types, of both; without any all.

    Raises
    ------
    InputError
        If there are no transcriptomes, no measured cells, too few cells, or a time, type, branch or point is not there.
    MissingExtraError
        Without scanpy: pip install 'twin[eval]'.
    """
    if not run.genes:
        raise InputError("the cells of this run have no transcriptomes (world_model: none): there is nothing to embed")
    if find_spec("scanpy") is None:
        raise MissingExtraError("a UMAP", "eval")
    scene = scene_of(run, compartment, branch, point)
    hour = scene.hour(time)
    cells = scene.living_in(replicate, hour)
    real = measured_cells(
        run, scene.compartment, hour, Path(measured) if measured is not None else None, where or {}, type_column
    )
    kinds = cells.obs["cell_type"].astype(str).to_numpy(dtype=np.str_)
    rows = [_of_types(k, names_of(cell_type), who) for k, who in ((real.types, str(real.source)), (kinds, "the run"))]
    total = [len(r) for r in rows]
    n = min(*total, MOST_CELLS)
    if n < LEAST_CELLS:
        raise InputError(
            f"{total[0]} measured and {total[1]} simulated cells: at least {LEAST_CELLS} of each are needed"
        )
    rng = np.random.default_rng(SEED)
    rows = [np.sort(rng.choice(r, n, replace=False)) for r in rows]
    counts = sp.csr_array(cells.X)[:, real.shared]
    made = embedded(real.counts[rows[0]], counts[rows[1]], np.r_[real.types[rows[0]], kinds[rows[1]]])
    figure = sheet(SIZE, f"{scene.title} · {hour:g} h{scene.extrapolated(hour)}")
    _draw(figure, made)
    note(figure, *_notes(made, real, total, replicate))
    return figure


def embedded(real: sp.csr_array, simulated: sp.csr_array, kinds: np.ndarray[Any, np.dtype[np.str_]]) -> Embedding:
    """Return both in one space.

    real, simulated : (cell, gene) counts over the same genes, as many cells of each. kinds : (cell,) of both.
    """
    scanpy = import_module("scanpy")  # ten seconds that only a UMAP owes
    logged = lognorm(sp.csr_array(sp.vstack([real, simulated])))
    n = real.shape[0]
    used = dispersion_genes(logged[:n], min(VARIABLE_GENES, logged.shape[1]))
    both = ad.AnnData(np.asarray(logged[:, used].toarray(), dtype=np.float32))
    axes = min(COMPONENTS, n - 1, len(used) - 1)
    with warnings.catch_warnings():
        # a fixed seed allows one thread only, which is what is wanted
        warnings.filterwarnings("ignore", message="n_jobs value .* overridden", category=UserWarning)
        scanpy.pp.pca(both, n_comps=axes, random_state=SEED)
        scanpy.pp.neighbors(both, n_neighbors=NEIGHBOURS, random_state=SEED)
        scanpy.tl.umap(both, random_state=SEED)
    space = np.asarray(both.obsm["X_pca"], dtype=np.float64)
    order = np.random.default_rng(SEED).permutation(n)
    one, other = order[: n // 2], order[n // 2 : 2 * (n // 2)]
    mixed = ilisi(space[one], space[n + one])  # as many on each side as of the halves: iLISI hangs on how many
    return Embedding(
        np.asarray(both.obsm["X_umap"], dtype=np.float64), n, kinds, mixed, ilisi(space[one], space[other])
    )


def _of_types(
    kinds: np.ndarray[Any, np.dtype[np.str_]], wanted: Sequence[str], who: str
) -> np.ndarray[Any, np.dtype[np.intp]]:
    for name in wanted:
        if name not in kinds:
            raise UnknownNameError(f"cell type of {who}", name, set(map(str, kinds)))
    return np.flatnonzero(np.isin(kinds, list(wanted))) if wanted else np.arange(len(kinds))


def _draw(figure: Figure, made: Embedding) -> None:
    panels = figure.subplots(1, 3)
    names, count = np.unique(made.kinds, return_counts=True)
    common = sorted(names[np.argsort(-count, kind="stable")][:TYPE_LIMIT])
    color = {str(name): palette.CATEGORIES[i] for i, name in enumerate(common)}
    size = float(np.clip(9000 / made.n, 3, 20))
    real = np.arange(len(made.place)) < made.n
    for axes, mine, title in ((panels[0], real, "measured"), (panels[1], ~real, "simulated")):
        axes.scatter(*made.place[~mine].T, s=size, color=FAINT, linewidths=0, rasterized=True)
        inks = [color.get(str(k), palette.NOTHING) for k in made.kinds[mine]]
        axes.scatter(*made.place[mine].T, s=size, c=inks, linewidths=0, rasterized=True)
        _frame(axes, title)
    order = np.random.default_rng(SEED).permutation(len(made.place))  # neither side hides the other
    sided = [REAL if real[i] else SIMULATED for i in order]
    panels[2].scatter(*made.place[order].T, s=size, c=sided, alpha=0.7, linewidths=0, rasterized=True)
    _frame(panels[2], "both")
    sides = [Line2D([], [], marker="o", linestyle="", color=c, markersize=5) for c in (REAL, SIMULATED)]
    panels[2].legend(sides, ["measured", "simulated"], **_LEGEND, ncols=2)
    marks = [Line2D([], [], marker="o", linestyle="", color=c, markersize=5) for c in color.values()]
    words = list(color)
    if len(names) > len(common):
        marks.append(Line2D([], [], marker="o", linestyle="", color=palette.NOTHING, markersize=5))
        words.append("other")
    panels[0].legend(marks, words, **_LEGEND, ncols=3)


_LEGEND: dict[str, Any] = {
    "fontsize": SMALL - 1,
    "frameon": False,
    "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.08),
    "handletextpad": 0.1,
    "columnspacing": 0.8,
}


def _frame(axes: Axes, title: str) -> None:
    name_axes(axes, "UMAP 1", "UMAP 2", title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", "datalim")


def _notes(made: Embedding, real: Measured, total: Sequence[int], replicate: int) -> list[str]:
    parts = [
        counted(n, f"{who} cell") if n == made.n else f"{made.n:,} of {n:,} {who} cells, drawn at random"
        for n, who in zip(total, ("measured", "simulated"), strict=True)
    ]
    return [
        f"{parts[0]} ({real.words}); {parts[1]}, replicate {replicate}",
        f"mixing (iLISI in principal components; 0 apart, 1 mixed): simulated and measured {made.mixed:.2f}, two "
        f"halves of the measured {made.halves:.2f}, {made.n // 2:,} cells on each side",
        f"{len(real.shared):,} shared genes, {min(VARIABLE_GENES, len(real.shared)):,} most variable; far and near "
        "in a UMAP mean little",
    ]
