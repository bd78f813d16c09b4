"""The genes of two groups of cells compared: by pseudobulks of replicates where there are enough, else by ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.metrics.rank_test import DifferentialTable, Float, differential_expression
from twin.analysis.pseudobulk import LEAST_PAIRS, paired_test
from twin.analysis.scores import lognorm
from twin.errors import InputError
from twin.results import Run
from twin_viz.plots.groups import Groups, groups_of
from twin_viz.plots.scene import Point, names_of, only_type

MOST_TYPES = 6
LEAST_SHARE = 0.05  # of the cells of either side, in which a gene is seen to be tested by ranks; our choice
LEAST_CELLS = 3  # of a side
EACH = "each"
ALL = "all cells"


@dataclass(frozen=True)
class Comparison:
    """All genes of two groups of cells.

    name : of the type, or "all cells". n : cells of both sides.
    pairs : replicates that the test is over; 0 where it is over cells.
    share : (side, gene) of the cells in which a gene is seen.
    """

    name: str
    table: DifferentialTable
    n: tuple[int, int]
    pairs: int
    share: Float


def compared(
    run: Run,
    time: float | str | None = None,
    versus: str | None = None,
    cell_type: str | Sequence[str] = (),
    compartment: str | None = None,
    branch: str | None = None,
    point: Point = None,
) -> tuple[Groups, list[Comparison]]:
    """Return two groups of cells and the comparison of their genes, one for each type that is asked for.

    Parameters
    ----------
    time, versus, branch, point : see `twin_viz.plots.groups.groups_of`.
    cell_type : a name or several, or "each" alone; without any all cells are one.

    Raises
    ------
    InputError
        If the run holds no transcriptomes, or a group or type is not there or has too few cells.
    """
    if not run.genes:
        raise InputError("the cells of this run have no transcriptomes (world_model: none): it has no genes to compare")
    groups = groups_of(run, time, versus, compartment, branch, point)
    types = list(names_of(cell_type))
    if types == [EACH]:
        types = _types_of_both(groups)
    if len(types) > MOST_TYPES:
        raise InputError(f"{len(types)} types are too many panels: at most {MOST_TYPES} fit")
    return groups, [comparison_of(groups, t) for t in types] or [comparison_of(groups, None)]


def gene_table(
    run: Run,
    time: float | str | None = None,
    versus: str | None = None,
    cell_type: str | Sequence[str] = (),
    compartment: str | None = None,
    branch: str | None = None,
    point: Point = None,
) -> pd.DataFrame:
    """Return what a volcano plot draws as a table, a row a tested gene (and type), the surest first: see `compared`."""
    groups, found = compared(run, time, versus, cell_type, compartment, branch, point)
    return joined(run.genes_of(groups.scene.compartment), groups, found)


def joined(genes: Sequence[str], groups: Groups, found: Sequence[Comparison]) -> pd.DataFrame:
    """Return comparisons as one table."""
    parts = []
    for one in found:
        rows = np.flatnonzero(one.table.tested)
        rows = rows[np.lexsort((-np.abs(one.table.log2fc[rows]), one.table.p[rows]))]
        parts.append(
            pd.DataFrame(
                {
                    "gene": np.asarray(genes, dtype=object)[rows],
                    "cells": one.name,
                    "log2_fold_change": one.table.log2fc[rows],
                    "p": one.table.p[rows],
                    "fdr": one.table.fdr[rows],
                    f"share of {groups.first_name}": one.share[0, rows],
                    f"share of {groups.second_name}": one.share[1, rows],
                    "test": f"moderated paired t, {one.pairs} replicates" if one.pairs else "rank sum over cells",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _types_of_both(groups: Groups) -> list[str]:
    """Return the types that have most cells on the side where they have fewer."""
    n = [
        pd.concat([c.obs["cell_type"].astype(str) for c in side.values()]).value_counts()
        for side in (groups.first, groups.second)
    ]
    least = {str(t): int(min(n[0][t], n[1][t])) for t in n[0].index if t in n[1].index}
    types = sorted((t for t in least if least[t] >= LEAST_CELLS), key=lambda t: -least[t])
    if not types:
        raise InputError(f"no type has {LEAST_CELLS} cells on both sides: leave --cell-type out")
    return types[:MOST_TYPES]


def comparison_of(groups: Groups, cell_type: str | None) -> Comparison:
    """Return the comparison of the genes of one type of cell, or of all; errors as of `compared`."""
    first, second = (
        {i: sp.csr_array(only_type(c, cell_type).X) for i, c in side.items()} for side in (groups.first, groups.second)
    )
    n = (sum(c.shape[0] for c in first.values()), sum(c.shape[0] for c in second.values()))
    for many, name in zip(n, (groups.first_name, groups.second_name), strict=True):
        if many < LEAST_CELLS:
            what = f"{cell_type} cells" if cell_type else "cells"
            raise InputError(f"{name}: {many} living {what}, and {LEAST_CELLS} are needed to compare")
    cells = [_stacked(side) for side in (first, second)]
    share = np.stack([np.bincount(c.indices[c.data > 0], minlength=c.shape[1]) / c.shape[0] for c in cells])
    pairs = [i for i in first if i in second and first[i].shape[0] and second[i].shape[0]]
    if len(pairs) >= LEAST_PAIRS:
        bulk = [
            np.stack([np.asarray(side[i].sum(axis=0), np.float64).ravel() for i in pairs]) for side in (first, second)
        ]
        return Comparison(cell_type or ALL, paired_test(*bulk), n, len(pairs), share)
    return Comparison(cell_type or ALL, _by_ranks(cells[0], cells[1], share.max(axis=0) >= LEAST_SHARE), n, 0, share)


def _stacked(side: Mapping[int, sp.csr_array]) -> sp.csr_array:
    return sp.csr_array(sp.vstack(list(side.values()), format="csr"))


def _by_ranks(first: sp.csr_array, second: sp.csr_array, tested: NDArray[np.bool_]) -> DifferentialTable:
    """Return the rank-sum test of the tested genes; library sizes are of all genes."""
    columns = np.flatnonzero(tested)
    change, p, fdr = np.zeros(len(tested)), np.ones(len(tested)), np.ones(len(tested))
    if len(columns):
        inner = differential_expression(lognorm(first)[:, columns], lognorm(second)[:, columns])
        change[tested], p[tested], fdr[tested] = inner.log2fc, inner.p, inner.fdr
    return DifferentialTable(change, p, fdr, tested)
