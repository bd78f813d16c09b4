"""Fresh draws follow the heads' law, and equal quantiles move what has an effect and nothing else."""

from typing import Any

import numpy as np
import pytest
import torch

from twin.kernels.reveal import couple, reveal
from twin.model.network import level_log_widths, level_values

GENES = 6
N = 20_000
SHIFT = 0.7  # of log μ at full strength
UNKNOWN = np.full((1, GENES), np.nan, np.float32), np.zeros(N, np.int64)  # how what is added scatters
LEVEL_BASE = (level_log_widths() - torch.lgamma(level_values() + 1)).numpy().astype(np.float64)


def heads(mean: float, theta: float) -> dict[str, Any]:
    """Return the arguments of a negative binomial of this mean and dispersion for every gene."""
    k = level_values()
    table = torch.lgamma(k + theta) - torch.lgamma(torch.tensor(theta)) - torch.lgamma(k + 1) + level_log_widths()
    return {
        "log_mean": np.full((N, GENES), np.log(mean), np.float32),
        "assay": np.zeros(N, np.int64),
        "theta": np.full((1, GENES), theta, np.float32),
        "hurdle_bias": np.zeros((1, GENES), np.float32),
        "value_bias": np.zeros((1, GENES), np.float32),
        "table": np.tile(table.numpy().astype(np.float32), (1, GENES, 1)),
        "level_value": k.numpy().astype(np.float64),
    }


def draw(due: float, mean: float = 3.0, theta: float = 2.0, strength: float = 0.0, held: int = 0) -> np.ndarray:
    h = heads(mean, theta)
    n_held = GENES if held else 0
    indptr, gene, token = reveal(
        np.uint64(77),
        np.arange(N, dtype=np.uint64),
        np.arange(GENES, dtype=np.uint64),
        np.full(GENES, due),
        h["log_mean"],
        np.full((1, 1, GENES), SHIFT, np.float32),
        np.full((N, 1), strength),
        np.zeros(N, np.int64),
        h["assay"],
        h["theta"],
        h["hurdle_bias"],
        h["value_bias"],
        h["table"],
        h["level_value"],
        np.arange(N + 1, dtype=np.int64) * n_held,
        np.tile(np.arange(n_held), N).astype(np.int64),
        np.full(N * n_held, held, np.uint16),
    )
    dense = np.zeros((N, GENES), np.int64)
    dense[np.repeat(np.arange(N), np.diff(indptr)), gene] = token
    return dense


def test_draws_follow_the_negative_binomial_they_are_anchored_in() -> None:
    x = draw(1.0)
    p = 2.0 / (2.0 + 3.0)
    from scipy.stats import nbinom

    for value in range(12):
        expected = nbinom.pmf(value, 2.0, p)
        bound = 5 * np.sqrt(expected * (1 - expected) / x.size)
        assert abs((x == value).mean() - expected) < bound


def test_only_due_genes_change_and_as_often_as_they_should() -> None:
    x = draw(0.3, mean=1e-6, held=250)
    assert set(np.unique(x)) <= {0, 250}
    assert (x == 0).mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / x.size))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_an_effect_moves_the_whole_law_as_a_change_of_the_mean_does(strength: float) -> None:
    """Hurdle and values alike: the draws of a shifted mean are those of the higher mean, at full strength and below."""
    shifted, higher = draw(1.0, strength=strength), draw(1.0, mean=3.0 * np.exp(strength * SHIFT))
    for value in range(15):
        expected = (higher == value).mean()
        bound = 6 * np.sqrt(2 * expected * (1 - expected) / higher.size) + 1e-4
        assert abs((shifted == value).mean() - expected) < bound
    assert shifted.mean() == pytest.approx(3.0 * np.exp(strength * SHIFT), rel=0.02)


def test_value_is_independent_of_the_gene_being_due() -> None:
    """One uniform is split in three; the parts must not know of each other."""
    rare, always = draw(0.05), draw(1.0)
    a, b = rare[rare > 0], always[always > 0]
    assert abs(a.mean() - b.mean()) < 5 * b.std() / np.sqrt(len(a))


def test_equal_quantiles_reach_the_treated_law_and_leave_the_rest() -> None:
    control = draw(1.0)
    h = heads(3.0, 2.0)
    shift = np.zeros((N, GENES), np.float32)
    shift[:, 3:] = SHIFT
    row, gene = np.nonzero(control)
    indptr, new_gene, token = couple(
        np.uint64(5),
        np.arange(N, dtype=np.uint64),
        np.arange(GENES, dtype=np.uint64),
        h["log_mean"],
        shift,
        *UNKNOWN,
        h["assay"],
        h["theta"],
        h["hurdle_bias"],
        h["value_bias"],
        h["table"],
        LEVEL_BASE,
        h["level_value"],
        np.concatenate([[0], np.cumsum((control > 0).sum(axis=1))]).astype(np.int64),
        gene.astype(np.int64),
        control[row, gene].astype(np.uint16),
    )
    moved = np.zeros_like(control)
    moved[np.repeat(np.arange(N), np.diff(indptr)), new_gene] = token
    assert (moved[:, :3] == control[:, :3]).all()
    treated = draw(1.0, strength=1.0)
    for value in range(12):
        expected = (treated[:, 3:] == value).mean()
        bound = 6 * np.sqrt(2 * expected * (1 - expected) / (N * 3)) + 1e-4
        assert abs((moved[:, 3:] == value).mean() - expected) < bound
    assert (moved[:, 3:] >= control[:, 3:]).mean() > 0.999  # up is up for every cell


@pytest.mark.parametrize(("held", "shift", "left"), [(80, 0.7, 161), (80, -0.7, 40), (80, -6.0, 0), (1, 0.7, 0)])
def test_a_value_beyond_the_control_law_is_multiplied(held: int, shift: float, left: int) -> None:
    """80 where 1.5 are expected has no quantile: the farthest there is would be the highest level of all."""
    h = heads(1.5, 50.0)
    _, gene, token = couple(
        np.uint64(5),
        np.arange(1, dtype=np.uint64),
        np.arange(GENES, dtype=np.uint64),
        h["log_mean"][:1],
        np.full((1, GENES), shift, np.float32),
        UNKNOWN[0],
        UNKNOWN[1][:1],
        h["assay"][:1],
        h["theta"],
        h["hurdle_bias"],
        h["value_bias"],
        h["table"],
        LEVEL_BASE,
        h["level_value"],
        np.array([0, 1]),
        np.array([4]),
        np.array([held], np.uint16),
    )
    count = h["level_value"][token[gene == 4] - 1].sum() if (gene == 4).any() else 0
    if held == 80:
        assert abs(count - left) <= 0.03 * left
    else:
        assert 1 <= count < 12  # within the law: the same quantile


def coupled(control: np.ndarray, mean: float, theta: float, shift: float, phi: float) -> np.ndarray:
    """Return control counts (below 100) moved by one shift, where what is added has the dispersion φ."""
    h = heads(mean, theta)
    row, gene = np.nonzero(control)
    indptr, new_gene, token = couple(
        np.uint64(5),
        np.arange(N, dtype=np.uint64),
        np.arange(GENES, dtype=np.uint64),
        h["log_mean"],
        np.full((N, GENES), shift, np.float32),
        np.full((1, GENES), phi, np.float32),
        np.zeros(N, np.int64),
        h["assay"],
        h["theta"],
        h["hurdle_bias"],
        h["value_bias"],
        h["table"],
        LEVEL_BASE,
        h["level_value"],
        np.concatenate([[0], np.cumsum((control > 0).sum(axis=1))]).astype(np.int64),
        gene.astype(np.int64),
        control[row, gene].astype(np.uint16),
    )
    moved = np.zeros(control.shape, np.int64)
    at = np.repeat(np.arange(N), np.diff(indptr)), new_gene
    moved[at] = np.round(h["level_value"][token.astype(np.intp) - 1])
    return moved


def test_what_a_rise_adds_scatters_as_it_is_said_to() -> None:
    """Twenty times as much of a bursty gene: 0.587² is (0.05 √5 + 0.95 √0.25)²."""
    from scipy.stats import nbinom

    control = np.minimum(draw(1.0, mean=0.3, theta=0.2), 99)
    moved = coupled(control, 0.3, 0.2, np.log(20.0), 0.25)
    theta = 1.0 / (0.05 * np.sqrt(5.0) + 0.95 * 0.5) ** 2
    for value in range(15):
        expected = nbinom.pmf(value, theta, theta / (theta + 6.0))
        bound = 6 * np.sqrt(expected * (1 - expected) / moved.size) + 1e-4
        assert abs((moved == value).mean() - expected) < bound
    assert moved.mean() == pytest.approx(6.0, rel=0.02)
    bursty = coupled(control, 0.3, 0.2, np.log(20.0), np.nan)
    assert (bursty == 0).mean() > 5 * (moved == 0).mean()


def test_a_small_rise_changes_little_however_what_it_adds_scatters_and_a_fall_nothing_of_the_shape() -> None:
    control = np.minimum(draw(1.0, mean=0.3, theta=0.2), 99)
    assert (coupled(control, 0.3, 0.2, 1e-3, 0.25) != control).mean() < 2e-3
    fallen = coupled(control, 0.3, 0.2, -1.0, 0.25)
    np.testing.assert_array_equal(fallen, coupled(control, 0.3, 0.2, -1.0, np.nan))


def test_known_dispersion_of_the_law_itself_changes_nothing() -> None:
    """φ = 1 / θ makes one law of both parts: tables and recursion agree, to rounding at a quantile's edge."""
    control = np.minimum(draw(1.0), 99)
    known, unknown = (coupled(control, 3.0, 2.0, SHIFT, phi) for phi in (0.5, np.nan))
    assert (known != unknown).mean() < 1e-4
