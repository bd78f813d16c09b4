"""Names beside points, none over another."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from twin_viz import palette
from twin_viz.page import SMALL

Float = NDArray[np.float64]

RADII = (5.0, 11.0, 18.0, 27.0, 38.0, 50.0)  # pt from a point to its name, near first
DIRECTIONS = tuple((float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 12, endpoint=False))
LINE_FROM = 11.0  # pt; names farther off are joined to their point
GAP = 1.5  # px between names
STEPS = 12  # places along a line at which it must not cross a name


def place_labels(axes: Axes, x: Float, y: Float, names: Sequence[str], avoid: Float) -> int:
    """Write names beside their points so that no two overlap, and return how many found a place.

    The first have the first choice. A name that would lie on another, or out of the axes, is left out; of the places
    that are left the one that hides fewest points is taken, near ones first.

    Parameters
    ----------
    x, y : (name,) in data. avoid : (point, 2) in data, that names had better not hide.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # settles the layout: only then is it known where a point lies
    frame = axes.get_window_extent()
    pixel = figure.dpi / 72.0
    points = axes.transData.transform(avoid) if len(avoid) else np.empty((0, 2))
    taken: list[Bbox] = []
    drawn: list[Float] = []
    for at, name in zip(axes.transData.transform(np.stack([x, y], axis=1)) if len(x) else (), names, strict=True):
        probe = axes.text(0, 0, name, size=SMALL - 1)
        size = probe.get_window_extent()
        probe.remove()
        best: tuple[float, Bbox, float, Float] | None = None
        for radius, (cos, sin) in product(RADII, DIRECTIONS):
            middle = at + np.array([cos, sin]) * radius * pixel + np.array([cos * size.width, sin * size.height]) / 2
            half = np.array([size.width, size.height]) / 2
            box = Bbox(np.stack([middle - half, middle + half]))
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            line = np.linspace(at, middle, STEPS) if radius > LINE_FROM else np.empty((0, 2))
            if (
                not inside
                or any(box.padded(GAP).overlaps(other) for other in taken)
                or any(_touches(other, line) for other in taken)
                or any(_touches(box, other) for other in drawn)
            ):
                continue
            hidden = _within(box, points).sum()
            cost = float(hidden) + radius / 20
            if best is None or cost < best[0]:
                best = (cost, box, radius, line)
        if best is None:
            continue
        _, box, radius, line = best
        taken.append(box)
        drawn.append(line)
        here = axes.transData.inverted().transform(at)
        centre = (np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 - at) / pixel  # pt from the point
        axes.annotate(
            name,
            (float(here[0]), float(here[1])),
            xytext=(float(centre[0]), float(centre[1])),
            textcoords="offset points",
            ha="center",
            va="center",
            size=SMALL - 1,
            color=palette.INK,
            in_layout=False,  # else the layout would move what was just measured
            arrowprops={"arrowstyle": "-", "lw": 0.6, "color": "#888888", "shrinkA": 0, "shrinkB": 2}
            if radius > LINE_FROM
            else None,
        )
    return len(taken)


def _within(box: Bbox, points: Float) -> NDArray[np.bool_]:
    """Say of points (point, 2) px whether they lie in a box."""
    return np.asarray(((points >= [box.x0, box.y0]) & (points <= [box.x1, box.y1])).all(axis=1))


def _touches(box: Bbox, line: Float) -> bool:
    return bool(_within(box, line).any())
