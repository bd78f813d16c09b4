"""The rates of genes that gates and rules read: what the world model expects, not what a cell happens to hold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.model.contract import Condition
from twin.process import View

Float = NDArray[np.float64]

NO_DEPTH = 10_000.0  # counts; stands for a type without cells here, whose rate nobody reads; our choice


def type_rates(view: View, genes: Sequence[int]) -> Float:
    """Return the mean expected rates of each cell type, untreated, (type, gene), counts per 10,000.

    The mean is the model's answer at the centre of the latent (z = 0) and at the type's median depth.
    """
    code, depth = view["cell_type"], view["depth"]
    n, n_perturbations = len(view.names["cell_type"]), len(view.perturbations)
    medians = [np.median(depth[code == i]) if (code == i).any() else NO_DEPTH for i in range(n)]
    untreated = Condition(
        ids=np.arange(n, dtype=np.uint64),
        context=view.context,
        depth=np.asarray(medians, dtype=np.float64),
        dose=np.zeros((n, n_perturbations)),
        time_since=np.full((n, n_perturbations), np.nan),
        ec50_factor=np.ones(n),
    )
    return view.model.expected(np.zeros((n, view.model.latent_size), np.float32), untreated, genes)


def clamp_factors(view: View, genes: Sequence[int]) -> Float:
    """Return the clamp factors of some genes, (cell, gene): 1 = free, 0 = knocked out."""
    factors = np.ones((view.n_cells, len(genes)))
    stored = view.clamp.tocoo()
    for column, gene in enumerate(genes):
        hit = stored.col == gene
        factors[stored.row[hit], column] = stored.data[hit]
    return factors


def cell_rates(view: View, genes: Sequence[int], rows: NDArray[np.intp]) -> Float:
    """Return the expected rates of genes in some cells as they are now, (row, gene), counts per 10,000.

    Floored by the mean of the cell's type, times its own clamp: a rate that the latent draws to nothing in a type
    that has the gene is no absence.
    """
    rates = view.model.expected(view["z"][rows], view.condition(rows), genes)
    floor = type_rates(view, genes)[view["cell_type"][rows]] * clamp_factors(view, genes)[rows]
    return np.asarray(np.maximum(rates, floor))
