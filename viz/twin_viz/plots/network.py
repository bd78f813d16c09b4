"""The compartments of a run as a network of organs: what lives in each, and what flows between them."""

from itertools import permutations
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree.ElementTree import ParseError

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, Wedge
from matplotlib.path import Path as Curve

from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin_viz import palette
from twin_viz.page import SMALL, TEXT
from twin_viz.plots.scene import Point, scene_of
from twin_viz.plots.sheet import legend_below, note, sheet

Network: TypeAlias = "nx.DiGraph[Any]"  # quoted: at run time it takes no argument

SIZE = (7.6, 7.4)  # inches
RING = 1.0  # radius on which the organs stand; what follows is in its units
LARGEST, SMALLEST = 0.3, 0.1  # radii of the organ with most cells and of a pool without any; our choice
AROUND = 0.7  # of these radii, where one organ stands in the middle; our choice
WIDEST = 7.0  # pt of the arrow with the largest flow; our choice
FLOW, KIND, CELLS = "flow", "kind", "cells"  # edge attributes: mL/h, what flows, which cells travel
LYMPH = "lymph"
COLORS = {"blood": "#c97b74", LYMPH: "#8ab07d"}  # of arrows; our choice, paler than the cells' types
MOVED = "cells_moved"  # the readout that counts who travels
BEND, WIDE, HALFWAY = 0.18, 0.5, 0.6  # of its length: how far an arrow's handle stands beside it; our choice
MOST_TYPES = len(palette.CATEGORIES)
MOST_TURNED = 7  # organs on the ring of which all orders are tried


def organs(
    run: Run,
    network: "Network | str | Path | None" = None,
    time: float | str | None = None,
    branch: str | None = None,
    point: Point = None,
    replicate: int = 0,
) -> Figure:
    """Draw each compartment as a disc of its living cells' types, and what goes between compartments as arrows.

    The area of a disc follows the number of cells, the width of an arrow its flow; dashed arrows are cells that travel,
    with how many of them have.

    Parameters
    ----------
    network : who flows into whom: a directed graph, or a GraphML file of one. Its nodes are compartments, and pools
        that the run does not have; its edges may carry "flow", mL/h. Without it the run's own, `Run.organ_graph`.
    time : without it the last kept.

    Raises
    ------
    InputError
        If the network cannot be read, lacks a compartment or has a flow that is none, or nothing is kept at that time.
    """
    graph = _graph_of(run.organ_graph(replicate, branch, point) if network is None else network, run)
    scene = scene_of(run, None, branch, point)
    hour = scene.hour(time)
    numbers = {name: _types_of(scene.run, name, hour, replicate) for name in run.compartments}
    names = sorted({kind for found in numbers.values() for kind in found})
    colors = {kind: palette.CATEGORIES[i] if i < MOST_TYPES else palette.OTHERS for i, kind in enumerate(names)}
    words = scene.title.replace(f" · {run.compartments[0]}", "") if len(run.compartments) > 1 else scene.title
    figure = sheet(SIZE, f"{words} · {hour:g} h")
    axes = figure.subplots()
    axes.set_aspect("equal")
    axes.set_axis_off()
    places, middle = _places(graph)
    most = max(max(sum(found.values()) for found in numbers.values()), 1)
    size = 1.0 if middle is None else AROUND
    radii = {n: size * max(SMALLEST, LARGEST * (sum(numbers.get(n, {}).values()) / most) ** 0.5) for n in graph}
    flows = [flow for _, _, flow in _flows_of(graph) if flow is not None]
    moved = _moved(scene.run, hour, replicate)
    for one, other, about in graph.edges(data=True):
        ends, rims = (places[one], places[other]), (radii[one], radii[other])
        around = middle is not None and middle not in (one, other)
        if FLOW in about or CELLS not in about:
            bend = _outward(*ends) if around else BEND
            _draw_flow(axes, ends, rims, about.get(FLOW), max(flows, default=1.0), about.get(KIND), bend)
        if CELLS in about:
            bend = (2 * _outward(*ends) if around else WIDE) if FLOW in about else BEND
            _draw_travel(axes, ends, rims, moved.get(f"{one} to {other}"), bend)
    for name in graph:
        _draw_organ(axes, str(name), places[name], radii[name], numbers.get(name), colors)
    reach = RING + LARGEST + 0.12
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    marks = [Line2D([], [], marker="o", linestyle="", markersize=6, color=color) for color in colors.values()]
    if marks:
        legend_below(axes, 4, marks, names)
    arrows = f"Arrows: up to {_rate(max(flows))}" if flows else "No flows are known: give the network with --network"
    arrows += ", lymph green" if any(about.get(KIND) == LYMPH for *_, about in graph.edges(data=True)) else ""
    travel = f"Dashed: cells that have travelled by {hour:g} h" if nx.get_edge_attributes(graph, CELLS) else ""
    note(figure, "Discs: living cells by type, the area follows their number", arrows, travel, f"Replicate {replicate}")
    return figure


def _graph_of(network: "Network | str | Path", run: Run) -> Network:
    """Return a directed graph that has all compartments of a run."""
    where = "network"
    if isinstance(network, str | Path):
        where = str(network)
        try:
            graph: Network = nx.DiGraph(nx.read_graphml(network))
        except (OSError, ParseError, nx.NetworkXError, KeyError, ValueError) as error:
            raise InputError(f"{where} cannot be read as GraphML ({error})") from error
    else:
        graph = network
    for name in run.compartments:
        if name not in graph:
            raise UnknownNameError("node", name, [str(n) for n in graph], where=f"{where}: ")
    for one, other, flow in _flows_of(graph):
        if flow is not None and not (isinstance(flow, int | float) and np.isfinite(flow) and flow >= 0):
            raise InputError(f"{where}: the flow from {one} to {other} is {flow!r}; write a number of mL/h from 0 on")
    return graph


def _flows_of(graph: Network) -> list[tuple[Any, Any, Any]]:
    """Return (from, to, flow in mL/h or None) of each edge."""
    return [(one, other, about.get(FLOW)) for one, other, about in graph.edges(data=True)]


def _places(graph: Network) -> tuple[dict[Any, Any], Any]:
    """Return where the organs stand, and which of them in the middle: what all others hang on, as on blood, or None.

    The others stand on a ring, those next to each other that most flows tie.
    """
    if len(graph) == 1:
        return dict.fromkeys(graph, np.zeros(2)), None
    tied = graph.to_undirected()
    hubs = [name for name in graph if len(graph) > 3 and set(tied[name]) - {name} == set(graph) - {name}]
    middle = hubs[0] if hubs else None
    ring = [name for name in graph if name != middle]
    if middle is not None and len(ring) <= MOST_TURNED:
        orders = ([ring[0], *rest] for rest in permutations(ring[1:]))
        ring = min(orders, key=lambda order: sum(tied.has_edge(a, b) for a, b in zip(order, order[2:], strict=False)))
    turn = 2 * np.pi / len(ring)
    places = {name: RING * np.array([np.cos(turn * i), np.sin(turn * i)]) for i, name in enumerate(ring)}
    return (places if middle is None else places | {middle: np.zeros(2)}), middle


def _outward(one: Any, other: Any) -> float:
    """Return the bend that leads from one place on the ring to another around what stands in the middle."""
    turned = float(one[0] * other[1] - one[1] * other[0])  # of which sign: to the left or to the right
    apart = float(np.arccos(np.clip(one @ other, -1.0, 1.0))) / np.pi  # 1: opposite
    return float(np.copysign(BEND + (HALFWAY - BEND) * apart**3, turned if abs(turned) > 1e-9 else 1.0))


def _moved(run: Run, hour: float, replicate: int) -> dict[str, int]:
    """Return how many cells have gone each way by a time, where the run counts them."""
    if MOVED not in run.readouts:
        return {}
    counted = run.readouts[MOVED].isel(replicate=replicate).sel(time=hour, method="nearest")
    ways = zip(counted["way"].values, counted.values, strict=True)
    return {str(way): int(n) for way, n in ways if np.isfinite(n)}


def _types_of(run: Run, compartment: str, hour: float, replicate: int) -> dict[str, int]:
    """Return how many living cells of each type there are."""
    obs = run.cells(hour, replicate, compartment).obs
    found = obs.loc[obs["alive"].to_numpy(dtype=np.bool_), "cell_type"].astype(str).value_counts()
    return {str(kind): int(n) for kind, n in found.items()}


def _draw_organ(
    axes: Axes, name: str, place: Any, radius: float, numbers: dict[str, int] | None, colors: dict[str, str]
) -> None:
    centre = (float(place[0]), float(place[1]))
    axes.add_patch(Circle(centre, radius, facecolor=palette.BACKGROUND, edgecolor=palette.INK, linewidth=1.2, zorder=3))
    total = sum((numbers or {}).values())
    start = 90.0
    for kind, n in sorted((numbers or {}).items()):
        end = start - 360.0 * n / total
        axes.add_patch(Wedge(centre, radius, end, start, facecolor=colors[kind], linewidth=0, zorder=4))
        start = end
    words = f"{name}\n{total:,} {'cell' if total == 1 else 'cells'}" if numbers is not None else f"{name}\npool"
    above = centre[1] > 0.5 * RING  # where nothing arrives
    y, va = (centre[1] + radius + 0.03, "bottom") if above else (centre[1] - radius - 0.03, "top")
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.7}
    axes.text(centre[0], y, words, ha="center", va=va, size=SMALL, color=palette.INK, zorder=6, bbox=box)


def _draw_flow(
    axes: Axes,
    ends: tuple[Any, Any],
    radii: tuple[float, float],
    flow: float | None,
    most: float,
    kind: str | None,
    bend: float,
) -> None:
    """Draw an arrow as wide as its flow."""
    share = flow / most if flow is not None and most else 0.0
    color = COLORS.get(str(kind).split(", ")[0], palette.NOTHING)
    look = {"color": color, "mutation_scale": 10 + 8 * share, "linewidth": max(0.8, WIDEST * share)}
    place = _draw_arrow(axes, ends, radii, bend, 0.42 if abs(bend) < WIDE else 0.25, look)
    if flow is not None:
        _say(axes, place, _rate(flow), palette.INK)


def _draw_travel(axes: Axes, ends: tuple[Any, Any], radii: tuple[float, float], moved: int | None, bend: float) -> None:
    """Draw a dashed arrow, with how many cells have gone that way."""
    look = {"color": palette.INK, "mutation_scale": 10, "linewidth": 1.0, "linestyle": "--"}
    place = _draw_arrow(axes, ends, radii, bend, 0.33, look)
    if moved is not None:
        _say(axes, place, f"{moved:,} {'cell' if moved == 1 else 'cells'}", palette.INK)


def _draw_arrow(
    axes: Axes, ends: tuple[Any, Any], radii: tuple[float, float], bend: float, share: float, look: dict[str, Any]
) -> Any:
    """Draw an arrow from rim to rim, bent to the right, so that it and its return are two; return a place on it.

    share : of its way from one end to the other, where the place is.
    """
    one, other = (np.asarray(end, dtype=np.float64) for end in ends)
    along = other - one
    length = float(np.hypot(*along))
    if length == 0:
        return one
    right = np.array([along[1], -along[0]])
    handle = (one + other) / 2 + bend * right  # of a quadratic Bézier curve, as Matplotlib draws it
    start = one + (handle - one) / np.hypot(*(handle - one)) * (radii[0] + 0.02)
    stop = other + (handle - other) / np.hypot(*(handle - other)) * (radii[1] + 0.04)
    curve = Curve([start, handle, stop], [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3])
    axes.add_patch(FancyArrowPatch(path=curve, arrowstyle="-|>", zorder=2, **look))
    return (1 - share) ** 2 * start + 2 * share * (1 - share) * handle + share**2 * stop


def _say(axes: Axes, place: Any, words: str, color: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
    x, y = float(place[0]), float(place[1])
    axes.text(x, y, words, ha="center", va="center", size=TEXT - 2, color=color, zorder=6, bbox=box)


def _rate(flow: float) -> str:
    """Return a flow in words: mL/h, or L/h from 1 L/h on."""
    return f"{flow / 1000:.3g} L/h" if flow >= 1000 else f"{flow:.3g} mL/h"
