"""The picture without OpenGL: circles of true size, the far ones first. No VTK is imported here."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from matplotlib.colors import to_rgb

from twin_viz import palette
from twin_viz.block import cut_open
from twin_viz.camera import Camera, Float, edges
from twin_viz.page import compose, save
from twin_viz.tissue import Field, Run, Tissue, View, read_view

NEAR_EDGE, FAR_EDGE = 0.45, 0.8  # brightness of outlines beside the fill; our choice


class PlainPainter:
    """Draws the panels of a picture with Matplotlib alone."""

    def cells(self, axes: Axes, view: View, tissue: Tissue) -> None:
        """Draw each cell as a circle of its radius, the nearest on top."""
        _lines(axes, view.camera, edges(view.box, view.camera.toward, front=False), palette.NOTHING, 1)
        _circles(axes, view, tissue.position, tissue.radius, palette.cell_colors(view.coloring, tissue.value))

    def field(self, axes: Axes, view: View, field: Field) -> None:
        """Draw the block cut open, and the cells that release the substance."""
        _lines(axes, view.camera, edges(view.box, view.camera.toward, front=False), palette.NOTHING, 1)
        block = cut_open(field, view.camera)
        for face in block.faces:
            flat = view.camera.project(face.points)[..., :2]  # (row + 1, column + 1, 2)
            quads = np.stack([flat[:-1, :-1], flat[1:, :-1], flat[1:, 1:], flat[:-1, 1:]], axis=2)
            colors = palette.field_colors(field, face.concentration)
            axes.add_collection(
                PolyCollection(
                    list(quads.reshape(-1, 4, 2)),
                    facecolors=colors.reshape(-1, 3),
                    edgecolors="face",
                    linewidths=0.4,
                    zorder=2,
                )
            )
        _lines(axes, view.camera, edges(block.box, view.camera.toward, front=True), palette.INK, 3)
        rows = block.in_front
        if rows.any():
            colors = np.tile(to_rgb(palette.SOURCE), (int(rows.sum()), 1))
            _circles(axes, view, field.source[rows], field.source_radius[rows], colors)


def _lines(axes: Axes, camera: Camera, lines: Float, color: str, order: int) -> None:
    flat = camera.project(lines)[..., :2]  # (edge, 2, 2)
    axes.add_collection(LineCollection(list(flat), colors=color, linewidths=0.6, zorder=order))


def _circles(axes: Axes, view: View, position: Float, radius: Float, colors: Float) -> None:
    place = view.camera.project(position)  # (cell, 3)
    order = np.argsort(place[:, 2], kind="stable")
    depth = place[order, 2]
    near = (depth - depth.min()) / max(float(np.ptp(depth)), 1e-9) if len(depth) else depth
    rim = FAR_EDGE + (NEAR_EDGE - FAR_EDGE) * near  # (cell,)
    axes.add_collection(
        EllipseCollection(
            2 * radius[order],
            2 * radius[order],
            np.zeros(len(order)),
            units="xy",
            offsets=place[order, :2],
            transOffset=axes.transData,
            facecolors=colors[order],
            edgecolors=colors[order] * rim[:, None],
            linewidths=0.5,
            zorder=4,
        )
    )


def picture(
    run: Run,
    out: Path,
    times: tuple[float | str | None, ...] = (None,),
    color: str = "ISG15",
    field: str | None = None,
    compartment: str | None = None,
    cut: str | None = None,
    replicate: int = 0,
    size: tuple[int, int] = (1280, 960),
) -> Path:
    """Write the plain picture of a run to `out` (PNG) and return it; arguments as in `read_view`."""
    view = read_view(run, times, color, field, compartment, cut, replicate)
    return save(compose(view, PlainPainter(), size), out)
