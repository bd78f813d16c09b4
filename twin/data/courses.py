"""Courses in time: the earliest cells are the reference, later ones are arms."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin.data.arms import Agent
from twin.data.columns import Text, distinct
from twin.data.labels import Labels

MOST_TIMES = 6  # times of a course that stay apart; more are binned by quantiles; our choice
SAME_TYPE_SHARE = 0.5  # of a course's cells in types that are there at every time, for contexts by type; our choice


def as_course(labels: Labels, least_cells: int) -> Labels:
    """Read a file whose cells all had the same done to them, at several times, as a course.

    Either nothing was done (development, differentiation): later cells are arms of an agent "course: <file>", and
    their time counts from the earliest. Or one thing was done to all (an exposure without untreated cells): its agent
    is kept, the time is that of the exposure, and the arms remember the time of the reference. Where cell types come
    and go with time, the context is the tissue: a type that changes into another is no constant state.

    A file that is no course is returned as it is; what was decided is added to the notes.
    """
    told = np.isfinite(labels.time)
    whole = (labels.treatment < 0).all() or (len(labels.treatments) == 1 and (labels.treatment == 0).all())
    if not whole or len(np.unique(labels.time[told])) < 2:
        return labels
    stem = Path(labels.source).stem
    time = binned(labels.time, told)
    reference = float(time[told].min())
    exposure = bool((labels.treatment >= 0).all())
    agents = labels.treatments[0] if exposure else (Agent(f"course: {stem}", "course"),)
    later = told & (time > reference)
    cell_type, notes = _contexts(labels, time, told, least_cells)
    what = f"exposure to {'+'.join(a.name for a in agents)}" if exposure else "course"
    name, times = Path(labels.source).name, len(np.unique(time[told]))
    said = f"{name}: {what} of {times} times; cells at {reference:g} h are the reference"
    lost = int((~told).sum())
    silent = (f"{name}: {lost} cells of the {what} have no known time and are left out",) if lost else ()
    return replace(
        labels,
        treatments=(agents,),
        treatment=np.where(later, 0, -1).astype(np.intp),
        time=time if exposure else time - reference,
        since=reference if exposure else math.nan,
        cell_type=cell_type,
        keep=labels.keep & told,
        notes=(*labels.notes, said, *notes, *silent),
    )


def binned(time: NDArray[np.float64], told: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return times with at most `MOST_TIMES` values: those of quantile bins' medians where there are more, (cell,)."""
    values = time[told]
    if len(np.unique(values)) <= MOST_TIMES:
        return time
    edges = np.unique(np.quantile(values, np.linspace(0, 1, MOST_TIMES + 1)[1:-1]))
    place = np.searchsorted(edges, values, side="left")
    out = time.copy()
    medians = {int(b): float(np.median(values[place == b])) for b in np.unique(place)}
    out[told] = [medians[int(b)] for b in place]
    return out


def _contexts(
    labels: Labels, time: NDArray[np.float64], told: NDArray[np.bool_], least_cells: int
) -> tuple[Text, tuple[str, ...]]:
    """Return the cell types, "course <tissue>" for the groups whose types change with time."""
    cell_type, notes = labels.cell_type.copy(), []
    groups, group = distinct(labels.species, labels.tissue, labels.technology)
    for index, (_, tissue, _) in enumerate(groups):
        rows = told & (group == index)
        times, n_all = np.unique(time[rows]), int(rows.sum())
        if len(times) < 2:
            continue
        types, code = distinct(labels.cell_type[rows])
        cells = np.zeros((len(types), len(times)), np.intp)
        np.add.at(cells, (code, np.searchsorted(times, time[rows])), 1)  # (type, time)
        if cells[(cells >= least_cells).all(axis=1)].sum() < SAME_TYPE_SHARE * n_all:
            name = f"course {tissue or Path(labels.source).stem}"
            cell_type[rows] = name
            notes.append(f"{Path(labels.source).name}: cell types come and go with time; one context, {name!r}")
    return cell_type, tuple(dict.fromkeys(notes))
