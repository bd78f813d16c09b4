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


DOSED_GENES = 80
FIRST, SECOND, BOTH = slice(10, 20), slice(30, 40), slice(50, 56)  # what CYT, DRG and only the two together raise
ARMS = (  # condition, dose, hours, cells of each type, (genes, log fold change)
    ("control", "", 0.0, 500, ()),
    ("CYT", "1 nM", 2.0, 500, ((FIRST, 0.6),)),
    ("CYT", "1 nM", 8.0, 500, ((FIRST, 1.0),)),
    ("CYT", "100 nM", 2.0, 500, ((FIRST, 1.4),)),
    ("CYT", "100 nM", 8.0, 500, ((FIRST, 2.0),)),
    ("DRG", "10 nM", 8.0, 500, ((SECOND, 1.5),)),
    (
        "CYT+DRG",
        "100 nM+10 nM",
        8.0,
        500,
        (
            (FIRST, 2.0),
            (SECOND, 1.5),
            (BOTH, 1.8),
        ),
    ),
)


def dosed_adata(seed: int = 0) -> ad.AnnData:
    """Return cells of two types: a cytokine at two doses and two times, a drug, and the two together."""
    rng = np.random.default_rng(seed)
    base = np.log(rng.gamma(2.0, 1.0, (1, DOSED_GENES)) + 0.1) + 0.3 * rng.normal(size=(2, DOSED_GENES))
    rows, obs = [], []
    for condition, dose, hours, n, folds in ARMS:
        for kind in (0, 1):
            log_rate = base[kind].copy()
            for genes, fold in folds:
                log_rate[genes] += fold
            rate = np.exp(log_rate)
            depth = np.exp(rng.normal(np.log(1500), 0.2, n))
            rows.append(rng.poisson(rate / rate.sum() * depth[:, None]))
            obs += [(TYPES[kind], condition, dose, hours)] * n
    table = pd.DataFrame(obs, columns=["cell_type", "condition", "dose", "time"], index=range(len(obs))).astype(
        {"time": float}
    )
    table.index = pd.Index([f"cell{i}" for i in table.index])
    table["time_unit"] = "h"
    table["perturbation_type"] = np.where(table["condition"].str.contains("DRG"), "drug", "cytokine")
    counts = sp.csr_matrix(np.concatenate(rows).astype(np.float32))
    return ad.AnnData(counts, obs=table, var=pd.DataFrame(index=[f"G{j}" for j in range(DOSED_GENES)]))


PANEL_GENES = 60
PATHWAYS = (slice(10, 20), slice(30, 40))  # genes that fall when a gene of the first, of the second pathway is lost


def panel_adata(n_each: int = 5, cells: int = 150, seed: int = 0) -> ad.AnnData:
    """Return a knock-out panel in one cell line: genes A0, A1, … of one pathway, B0, … of another."""
    rng = np.random.default_rng(seed)
    base = np.log(rng.gamma(2.0, 1.0, PANEL_GENES) + 0.3)
    rows, obs = [], []
    for target in ("control", *(f"{p}{i}" for p in "AB" for i in range(n_each))):
        log_rate = base.copy()
        if target != "control":
            log_rate[PATHWAYS["AB".index(target[0])]] += np.log(0.3) + 0.1 * rng.normal(size=10)
        rate = np.exp(log_rate)
        rows.append(rng.poisson(rate / rate.sum() * 2000.0, (4 * cells if target == "control" else cells, PANEL_GENES)))
        obs += [("line", target)] * len(rows[-1])
    table = pd.DataFrame(obs, columns=["cell_type", "target_gene"], index=pd.Index([f"c{i}" for i in range(len(obs))]))
    table["perturbation_type"] = "crispr"
    counts = sp.csr_matrix(np.concatenate(rows).astype(np.float32))
    return ad.AnnData(counts, obs=table, var=pd.DataFrame(index=[f"G{j}" for j in range(PANEL_GENES)]))
