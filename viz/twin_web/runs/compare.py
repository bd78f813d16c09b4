"""Two futures or two runs held against each other: their scenarios, readouts, composition and genes; in a child.

The genes are compared as `twin plot RUN volcano` does it: over replicates by a moderated paired t-test where there are
enough of them, else over cells by ranks.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from anndata import AnnData
from twin_viz.plots.comparison import comparison_of
from twin_viz.plots.groups import Groups
from twin_viz.plots.scene import Scene, scene_of

from twin.analysis.bands import mean_and_margin
from twin.errors import InputError, TwinError
from twin.results import Run, differences, open_run, point_of
from twin_web.runs.child import child, tell
from twin_web.runs.chosen import Compared, Side
from twin_web.runs.rows import size_of

MOST_BYTES = 500 * 10**6  # of two runs that are held against each other bit by bit; our choice
MOST_WORDS = 60  # sentences of what differs
MOST_LINES = 24  # of one readout
MOST_GENES = 120  # of the table
SKIPPED = ("by_distance", "by_group", "n_group")  # readouts along axes that a chart over time cannot show
KNOWN = ("n_cells", "response_by_type", "program_score", "gene_mean", "concentration_mean")  # shown first
Told = dict[str, Any]


def main(document: dict[str, Any]) -> None:
    """Compare two sides, whose stores are "paths", as "asked" has it, and tell what was found.

    Raises
    ------
    InputError
        If a side is not there, or has no cells at that time.
    """
    asked = Compared.model_validate(document["asked"])
    runs = [open_run(Path(path)) for path in document["paths"]]
    same_run = document["paths"][0] == document["paths"][1]
    sides = [_scene(run, side, asked.compartment) for run, side in zip(runs, asked.sides, strict=True)]
    names = _names(asked.sides, same_run=same_run)
    hour = _hour(sides, asked.time)
    tell("step", step="readouts")
    found: Told = {
        "names": names,
        "titles": [side.title for side in sides],
        "compartment": sides[0].compartment,
        "hour": hour,
        "scenario": [] if same_run else list(_told(runs[0].scenario, runs[1].scenario))[:MOST_WORDS],
        "bits": None if same_run else _bits(runs),
        "readouts": list(_readouts(sides)),
        "composition": _composition(sides, hour),
        "support": [_least_support(side, hour) for side in sides],
        "extrapolated": [bool(side.extrapolated(hour)) for side in sides],
    }
    tell("step", step="genes")
    tell("compared", **found, **_genes(sides, names, hour, asked.cell_type))


def _scene(run: Run, side: Side, compartment: str | None) -> Scene:
    return scene_of(run, compartment, side.branch, point_of(side.point) or None)


def _names(sides: tuple[Side, Side], *, same_run: bool) -> list[str]:
    """Return what the two sides are called: by their branches in one run, else by their runs, too."""
    words = [", ".join([side.branch or "trunk", *side.point]) for side in sides]
    return words if same_run else [f"{side.run} · {word}" for side, word in zip(sides, words, strict=True)]


def _hour(sides: list[Scene], time: str | None) -> float:
    """Return the time that is asked for, or the last at which both sides keep cells, h."""
    if time is not None:
        hours = [side.hour(time) for side in sides]
        return hours[0]
    kept = [{round(t, 6) for times in side.kept().values() for t in times} for side in sides]
    common = sorted(kept[0] & kept[1])
    if not common:
        raise InputError("the two sides have kept cells at no common time: there is nothing to compare")
    return common[-1]


def _told(first: Any, second: Any, key: str = "") -> Iterator[Told]:
    """Yield the values in which two scenarios differ: {"key", "first", "second"}, None where one has none."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in dict.fromkeys([*first, *second]):
            yield from _told(first.get(name), second.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for i, (a, b) in enumerate(zip(first, second, strict=True)):
            yield from _told(a, b, f"{key}.{i}")
    elif first != second:
        shown = (None if value is None else str(value)[:200] for value in (first, second))
        yield {"key": key, **dict(zip(("first", "second"), shown, strict=True))}


def _bits(runs: list[Run]) -> Told | None:
    """Return in how many arrays two whole runs differ by a bit, and which; None where they are too large to be read."""
    if sum(size_of(run.path) for run in runs) > MOST_BYTES:
        return None
    told = differences(runs[0].path, runs[1].path)
    return {"same": not told, "n": len(told), "some": [sentence[:200] for sentence in told[:5]]}


def _readouts(sides: list[Scene]) -> Iterator[Told]:
    """Yield the readouts that both sides have, each with a line a label: means and margins over replicates by time."""
    data = [side.run.readouts for side in sides]
    names = [str(n) for n in data[0].data_vars if n in data[1] and not any(word in str(n) for word in SKIPPED)]
    for name in sorted(names, key=lambda n: (KNOWN.index(n) if n in KNOWN else len(KNOWN), n)):
        lines = [_lines(one[name], side.compartment) for one, side in zip(data, sides, strict=True)]
        shown = [label for label in lines[0] if label in lines[1]]
        known = [label for label in shown if all(any(v is not None for v in one[label]["mean"]) for one in lines)]
        if known:
            yield {
                "name": name,
                "units": str(data[0][name].attrs.get("units", "1")),
                "about": str(data[0][name].attrs.get("about", data[0][name].attrs.get("long_name", ""))),
                "hours": [[float(t) for t in one["time"].values] for one in data],
                "lines": [
                    {"label": label, "first": lines[0][label], "second": lines[1][label]}
                    for label in known[:MOST_LINES]
                ],
                "more": max(0, len(known) - MOST_LINES),
            }


def _lines(values: xr.DataArray, compartment: str) -> dict[str, Told]:
    """Return the lines of a readout by label, (replicate, time) each made a mean and a margin."""
    if "compartment" in values.dims:
        values = values.sel(compartment=compartment)
    values = values.load()
    rest = [str(d) for d in values.dims if d not in ("replicate", "time")]
    flat = values.stack(line=rest) if rest else values.expand_dims("line", axis=-1)
    found = {}
    for i in range(flat.sizes["line"]):
        one = flat.isel(line=i).transpose("replicate", "time")
        mean, margin = mean_and_margin(np.asarray(one.values, np.float64))
        label = " · ".join(_word(one.coords[d].item()) for d in rest)
        found[label] = {"mean": _plain(mean), "margin": _plain(margin)}
    return found


def _composition(sides: list[Scene], hour: float) -> Told:
    """Return how many living cells of each type there are at an hour, the mean over replicates."""
    counts = []
    for side in sides:
        by_type: dict[str, float] = {}
        living = side.living(hour)
        for cells in living.values():
            for name, n in cells.obs["cell_type"].astype(str).value_counts().items():
                by_type[str(name)] = by_type.get(str(name), 0.0) + float(n) / len(living)
        counts.append(by_type)
    types = sorted(set(counts[0]) | set(counts[1]), key=lambda t: -(counts[0].get(t, 0.0) + counts[1].get(t, 0.0)))
    return {
        "types": types,
        "first": [c.get(t, 0.0) for c in counts[:1] for t in types],
        "second": [counts[1].get(t, 0.0) for t in types],
    }


def _least_support(side: Scene, hour: float) -> float | None:
    """Return the lowest support of any type up to an hour; None where the run tells none."""
    data = side.run.readouts
    if "support" not in data:
        return None
    values = data["support"].sel(compartment=side.compartment).sel(time=slice(None, hour + 1e-6)).values
    return float(np.nanmin(values)) if np.isfinite(values).any() else None


def _genes(sides: list[Scene], names: list[str], hour: float, cell_type: str | None) -> Told:
    """Return the genes that differ most, and all tested ones for a volcano; a sentence where there are none."""
    axes = [side.run.genes_of(side.compartment) for side in sides]
    if not axes[0] or not axes[1]:
        return {"genes": None, "why": "the cells of these runs have no transcriptomes"}
    shared = set(axes[1])
    genes = [gene for gene in axes[0] if gene in shared]
    cells = [
        {i: _on(one, axis, genes) for i, one in side.living(hour).items()}
        for side, axis in zip(sides, axes, strict=True)
    ]
    groups = Groups(cells[0], cells[1], names[0], names[1], " – ".join(names), sides[0], hour, same_cells=True)
    try:
        found = comparison_of(groups, cell_type)
    except TwinError as error:
        return {"genes": None, "why": str(error)}
    table = found.table
    rows = np.flatnonzero(table.tested & np.isfinite(table.log2fc))
    rows = rows[np.lexsort((-np.abs(table.log2fc[rows]), table.p[rows]))]
    return {
        "genes": [
            {
                "gene": genes[row],
                "log2fc": round(float(table.log2fc[row]), 4),
                "p": float(table.p[row]),
                "fdr": float(table.fdr[row]),
                "share": [round(float(found.share[side, row]), 4) for side in (0, 1)],
            }
            for row in rows[:MOST_GENES]
        ],
        "volcano": {
            "gene": [genes[row] for row in rows],
            "log2fc": [round(float(v), 3) for v in table.log2fc[rows]],
            "p": [float(f"{v:.3g}") for v in table.p[rows]],
        },
        "significant": int(table.significant()[rows].sum()),
        "tested": len(rows),
        "n": list(found.n),
        "pairs": found.pairs,
        "why": "",
    }


def _on(cells: AnnData, axis: tuple[str, ...], genes: list[str]) -> AnnData:
    return cells if len(axis) == len(genes) else cells[:, genes]


def _plain(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    child(main)
