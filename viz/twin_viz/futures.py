"""Branches and points of a sweep beside each other: one line a future, with its band."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from twin.analysis.bands import LEVEL, band
from twin.errors import InputError
from twin.results import Ensemble, Run, Trajectory
from twin.scenario.futures import TRUNK
from twin.scenario.variants import Coordinate
from twin_viz import palette
from twin_viz.page import SMALL, save
from twin_viz.plots.readout import readout_of
from twin_viz.plots.scene import counted, earliest_limit
from twin_viz.plots.sheet import legend_below, mark_extrapolated, name_axes, note, sheet
from twin_viz.source import compartment_of

SIZE = (7.6, 4.8)  # inches
MOST_NAMED = len(palette.CATEGORIES)  # lines that a legend names; more are drawn in one colour
APART = (palette.INK, "#d55e00", "#cc79a7", "#e69f00", "#882255")  # none of them is on the scale of a sweep
STYLES = ("-", "--", "-.", ":")  # of branches
DECADE = 10.0  # highest over lowest value from which colours follow their logarithm; our choice
PAD = 18  # pt between the axes and their title, where the extrapolated times are named
LINE = 0.17  # inches, of the legend
LONGEST = 34  # letters of a name in the legend beside the axes; longer ones go below


@dataclass(frozen=True)
class Look:
    """How one future is drawn, and what it is called."""

    name: str
    color: str
    style: str


def futures(
    run: Run, compartment: str | None = None, readout: str | None = None, cell_type: str | None = None
) -> Figure:
    """Draw a readout of every branch at every point of the sweep over time.

    readout : without it the mean response of all cells, or how many live; see `twin_viz.plots.readout.readout_of`.

    Raises
    ------
    InputError
        If there is no such compartment, readout or type, or nothing is known of it yet.
    """
    name = compartment_of(run, compartment)
    return futures_figure(run.scenes(), name, readout, cell_type)


def futures_figure(
    scenes: Sequence[tuple[str, Run]], compartment: str, readout: str | None = None, cell_type: str | None = None
) -> Figure:
    """Draw the mean of a readout over time, a line a branch and point; those that have not begun are left out.

    Raises
    ------
    InputError
        If nothing is known of any.
    """
    first = scenes[0][1]
    whole = Run(first.path, first.attrs).ensemble
    mine = [t for t in whole.trajectories if t.replicate == 0]  # in the order of the scenes
    found = []
    for (name, scene), trajectory in zip(scenes, mine, strict=True):
        values, text = readout_of(scene.readouts, compartment, readout, cell_type)
        if bool(values.notnull().any()):
            found.append((name or TRUNK, scene, values, trajectory))
    if not found:
        raise InputError(f"nothing of {text} is known yet: wait for the first commit of the run")
    looks = looks_of(whole, [(name, trajectory) for name, _, _, trajectory in found])
    named = len(found) <= MOST_NAMED
    below = named and max(len(look.name) for look in looks) > LONGEST
    size = (SIZE[0], SIZE[1] + LINE * len(found)) if below else SIZE
    figure = sheet(size, str(first.scenario.get("name", first.path.name)))
    axes = figure.subplots()
    lines = []
    for (_, _, values, _), look in zip(found, looks, strict=True):
        mean, margin = (np.asarray(v, dtype=np.float64) for v in band(values))
        color = look.color if named else palette.NOTHING
        hours = np.asarray(values["time"].values, dtype=np.float64)
        lines += axes.plot(hours, mean, look.style, color=color, lw=1.6, label=look.name if named else None)
        if first.replicates > 1:
            axes.fill_between(hours, mean - margin, mean + margin, color=color, alpha=0.18, linewidth=0)
    limit = earliest_limit([(name, scene) for name, scene, _, _ in found], compartment)
    mark_extrapolated(axes, limit, float(hours[-1]))
    name_axes(axes, "time (h)", text, "futures", PAD)
    words = [look.name for look in looks]
    if named and below:
        legend_below(axes, 1, lines, words)
    elif named:
        axes.legend(lines, words, fontsize=SMALL - 1, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    many = first.replicates
    means = f"means and their {100 * LEVEL:g} % intervals over {counted(many, 'replicate')}"
    note(figure, counted(len(found), "future"), means if many > 1 else "1 replicate")
    return figure


def looks_of(whole: Ensemble, found: Sequence[tuple[str, Trajectory]]) -> list[Look]:
    """Return how futures are drawn.

    Colours follow the values of a sweep where they differ in nothing else: where all that stand at a value are of one
    branch, and one number is swept. Whatever stands at none has a colour of its own; so have all where more differs.
    Then futures at one point have one colour. Each branch has its style of line.

    found : full names, and trajectories.
    """
    swept = {t.id: [(a, i) for a, i in whole.standing(t) if a.size > 1] for _, t in found}
    coordinates = {c for at in swept.values() for axis, _ in at for c in axis.coordinates}
    is_one = len(coordinates) == 1 and len({t.branch for _, t in found if swept[t.id]}) == 1
    value = {name: at[0][0].coordinates[0].labels[at[0][1]] for name, at in swept.items() if at} if is_one else {}
    numbers = np.array([v for v in value.values() if isinstance(v, float)])
    shades = {}
    if len(numbers) == len(value) > 1:
        scale = np.log if numbers.min() > 0 and numbers.max() >= DECADE * numbers.min() else np.asarray
        low, high = float(scale(numbers.min())), float(scale(numbers.max()))
        share = (scale(numbers) - low) / max(high - low, 1e-300)
        shades = {name: to_hex(palette.SEQUENCE(float(x))) for name, x in zip(value, share, strict=True)}
    styles = {branch: STYLES[i % len(STYLES)] for i, branch in enumerate(whole.branches)}
    kinds = {t.id: tuple((axis.name, i) for axis, i in swept[t.id]) or (t.branch,) for _, t in found}
    if len({(kinds[t.id], styles[t.branch]) for _, t in found}) < len(found):  # styles are too few to tell them apart
        kinds = {t.id: (t.id,) for _, t in found}
    plain = list(dict.fromkeys(kind for name, kind in kinds.items() if name not in shades))
    table = APART if shades else palette.CATEGORIES
    own = {kind: table[i % len(table)] for i, kind in enumerate(plain)}
    words = [_words(whole, t) for _, t in found]
    names = words if len(set(words)) == len(words) else [name for name, _ in found]
    return [
        Look(name, shades.get(t.id) or own[kinds[t.id]], styles[t.branch])
        for name, (_, t) in zip(names, found, strict=True)
    ]


def _words(whole: Ensemble, trajectory: Trajectory) -> str:
    """Return a future in few words: three digits of a value are enough to tell lines apart."""
    words = [trajectory.branch] if len(whole.branches) > 1 else []
    for axis, position in whole.standing(trajectory):
        words += [f"{c.name} {_short(c, position)}" for c in axis.coordinates]
    return ", ".join(words) or TRUNK


def _short(coordinate: Coordinate, position: int) -> str:
    label = coordinate.labels[position]
    if isinstance(label, str):
        return label
    number = f"{label:.3g}"
    return number if coordinate.units in ("", "1") else f"{number} {coordinate.units}"


def futures_plot(scenes: Sequence[tuple[str, Run]], out: Path, compartment: str) -> Path:
    """Draw the mean response of all cells (or how many live) over time, a line a branch and point; return `out`."""
    return save(futures_figure(scenes, compartment), out)
