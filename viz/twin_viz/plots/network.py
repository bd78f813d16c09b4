"""The compartments of a run as a network of organs: what lives in each, and what flows between them."""

from pathlib import Path
from typing import Any, TypeAlias
from xml.etree.ElementTree import ParseError

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, Wedge

from twin.errors import InputError, UnknownNameError
from twin.results import Run
from twin_viz import palette
from twin_viz.page import SMALL, TEXT
from twin_viz.plots.scene import Point, scene_of
from twin_viz.plots.sheet import legend_below, note, sheet

Network: TypeAlias = "nx.DiGraph[Any]"  # quoted: at run time it takes no argument

SIZE = (7.6, 6.6)  # inches
RING = 1.0  # radius on which the organs stand; what follows is in its units
LARGEST, SMALLEST = 0.3, 0.1  # radii of the organ with most cells and of a pool without any; our choice
WIDEST = 7.0  # pt of the arrow with the largest flow; our choice
FLOW = "flow"  # edge attribute, mL/h
MOST_TYPES = len(palette.CATEGORIES)


def organs(
    run: Run,
    network: "Network | str | Path | None" = None,
    time: float | str | None = None,
    branch: str | None = None,
    point: Point = None,
    replicate: int = 0,
) -> Figure:
    """Draw each compartment as a disc of its living cells' types, and the flows between compartments as arrows.

    The area of a disc follows the number of cells, the width of an arrow its flow.

    Parameters
    ----------
    network : who flows into whom: a directed graph, or a GraphML file of one. Its nodes are compartments, and pools
        that the run does not have; its edges may carry "flow", mL/h. Without it compartments stand alone.
    time : without it the last kept.

    Raises
    ------
    InputError
        If the network cannot be read, lacks a compartment or has a flow that is none, or nothing is kept at that time.
    """
    graph = _graph_of(network, run)
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
    places = _places(graph)
    most = max(max(sum(found.values()) for found in numbers.values()), 1)
    radii = {n: max(SMALLEST, LARGEST * (sum(numbers.get(n, {}).values()) / most) ** 0.5) for n in graph}
    edges = _flows_of(graph)
    flows = [flow for _, _, flow in edges if flow is not None]
    for one, other, flow in edges:
        _draw_flow(axes, (places[one], places[other]), (radii[one], radii[other]), flow, max(flows, default=1.0))
    for name in graph:
        _draw_organ(axes, str(name), places[name], radii[name], numbers.get(name), colors)
    reach = RING + LARGEST + 0.25
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    marks = [Line2D([], [], marker="o", linestyle="", markersize=6, color=color) for color in colors.values()]
    if marks:
        legend_below(axes, 4, marks, names)
    arrows = f"Arrows: up to {max(flows):g} mL/h" if flows else "No flows are known: give the network with --network"
    note(figure, f"Discs: living cells by type, the area follows their number. {arrows}. Replicate {replicate}")
    return figure


def _graph_of(network: "Network | str | Path | None", run: Run) -> Network:
    """Return a directed graph that has all compartments of a run."""
    where = "network"
    if network is None:
        graph: Network = nx.DiGraph()
        graph.add_nodes_from(run.compartments)
        return graph
    if isinstance(network, str | Path):
        where = str(network)
        try:
            graph = nx.DiGraph(nx.read_graphml(network))
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


def _places(graph: Network) -> dict[Any, Any]:
    """Return where the organs stand: on a ring, so that no arrow goes through a third one."""
    if len(graph) == 1:
        return dict.fromkeys(graph, np.zeros(2))
    places: dict[Any, Any] = nx.circular_layout(graph, scale=RING)
    return places


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
    axes.text(
        centre[0], centre[1] - radius - 0.03, words, ha="center", va="top", size=SMALL, color=palette.INK, zorder=6
    )


def _draw_flow(axes: Axes, ends: tuple[Any, Any], radii: tuple[float, float], flow: float | None, most: float) -> None:
    """Draw an arrow from rim to rim, bent to the right, so that a flow and its return are two."""
    one, other = (np.asarray(end, dtype=np.float64) for end in ends)
    along = other - one
    length = float(np.hypot(*along))
    if length == 0:
        return
    step = along / length
    share = flow / most if flow is not None and most else 0.0
    start, stop = one + step * (radii[0] + 0.02), other - step * (radii[1] + 0.04)
    axes.add_patch(
        FancyArrowPatch(
            tuple(start),
            tuple(stop),
            connectionstyle="arc3,rad=0.18",
            arrowstyle="-|>",
            mutation_scale=10 + 8 * share,
            linewidth=max(0.8, WIDEST * share),
            color=palette.NOTHING,
            zorder=2,
        )
    )
    if flow is not None:
        beside = (start + stop) / 2 + 0.13 * length * np.array([step[1], -step[0]])
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
        x, y = float(beside[0]), float(beside[1])
        axes.text(x, y, f"{flow:g} mL/h", ha="center", va="center", size=TEXT - 2, zorder=6, bbox=box)
