"""The six metrics of 2026 against what they must be; their numbers stand in test_cell_eval.py."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from tests.analysis.metrics.panels import GENES, count_panel
from twin.analysis.metrics.counts_board import (
    BOARD_NAMES,
    board_scores,
    bulk_profiles,
    counts_board,
    jackknife_variance,
    mse_parts,
    replicate_board,
)
from twin.errors import InputError

Counts = NDArray[np.int64]


def no_skill(
    n: int = 300, perturbations: int = 40, genes: int = 50
) -> tuple[dict[str, Counts], dict[str, Counts], Counts]:
    """Predictions drawn afresh from the control rates, real cells with effects, controls."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(2.0, 8.0, size=genes)
    names = [f"p{i}" for i in range(perturbations)]
    real = {p: rng.poisson(rate * np.exp(rng.normal(0, 0.15, genes)), (n, genes)) for p in names}
    return {p: rng.poisson(rate, (n, genes)) for p in names}, real, rng.poisson(rate, (3 * n, genes))


def test_the_error_is_zero_for_a_fresh_sample_of_the_truth_and_one_for_the_controls() -> None:
    predicted, real, controls = no_skill()
    genes = [f"g{i}" for i in range(50)]
    still = counts_board(predicted, real, controls, genes).means
    assert still["mse_norm"] == pytest.approx(1.0, abs=0.02)
    assert still["pds_cosine"] == pytest.approx(0.5, abs=5 * 0.29 / 40**0.5)
    assert still["lfc_nmae"] == pytest.approx(1.0, abs=0.1)
    halves = [{n: c[i::2] for n, c in real.items()} for i in (0, 1)]
    truth = counts_board(halves[0], halves[1], controls, genes).means
    assert truth["mse_norm"] == pytest.approx(0.0, abs=0.02)
    assert truth["pds_cosine"] == 1.0
    assert truth["direction_reach"] > 0.95


def test_the_jackknife_is_the_sampling_variance_of_the_bulk_profile() -> None:
    rng = np.random.default_rng(1)
    rate = rng.gamma(2.0, 3.0, size=30)
    draws = [rng.poisson(rate * rng.gamma(4, 0.25, (60, 1)), (60, 30)) for _ in range(400)]
    profiles = bulk_profiles(np.array([d.sum(axis=0) for d in draws], dtype=np.float64))
    wanted = profiles.var(axis=0, ddof=1).sum()
    found = np.mean([jackknife_variance(sp.csr_array(d, dtype=np.float64)) for d in draws])
    assert found == pytest.approx(wanted, rel=0.05)
    assert jackknife_variance(sp.csr_array(draws[0][:1], dtype=np.float64)) == 0.0


def test_cells_that_only_pretend_to_scatter_earn_no_correction() -> None:
    real, control = np.random.default_rng(0).normal(size=(5, 20)), np.zeros(20)
    flat = np.zeros((5, 20))  # one profile for all perturbations: no spread, however large the claim
    noise = np.full(5, 3.0), np.full(5, 1.0), 0.0
    error, effect = mse_parts(flat, real, control, noise, [None] * 5)
    np.testing.assert_allclose(error, effect)
    varied, _ = mse_parts(real, real, control, noise, [None] * 5)
    np.testing.assert_allclose(varied, -2.0 / 20)  # capped at what the reference has


def test_the_scale_is_zero_at_the_baseline_and_one_at_the_replicate() -> None:
    baseline = dict.fromkeys(BOARD_NAMES, 0.5) | {"mse_norm": 1.0, "lfc_nmae": 1.0}
    replicate = dict.fromkeys(BOARD_NAMES, 0.9) | {"mse_norm": 0.1, "lfc_nmae": 0.4}
    assert board_scores(baseline, baseline, replicate) == dict.fromkeys([*BOARD_NAMES, "mean"], 0.0)
    assert board_scores(replicate, baseline, replicate) == pytest.approx(dict.fromkeys([*BOARD_NAMES, "mean"], 1.0))
    bad = board_scores({"pds_cosine": 0.1, "mse_norm": 4.0, "lfc_nmae": 99.0}, baseline, replicate)
    assert bad["pds_cosine"] == pytest.approx(-1.0)
    assert bad["mse_norm"] == 0.0
    assert bad["lfc_nmae"] == -6.0
    assert bad["sig_jaccard"] == pytest.approx(-0.5 / 0.4)
    with pytest.raises(InputError, match="must differ from the baseline"):
        board_scores(baseline, baseline, baseline)


def test_a_replicate_of_the_experiment_beats_a_half_right_prediction() -> None:
    predicted, real, controls = count_panel()
    upper = replicate_board(real, controls, GENES, splits=2)
    half = counts_board(predicted, real, controls, GENES).means
    copied, *_ = count_panel("copy")
    low = counts_board(copied, real, controls, GENES).means
    assert upper["mse_norm"] < half["mse_norm"] < low["mse_norm"]
    assert upper["pds_cosine"] > low["pds_cosine"]
    assert upper["lfc_nmae"] < low["lfc_nmae"]
    assert upper == replicate_board(real, controls, GENES, splits=2)


def test_a_target_named_by_the_user_is_left_out() -> None:
    predicted, real, controls = count_panel()
    as_named = counts_board(predicted, real, controls, GENES)
    renamed = [{f"guide-{n}": c for n, c in side.items()} for side in (predicted, real)]
    targets = {f"guide-{n}": n if n in GENES else None for n in real}
    by_map = counts_board(renamed[0], renamed[1], controls, GENES, targets=targets)
    without = counts_board(renamed[0], renamed[1], controls, GENES)
    assert by_map.means == pytest.approx(as_named.means)
    assert by_map.means["mse_norm"] != without.means["mse_norm"]


def test_normalised_values_are_refused() -> None:
    _, real, controls = count_panel()
    logged = {n: np.log1p(c) for n, c in real.items()}
    with pytest.raises(InputError, match="predicted cells of G00 are not raw counts"):
        counts_board(logged, real, controls, GENES)
