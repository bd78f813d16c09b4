"""κ is recovered where two times tell it, and refused where one does not."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from tests.model.synthetic import synthetic_experiment
from twin.data.counts import checked_counts
from twin.data.experiment import Experiment, assemble
from twin.errors import InputError
from twin.kernels.turnover import replaced_fraction
from twin.model.kinetics import fit_kappa

N_GENES = 60


def course(kappa: float, times: tuple[float, ...], half_life: float = 5.0, cells: int = 1_000) -> Experiment:
    """Return cells whose genes turn over towards a new level, measured at some hours after the change."""
    luck = np.random.default_rng(0)
    start, end = luck.gamma(2.0, 4.0, N_GENES), luck.gamma(2.0, 4.0, N_GENES)
    end *= start.sum() / end.sum()  # turnover keeps the library size
    groups = [("control", 0.0, start)]
    for t in times:
        gone = replaced_fraction(np.full(N_GENES, half_life), t, kappa)
        groups.append(("TNF", t, start + gone * (end - start)))
    counts = np.concatenate([luck.poisson(level, (cells, N_GENES)) for _, _, level in groups])
    obs = pd.DataFrame(
        {
            "cell_type": "fibroblast",
            "condition": np.repeat([name for name, _, _ in groups], cells),
            "time": np.repeat([t for _, t, _ in groups], cells),
            "time_unit": "h",
            "perturbation_type": np.repeat(["none"] + ["cytokine"] * len(times), cells),
        },
        index=[f"c{i}" for i in range(len(counts))],
    )
    var = pd.DataFrame(index=[f"G{j}" for j in range(N_GENES)])
    return assemble([checked_counts(ad.AnnData(sp.csr_matrix(counts), obs=obs, var=var), "course.h5ad")])


@pytest.mark.parametrize(("kappa", "within"), [(0.4, 0.3), (1.5, 0.1), (3.0, 0.1)])
def test_a_known_turnover_is_recovered(kappa: float, within: float) -> None:
    """A slow one is told less well: its course is nearly a straight line, whatever its speed."""
    found = fit_kappa(course(kappa, (1.0, 3.0, 8.0)), np.full(N_GENES, 5.0))
    assert abs(np.log(found.kappa / kappa)) < within
    assert found.low < found.kappa < found.high
    assert not found.at_bound
    assert "TNF in fibroblast at 1, 3, 8 h" in found.courses


def test_times_long_after_the_change_tell_nothing() -> None:
    """When all is replaced at every measured time, any fast turnover fits."""
    found = fit_kappa(course(200.0, (10.0, 20.0)), np.full(N_GENES, 5.0))
    assert found.high > 3.0 * found.low or found.at_bound


def test_one_time_is_refused() -> None:
    with pytest.raises(InputError, match="two or more times"):
        fit_kappa(synthetic_experiment(300), np.full(120, 5.0))
