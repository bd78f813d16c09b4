"""Cells like the measured ones mix with them, cells unlike do not."""

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from twin_viz.plots import umap
from twin_viz.plots.embedding import SIZE, Embedding, _notes, embedded
from twin_viz.plots.measured import measured_cells
from twin_viz.plots.sheet import note, sheet

from tests.viz.plots.stores import GENES, TYPES, cells_of
from twin.errors import InputError, MissingExtraError
from twin.results import Run


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measured cells: the first half as the run's at its end, the second as at its start; two genes it has not."""
    out = tmp_path_factory.mktemp("measured") / "cells.h5ad"
    parts = [
        cells_of(60, (3, seed), strength=s).expression.to_counts(np.arange(60, dtype=np.uint64))
        for seed, s in ((0, 1.0), (0, 0.0))
    ]
    counts = sp.csr_matrix(sp.vstack(parts)).astype(np.int32)
    obs = pd.DataFrame(
        {"cell_type": [TYPES[i % 2] for i in range(120)], "condition": ["treated"] * 60 + ["control"] * 60},
        index=[f"c{i}" for i in range(120)],
    )
    ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=[*GENES[:38], "X1", "X2"])).write_h5ad(out)
    return out


def test_measured_cells_are_taken_on_shared_genes_and_filtered(plain: Run, file: Path) -> None:
    found = measured_cells(plain, "tissue", 2.0, file, {"condition": "control"}, None)
    assert found.counts.shape == (60, 38)
    assert found.words == "cells.h5ad, condition = control"
    assert set(found.types) == set(TYPES)


@pytest.mark.slow  # scanpy and UMAP take half a minute to be imported and compiled
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of scanpy's imports
def test_like_cells_mix_and_unlike_cells_do_not() -> None:
    pytest.importorskip("scanpy")
    rng = np.random.default_rng(0)
    real, like = (sp.csr_array(rng.poisson(3.0, (150, 60)).astype(np.int32)) for _ in range(2))
    unlike = sp.csr_array(rng.poisson(np.where(np.arange(60) < 20, 12.0, 3.0), (150, 60)).astype(np.int32))
    kinds = np.array(["a"] * 300)
    close, apart = embedded(real, like, kinds), embedded(real, unlike, kinds)
    assert close.mixed > 0.7
    assert apart.mixed < 0.2
    assert close.halves > 0.7
    np.testing.assert_array_equal(embedded(real, like, kinds).place, close.place)  # a fixed state


@pytest.mark.slow  # scanpy and UMAP take half a minute to be imported and compiled
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of scanpy's imports
def test_the_figure_has_equal_numbers_of_both_and_says_how_they_mix(plain: Run, file: Path) -> None:
    pytest.importorskip("scanpy")
    figure = umap(plain, file, {"condition": "treated"})
    measured, simulated, both = (np.asarray(axes.collections[-1].get_offsets()).shape[0] for axes in figure.axes)
    assert (measured, simulated, both) == (60, 60, 120)
    said = figure._supxlabel.get_text().replace("\n", " ")  # type: ignore[attr-defined]  # Matplotlib's place for it
    assert "iLISI" in said
    assert "38 shared genes" in said


@pytest.mark.parametrize("dpi", [72, 100, 150])
def test_what_the_figure_says_stays_within_it(plain: Run, file: Path, dpi: int) -> None:
    rng = np.random.default_rng(0)
    made = Embedding(rng.normal(size=(80, 2)), 40, np.array(["B cell"] * 80), 0.2, 0.9)
    real = measured_cells(plain, "tissue", 2.0, file, {}, None)
    figure = sheet(SIZE, "planted")
    note(figure, *_notes(made, replace(real, words=f"{'long_' * 60}name.h5ad"), (13_999, 2_000), 0))
    figure.dpi = dpi
    figure.draw_without_rendering()
    text = figure._supxlabel  # type: ignore[attr-defined]  # Matplotlib's place for it
    assert text.get_window_extent().x1 <= figure.bbox.width


def test_without_scanpy_the_extra_is_named(plain: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scanpy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twin\[eval\]'"):
        umap(plain, file)


@pytest.mark.skipif(find_spec("scanpy") is None, reason="needs scanpy")
def test_one_type_and_a_path_in_words_are_enough(plain: Run, file: Path) -> None:
    with pytest.raises(InputError, match="is called 'T cell'; did you mean B cell"):
        umap(plain, str(file), cell_type="T cell")


@pytest.mark.skipif(find_spec("scanpy") is None, reason="needs scanpy")
def test_what_cannot_be_embedded_is_one_sentence(plain: Run, file: Path) -> None:
    for options, words in (
        ({}, "names no measured cells of tissue: give the measured cells with --measured"),
        ({"measured": Path("nowhere.h5ad")}, "nowhere.h5ad is not there"),
        ({"measured": file, "where": {"condition": "tretaed"}}, "no cell has condition = 'tretaed'; there are control"),
        ({"measured": file, "where": {"conditio": "control"}}, "did you mean condition"),
        ({"measured": file, "cell_type": ["T cell"]}, "no cell type of .* is called 'T cell'; did you mean B cell"),
        ({"measured": file, "where": {"condition": "control"}, "cell_type": ["B cell"], "time": "9 h"}, "kept at 9 h"),
    ):
        with pytest.raises(InputError, match=words):
            umap(plain, **options)
