"""The moderated paired t against its own law: planted variances, a null that is uniform, a t that it becomes."""

import numpy as np
import pytest
from scipy.stats import kstest, ttest_rel

from twin.analysis.pseudobulk import Float, expressed, log_cpm, paired_test, shared_variance
from twin.errors import InputError


def bulks(n: int, n_genes: int, seed: int, effect: Float | None = None) -> tuple[Float, Float]:
    """Return pseudobulks of both sides, (replicate, gene): a replicate's luck is common to both."""
    rng = np.random.default_rng(seed)
    level = rng.gamma(2.0, 200.0, n_genes) * np.exp(0.3 * rng.normal(size=(n, n_genes)))
    change = np.exp2(np.zeros(n_genes) if effect is None else effect)
    return rng.poisson(level * change).astype(float), rng.poisson(level).astype(float)


@pytest.mark.parametrize(("df", "scale"), [(4.0, 0.3), (20.0, 2.0)])
def test_the_law_of_the_variances_is_found(df: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    true = df * scale / rng.chisquare(df, 20_000)
    prior = shared_variance(true * rng.chisquare(3, 20_000) / 3, 3)
    assert prior.df == pytest.approx(df, rel=0.15)
    assert prior.variance == pytest.approx(scale, rel=0.05)


def test_one_variance_for_all_genes_is_known_for_sure() -> None:
    rng = np.random.default_rng(1)
    prior = shared_variance(0.7 * rng.chisquare(2, 500) / 2, 2)
    assert prior.df > 30
    assert prior.variance == pytest.approx(0.7, rel=0.15)


def test_without_a_change_p_is_uniform_and_with_one_the_genes_are_found() -> None:
    assert kstest(paired_test(*bulks(3, 3000, 2)).p, "uniform").pvalue > 1e-3
    effect = np.r_[np.full(50, 1.0), np.full(50, -1.0), np.zeros(1900)]
    found = paired_test(*bulks(3, 2000, 3, effect))
    called = found.significant()
    assert called[:100].mean() > 0.9
    assert called[100:].sum() <= 0.15 * called.sum()
    assert np.abs(found.log2fc[:50] - 1.0).mean() < 0.15
    assert np.abs(found.log2fc[50:100] + 1.0).mean() < 0.15


def test_with_many_replicates_it_is_the_paired_t() -> None:
    first, second = bulks(60, 200, 4)
    plain = ttest_rel(log_cpm(first), log_cpm(second)).pvalue
    assert np.corrcoef(np.log(paired_test(first, second).p), np.log(plain))[0, 1] > 0.99


def test_a_gene_with_hardly_a_count_takes_no_part() -> None:
    first, second = bulks(3, 50, 5)
    first[:, 7] = second[:, 7] = [0.0, 1.0, 0.0]
    first[:, 8], second[:, 8] = 400.0, 0.0  # one side only: it does
    assert not expressed(first, second)[7]
    found = paired_test(first, second)
    assert (found.p[7], found.fdr[7], found.log2fc[7]) == (1.0, 1.0, 0.0)
    assert found.tested[8]
    assert found.log2fc[8] > 5


def test_two_replicates_are_refused() -> None:
    with pytest.raises(InputError, match="2 replicates are too few"):
        paired_test(*bulks(2, 10, 0))
