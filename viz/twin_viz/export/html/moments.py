"""The cells of a future at its kept times, read once and held small."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from twin.errors import InputError
from twin_viz.camera import Float
from twin_viz.coloring import DEATH, PHASE, column
from twin_viz.source import Run, assay_end, box_of, kept_time
from twin_viz.tissue import CLONE, clone_names, read_view

CELL_TYPE = "cell_type"
# Columns that say nothing on a picture: names, clocks, what processes keep for themselves. Asking brings them.
INNER = frozenset(
    (
        *("id", "parent", "group", "time", "tick", "birth", "alive", "radius"),
        *("cycle_time", "cycle_lag", "death_time", "rupture_volume", "attack_time"),
        *("fluid", "nuclear_solid", "cytoplasmic_solid", "native_volume"),
    )
)
MOST_WORDS = 200  # of a column that nobody asked for; our choice: more are names, not categories


@dataclass(frozen=True)
class Column:
    """What cells are coloured by at one time: "type", "gene" (or program) or "state"; with its label."""

    kind: str
    label: str
    values: "pd.Series[Any]"


@dataclass(frozen=True)
class Moment:
    """Cells at one time, by rising id.

    ids : (cell,). position : (cell, 3) µm. radius : (cell,) µm. alive : (cell,).
    columns : by name; values are (cell,).
    """

    time: float
    ids: NDArray[np.uint64]
    position: Float
    radius: Float
    alive: NDArray[np.bool_]
    columns: Mapping[str, Column]


@dataclass(frozen=True)
class Course:
    """One future.

    frame : (2, axis) µm, of the compartment. box : the same, widened to hold all of its cells.
    measured_until : h, None where not known.
    """

    name: str
    title: str
    moments: tuple[Moment, ...]
    frame: Float
    box: Float
    measured_until: float | None


def times_of(run: Run, replicate: int, every: int) -> list[float]:
    """Return every so-many-th kept time, h, and the last.

    Raises
    ------
    InputError
        If no cells were kept yet.
    """
    kept_time(run, None, replicate)
    kept = [float(t) for t in np.unique(np.asarray(run.times(replicate), dtype=np.float64))]
    return sorted({*kept[::every], kept[-1]})


def read_course(
    name: str, run: Run, times: Sequence[float], asked: Sequence[str], compartment: str | None, replicate: int
) -> Course:
    """Read the cells of one future at `times`.

    Parameters
    ----------
    asked : genes, programs and columns that cells carry beside the telling columns of `obs`.

    Raises
    ------
    InputError
        If a colour is not known, or there are no cells at any of these times.
    """
    programs = run.scenario.get("observe", {}).get("programs", {})
    lineage = run.lineage(replicate, compartment) if CLONE in asked else None
    read = []
    for time in times:
        cells = run.cells(time, replicate, compartment)
        if lineage is not None and CLONE not in cells.obs:
            cells.obs[CLONE] = clone_names(lineage, cells)
        read.append(_moment(cells, time, asked, programs))
    moments = tuple(read)
    seen = [m for m in moments if len(m.ids)]
    if not seen:
        raise InputError(f"{name or compartment or 'the run'}: no cells are there at any kept time")
    view = read_view(run, (seen[0].time,), CELL_TYPE, "none", compartment, None, replicate)
    reach = [(m.position - m.radius[:, None], m.position + m.radius[:, None]) for m in seen]
    low = np.min([view.box[0], *(lowest.min(axis=0) for lowest, _ in reach)], axis=0)
    high = np.max([view.box[1], *(highest.max(axis=0) for _, highest in reach)], axis=0)
    box = np.stack([low, high])
    limit = assay_end(run, run.cells(seen[-1].time, replicate, view.compartment), seen[-1].time)
    return Course(name, view.title, moments, _frame(run, view.compartment, box), box, limit)


def _frame(run: Run, compartment: str, box: Float) -> Float:
    """Return the compartment's own box, (2, axis) µm; where it has none, that of its cells."""
    size = box_of(run, compartment)
    return box if size is None else np.array([[0.0, 0.0, 0.0], size])


def _moment(cells: AnnData, time: float, asked: Sequence[str], programs: Mapping[str, Sequence[str]]) -> Moment:
    ids = np.asarray(cells.obs_names, dtype=str).astype(np.uint64)
    order = np.argsort(ids, kind="stable")
    alive = cells.obs["alive"] if "alive" in cells.obs else np.ones(cells.n_obs)
    names = dict.fromkeys([CELL_TYPE, *asked, *_telling(cells)])
    return Moment(
        time=time,
        ids=ids[order],
        position=np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)[order],
        radius=np.asarray(cells.obs["radius"], dtype=np.float64)[order],
        alive=np.asarray(alive, dtype=np.bool_)[order],
        columns={name: _column(cells, name, programs, order) for name in names},
    )


def _column(cells: AnnData, name: str, programs: Mapping[str, Sequence[str]], order: NDArray[np.intp]) -> Column:
    label, series = column(cells, name, programs)
    of_obs = name in cells.obs and name not in cells.var_names
    kind = "type" if name == CELL_TYPE else "state" if of_obs else "gene"
    return Column(kind, label, _small(series.reset_index(drop=True)).iloc[order])


def _telling(cells: AnnData) -> Iterator[str]:
    """Yield the columns of `obs` that a picture may show, states first; gene counts are no depth without genes."""
    names = [str(name) for name in cells.obs.columns if name not in INNER]
    for name in sorted(names, key=lambda name: name not in (DEATH, PHASE)):
        if name != "depth" or cells.n_vars:
            yield name


def _small(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return numbers in 32 bits and words as a category: all moments are held at once."""
    if pd.api.types.is_bool_dtype(series) or not pd.api.types.is_numeric_dtype(series):
        return series.astype(str).astype("category")
    return series.astype(np.float32)
