"""What a run says at its end: tables of the response, and how far a substance reached."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from twin.kernels.diffusion import decay_length, measured_decay_length
from twin.results import Run, open_run

COLUMNS = 7  # times that a table shows


@dataclass(frozen=True)
class DecayLength:
    """How far a substance reaches from its source.

    predicted : √(D / (λ + mean uptake)), µm. measured : from the field's slope along the box's longest axis, µm; NaN
    where there is no gradient.
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
        field = run.fields(replicate, compartment)["concentration"].isel(time=-1)
        axis = max("xyz", key=lambda a: field.sizes[a])
        for substance, numbers in record.items():
            profile = field.sel(substance=substance).mean([a for a in "xyz" if a != axis])
            sink = _last(run.readouts, "sink_mean", replicate, compartment, substance)
            found.append(
                DecayLength(
                    compartment,
                    substance,
                    decay_length(numbers["diffusivity_um2_per_h"], numbers["decay_per_h"], sink),
                    measured_decay_length(profile.values, profile[axis].values),
                )
            )
    return found


def _last(readouts: xr.Dataset, name: str, replicate: int, compartment: str, substance: str) -> float:
    if name not in readouts:
        return 0.0
    values = readouts[name].isel(replicate=replicate).sel(compartment=compartment, substance=substance).values
    good = values[np.isfinite(values)]
    return float(good[-1]) if len(good) else 0.0


def report(path: str | Path) -> str:
    """Return the summary of a run as text: response by type and by distance over time, and decay lengths."""
    run = open_run(path)
    data = run.readouts.load()
    lines = [f"{run.attrs['name']}: {run.replicates} trajectory(ies), {float(data.time[-1]):g} h"]
    for compartment in run.compartments:
        here = data.sel(compartment=compartment)
        n = here["n_cells"].isel(time=-1).mean("replicate")
        lines.append(f"\n{compartment}: {int(n.sum())} cells at the end")
        if "response_by_type" in here:
            lines += _table(
                here["response_by_type"].mean("replicate"),
                "cell_type",
                "response by cell type (0 = control, 1 = full trained dose)",
                n.values,
                str,
            )
        if "program_score" in here:
            for program in here["program"].values:
                lines += _table(
                    here["program_score"].sel(program=program).mean("replicate"),
                    "cell_type",
                    f"{program} score by cell type (mean log1p of counts per 10,000)",
                    n.values,
                    str,
                )
        if "response_by_distance" in here:
            source = run.attrs.get("distance_from")
            lines += _table(
                here["response_by_distance"].mean("replicate"),
                "distance",
                f"response by distance from {source}",
                here["n_by_distance"].isel(time=-1).mean("replicate").values,
                _bins(run),
            )
        if "gene_mean" in here and "response_by_type" not in here:
            lines += _table(
                here["gene_mean"].mean(["replicate", "cell_type"]),
                "gene",
                "mean expression, counts per 10,000, mean over cell types",
                np.full(here.sizes["gene"], np.nan),
                str,
            )
        low = float(here["support"].min())
        lines.append(f"  support of the world model: at least {low:.2f} (1 = seen often in training, 0 = never)")
    for d in decay_lengths(run):
        seen = f"{d.measured:.1f} um" if np.isfinite(d.measured) else "no gradient to measure"
        lines.append(
            f"\n{d.substance} in {d.compartment}: decay length {seen}; "
            f"sqrt(D / (decay + uptake)) = {d.predicted:.1f} um"
        )
    last = run.attrs.get("last_measured_time_h") or 0.0
    start = run.attrs.get("exposure_start_h") or 0.0
    if last and float(data.time[-1]) > start + last:
        lines.append(
            f"\nbeyond {start + last:g} h the result is extrapolated: the assay was measured {last:g} h after exposure"
        )
    return "\n".join(lines)


def _bins(run: Run) -> Callable[[Any], object]:
    document = run.scenario.get("observe", {}).get("distance", {})
    edges = [str(e) for e in document.get("edges", [])]
    names = [f"{a.replace(' um', '')}-{b}" for a, b in pairwise(edges)]
    return dict(zip((float(x) for x in run.readouts["distance"].values), names, strict=True)).get


def _table(values: xr.DataArray, axis: str, title: str, n: NDArray[Any], name: Callable[[Any], object]) -> list[str]:
    """Return rows along `axis`, a few times across; a row without a number is left out."""
    times = values["time"].values
    pick = np.unique(np.round(np.linspace(0, len(times) - 1, min(COLUMNS, len(times)))).astype(int))
    head = "".join(f"{times[i]:>8g}" for i in pick)
    lines = [f"  {title}", f"    {'':<18}{'cells':>6}{head}  h"]
    for row, label in enumerate(values[axis].values):
        numbers = values.isel({axis: row}).values[pick]
        if not np.isfinite(numbers).any():
            continue
        cells = f"{n[row]:6.0f}" if np.isfinite(n[row]) else " " * 6
        shown = "".join(f"{x:8.2f}" if np.isfinite(x) else "       –" for x in numbers)
        lines.append(f"    {name(label)!s:<18}{cells}{shown}")
    return lines
