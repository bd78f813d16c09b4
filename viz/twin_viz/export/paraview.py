"""A run for ParaView: cells as points and substances as images, a file a kept time, and a `.pvd` that lists them.

Only VTK's data and XML modules are used: no OpenGL is needed to write.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd
import xarray as xr
from anndata import AnnData
from numpy.typing import NDArray
from vtkmodules.util import numpy_support
from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkImageData, vtkPolyData
from vtkmodules.vtkIOXML import vtkXMLImageDataWriter, vtkXMLPolyDataWriter

from twin.errors import InputError, RunError
from twin_viz.coloring import column
from twin_viz.export.folder import made_whole
from twin_viz.source import Run
from twin_viz.substance import voxel_edges

_VTK: Any = numpy_support  # untyped


def write_paraview(
    run: Run, out: Path, colors: Sequence[str] = (), compartment: str | None = None, replicate: int = 0
) -> Path:
    """Write a run into the new folder `out` and return it: `cells.pvd`, and `fields.pvd` where fields were kept.

    Parameters
    ----------
    colors : genes and programs that the cells carry beside their columns, as log(1 + counts per 10,000); the first
        that is named, be it a column, is what ParaView shows.

    Raises
    ------
    InputError
        If `out` is there already or cannot be written, or a color is not known.
    """
    programs = run.scenario.get("observe", {}).get("programs", {})
    with made_whole(out) as draft:
        (draft / "cells").mkdir(parents=True)
        files = []
        for i, time in enumerate(np.unique(run.times(replicate))):
            cells = run.cells(float(time), replicate, compartment)
            file = f"cells/{i:06d}.vtp"
            chosen = {color: column(cells, color, programs)[1] for color in colors}
            _write(vtkXMLPolyDataWriter(), cells_as_points(cells, chosen), draft / file)
            files.append((float(time), file))
        _collection(draft / "cells.pvd", files)
        try:
            fields = run.fields(replicate, compartment)
        except InputError:  # it keeps none
            return out
        _write_fields(fields, draft)
    return out


def cells_as_points(cells: AnnData, chosen: "Mapping[str, pd.Series[Any]]") -> vtkPolyData:
    """Return cells as vertices with their columns as arrays: numbers as they are, words as texts with their codes.

    chosen : name → (cell,) values. Columns keep their own: theirs are there as the run holds them.
    """
    position = np.asarray(cells.obsm["spatial"], dtype=np.float64).reshape(cells.n_obs, 3)
    made = vtkPolyData()
    points = vtkPoints()
    points.SetData(_VTK.numpy_to_vtk(position, deep=True))
    made.SetPoints(points)
    vertices = vtkCellArray()
    offsets, own = (np.arange(n, dtype=np.int64) for n in (cells.n_obs + 1, cells.n_obs))
    vertices.SetData(_VTK.numpy_to_vtkIdTypeArray(offsets, deep=True), _VTK.numpy_to_vtkIdTypeArray(own, deep=True))
    made.SetVerts(vertices)
    for name, series in {**chosen, **cells.obs}.items():
        _add_series(made, str(name), series)
    shown = next(iter(chosen), "radius")
    coded = f"{shown}_code"  # words have no colours of their own
    made.GetPointData().SetActiveScalars(coded if made.GetPointData().HasArray(coded) else shown)
    return made


def field_as_image(concentration: xr.DataArray) -> vtkImageData:
    """Return concentrations (substance, z, y, x) as an image whose voxels carry one array a substance."""
    made = vtkImageData()
    edges = [voxel_edges(concentration[axis]) for axis in "xyz"]
    made.SetOrigin(*(float(e[0]) for e in edges))
    made.SetSpacing(*(float(e[1] - e[0]) for e in edges))
    made.SetDimensions(*(len(e) for e in edges))
    for name in concentration["substance"].values:
        values = concentration.sel(substance=name).transpose("z", "y", "x").to_numpy()
        array = _VTK.numpy_to_vtk(np.ascontiguousarray(values).ravel(), deep=True)
        array.SetName(str(name))
        made.GetCellData().AddArray(array)
    return made


def _write_fields(fields: xr.Dataset, draft: Path) -> None:
    (draft / "fields").mkdir()
    files = []
    for i, time in enumerate(fields["time"].values):
        file = f"fields/{i:06d}.vti"
        _write(vtkXMLImageDataWriter(), field_as_image(fields["concentration"].isel(time=i).load()), draft / file)
        files.append((float(time), file))
    _collection(draft / "fields.pvd", files)


def _add_series(made: vtkPolyData, name: str, series: "pd.Series[Any]") -> None:
    """Add numbers as they are, and words as texts with their codes."""
    if pd.api.types.is_bool_dtype(series):
        _add(made, name, series.to_numpy(dtype=np.uint8))
    elif pd.api.types.is_numeric_dtype(series):
        _add(made, name, series.to_numpy())
    else:
        coded = series if isinstance(series.dtype, pd.CategoricalDtype) else series.astype(str).astype("category")
        made.GetPointData().AddArray(_words(name, [str(v) for v in coded]))
        _add(made, f"{name}_code", coded.cat.codes.to_numpy())


def _add(made: vtkPolyData, name: str, values: NDArray[Any]) -> None:
    array = _VTK.numpy_to_vtk(np.ascontiguousarray(values), deep=True)
    array.SetName(name)
    made.GetPointData().AddArray(array)


def _words(name: str, words: Sequence[str]) -> vtkStringArray:
    array = vtkStringArray()
    array.SetName(name)
    array.SetNumberOfValues(len(words))
    for i, word in enumerate(words):
        array.SetValue(i, word)
    return array


def _write(writer: Any, data: Any, file: Path) -> None:
    writer.SetFileName(str(file))
    writer.SetInputData(data)
    writer.SetCompressorTypeToZLib()
    if not writer.Write():
        raise RunError(f"{file} cannot be written: is there room on the disk?")


def _collection(file: Path, files: Sequence[tuple[float, str]]) -> None:
    rows = "".join(f'    <DataSet timestep="{time:.12g}" part="0" file={quoteattr(name)}/>\n' for time, name in files)
    file.write_text(
        '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1">\n'
        f"  <Collection>\n{rows}  </Collection>\n</VTKFile>\n",
        "utf-8",
    )
