"""What a run says at its end: tables of the response, and how far a substance reached."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from json import dumps
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from twin.analysis.bands import band
from twin.analysis.ensemble import last_of, mean_of, seen_times
from twin.analysis.happenings import happenings, learned
from twin.kernels.diffusion import decay_length, measured_decay_length
from twin.results import Run, open_run
from twin.units import quantity

COLUMNS = 7  # times that a table shows
FEW = 10  # cells; the mean of fewer is marked; our choice
FEW_MARK = "*"
MOST_LETTERS = 80  # of what a branch and point are called
MOST_SCENES = 4  # branches and points that are told one by one
LONGEST = 1 / 3  # of a box's longest edge: a decay length above it is not measured; our choice


@dataclass(frozen=True)
class DecayLength:
    """How far a substance reaches from its source.

    predicted : √(D / (λ + mean uptake)), µm. measured : over which the field falls by a factor e away from the nearest
    secreting cell, µm; NaN where no cell secretes it, where there is no gradient, or where the box is too short. The
    two are one number for a flat source; around a point the field falls faster, by its dilution.
    """

    compartment: str
    substance: str
    predicted: float
    measured: float


def decay_lengths(run: Run, replicate: int = 0) -> list[DecayLength]:
    """Return predicted and measured decay lengths of every substance at the end of a trajectory."""
    record = run.attrs.get("substances") or {}
    found = []
    for compartment in run.compartments:
        if not record:
            break
        if run.scenario.get("compartments", {}).get(compartment, {}).get("volume") is not None:
            continue  # well mixed: nothing falls off
        field = run.fields(replicate, compartment)["concentration"].isel(time=-1)
        cells = run.cells(float(field["time"]), replicate, compartment)
        for substance, numbers in record.items():
            sink = _last(run.readouts, "sink_mean", replicate, compartment, substance)
            predicted = decay_length(numbers["diffusivity_um2_per_h"], numbers["decay_per_h"], sink)
            measured = float("nan")
            if _is_long_enough(run, compartment, predicted):
                sources = cells.obsm["spatial"][_secretes(run, cells, substance)]
                measured = _fall(field.sel(substance=substance), np.asarray(sources, dtype=np.float64))
            found.append(DecayLength(compartment, substance, predicted, measured))
    return found


def _is_long_enough(run: Run, compartment: str, length: float) -> bool:
    """Say whether a box lets a decay length (µm) show before its far wall throws the substance back."""
    box = run.scenario["compartments"][compartment].get("box", ())
    return bool(box) and length <= LONGEST * max(quantity(edge, "micrometer", "a length", "60 um") for edge in box)


def _secretes(run: Run, cells: ad.AnnData, substance: str) -> NDArray[np.bool_]:
    """Return which living cells are of a type that secretes the substance, (cell,)."""
    secretion = run.scenario.get("signalling", {}).get("secretion", ())
    types = {t for s in secretion if s["substance"] == substance for t in s["by"]}
    mine = np.asarray(cells.obs["cell_type"].astype(str).isin(sorted(types)), dtype=np.bool_)
    return mine & np.asarray(cells.obs["alive"], dtype=np.bool_)


def _fall(field: xr.DataArray, sources: NDArray[np.float64]) -> float:
    """Return the distance from the nearest source over which a field (z, y, x) falls by a factor e, µm.

    Fitted to medians of voxels as far off, one voxel wide, up to half of the largest distance: the walls beyond
    throw the substance back.
    """
    if not len(sources):
        return float("nan")
    field = field.transpose("z", "y", "x")
    z, y, x = np.meshgrid(*(field[a].values for a in "zyx"), indexing="ij")
    away = cKDTree(sources).query(np.stack([x, y, z], axis=-1).reshape(-1, 3))[0]  # (voxel,) µm
    width = max(float(np.diff(field[a].values[:2])[0]) for a in "xyz" if field.sizes[a] > 1)
    bins = (away / width).astype(np.intp)
    used = np.unique(bins[away <= away.max() / 2])
    profile = [float(np.median(field.values.ravel()[bins == b])) for b in used]
    distance = [float(np.median(away[bins == b])) for b in used]
    return measured_decay_length(np.array(profile), np.array(distance))


def _last(readouts: xr.Dataset, name: str, replicate: int, compartment: str, substance: str) -> float:
    if name not in readouts:
        return 0.0
    values = readouts[name].isel(replicate=replicate).sel(compartment=compartment, substance=substance).values
    good = values[np.isfinite(values)]
    return float(good[-1]) if len(good) else 0.0


def report(path: str | Path) -> str:
    """Return the summary of a run as text: response by type and by distance over time, and decay lengths.

    Where there are replicates each number is their mean, with the margin of its 95 % confidence interval below it;
    where there are many branches or points, what is left of each at the end stands in one table.
    """
    run = open_run(path)
    scenes, n = run.scenes(), len(run.trajectories)
    end = float(run.readouts["time"][-1])
    lines = [f"{run.attrs['name']}: {n} trajector{'y' if n == 1 else 'ies'}, {end:g} h", *learned(run)]
    if len(scenes) > MOST_SCENES:
        return "\n".join(lines + _ends(scenes))
    for label, scene in scenes:
        lines += [f"\n== {label} =="] if len(scenes) > 1 else []
        lines += _scene(scene)
    return "\n".join(lines + (_ends(scenes) if len(scenes) > 1 else []))


def _ends(scenes: Sequence[tuple[str, Run]]) -> list[str]:
    """Return a table of the end: a row a branch and point, a column a cell type."""
    lines: list[str] = []
    width = min(MOST_LETTERS, max(len(label) for label, _ in scenes) + 2)
    loaded = [(label, scene.readouts.load()) for label, scene in scenes]
    first = loaded[0][1]
    name = "response_by_type" if "response_by_type" in first else "n_cells"
    title = "response" if name == "response_by_type" else "living cells"
    for compartment in scenes[0][1].compartments:
        tables = [(label, *band(last_of(data[name].sel(compartment=compartment)))) for label, data in loaded]
        shown = [i for i in range(first.sizes["cell_type"]) if any(np.isfinite(mean[i]) for _, mean, _ in tables)]
        types = [str(first["cell_type"].values[i]) for i in shown]
        lines += [
            f"\n{compartment}: {title} at the end, by branch and point",
            " " * width + "".join(f"{t:>18}" for t in types),
        ]
        for label, mean, margin in tables:
            cells = "".join(f"{_number(float(mean[i]), float(margin[i])):>18}" for i in shown)
            lines.append(f"  {label[: width - 2]:<{width - 2}}{cells}")
    return lines


def _number(mean: float, margin: float) -> str:
    """Return a mean with its margin, where there is one."""
    if not np.isfinite(mean):
        return "–"
    return f"{mean:.3g} ± {margin:.3g}" if np.isfinite(margin) else f"{mean:.3g}"


def _scene(run: Run) -> list[str]:
    """Return the summary of one branch at one point."""
    data = run.readouts.load()
    lines: list[str] = []
    if not data["n_cells"].notnull().any() and all(run.stopped(i) is not None for i in range(run.replicates)):
        return ["\nno history of its own: its past ended before it forked"]
    data = data.isel(time=seen_times(data["n_cells"]))
    for compartment in run.compartments:
        here = data.sel(compartment=compartment)
        n = mean_of(last_of(here["n_cells"]))
        if not float(here["n_cells"].max()) > 0:
            lines.append(f"\n{compartment}: no cells")
            continue
        dead = here["n_dead"].isel(time=-1).mean("replicate") if "n_dead" in here else None
        bodies = (
            f" and {float(dead.sum()):.0f} dead that are not cleared yet" if dead is not None and dead.sum() else ""
        )
        lines.append(f"\n{compartment}: {int(n.sum())} living cells{bodies} at the end")
        begun = len(lines)
        lines += _population(run, here, compartment)
        if "response_by_type" in here:
            lines += _table(
                here["response_by_type"],
                "cell_type",
                "response by cell type (0 = control, 1 = full trained dose)",
                n.values,
                str,
            )
        if "program_score" in here:
            for program in here["program"].values:
                lines += _table(
                    here["program_score"].sel(program=program),
                    "cell_type",
                    f"{program} score by cell type (mean log1p of counts per 10,000)",
                    n.values,
                    str,
                )
        if "response_by_distance" in here:
            source = run.attrs.get("distance_from")
            lines += _table(
                here["response_by_distance"],
                "distance",
                f"response by distance from {source}",
                mean_of(last_of(here["n_by_distance"])).values,
                _bins(run),
            )
        if "gene_mean" in here and "response_by_type" not in here:
            lines += _table(
                here["gene_mean"].mean("cell_type"),
                "gene",
                "mean expression, counts per 10,000, mean over cell types",
                np.full(here.sizes["gene"], np.nan),
                str,
            )
        if any(FEW_MARK in line for line in lines[begun:]):
            lines.append(f"  {FEW_MARK} fewer than {FEW} cells")
        lowest = here["support"].min(["replicate", "time"]).to_series().dropna()
        if len(lowest) and run.genes:
            lines.append(
                f"  support of the world model: at least {lowest.min():.2f}, lowest for {lowest.idxmin()} "
                '(the probability of being no worse than "no change")'
            )
    lines += happenings(run)
    for d in decay_lengths(run) if not _varies_substances(run) else ():
        if not np.isfinite(d.predicted):
            lines.append(f"\n{d.substance} in {d.compartment}: neither decays nor is taken up")
            continue
        if np.isfinite(d.measured):
            seen = f"{d.measured:.1f} um"
        elif _is_long_enough(run, d.compartment, d.predicted):
            seen = "no gradient from a source to measure"
        else:
            seen = "box too short to measure it"
        lines.append(
            f"\n{d.substance} in {d.compartment}: decay length {seen}; "
            f"sqrt(D / (decay + mean uptake of the box)) = {d.predicted:.1f} um"
        )
    last = run.attrs.get("last_measured_time_h") or 0.0
    start = run.attrs.get("exposure_start_h") or 0.0
    if last and float(data["time"].values[-1]) > start + last:
        lines.append(
            f"\nbeyond {start + last:g} h the result is extrapolated: the assay was measured {last:g} h after exposure"
        )
    return lines


def _varies_substances(run: Run) -> bool:
    """Say whether branches or points differ in their substances, of which the record holds the scenario's own."""
    return '"substances.' in dumps([run.scenario.get("branches"), run.scenario.get("sweep")])


def _population(run: Run, here: xr.Dataset, compartment: str) -> list[str]:
    """Return how the numbers of cells changed, what of, and the means of the columns that are observed."""
    lines: list[str] = []
    counts = here["n_cells"]
    if float(abs(counts - counts.isel(time=0)).max()) > 0:
        lines += _table(
            counts, "cell_type", "living cells by type", np.full(here.sizes["cell_type"], np.nan), str, "8.0f"
        )
    events = pd.concat([run.lineage(i, compartment) for i in range(run.replicates)], ignore_index=True)["event"]
    for event, n in events.value_counts().sort_index().items():
        one, what = (
            (n / 2, "divisions") if event == "birth" else (n, f"changes of {event}" if event == "type" else event)
        )
        lines.append(f"  {what}: {one / run.replicates:g}{' a trajectory' if run.replicates > 1 else ''}")
    for column in here["column"].values if "column_mean" in here else ():
        values = here["column_mean"].sel(column=column)
        left = mean_of(last_of(here["n_cells"])).values
        lines += _table(values, "cell_type", f"{column} by cell type", left, str, "8.3g")
    return lines


def _bins(run: Run) -> Callable[[Any], object]:
    document = run.scenario.get("observe", {}).get("distance", {})
    edges = [str(e) for e in document.get("edges", [])]
    names = [f"{a.replace(' um', '')}-{b}" for a, b in pairwise(edges)]
    return dict(zip((float(x) for x in run.readouts["distance"].values), names, strict=True)).get


def _table(
    values: xr.DataArray, axis: str, title: str, n: NDArray[Any], name: Callable[[Any], object], form: str = "8.2f"
) -> list[str]:
    """Return rows along `axis`, a few times across; a row without a number is left out.

    values : with a dimension replicate: its mean is shown and, of several, the margin of the 95 % interval below it.
    """
    times = values["time"].values
    pick = np.unique(np.round(np.linspace(0, len(times) - 1, min(COLUMNS, len(times)))).astype(int))
    head = "".join(f"{times[i]:>8g}" for i in pick)
    several = f"; ±: 95 % interval of the mean of {values.sizes['replicate']}" if values.sizes["replicate"] > 1 else ""
    lines = [f"  {title}{several}", f"    {'':<18}{'cells':>6}{head}  h"]
    mean, margin = band(values)
    for row, label in enumerate(values[axis].values):
        numbers, margins = (part.isel({axis: row}).values[pick] for part in (mean, margin))
        if not np.isfinite(numbers).any():
            continue
        cells = f"{n[row]:6.0f}" if np.isfinite(n[row]) else " " * 6
        mark = FEW_MARK if n[row] < FEW else " "
        lines.append(f"   {mark}{name(label)!s:<18}{cells}{_shown(numbers, form)}")
        if np.isfinite(margins).any():
            lines.append(f"    {'':<17}±{'':<6}{_shown(margins, form)}")
    return lines


def _shown(numbers: NDArray[np.float64], form: str) -> str:
    return "".join(f"{x:{form}}" if np.isfinite(x) else "       –" for x in numbers)
