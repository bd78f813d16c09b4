"""Cells with a known law: three types, a hidden programme that makes genes vary together, one cytokine."""

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from twin.data.counts import checked_counts
from twin.data.experiment import Experiment, assemble

TYPES = ("alpha", "beta", "gamma")
N_GENES = 120
RESPONDERS = np.arange(10, 20)  # genes that the cytokine raises
PROGRAMME = np.arange(40, 60)  # genes that vary together from cell to cell


def synthetic_adata(n: int = 900, seed: int = 0) -> ad.AnnData:
    """Return cells of three types, half of them under the cytokine CYT at 10 nM for 6 h."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    treated = rng.random(n) < 0.5
    base = np.log(rng.gamma(0.6, 1.0, (1, N_GENES)) + 0.02) + 0.5 * rng.normal(size=(3, N_GENES))
    z = rng.normal(size=n)
    log_rate = base[kind].copy()
    log_rate[:, PROGRAMME] += 0.6 * z[:, None]
    log_rate[np.ix_(np.flatnonzero(treated), RESPONDERS)] += np.array([2.5, 2.0, 1.5])[kind[treated], None]
    rate = np.exp(log_rate)
    depth = np.exp(rng.normal(np.log(400), 0.2, n))
    counts = rng.poisson(rate / np.exp(base[kind]).sum(axis=1, keepdims=True) * depth[:, None])
    obs = pd.DataFrame(
        {
            "cell_type": np.array(TYPES)[kind],
            "donor": rng.choice(["d1", "d2"], n),
            "condition": np.where(treated, "CYT", "control"),
            "perturbation_type": np.where(treated, "cytokine", "none"),
            "dose": np.where(treated, 10.0, 0.0),
            "dose_unit": "nM",
            "time": 6.0,
            "time_unit": "h",
        },
        index=[f"cell{i}" for i in range(n)],
    )
    return ad.AnnData(
        sp.csr_matrix(counts.astype(np.float32)), obs=obs, var=pd.DataFrame(index=[f"G{j}" for j in range(N_GENES)])
    )


def synthetic_experiment(n: int = 900, seed: int = 0) -> Experiment:
    """Return the same cells as an experiment."""
    return assemble([checked_counts(synthetic_adata(n, seed), "synthetic.h5ad")])
