"""Cells, fields and lines in three dimensions, with PyVista.

Importing this file imports VTK: ask `twin_viz.graphics.graphics()` first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyvista as pv
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from twin_viz import palette
from twin_viz.block import cut_open
from twin_viz.camera import Camera, Float, edges
from twin_viz.fog import add_cloud
from twin_viz.links import CORE, Links
from twin_viz.substance import Field
from twin_viz.tissue import Tissue, View

GLYPH_LIMIT = 3000  # cells; above it spheres are drawn as shaded points: 5-15 times faster without a GPU
SEE_THROUGH_LIMIT = 30_000  # cells; of those that are seen through, points of several sizes would be out of order
FEW_FACETS = (10, 7)
SPHERE = (18, 12)  # facets around and along a sphere; our choice: round at 20 px
RADIUS_STEP = 0.25  # µm; points of one size are drawn together
SHARPNESS = 2  # rendered so many times larger, then averaged: smooth edges without slow multi-sampling
LIGHT = {"ambient": 0.38, "diffuse": 0.68, "specular": 0.08, "specular_power": 12.0}
FAR = 1e4  # µm; how far the camera stands off, without effect in a parallel projection
LINE = 1.6  # px of the picture, of a line between cells; our choice


class ScenePainter:
    """Draws the panels of a picture with PyVista."""

    def cells(self, axes: Axes, view: View, tissue: Tissue) -> None:
        """Draw each cell as a sphere of its radius."""
        plotter, pixel = _canvas(axes, view)
        add_tissue(plotter, view, tissue, pixel)
        _show(axes, view, plotter)

    def field(self, axes: Axes, view: View, field: Field) -> None:
        """Draw the block cut open, and the cells that release the substance."""
        plotter, pixel = _canvas(axes, view)
        add_field(plotter, view, field, pixel)
        _show(axes, view, plotter)


def _canvas(axes: Axes, view: View) -> tuple[pv.Plotter, float]:
    """Return a plotter of the panel's size, and its pixel in µm."""
    place = axes.get_window_extent()
    size = [SHARPNESS * round(place.width), SHARPNESS * round(place.height)]
    return pv.Plotter(off_screen=True, window_size=size), 2 * view.camera.half_width / size[0]


def _show(axes: Axes, view: View, plotter: pv.Plotter) -> None:
    aim(plotter, view.camera, view.camera.half_width / view.camera.half_height)
    image = np.asarray(plotter.screenshot(return_img=True), dtype=np.float64)  # (row, column, channel)
    plotter.close()
    height, width, channels = image.shape
    blocks = image.reshape(height // SHARPNESS, SHARPNESS, width // SHARPNESS, SHARPNESS, channels)
    axes.imshow(blocks.mean(axis=(1, 3)) / 255.0, extent=view.camera.extent, aspect="auto")


def aim(plotter: Any, camera: Camera, ratio: float) -> None:
    """Point the plotter's camera; `ratio` is the panel's width over its height.

    `Any`: PyVista's decorators hide the signatures of its methods.
    """
    plotter.set_background(palette.BACKGROUND)
    plotter.enable_parallel_projection()
    plotter.camera.position = tuple(camera.focus + FAR * camera.toward)
    plotter.camera.focal_point = tuple(camera.focus)
    plotter.camera.up = tuple(camera.up)
    plotter.camera.parallel_scale = max(camera.half_height, camera.half_width / ratio)
    plotter.reset_camera_clipping_range()


def add_tissue(plotter: pv.Plotter, view: View, tissue: Tissue, pixel: float) -> Any:
    """Add the cells, what is between and around them, and the box; return the mapper that a colour bar needs."""
    _add_lines(plotter, edges(view.box, view.camera.toward, front=False), palette.NOTHING)
    look: dict[str, Any] = {"cmap": palette.EXPRESSION, "clim": (view.coloring.low, view.coloring.high)}
    value = tissue.value
    if view.coloring.categories:
        value, look = palette.cell_colors(view.coloring, tissue.value), {"rgb": True}
    position, radius = tissue.position, tissue.radius * (CORE if view.links else 1.0)
    if view.opacity < 1:  # what is seen through is drawn from the far side on
        order = np.argsort(view.camera.project(position)[:, 2], kind="stable")
        position, radius, value = position[order], radius[order], value[order]
        look["opacity"] = view.opacity
    mapper = _add_spheres(plotter, position, radius, value, pixel, look)
    if tissue.links is not None and len(tissue.links.strength):
        _add_links(plotter, tissue.links, view.strongest)
    if view.cloud is not None and tissue.cloud is not None:
        add_cloud(plotter, view, view.cloud, tissue.cloud)
    return mapper


def _add_links(plotter: pv.Plotter, links: Links, high: float) -> None:
    """Add lines between cells; `high` is the strongest of all panels."""
    n = len(links.strength)
    mesh = pv.PolyData(
        links.ends.reshape(-1, 3), lines=np.column_stack([np.full(n, 2), np.arange(2 * n).reshape(-1, 2)])
    )
    mesh.cell_data["color"] = np.round(palette.link_colors(links.strength, high) * 255).astype(np.uint8)
    look: Any = {"scalars": "color", "rgb": True, "lighting": False, "show_scalar_bar": False}
    plotter.add_mesh(mesh, line_width=LINE * SHARPNESS, **look)


def add_field(plotter: pv.Plotter, view: View, field: Field, pixel: float) -> Any:
    """Add the block cut open and its source cells; return the mapper of the block."""
    _add_lines(plotter, edges(view.box, view.camera.toward, front=False), palette.NOTHING)
    block = cut_open(field, view.camera, view.cut)
    faces = []
    for face in block.faces:
        rows, columns = face.concentration.shape
        grid = pv.StructuredGrid()
        grid.points = face.points.transpose(1, 0, 2).reshape(-1, 3)
        grid.dimensions = (rows + 1, columns + 1, 1)
        grid.cell_data["concentration"] = face.concentration.T.reshape(-1)
        faces.append(grid.extract_surface(algorithm="dataset_surface"))
    actor = plotter.add_mesh(
        pv.merge(faces),
        scalars="concentration",
        cmap=palette.CONCENTRATION,
        clim=(field.low, field.high),
        log_scale=True,
        lighting=False,
        show_scalar_bar=False,
    )
    _add_lines(plotter, edges(block.box, view.camera.toward, front=True), palette.INK)
    front = block.in_front
    colors = np.tile(to_rgb(palette.SOURCE), (int(front.sum()), 1))
    _add_spheres(plotter, field.source[front], field.source_radius[front], colors, pixel, {"rgb": True})
    return actor.mapper


def _add_lines(plotter: pv.Plotter, lines: Float, color: str) -> None:
    """Add straight lines (edge, 2, axis) µm."""
    ends = lines.reshape(-1, 3)
    pairs = np.column_stack([np.full(len(lines), 2), np.arange(len(ends)).reshape(-1, 2)])
    plotter.add_mesh(pv.PolyData(ends, lines=pairs), color=color, line_width=2, lighting=False)


def _add_spheres(
    plotter: pv.Plotter,
    position: Float,
    radius: Float,
    value: NDArray[np.float64],
    pixel: float,
    look: dict[str, Any],
) -> Any:
    """Add spheres of true radius; return the mapper of the last ones, None where there are none.

    value : (cell,) numbers for a colour map, or (cell, channel) colours in 0..1.
    pixel : µm; a point's size is given in pixels, so it follows the camera's scale.
    """
    if "rgb" in look:
        value = np.round(value * 255).astype(np.uint8)
    look = {**look, **LIGHT, "scalars": "value", "show_scalar_bar": False, "nan_color": palette.NOTHING}
    actor = None
    see_through = "opacity" in look
    facets = SPHERE if len(radius) <= GLYPH_LIMIT else FEW_FACETS
    for rows, diameter in _batches(radius, SEE_THROUGH_LIMIT if see_through else GLYPH_LIMIT):
        points = pv.PolyData(position[rows])
        points["value"] = value[rows]
        if diameter is None:
            points["diameter"] = 2 * radius[rows]
            ball = pv.Sphere(radius=0.5, theta_resolution=facets[0], phi_resolution=facets[1])
            mesh = points.glyph(geom=ball, scale="diameter", orient=False)
            actor = plotter.add_mesh(mesh, smooth_shading=True, **look)
        else:
            actor = plotter.add_mesh(
                points,
                style="points",
                render_points_as_spheres=True,
                point_size=max(diameter / pixel, 1.0),
                **look,
            )
    return actor.mapper if actor is not None else None


def _batches(radius: Float, glyphs: int) -> Sequence[tuple[NDArray[np.intp], float | None]]:
    """Group cells as they are drawn: few as one mesh (None), many as points of one diameter (µm)."""
    if len(radius) <= glyphs:
        return [(np.arange(len(radius)), None)] if len(radius) else []
    step = np.round(radius / RADIUS_STEP).astype(np.intp)
    return [(np.flatnonzero(step == s), 2 * RADIUS_STEP * float(s)) for s in np.unique(step)]
