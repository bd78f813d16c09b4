"""Our scores against an independent scorer, number by number, and against what they must be."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp

from twin.analysis.scores import dispersion_genes, lognorm, mse, pearson, slope, split_half
from twin.data.counts import onto_axis, read_counts


@pytest.fixture(scope="module")
def reference(data_folder: Path) -> ModuleType:
    file = data_folder.parent / "tools" / "score_reference.py"
    if not file.is_file():
        pytest.skip("the independent scorer does not lie beside the data")
    spec = importlib.util.spec_from_file_location("score_reference", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def counts(data_folder: Path) -> sp.csr_array:
    """Both files of the interferon experiment over the genes they share."""
    small = read_counts(data_folder / "kang2018_pbmc_ifnb_extra.h5ad")
    whole, _ = onto_axis(read_counts(data_folder / "kang2018_pbmc_ifnb.h5ad"), small.genes)
    return sp.vstack([whole, small.counts], format="csr")


def test_normalisation_and_gene_list_agree_with_the_reference(reference: ModuleType, counts: sp.csr_array) -> None:
    ours, theirs = lognorm(counts), reference.lognorm(counts)
    assert abs(ours - theirs).max() == 0
    np.testing.assert_array_equal(dispersion_genes(ours, 1000), reference.dispersion_hvg(theirs, 1000))


def test_scores_agree_with_the_reference(reference: ModuleType) -> None:
    rng = np.random.default_rng(0)
    x, y, c = rng.normal(size=(3, 300))
    assert pearson(x - c, y - c) == pytest.approx(reference.pearson_delta(x, y, c), abs=1e-12)
    assert mse(x, y) == pytest.approx(reference.mse(x, y), abs=1e-15)
    assert np.isnan(pearson(np.zeros(5), np.arange(5.0)))


def test_slope_is_one_for_the_truth_and_half_for_half_an_effect() -> None:
    true = np.random.default_rng(0).normal(size=100)
    assert slope(true, true) == pytest.approx(1.0)
    assert slope(0.5 * true, true) == pytest.approx(0.5)


def test_halves_of_noise_do_not_agree_and_halves_of_an_effect_do() -> None:
    rng = np.random.default_rng(1)
    control, effect = rng.normal(size=(200, 50)), rng.normal(size=50)
    noise, _ = split_half(control, rng.normal(size=(200, 50)))
    strong, _ = split_half(control, rng.normal(size=(200, 50)) + 3 * effect)
    assert abs(noise) < 0.4
    assert strong > 0.95
