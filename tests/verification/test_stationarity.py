"""Measured control cells, moved by the shipped model without any perturbation, stay control cells for a week."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from twin.analysis.scores import lognorm
from twin.data.counts import held_out, onto_axis, read_counts
from twin.kernels.random import Streams
from twin.model.contract import Condition
from twin.model.files import embedded

pytestmark = pytest.mark.slow
TYPES = ("CD14 Mono", "CD4 Naive T", "B")


def energy(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the energy distance of two samples, (cell, axis)."""
    return float(2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean())


@pytest.mark.parametrize("cell_type", TYPES)
def test_a_week_changes_measured_control_cells_no_more_than_sampling_does(data_folder: Path, cell_type: str) -> None:
    """Energy distance in 50 principal components of log1p(CP10k), equal numbers of cells.

    Cells of the training part start, held-out ones judge, donors pooled; the bound is the 95th percentile between real
    random halves plus that of `sample` from the held-out cells.
    """
    model = embedded().focused([cell_type], perturbations=["IFNB1"])
    data = read_counts(data_folder / "kang2018_pbmc_ifnb.h5ad")
    counts, _ = onto_axis(data, model.genes)
    mine = (data.column("cell_type") == cell_type) & (data.column("condition") == "control")
    out = held_out([str(n) for n in data.obs.index], model.card.holdout)
    n = min(int((mine & out).sum()), 120)
    start, judge, everybody = np.flatnonzero(mine & ~out)[:n], np.flatnonzero(mine & out), np.flatnonzero(mine)
    everything = lognorm(counts[everybody]).toarray().astype(np.float64)
    centre = everything.mean(axis=0)
    axes = np.linalg.svd(everything - centre, full_matrices=False)[2][:50]
    real = (everything - centre) @ axes.T
    context = np.full(n, model.contexts.index(cell_type))
    ids = np.arange(n, dtype=np.uint64)
    none = np.zeros((n, 1))
    depth = data.totals[start]
    here = Condition(ids, context, depth, none, np.full((n, 1), np.nan), np.ones(n))
    moving, z = counts[start], model.encode(counts[start], here)
    for tick in range(28):
        moving, z = model.transition(moving, z, here, 6.0, model.kappa(), Streams(0, 0, tick))
    rng = np.random.default_rng(0)
    halves, sampled, moved = [], [], []
    week = (lognorm(moving).toarray() - centre) @ axes.T
    for draw in range(20):
        order = rng.permutation(len(everybody))
        halves.append(energy(real[order[:n]], real[order[n : 2 * n]]))
        a = real[np.isin(everybody, judge)][rng.permutation(len(judge))[:n]]
        fresh, _ = model.sample(here, Streams(draw, 0, 100))
        sampled.append(energy((lognorm(fresh).toarray() - centre) @ axes.T, a))
        moved.append(energy(week, a))
    assert np.mean(moved) <= np.percentile(halves, 95) + np.percentile(sampled, 95)
    assert np.median(moving.sum(axis=1)) == pytest.approx(np.median(depth), rel=0.05)
