"""What `twin export --h5ad` writes is taken by scanpy and squidpy as it is, with the neighbours that stand in it."""

import warnings
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import typer
from twin_viz.command import export
from typer.testing import CliRunner

from tests.viz.plots.stores import plain_store
from twin.analysis.contacts import neighbour_enrichment, neighbour_types
from twin.analysis.spatial import morans_i

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".* is not a valid key!", category=SyntaxWarning)  # docrep's, on import
    squidpy = pytest.importorskip("squidpy")
    scanpy = pytest.importorskip("scanpy")

pytestmark = [
    pytest.mark.slow,  # squidpy takes long to be imported, and compiles
    pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning"),  # Matplotlib's, of scanpy
    pytest.mark.filterwarnings("ignore:No data for colormapping:UserWarning"),  # Matplotlib's, of squidpy
    pytest.mark.filterwarnings("ignore:n_jobs value .* overridden:UserWarning"),  # UMAP's
]
GENES = ["GENE0", "GENE6", "GENE20"]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The file, read by anndata, normalised by scanpy."""
    folder = tmp_path_factory.mktemp("squidpy")
    app = typer.Typer()
    app.command()(export)
    store, out = plain_store(folder / "run"), folder / "cells.h5ad"
    done = CliRunner().invoke(app, [str(store), "--h5ad", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    read = ad.read_h5ad(out)
    scanpy.pp.normalize_total(read, target_sum=1e4)
    scanpy.pp.log1p(read)
    return read


def test_scanpy_embeds_and_draws_them(cells: Any, tmp_path: Path) -> None:
    own = cells.copy()
    scanpy.pp.pca(own, n_comps=10)
    scanpy.pp.neighbors(own, random_state=0)
    scanpy.tl.umap(own, random_state=0)
    assert np.isfinite(own.obsm["X_umap"]).all()
    axes = scanpy.pl.embedding(own, basis="spatial", color="cell_type", show=False)
    drawn = sum(len(c.get_offsets()) for c in axes.collections)
    assert drawn == own.n_obs


def test_squidpy_finds_the_moran_that_we_find_on_the_same_neighbours(cells: Any) -> None:
    own = cells.copy()
    squidpy.gr.spatial_autocorr(own, genes=GENES, mode="moran", transformation=False, n_perms=None)
    ours = morans_i(np.asarray(own[:, GENES].X.todense(), dtype=np.float64), own.obsp["contacts"])
    np.testing.assert_allclose(own.uns["moranI"].loc[GENES, "I"], ours.statistic, rtol=1e-5)


def test_squidpy_counts_the_contacts_that_we_count_and_finds_them_as_likely(cells: Any) -> None:
    own = cells.copy()
    squidpy.gr.nhood_enrichment(own, cluster_key="cell_type", seed=0, n_perms=1000, show_progress_bar=False)
    found = own.uns["cell_type_nhood_enrichment"]
    names = list(own.obs["cell_type"].cat.categories)
    np.testing.assert_array_equal(found["count"], neighbour_types(own).loc[names, names])
    ours = neighbour_enrichment(own).z.loc[names, names]
    np.testing.assert_allclose(found["zscore"], ours, atol=0.25)  # two samples of a thousand shuffles


def test_squidpy_draws_them_where_they_are(cells: Any, tmp_path: Path) -> None:
    out = tmp_path / "cells.png"
    squidpy.pl.spatial_scatter(cells.copy(), color="cell_type", shape=None, save=str(out))
    assert out.stat().st_size > 5000
