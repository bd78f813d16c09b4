"""Readouts of a run that are one number at a time: what a line shows, by branch, with its spread over replicates."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from twin.results import Run
from twin.scenario.futures import TRUNK

MOST_TYPES = 8  # cell types that have lines of their own, the most numerous; our choice
MOST_NEWEST = 6  # readouts whose newest values are told with the state of a run; our choice
HOMES = ("compartment", "cell_type")

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One number over time.

    values : (replicate, time). cell_type : None: of all cells.
    """

    name: str
    label: str
    units: str
    cell_type: str | None
    values: Float


@dataclass(frozen=True)
class _Measure:
    """One number of each cell type.

    values : (replicate, time, compartment, cell_type).
    """

    name: str
    label: str
    units: str
    values: Float


def lines_of(run: Run, *, by_type: bool = True) -> dict[str, Any]:
    """Return the lines of every branch of a run, as far as they are known: null where they are not."""
    times: list[float] = []
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for label, part in scenes_of(run):
        data = part.streamed
        times = [float(t) for t in data["time"].values]
        quantities = tuple(run.scenario.get("observe", {}).get("quantities", {}))
        for line in _lines(data, quantities, by_type=by_type):
            about = {"name": line.name, "label": line.label, "units": line.units, "cell_type": line.cell_type}
            told = found.setdefault((line.name, line.cell_type), {**about, "by_branch": {}})
            told["by_branch"][label] = _spread(line.values)
    return {"times": times, "lines": list(found.values())}


def scenes_of(run: Run) -> list[tuple[str, Run]]:
    """Return every branch at every point by its name; the only one there is, is the trunk."""
    return [(label or TRUNK, part) for label, part in run.scenes()]


def newest_of(lines: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the newest value of the first few lines, of each branch."""
    told = []
    for line in lines["lines"][:MOST_NEWEST]:
        for branch, spread in line["by_branch"].items():
            known = [i for i, value in enumerate(spread["mean"]) if value is not None]
            if known:
                about = {key: line[key] for key in ("name", "label", "units")}
                value, hour = spread["mean"][known[-1]], lines["times"][known[-1]]
                told.append({**about, "branch": branch, "value": value, "hour": hour})
    return told


def _lines(data: xr.Dataset, quantities: tuple[str, ...], *, by_type: bool) -> Iterator[Line]:
    """Yield the lines of one branch, those that tell most first."""
    alive = np.asarray(data["n_cells"].transpose("replicate", "time", *HOMES), np.float64)
    known = ~np.isnan(alive).all(axis=(2, 3))  # (replicate, time)
    for name in quantities:
        if name in data and data[name].dims == ("replicate", "time"):
            yield _line(data, name, None, np.asarray(data[name], np.float64))
    scores = list(_scores(data))
    for score in scores:
        yield Line(score.name, score.label, score.units, None, _mean(score.values, alive))
    if "concentration_mean" in data:
        for substance in data["substance"].values:
            level = data["concentration_mean"].sel(substance=substance).mean("compartment")
            values = np.asarray(level.transpose("replicate", "time"), np.float64)
            yield Line(f"level of {substance}", f"mean {substance}", "nM", None, values)
    yield Line("cells", "living cells", "1", None, np.where(known, np.nansum(alive, axis=(2, 3)), np.nan))
    if not by_type:
        return
    of_type = np.nansum(alive, axis=2)  # (replicate, time, type)
    names = [str(t) for t in data["cell_type"].values]
    most = [i for i in np.argsort(-np.nanmax(of_type, axis=(0, 1), initial=0), kind="stable") if of_type[..., i].any()]
    for i in most[:MOST_TYPES] if len(most) > 1 else ():
        yield Line("cells", "living cells", "1", names[i], np.where(known, of_type[..., i], np.nan))
    genes = list(_genes(data))
    for gene in genes:
        yield Line(gene.name, gene.label, gene.units, None, _mean(gene.values, alive))
    for measure in (*scores, *genes):
        for i in most[:MOST_TYPES]:
            of = slice(i, i + 1)
            values = _mean(measure.values[..., of], alive[..., of])
            yield Line(measure.name, measure.label, measure.units, names[i], values)


def _scores(data: xr.Dataset) -> Iterator[_Measure]:
    """Yield the response and the scores of programs, where they are observed."""
    if "response_by_type" in data:
        yield _measure(data["response_by_type"], "response", "mean response")
    for program in data["program"].values if "program_score" in data else ():
        yield _measure(data["program_score"].sel(program=program), str(program), f"score of {program}")


def _genes(data: xr.Dataset) -> Iterator[_Measure]:
    """Yield the means of the observed genes."""
    for gene in data["gene"].values if "gene_mean" in data else ():
        yield _measure(data["gene_mean"].sel(gene=gene), str(gene), f"mean {gene}")


def _measure(of: xr.DataArray, name: str, label: str) -> _Measure:
    values = np.asarray(of.transpose("replicate", "time", *HOMES), np.float64)
    return _Measure(name, label, str(of.attrs.get("units", "1")), values)


def _line(data: xr.Dataset, name: str, cell_type: str | None, values: Float) -> Line:
    about = data[name].attrs
    return Line(name, str(about.get("long_name", name)), str(about.get("units", "1")), cell_type, values)


def _mean(values: Float, weight: Float) -> Float:
    """Return the mean over compartments and types by their cells, (replicate, time); NaN where nothing is known."""
    there = np.isfinite(values) & (weight > 0)
    total = np.where(there, weight, 0.0).sum(axis=(2, 3))
    product = np.where(there, values * np.where(there, weight, 0.0), 0.0).sum(axis=(2, 3))
    mean: Float = np.divide(product, total, out=np.full(total.shape, np.nan), where=total > 0)
    return mean


def _spread(values: Float) -> dict[str, list[float | None]]:
    """Return mean, lowest and highest over replicates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a time of which nothing is known yet
        spread = {
            "mean": np.nanmean(values, axis=0),
            "low": np.nanmin(values, axis=0),
            "high": np.nanmax(values, axis=0),
        }
    return {key: [float(v) if np.isfinite(v) else None for v in row] for key, row in spread.items()}
