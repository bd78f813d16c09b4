"""How many replicates an experiment needs: what a pilot saw in each of them, and the power of a test over n."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from twin.analysis.contrasts import Contrast, check_begun, contrasts_of, independent, readouts_in, sides_of
from twin.analysis.power import Design, Pilot, assumed, needed, pilot_of
from twin.analysis.power import power as power_of
from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin.scenario.futures import TRUNK
from twin_viz import palette
from twin_viz.plots.scene import Point, names_of
from twin_viz.plots.sheet import legend_below, name_axes, note, sheet

SIZE = (10.0, 5.2)  # inches
MOST = 6  # curves; more cannot be told apart
WANTED = 0.8
FEW = 20  # replicates up to which each number is a point
MARGIN = 1.05  # factor by which the axis goes on at either end
TICKS = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000)


def power(
    run: Run,
    time: float | str | None = None,
    readout: str | None = None,
    cell_type: str | Sequence[str] = (),
    branch: str | None = None,
    versus: str | None = None,
    point: Point = None,
    design: str = "paired",
    effect: float | None = None,
    alpha: float = 0.05,
) -> Figure:
    """Draw a pilot's replicates in two branches, and the power of a t test over the number of replicates.

    Parameters
    ----------
    readout : see `twin.analysis.contrasts.contrasts_of`; without it the response, in each type of cell.
    branch, versus : the two branches; without them the only one, and the trunk.
    design : "paired" or "unpaired". effect : a difference to be seen; without it the pilot's own. alpha : of the test.

    Raises
    ------
    InputError
        If there are no such branches, readout or time, or the pilot tells nothing of how much replicates differ.
    """
    if design not in ("paired", "unpaired"):
        raise UnknownNameError("design", design, ("paired", "unpaired"))
    check_begun(run)
    how: Design = "paired" if design == "paired" else "unpaired"
    asked = None if branch is None else f"{branch}:{versus or TRUNK}"
    sides = sides_of(run.branches, asked)
    names = readouts_in(run, [readout] if readout else [], names_of(cell_type))
    numbers, whose = independent(run, contrasts_of(run, names, sides, time, point))
    if len(numbers) > MOST:
        raise InputError(f"these are {len(numbers)} readouts: choose with --readout or --cell-type, {MOST} fit")
    pilots = [pilot_of(one.first, one.second, how) for one in numbers]
    pilots = pilots if effect is None else [assumed(pilot, effect) for pilot in pilots]
    figure = sheet(SIZE, f"{run.scenario.get('name', run.path.name)} · {sides[0]} − {sides[1]} · {numbers[0].time:g} h")
    left, right = figure.subplots(1, 2)
    _replicates(left, numbers, sides)
    worst = _curves(right, numbers, pilots, alpha)
    n = len(numbers[0].first)
    name_axes(left, "", _unit(numbers), "the pilot")
    name_axes(right, "replicates" + (" in each group" if how == "unpaired" else ""), "power", "power over their number")
    legend_below(right, 1)
    note(
        figure,
        f"Left: a line each of {n} {whose}, in both branches",
        f"right: {how} t test, two-sided, at {alpha:g}; bands are what {n} leave open (95 % intervals of the size d)",
        "" if np.isfinite(worst) else "where a band reaches the bottom, the pilot does not tell the effect from none",
    )
    return figure


def _unit(numbers: Sequence[Contrast]) -> str:
    base = {one.name.split(":")[0].replace("_", " ") for one in numbers}
    units = {one.units for one in numbers} - {"", "1"}
    return " and ".join(sorted(base)) + (f" ({', '.join(sorted(units))})" if units else "")


def _replicates(axes: Axes, numbers: Sequence[Contrast], sides: tuple[str, str]) -> None:
    """Draw a line a replicate from the second branch to the first, a colour a readout."""
    for k, one in enumerate(numbers):
        at = np.array([0.0, 1.0]) + 2.6 * k
        for low, high in zip(one.second, one.first, strict=True):
            axes.plot(at, [low, high], color=palette.CATEGORIES[k], lw=1.0, alpha=0.7, marker="o", ms=4)
    axes.set_xticks([2.6 * k + side for k in range(len(numbers)) for side in (0, 1)])
    words = [name for _ in numbers for name in (sides[1], sides[0])]
    axes.set_xticklabels(words, rotation=30 if len(words) > 4 else 0, ha="right" if len(words) > 4 else "center")
    axes.set_xlim(-0.5, 2.6 * (len(numbers) - 1) + 1.5)


def _curves(axes: Axes, numbers: Sequence[Contrast], pilots: Sequence[Pilot], alpha: float) -> float:
    """Draw power over n with its bands; return the n that the least sure of them needs."""
    ends = [needed(p.size, p.design, 0.95, alpha) for p in pilots]
    worst = max(needed(p.size_low, p.design, WANTED, alpha) for p in pilots)
    top = int(min(max(max(ends), min(worst, 50.0), 6.0), TICKS[-1]))
    n = np.unique(np.round(np.geomspace(2, top, 60)).astype(int))
    for k, (one, pilot) in enumerate(zip(numbers, pilots, strict=True)):
        color = palette.CATEGORIES[k]
        best, low, high = (
            [power_of(size, int(i), pilot.design, alpha) for i in n]
            for size in (pilot.size, pilot.size_low, pilot.size_high)
        )
        enough = needed(pilot.size, pilot.design, WANTED, alpha)
        shown = f"{int(enough)}" if np.isfinite(enough) else "none"
        label = f"{one.name.partition(':')[2] or one.name}: d = {pilot.size:.2g}, n = {shown} for {WANTED:.0%}"
        axes.plot(n, best, color=color, lw=2, marker="o" if top <= FEW else "", ms=3.5, label=label)
        axes.fill_between(n, low, high, color=color, alpha=0.15, lw=0)
    axes.axhline(WANTED, color=palette.NOTHING, ls="--", lw=1, zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([t for t in TICKS if t <= top]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_ylim(0, 1.02)
    axes.set_xlim(2 / MARGIN, top * MARGIN)
    return worst
