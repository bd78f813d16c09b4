"""Our own scores against those of cell-eval and cell-eval2: frozen, and of the packages where installed."""

import json
import warnings

import numpy as np
import pytest

from tests.analysis.metrics.panels import (
    CASES,
    FROZEN,
    GENES,
    KINDS,
    cell_eval2_table,
    cell_eval_table,
    count_panel,
    log_panel,
)
from twin.analysis.metrics.counts_board import BOARD_NAMES, counts_board
from twin.analysis.metrics.differential import CELL_EVAL_NAMES, cell_eval_scores

NEAR = {"rel": 1e-6, "abs": 1e-6}
Table = dict[str, dict[str, float]]


def frozen(key: str) -> Table:
    return dict(json.loads(FROZEN.read_text(encoding="utf-8"))[key])


def assert_agrees_with_cell_eval(theirs: Table, kind: str) -> None:
    predicted, real, controls = log_panel(kind)
    ours = cell_eval_scores(predicted, real, controls, GENES)
    names = {**CELL_EVAL_NAMES, "n_real": "de_nsig_counts_real", "n_predicted": "de_nsig_counts_pred"}
    assert set(ours.perturbations) == set(theirs)
    for i, perturbation in enumerate(ours.perturbations):
        row = theirs[perturbation]
        assert ours.means["spearman_deg"] == pytest.approx(row["de_spearman_sig"], nan_ok=True, **NEAR)
        for key, column in ours.values.items():
            found, wanted = float(column[i]), row[names[key]]
            assert found == pytest.approx(wanted, nan_ok=True, **NEAR), f"{key} of {perturbation}"


def assert_agrees_with_cell_eval2(theirs: Table, kind: str, source: str) -> None:
    predicted, real, controls = count_panel(kind)
    own = None if source == "real" else controls[::2]
    ours = counts_board(predicted, real, controls, GENES, predicted_controls=own)
    names = {**BOARD_NAMES, "mse_error": "expr_mse_unbiased_capped", "mse_effect": "expr_distance_unbiased"}
    for key, column in ours.values.items():
        for i, perturbation in enumerate(ours.perturbations):
            wanted = theirs[perturbation].get(names[key], float("nan"))
            assert float(column[i]) == pytest.approx(wanted, nan_ok=True, **NEAR), f"{key} of {perturbation}"
    for key, name in BOARD_NAMES.items():
        assert ours.means[key] == pytest.approx(theirs["mean"][name], nan_ok=True, **NEAR), key


@pytest.mark.parametrize("kind", KINDS)
def test_the_seven_metrics_are_those_that_cell_eval_computed(kind: str) -> None:
    assert_agrees_with_cell_eval(frozen(f"cell-eval 0.8.2, {kind}"), kind)


@pytest.mark.parametrize(("kind", "source"), CASES)
def test_the_six_metrics_are_those_that_cell_eval2_computed(kind: str, source: str) -> None:
    assert_agrees_with_cell_eval2(frozen(f"cell-eval2 0.20.0, {kind}, {source}"), kind, source)


def test_the_frozen_panel_holds_the_hard_cases() -> None:
    predicted, real, controls = log_panel()
    scores = cell_eval_scores(predicted, real, controls, GENES)
    assert np.isnan(scores.values["auprc"]).any()  # a perturbation without an effect
    silent = controls.sum(axis=0) == 0
    assert any((cells.sum(axis=0) > 0)[silent].any() for cells in real.values())  # infinite fold changes
    assert len(np.unique(scores.values["pds"])) > 2
    board = frozen("cell-eval2 0.20.0, half, real")
    capped = [row.get("expr_mse_unbiased") != row.get("expr_mse_unbiased_capped") for row in board.values()]
    assert any(capped)
    assert not all(capped)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seven_metrics_are_those_of_cell_eval_itself(kind: str) -> None:
    pytest.importorskip("cell_eval", reason="cell-eval is not installed: pip install 'twin[parity]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, not ours
        assert_agrees_with_cell_eval(cell_eval_table(kind), kind)


@pytest.mark.parametrize(("kind", "source"), CASES)
def test_the_six_metrics_are_those_of_cell_eval2_itself(kind: str, source: str) -> None:
    pytest.importorskip("cell_eval2", reason="cell-eval2 is not installed: pip install 'twin[parity]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, not ours
        assert_agrees_with_cell_eval2(cell_eval2_table(kind, source), kind, source)
