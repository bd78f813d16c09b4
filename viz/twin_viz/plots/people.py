"""The response of each donor, type by type: simulated donors beside measured ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from twin.analysis.contrasts import check_begun, contrasts_of, independent, sides_of
from twin.analysis.donors.measured import levels_of, read_donors, told_types
from twin.data.counts import read_counts
from twin.errors import InputError
from twin.results import Run
from twin.scenario.futures import TRUNK
from twin_viz import palette
from twin_viz.page import SMALL
from twin_viz.plots.scene import Point, names_of
from twin_viz.plots.sheet import name_axes, note, sheet

Float = NDArray[np.float64]

SIZE = (9.0, 5.2)  # inches
MOST_TYPES = 8
APART = 0.19  # from the middle of a type to its simulated and measured donors
SPREAD = 0.07  # by which donors of one column stand beside each other
SCORE = "program_score"


def donors(
    run: Run,
    time: float | str | None = None,
    readout: str | None = None,
    cell_type: str | Sequence[str] = (),
    measured: Path | None = None,
    compartment: str | None = None,
    branch: str | None = None,
    versus: str | None = None,
    point: Point = None,
) -> Figure:
    """Draw what a program rises by in each donor, type by type, with the measured donors of a file beside them.

    Parameters
    ----------
    readout : a program that the run observes; without it that of its response.
    cell_type : which; without it all that are in every replicate.
    measured : .h5ad of raw counts with controls and treated cells of several donors.
    branch, versus : the treated branch and the control; without them the only one, and the trunk.

    Raises
    ------
    InputError
        If the run observes no program, has no branches to compare, or the file does not tell donors apart.
    """
    check_begun(run)
    program, genes, perturbation = _program(run, readout)
    sides = sides_of(run.branches, None if branch is None else f"{branch}:{versus or TRUNK}")
    name = SCORE if compartment is None else f"{SCORE}:{compartment}"
    names = [f"{name}:{program}:{t}" for t in names_of(cell_type)] or [f"{name}:{program}"]
    numbers, _ = independent(run, contrasts_of(run, names, sides, time, point))
    rise = {one.name.rpartition(":")[2]: one.first - one.second for one in numbers}
    if len(rise) > MOST_TYPES:
        raise InputError(f"{len(rise)} types are too many columns: choose with --cell-type, at most {MOST_TYPES} fit")
    seen: dict[str, tuple[Float, Float]] = {}
    if measured is not None:
        seen = _measured(measured, perturbation, genes)
    figure = sheet(SIZE, f"{run.scenario.get('name', run.path.name)} · {sides[0]} − {sides[1]} · {numbers[0].time:g} h")
    axes = figure.subplots()
    _draw(axes, rise, seen)
    name_axes(axes, "", f"rise of {program} (mean log1p of counts per 10,000)")
    spread = "; ".join(
        f"{t}: {np.std(values, ddof=1):.2f}" + (f" ({_between(seen[t])})" if t in seen else "")
        for t, values in rise.items()
        if len(values) > 1
    )
    how = "standard deviation between simulated donors" + (" (and measured ones, with their noise)" if seen else "")
    note(figure, "A point is a donor, the bar their mean", f"{how}: {spread}" if spread else "")
    return figure


def _program(run: Run, readout: str | None) -> tuple[str, tuple[str, ...], str]:
    """Return a program, its genes, and the perturbation of the run's response."""
    observe = run.scenario.get("observe") or {}
    programs: Mapping[str, Sequence[str]] = observe.get("programs") or {}
    response: Mapping[str, str] = observe.get("response") or {}
    program = readout or response.get("program") or next(iter(programs), None)
    if program is None or program not in programs:
        known = ", ".join(programs) or "none; add one under observe.programs"
        raise InputError(f"which program? the run observes {known}")
    return program, tuple(programs[program]), response.get("perturbation", "")


def _measured(file: Path, perturbation: str, genes: Sequence[str]) -> dict[str, tuple[Float, Float]]:
    """Return responses of measured donors and their sampling variances, by type."""
    if not perturbation:
        raise InputError("--measured needs a response under 'observe': it says which cells of the file were treated")
    cells = read_donors([read_counts(file)], perturbation, genes)
    response, noise = levels_of(cells).of("response")
    found = {}
    for t in told_types(levels_of(cells)):
        known = np.isfinite(response[:, t])
        found[cells.cell_types[t]] = response[known, t], noise[known, t]
    return found


def _between(measured: tuple[Float, Float]) -> str:
    return f"{np.std(measured[0], ddof=1):.2f}"


def _draw(axes: Axes, rise: Mapping[str, Float], seen: Mapping[str, tuple[Float, Float]]) -> None:
    simulated, others = palette.CATEGORIES[0], palette.CATEGORIES[3]
    for k, (cell_type, values) in enumerate(rise.items()):
        at = k - APART if seen else float(k)
        _column(axes, at, values, simulated, "simulated donors" if k == 0 else "")
        if cell_type in seen:
            value, noise = seen[cell_type]
            first = cell_type == next((t for t in rise if t in seen), None)
            place = _column(axes, k + APART, value, others, "measured donors, ± standard error" if first else "")
            axes.errorbar(place, value, np.sqrt(noise), fmt="none", ecolor=others, elinewidth=0.9, alpha=0.6)
    axes.set_xticks(range(len(rise)), list(rise), fontsize=SMALL)
    axes.set_xlim(-0.6, len(rise) - 0.4)
    axes.axhline(0.0, color=palette.NOTHING, lw=0.8, zorder=0)
    if seen:
        axes.legend(fontsize=SMALL, frameon=False)


def _column(axes: Axes, at: float, values: Float, color: str, label: str) -> Float:
    """Draw donors in the order of their values beside each other, and their mean; return where they stand."""
    order = np.argsort(np.argsort(values))
    place = at + SPREAD * (2.0 * order / max(len(values) - 1, 1) - 1.0)
    axes.plot(place, values, "o", color=color, ms=5.5, alpha=0.85, mew=0, label=label or "_")
    mean = float(values.mean())
    axes.plot([at - 1.6 * SPREAD, at + 1.6 * SPREAD], [mean, mean], color=color, lw=1.6)
    return np.asarray(place)
