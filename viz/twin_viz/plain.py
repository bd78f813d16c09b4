"""The picture without OpenGL: circles of true size, the far ones first. No VTK is imported here."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from twin_viz import palette
from twin_viz.block import cut_open
from twin_viz.camera import Camera, Float, edges
from twin_viz.cloud import Cloud
from twin_viz.links import CORE
from twin_viz.substance import Field
from twin_viz.tissue import Tissue, View

BEHIND, FOG, BEFORE = 4, 5, 6  # what is drawn over what, where a slice stands among cells
MIST = 0.2  # opacity of the densest voxel of a fog; our choice
NEAR_EDGE, FAR_EDGE = 0.45, 0.8  # brightness of outlines beside the fill; our choice


class PlainPainter:
    """Draws the panels of a picture with Matplotlib alone."""

    def cells(self, axes: Axes, view: View, tissue: Tissue) -> None:
        """Draw each cell as a circle of its radius, the nearest on top."""
        _lines(axes, view.camera, edges(view.box, view.camera.toward, front=False), palette.NOTHING, 1)
        colors = palette.cell_colors(view.coloring, tissue.value)
        radius = tissue.radius * (CORE if view.links else 1.0)
        cloud = view.cloud if tissue.cloud is not None else None
        behind = np.ones(len(radius), np.bool_)
        if cloud is not None and cloud.style == "slice":
            toward = view.camera.toward[cloud.axis]
            behind = (tissue.position[:, cloud.axis] - cloud.at) * np.sign(toward) <= -radius  # the others stand out
        for rows, order in ((behind, BEHIND), (~behind, BEFORE)):
            if rows.any():
                _circles(axes, view, tissue.position[rows], radius[rows], colors[rows], order)
        if tissue.links is not None and len(tissue.links.strength):
            flat = view.camera.project(tissue.links.ends)[..., :2]  # (link, 2, 2)
            shades = palette.link_colors(tissue.links.strength, view.strongest)
            axes.add_collection(LineCollection(list(flat), colors=shades, linewidths=1.2, zorder=BEHIND))
        if cloud is not None and tissue.cloud is not None:
            _fog(axes, view, cloud, tissue.cloud)

    def field(self, axes: Axes, view: View, field: Field) -> None:
        """Draw the block cut open, and the cells that release the substance."""
        _lines(axes, view.camera, edges(view.box, view.camera.toward, front=False), palette.NOTHING, 1)
        block = cut_open(field, view.camera, view.cut)
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


def _fog(axes: Axes, view: View, cloud: Cloud, concentration: Float) -> None:
    """Draw a substance as translucent squares, the far ones first: all voxels, those at surfaces, or a slice's."""
    if cloud.style == "slice":
        points, values = cloud.slice_of(concentration)
        flat = view.camera.project(points)[..., :2]
        quads = np.stack([flat[:-1, :-1], flat[1:, :-1], flat[1:, 1:], flat[:-1, 1:]], axis=2).reshape(-1, 4, 2)
        colors, opacity = palette.field_colors(cloud, values).reshape(-1, 3), np.ones(values.size)
    else:
        x, y, z = np.meshgrid(*cloud.centres, indexing="ij")
        places, values = np.stack([x, y, z], axis=-1).reshape(-1, 3), concentration.transpose(2, 1, 0).ravel()
        share = np.log(np.maximum(values, 1e-300) / cloud.low) / np.log(cloud.high / cloud.low)
        shown = share > 0 if cloud.style == "volume" else _at_surfaces(cloud, share.reshape(x.shape)).ravel()
        shown &= view.cut.keeps(places) if view.cut is not None else True
        seen = view.camera.project(places[shown])
        far = np.argsort(seen[:, 2], kind="stable")
        half = min(float(e[1] - e[0]) for e in cloud.edges) / 2
        corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        quads = seen[far, None, :2] + corners
        colors = palette.field_colors(cloud, values[shown][far])
        opacity = MIST * np.clip(share[shown][far], 0.1, 1.0)
    fill = np.column_stack([colors, opacity])
    axes.add_collection(PolyCollection(list(quads), facecolors=fill, edgecolors="none", linewidths=0, zorder=FOG))


def _at_surfaces(cloud: Cloud, share: Float) -> NDArray[np.bool_]:
    """Say which voxels (x, y, z) have at least one level, and a neighbour that has less."""
    found = np.zeros(share.shape, np.bool_)
    for level in np.log(cloud.levels / cloud.low) / np.log(cloud.high / cloud.low):
        inside = share >= level
        found |= inside & ~binary_erosion(inside, border_value=1)
    return found


def _circles(axes: Axes, view: View, position: Float, radius: Float, colors: Float, order: int = BEHIND) -> None:
    place = view.camera.project(position)  # (cell, 3)
    far = np.argsort(place[:, 2], kind="stable")
    depth = place[far, 2]
    near = (depth - depth.min()) / max(float(np.ptp(depth)), 1e-9) if len(depth) else depth
    rim = FAR_EDGE + (NEAR_EDGE - FAR_EDGE) * near  # (cell,)
    axes.add_collection(
        EllipseCollection(
            2 * radius[far],
            2 * radius[far],
            np.zeros(len(far)),
            units="xy",
            offsets=place[far, :2],
            transOffset=axes.transData,
            facecolors=colors[far],
            edgecolors=colors[far] * rim[:, None],
            linewidths=0.5,
            alpha=view.opacity,
            zorder=order,
        )
    )
