"""A substance around cells, in VTK: a slice, iso-surfaces or a volume. Importing this file imports VTK."""

from typing import Any

import numpy as np
import pyvista as pv

from twin_viz import palette
from twin_viz.camera import Float
from twin_viz.cloud import Cloud
from twin_viz.tissue import View

SURFACE = (0.3, 0.75)  # opacity of the outermost and of the innermost iso-surface; our choice
DENSEST = 0.3  # opacity of the densest fog over a tenth of the box's diagonal; our choice


def add_cloud(plotter: Any, view: View, cloud: Cloud, concentration: Float) -> None:
    """Add a substance as `cloud` says.

    plotter : `Any`, as PyVista's decorators hide the signatures of its methods. concentration : (z, y, x).
    """
    if cloud.style == "slice":
        _add_slice(plotter, cloud, concentration)
    elif float(concentration.max()) > cloud.low:
        grid = _grid(view, cloud, concentration)
        if cloud.style == "iso":
            _add_surfaces(plotter, view, cloud, grid)
        else:
            _add_volume(plotter, view, grid)


def _add_slice(plotter: Any, cloud: Cloud, concentration: Float) -> None:
    points, values = cloud.slice_of(concentration)
    rows, columns = values.shape
    mesh = pv.StructuredGrid()
    mesh.points = points.transpose(1, 0, 2).reshape(-1, 3)
    mesh.dimensions = (rows + 1, columns + 1, 1)
    mesh.cell_data["color"] = np.round(palette.field_colors(cloud, values.T.reshape(-1)) * 255).astype(np.uint8)
    plotter.add_mesh(mesh, scalars="color", rgb=True, lighting=False, show_scalar_bar=False)


def _grid(view: View, cloud: Cloud, concentration: Float) -> pv.ImageData:
    """Return the field at the corners of voxels, each the mean of those that meet there: it reaches the walls.

    Its values are where a concentration is on the logarithmic scale, 0 to 1; of a fog what was cut away is 0.
    """
    with np.errstate(divide="ignore"):
        share = np.log(np.maximum(concentration, 1e-300) / cloud.low) / np.log(cloud.high / cloud.low)
    made = pv.ImageData(
        dimensions=[len(e) for e in cloud.edges],
        origin=[float(e[0]) for e in cloud.edges],
        spacing=[float(e[-1] - e[0]) / (len(e) - 1) for e in cloud.edges],
    )
    made.cell_data["share"] = np.clip(share, 0.0, 1.0).ravel()  # z slowest, as VTK counts
    grid: pv.ImageData = made.cell_data_to_point_data()
    if view.cut is not None and cloud.style == "volume":
        grid.point_data["share"] = np.where(view.cut.keeps(np.asarray(grid.points)), grid.point_data["share"], 0.0)
    return grid


def _add_surfaces(plotter: Any, view: View, cloud: Cloud, grid: pv.ImageData) -> None:
    shares = np.log(cloud.levels / cloud.low) / np.log(cloud.high / cloud.low)
    for level, opacity, share in zip(cloud.levels, np.linspace(*SURFACE, len(shares)), shares, strict=True):
        surface = grid.contour([float(share)], scalars="share")
        if view.cut is not None and surface.n_points:
            normal, origin = np.zeros(3), np.zeros(3)
            normal[view.cut.axis], origin[view.cut.axis] = 1.0, view.cut.at
            surface = surface.clip(normal=normal, origin=origin, invert=bool(view.cut.below))
        if surface.n_points:
            color = palette.field_colors(cloud, np.array([level]))[0]
            plotter.add_mesh(surface, color=tuple(color), opacity=float(opacity), smooth_shading=True, specular=0.1)


def _add_volume(plotter: Any, view: View, fog: pv.ImageData) -> None:
    plotter.add_volume(
        fog,
        scalars="share",
        cmap=palette.CONCENTRATION,
        clim=(0.0, 1.0),
        opacity=list(DENSEST * np.linspace(0.0, 1.0, 10) ** 2),
        opacity_unit_distance=float(np.linalg.norm(view.box[1] - view.box[0])) / 10,
        shade=False,
        show_scalar_bar=False,
    )
