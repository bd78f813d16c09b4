"""The rank test against scipy, the metrics against the independent scorer and what they must be."""

import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from twin.analysis.metrics.differential import (
    average_precision,
    cell_eval_normalised,
    cell_eval_scores,
    discrimination,
    table_agreement,
)
from twin.analysis.metrics.rank_test import Float, counts_table, differential_expression
from twin.analysis.scores import dispersion_genes, lognorm
from twin.errors import InputError


def two_groups(seed: int = 0, genes: int = 40) -> tuple[Float, Float]:
    """Log-normalised controls and treated cells, the last quarter of the genes threefold."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.7, 2.0, size=genes)
    change = np.where(np.arange(genes) < genes * 3 // 4, 1.0, 3.0)
    return np.log1p(rng.poisson(rate, (80, genes))), np.log1p(rng.poisson(rate * change, (90, genes)))


@given(seed=st.integers(0, 2**31), shift=st.sampled_from([0.0, -1.0]))
def test_the_p_value_is_that_of_scipy_for_any_ties_and_signs(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.maximum(rng.poisson(1.0, (n, 6)) + shift, -1.0) for n in (7, 11))
    a[:, 0] = b[:, 0] = 2.0  # one value in all cells
    a[:, 1] = b[:, 1] = 0.0
    with np.errstate(all="ignore"):
        wanted = stats.mannwhitneyu(a, b, axis=0, method="asymptotic").pvalue
    found = differential_expression(a, b).p
    np.testing.assert_allclose(found[2:], np.nan_to_num(wanted[2:], nan=1.0), rtol=1e-12)
    assert found[0] == found[1] == 1.0


def test_tables_and_their_agreement_are_those_of_the_independent_scorer(reference: ModuleType) -> None:
    control, treated = two_groups()
    _, guess = two_groups(seed=1)
    ours = [differential_expression(cells, control) for cells in (guess, treated)]
    theirs = [reference.differential_expression(cells, control) for cells in (guess, treated)]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.log2fc, b[0], rtol=1e-9)
        np.testing.assert_allclose(a.fdr, b[1], rtol=1e-9)
    found, wanted = table_agreement(ours[0], ours[1]), reference.de_scores(*theirs)
    for key, name in (
        ("des", "des"),
        ("auprc", "auprc"),
        ("spearman_lfc", "spearman_lfc"),
        ("direction_match", "direction"),
    ):
        assert found[key] == pytest.approx(wanted[name], abs=1e-9)
    assert (found["n_real"], found["n_predicted"]) == (wanted["n_real"], wanted["n_pred"])


def test_the_interferon_data_have_as_many_significant_genes_as_the_published_table(
    reference: ModuleType, data_folder: Path
) -> None:
    counts, _, kind, state, _ = reference.load_kang(data_folder)
    logged = lognorm(sp.csr_array(counts))
    logged = logged[:, dispersion_genes(logged, 1000)]
    found = {}
    for name in reference.KANG_TYPES:
        treated, control = (logged[(kind == name) & (state == arm)] for arm in ("IFNB1", "control"))
        found[name] = int(differential_expression(treated, control).significant().sum())
    assert found == {"B": 35, "CD4 T": 77, "CD8 T": 16, "DC": 49, "NK": 16, "T activated": 12, "monocyte": 262}


def test_sparse_and_dense_cells_have_one_table() -> None:
    control, treated = two_groups()
    dense, thin = (
        differential_expression(treated, control),
        differential_expression(*map(sp.csr_array, (treated, control))),
    )
    np.testing.assert_array_equal(dense.p, thin.p)
    np.testing.assert_array_equal(dense.log2fc, thin.log2fc)


def test_a_table_of_counts_does_not_see_the_depth_and_gates_on_the_controls() -> None:
    rng = np.random.default_rng(0)
    control, treated = rng.poisson(3.0, (60, 30)), rng.poisson(3.0, (50, 30))
    control[:, 5] = 0
    once, deeper = counts_table(treated, control), counts_table(treated * rng.integers(1, 5, (50, 1)), control)
    np.testing.assert_allclose(once.log2fc, deeper.log2fc, atol=1e-12)
    np.testing.assert_allclose(once.p, deeper.p, rtol=1e-9)
    assert not once.tested[5]
    assert once.fdr[5] == 1.0


def test_the_truth_scores_full_marks_and_controls_none() -> None:
    control, _ = two_groups()
    real = {f"p{i}": two_groups(seed=i)[1] for i in range(1, 4)}
    genes = [f"g{i}" for i in range(40)]
    truth = cell_eval_scores(real, real, control, genes).means
    assert truth["mae"] == 0
    assert all(truth[key] == pytest.approx(1.0) for key in ("pds", "des", "pearson_delta", "spearman_lfc"))
    still = cell_eval_scores(dict.fromkeys(real, control), real, control, genes).means
    assert still["des"] == 0
    assert still["direction_match"] == 0
    scaled = cell_eval_normalised(truth, still)
    assert all(scaled[key] == pytest.approx(1.0) for key in ("mae", "des", "pds"))
    assert cell_eval_normalised(still, truth)["mean"] == 0


def test_discrimination_is_one_half_on_average_for_a_predictor_that_knows_nothing() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 30))
    none: list[int | None] = [None] * 200
    assert discrimination(real, real, none).min() == 1.0
    assert discrimination(rng.normal(size=(200, 30)), real, none).mean() == pytest.approx(0.5, abs=5 * 0.29 / 200**0.5)
    same = np.ones((4, 3))
    np.testing.assert_array_equal(discrimination(same, same, none[:4]), 1 - 1.5 / 4)


def test_the_perturbed_gene_itself_does_not_help_discrimination() -> None:
    real = np.eye(3) * 9
    predicted = np.array([[9.0, 6.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])  # the first looks like the second
    np.testing.assert_array_equal(discrimination(predicted, real, [None, None, None]), [1, 1, 1])
    np.testing.assert_allclose(discrimination(predicted, real, [0, None, None]), [2 / 3, 1, 1])


@pytest.mark.parametrize(
    ("label", "score", "wanted"),
    [
        ([1, 1, 0, 0], [4, 3, 2, 1], 1.0),
        ([0, 0, 1, 1], [1, 1, 1, 1], 0.5),
        ([1, 0, 1, 0], [4, 3, 2, 1], 0.5 + 0.5 * 2 / 3),
    ],
)
def test_average_precision_shares_a_threshold_among_ties(label: list[int], score: list[float], wanted: float) -> None:
    assert average_precision(np.array(label, bool), np.array(score, float)) == pytest.approx(wanted)


def test_normalised_scores_are_by_the_rule_of_each_metric() -> None:
    found = cell_eval_normalised({"mae": 0.02, "pds": 0.75, "des": 0.1}, {"mae": 0.04, "pds": 0.5, "des": 0.2})
    assert found == {"mae": 0.5, "pds": 0.5, "des": 0.0, "mean": pytest.approx(1 / 3)}
    assert cell_eval_normalised({"auprc": float("nan")}, {"auprc": 0.1})["auprc"] == 0
    with pytest.raises(InputError, match="neither table holds any of mae, pds"):
        cell_eval_normalised({"x": 1.0}, {"x": 1.0})


def test_sides_that_do_not_fit_are_told() -> None:
    control, treated = two_groups()
    genes = [f"g{i}" for i in range(40)]
    with pytest.raises(InputError, match="on one side only: b"):
        cell_eval_scores({"a": treated}, {"a": treated, "b": treated}, control, genes)
    with pytest.raises(InputError, match="predicted cells of a have 39 genes, not 40"):
        cell_eval_scores({"a": treated[:, :39]}, {"a": treated}, control, genes)
    with pytest.raises(InputError, match="40 genes and the controls 39"):
        differential_expression(treated, control[:, :39])
    broken = treated.copy()
    broken[3, 4] = np.nan
    with pytest.raises(InputError, match="1 values are not finite"):
        differential_expression(broken, control)


def test_a_thousand_genes_of_two_thousand_cells_are_tested_within_seconds() -> None:
    rng = np.random.default_rng(0)
    cells = np.log1p(rng.poisson(rng.gamma(0.3, 1.0, size=1000), (2000, 1000)))
    start = time.perf_counter()
    differential_expression(cells[:1000], cells[1000:])
    assert time.perf_counter() - start < 3.0  # 0.1 s alone on a core; the rest is for a busy machine
