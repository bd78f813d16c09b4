"""All that is known of one run, for whoever looks at it closely."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from twin_viz.source import box_of, is_pool

from twin.errors import InputError
from twin.results import Run, open_run
from twin.results.status import status_of

MOST_LISTED = 200  # trajectories, and things that happened; our choice
KINDS = ("h5ad", "png", "mp4", "csv", "html")  # of downloads
Told = dict[str, Any]


def details_of(path: Path, scenario: Path | None) -> Told:
    """Return what a page is told of a run beyond its row.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    run = open_run(path)
    status = status_of(run)
    attrs, tick = run.attrs, float(run.attrs["tick"])
    return {
        "compartments": [_compartment(run, name) for name in run.compartments],
        "branch_names": list(run.branches),
        "axes": [{"name": axis.name, "labels": _labels(axis)} for axis in run.ensemble.axes],
        "times": times_of(run),
        "colors": colors_of(run),
        "seed": attrs.get("seed"),
        "model": {key: attrs.get("model", {}).get(key) for key in ("name", "from")},
        "versions": attrs.get("versions", {}),
        "plugins": attrs.get("plugins", {}),
        "inputs": attrs.get("inputs", {}),
        "notes": list(attrs.get("model", {}).get("notes", ())),
        "assumptions": list(attrs.get("assumptions", ())),
        "warnings": list(_warnings(run)),
        "standings": [
            {
                "id": s.trajectory.id,
                "label": run.ensemble.label(s.trajectory),
                "branch": s.trajectory.branch,
                "state": s.state,
                "hours": s.ticks * tick,
                "error": s.error,
            }
            for s in status.standings[:MOST_LISTED]
        ],
        "holder": None if status.holder is None else str(status.holder),
        "log": list(_happened(run))[:MOST_LISTED],
        "scenario_yaml": None if scenario is None else scenario.read_text("utf-8", errors="replace"),
        "kinds": [
            kind for kind in KINDS if kind in ("h5ad", "csv") or not all(is_pool(run, c) for c in run.compartments)
        ],
    }


def times_of(run: Run) -> list[float]:
    """Return the times at which cells of any trajectory were kept, h."""
    kept = [run.times(t.replicate, t.branch, _point(run, t.point)) for t in run.trajectories[:MOST_LISTED]]
    return [float(t) for t in np.unique(np.concatenate([np.empty(0), *kept]))]


def colors_of(run: Run) -> list[str]:
    """Return what its pictures are usually coloured by, the scenario's own first."""
    observe = run.scenario.get("observe", {})
    return list(dict.fromkeys([*observe.get("genes", ()), *observe.get("programs", {}), "cell_type"]))


def _compartment(run: Run, name: str) -> Told:
    well_mixed = is_pool(run, name)
    return {"name": name, "well_mixed": well_mixed, "box": None if well_mixed else box_of(run, name)}


def _labels(axis: Any) -> list[str]:
    first = axis.coordinates[0]
    return [f"{label:g}" if isinstance(label, int | float) else str(label) for label in first.labels]


def _point(run: Run, places: tuple[int, ...]) -> dict[str, Any] | None:
    """Return a trajectory's point of the sweep as `Run` takes it: the value along each axis, of a sample its number."""
    point: dict[str, Any] = {}
    for axis, at in zip(run.ensemble.axes, places, strict=True):
        first = axis.coordinates[0]
        point[axis.name] = first.labels[at] if first.name == axis.name else at
    return point or None


def _warnings(run: Run) -> Iterator[str]:
    """Yield what a reader should bear in mind, where the run itself says so."""
    last = run.attrs.get("last_measured_time_h")
    start = float(run.attrs.get("exposure_start_h", 0.0))
    end = float(run.attrs["tick"]) * int(run.attrs["n_ticks"])
    if last and end > start + float(last) + 1e-6:
        yield (
            f"after {start + float(last):g} h the model's training data say nothing: what comes later is extrapolated"
        )
    try:
        data = run.readouts
        if "support" in data:
            least = float(data["support"].min())
            if np.isfinite(least) and least < 0.5:
                yield f"the support of the world model falls to {least:.2f}: see the readout 'support' by cell type"
    except InputError as error:
        yield str(error)
    for trajectory in run.trajectories[:MOST_LISTED]:
        why = run.why_stopped(trajectory)
        if why is not None:
            yield f"{run.ensemble.label(trajectory)} ended before its time: {why}"


def _happened(run: Run) -> Iterator[Told]:
    """Yield what happened to the first trajectories, in order."""
    for trajectory in run.trajectories[:8]:
        for entry in run.log(trajectory.replicate, trajectory.branch, _point(run, trajectory.point)):
            rest = {k: v for k, v in entry.items() if k not in ("tick", "time", "what")}
            words = ", ".join(f"{k} {v}" for k, v in rest.items() if isinstance(v, str | int | float))
            label = run.ensemble.label(trajectory)
            yield {"label": label, "time": float(entry["time"]), "what": str(entry["what"]), "words": words[:300]}
