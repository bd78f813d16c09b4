"""Exports are opened by the programs' own readers: VTK's, anndata's and scanpy's, pandas'."""

import json
from pathlib import Path
from typing import Any

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import typer
from twin_viz.command import export
from twin_viz.export.anndata_file import CONNECTIVITIES, DISTANCES, NEIGHBOURS
from typer.testing import CliRunner
from vtkmodules.util import numpy_support
from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLPolyDataReader

from tests.results.bodies import new_run, write_ticks, writer
from twin.errors import InputError
from twin.results import Run, open_run

_VTK: Any = numpy_support


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = new_run(tmp_path_factory.mktemp("export") / "run")
    write_ticks(writer(made), 0, 4)
    return open_run(made)


def twin_export(*arguments: object) -> str:
    app = typer.Typer()
    app.command()(export)
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def read(reader: Any, file: Path) -> Any:
    reader.SetFileName(str(file))
    reader.Update()
    return reader.GetOutput()


def array(data: Any, name: str) -> Any:
    return _VTK.vtk_to_numpy(data.GetArray(name))


def listed(pvd: Path) -> list[tuple[float, str]]:
    from xml.etree import ElementTree

    return [(float(d.attrib["timestep"]), d.attrib["file"]) for d in ElementTree.parse(pvd).getroot().iter("DataSet")]


def test_paraview_gets_every_kept_time_with_places_columns_and_fields(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "paraview"
    gene = run.genes[0]
    assert str(out) in twin_export(run.path, "--paraview", out, "--compartment", "tissue", "--color", gene)
    series = listed(out / "cells.pvd")
    assert [time for time, _ in series] == sorted({float(t) for t in run.times()})
    for time, file in series:
        cells = run.cells(time, compartment="tissue")
        points = read(vtkXMLPolyDataReader(), out / file)
        assert points.GetNumberOfVerts() == cells.n_obs
        np.testing.assert_array_equal(_VTK.vtk_to_numpy(points.GetPoints().GetData()), cells.obsm["spatial"])
        data = points.GetPointData()
        np.testing.assert_array_equal(array(data, "id"), cells.obs["id"])
        np.testing.assert_array_equal(array(data, "radius"), cells.obs["radius"])
        np.testing.assert_array_equal(array(data, "cell_type_code"), cells.obs["cell_type"].cat.codes)
        words = data.GetAbstractArray("cell_type")
        assert [words.GetValue(i) for i in range(cells.n_obs)] == [str(t) for t in cells.obs["cell_type"]]
        assert np.isfinite(array(data, gene)).all()
    fields = run.fields(compartment="tissue")["concentration"]
    series = listed(out / "fields.pvd")
    assert [time for time, _ in series] == [float(t) for t in fields["time"]]
    for i, (_, file) in enumerate(series):
        image = read(vtkXMLImageDataReader(), out / file)
        now = fields.isel(time=i).transpose("substance", "z", "y", "x")
        assert image.GetDimensions() == tuple(n + 1 for n in reversed(now.shape[1:]))
        for name, values in zip(now["substance"].values, now.values, strict=True):
            np.testing.assert_array_equal(array(image.GetCellData(), str(name)), values.ravel())
        first = [float(now[axis][0]) for axis in "xyz"]
        centre = np.array(image.GetOrigin()) + np.array(image.GetSpacing()) / 2
        np.testing.assert_allclose(centre, first)


def test_words_that_cells_are_coloured_by_are_texts_with_codes(run: Run, tmp_path: Path) -> None:
    twin_export(run.path, "--paraview", tmp_path / "p", "--compartment", "tissue", "--color", "cell_type")
    cells = run.cells(compartment="tissue")
    data = read(vtkXMLPolyDataReader(), tmp_path / "p" / listed(tmp_path / "p" / "cells.pvd")[-1][1]).GetPointData()
    words = data.GetAbstractArray("cell_type")
    assert [words.GetValue(i) for i in range(cells.n_obs)] == [str(t) for t in cells.obs["cell_type"]]
    np.testing.assert_array_equal(array(data, "cell_type_code"), cells.obs["cell_type"].cat.codes)
    assert data.GetScalars().GetName() == "cell_type_code"


@pytest.mark.parametrize(
    ("late", "told"),
    [
        (("--csv", "there"), "there exists already"),
        (("--csv", "no/where"), "there is no folder"),
        (("--graphml", "there"), "there exists already"),
        (("--html", "page.jpg"), "end the name with .html"),
        (("--h5ad", "cells"), "end the name with .h5ad"),
        (("--csv", "p"), "two of the options name the same file or folder"),
    ],
)
def test_every_target_is_looked_at_before_any_is_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match=told):
        twin_export(run.path, "--paraview", "p", *late, "--compartment", "tissue")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


@pytest.mark.filterwarnings("ignore")  # scanpy's own
def test_scanpy_takes_the_cells_and_squidpy_finds_its_neighbours(run: Run, tmp_path: Path) -> None:
    scanpy = pytest.importorskip("scanpy")
    out = tmp_path / "cells.h5ad"
    twin_export(run.path, "--h5ad", out, "--compartment", "tissue")
    cells = ad.read_h5ad(out)
    kept = run.cells(compartment="tissue")
    assert (cells.layers["counts"] != kept.X).nnz == 0
    assert cells.layers["counts"].dtype.kind == "i"
    names = cells.uns[NEIGHBOURS]
    assert (names["connectivities_key"], names["distances_key"]) == (CONNECTIVITIES, DISTANCES)
    touching, away = cells.obsp[CONNECTIVITIES], cells.obsp[DISTANCES]
    assert (touching != touching.T).nnz == 0
    assert touching.nnz == away.nnz == (kept.obsp["contacts"] + kept.obsp["contacts"].T).nnz
    place = cells.obsm["spatial"]
    for i, j in zip(*away.nonzero(), strict=True):
        assert away[i, j] == pytest.approx(np.linalg.norm(place[i] - place[j]))
    scanpy.pp.normalize_total(cells)
    scanpy.pp.log1p(cells)
    assert np.isfinite(cells.X.sum())


def test_all_times_are_one_file_whose_cells_say_when(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "all.h5ad"
    twin_export(run.path, "--h5ad", out, "--compartment", "tissue", "--time", "all")
    cells = ad.read_h5ad(out)
    assert cells.obs_names.is_unique
    for time in run.times():
        part = cells[(cells.obs["time"] == time).to_numpy()]
        kept = run.cells(float(time), compartment="tissue")
        assert (part.X != kept.X).nnz == 0
        assert (part.obsp["contacts"] != kept.obsp["contacts"]).nnz == 0


def test_tables_hold_readouts_cells_and_what_happened(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tables"
    twin_export(run.path, "--csv", out, "--compartment", "tissue", "--color", run.genes[0])
    for name in run.readouts.data_vars:
        table = pd.read_csv(out / "readouts" / f"{name}.csv")
        values = run.readouts[name].values
        assert len(table) == np.isfinite(values).sum()
        assert table.iloc[:, -1].sum() == pytest.approx(np.nansum(values))
    cells = pd.read_csv(out / "cells.csv")
    assert len(cells) == sum(run.cells(float(t), compartment="tissue").n_obs for t in np.unique(run.times()))
    assert {"id", "time", "x (um)", "cell_type", run.genes[0]} <= set(cells.columns)
    assert {"radius (um)", "birth (h)", "dose_IFNB1 (nM)", "time_since_IFNB1 (h)"} <= set(cells.columns)
    assert not {"radius", "birth", "dose_IFNB1", "time_since_IFNB1"} & set(cells.columns)
    assert len(pd.read_csv(out / "lineage.csv")) == len(run.lineage(compartment="tissue"))
    assert json.loads((out / "log.json").read_text()) == run.log()


def test_a_graph_is_one_of_who_touches_whom(run: Run, tmp_path: Path) -> None:
    twin_export(run.path, "--graphml", tmp_path / "contacts.graphml", "--compartment", "tissue")
    graph = nx.read_graphml(tmp_path / "contacts.graphml")
    assert graph.number_of_nodes() == run.cells(compartment="tissue").n_obs


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "export what\\? give --paraview, --csv \\(folders\\), --h5ad or --graphml"),
        (("--csv", "t", "--time", "1 h"), "--time goes with --h5ad or --graphml"),
        (("--h5ad", "c.h5ad", "--color", "A"), "--color goes with --paraview or --csv"),
        (("--h5ad", "cells"), "end the name with .h5ad"),
        (("--graphml", "g.graphml", "--time", "all"), "a graph is of one time"),
        (("--csv", "there", "--compartment", "tissue"), "there exists already: name another one, or delete it"),
        (("--csv", "no/where", "--compartment", "tissue"), "there is no folder"),
        (("--paraview", "p", "--compartment", "tissue", "--color", "ISG"), "no gene, obs column or program is called"),
        (("--paraview", "p"), "this run has several compartments"),
    ],
)
def test_what_cannot_be_exported_is_told_and_nothing_is_left(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match=told):
        twin_export(run.path, *arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
