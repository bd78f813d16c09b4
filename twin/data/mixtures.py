"""What types of cell a spot is a mixture of, by a single-cell reference, and which of its cells stand for them."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import nnls

from twin.data.counts import CountData, onto_axis
from twin.errors import InputError, unknown_name

Float = NDArray[np.float64]
Index = NDArray[np.intp]

LEAST_SHARED = 50  # genes of a spot file that its reference has too; our choice
PER = 10_000.0


def profiles(reference: CountData, types: NDArray[np.str_]) -> tuple[tuple[str, ...], Float]:
    """Return the cell types of a reference and their mean profiles, (type, gene), counts per 10,000.

    types : (cell,) names.
    """
    names, code = np.unique(types, return_inverse=True)
    adding = sp.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(names), len(code)))
    total = np.asarray((adding @ reference.counts).toarray(), dtype=np.float64)
    return tuple(str(name) for name in names), PER * total / np.maximum(total.sum(axis=1, keepdims=True), 1.0)


@dataclass(frozen=True)
class Mixtures:
    """What spots are made of, by the types of a reference.

    types : names. shares : (spot, type) of its counts, each row sums to 1. n_genes : that both files have.
    fit : (spot,) R² of the spot's weighted profile: what a spot holds of types that the reference lacks is not seen.
    """

    types: tuple[str, ...]
    shares: Float
    n_genes: int
    fit: Float


def mixtures(spots: CountData, reference: CountData, types: NDArray[np.str_]) -> Mixtures:
    """Return what share of each spot's counts the types of a reference make up.

    Non-negative least squares of a spot's profile on those of the types, over the genes that both files have; a gene
    counts by 1 / √(mean over the types), as its variance under a Poisson law grows with the mean.

    types : (reference cell,) names.

    Raises
    ------
    InputError
        If fewer than `LEAST_SHARED` genes are shared.
    """
    there = set(reference.genes)
    shared = [gene for gene in spots.genes if gene in there]
    if len(shared) < LEAST_SHARED:
        raise InputError(
            f"{reference.source} has {len(shared)} of the {len(spots.genes):,} genes of {spots.source}, and "
            f"{LEAST_SHARED} are needed to tell what a spot is made of: both must name genes alike"
        )
    known, _ = onto_axis(reference, shared)
    names, profile = profiles(CountData(known, tuple(shared), reference.obs, reference.source), types)
    counts, _ = onto_axis(spots, shared)
    total = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    mean = profile.mean(axis=0)
    weight = np.divide(1.0, np.sqrt(mean), out=np.zeros_like(mean), where=mean > 0)
    design = (profile * weight).T  # (gene, type)
    shares, fit = np.zeros((spots.n_cells, len(names))), np.zeros(spots.n_cells)
    for spot in range(spots.n_cells):
        seen = counts[spot : spot + 1].toarray()[0] * PER / total[spot] * weight
        shares[spot], left = nnls(design, seen)
        fit[spot] = 1.0 - left**2 / max(float(((seen - seen.mean()) ** 2).sum()), 1e-12)
    whole = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, whole, out=np.full_like(shares, 1.0 / len(names)), where=whole > 0)
    return Mixtures(names, shares, len(shared), fit)


def labelled(labels: NDArray[np.str_], types: NDArray[np.str_], source: str) -> tuple[tuple[str, ...], Float]:
    """Return the types of a reference and a share of 1 for the one that each spot's label names, (spot, type).

    Raises
    ------
    InputError
        If a label names none of them.
    """
    names = tuple(str(t) for t in np.unique(types))
    place = {name: i for i, name in enumerate(names)}
    for label in np.unique(labels):
        if str(label) not in place:
            raise InputError(f"{source}: {unknown_name('cell type', str(label), names)}")
    shares = np.zeros((len(labels), len(names)))
    shares[np.arange(len(labels)), [place[str(label)] for label in labels]] = 1.0
    return names, shares


def types_of_cells(shares: Float, n: Index) -> Index:
    """Return the type of each cell, (cell,), spot by spot: whole numbers a type by largest remainders.

    shares : (spot, type). n : (spot,) cells.
    """
    exact = shares * n[:, None]
    whole = np.floor(exact).astype(np.intp)
    order = np.argsort(-(exact - whole), axis=1, kind="stable")  # (spot, rank)
    left = n - whole.sum(axis=1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(shares.shape[1])[None, :], axis=1)
    whole += rank < left[:, None]
    return np.repeat(np.tile(np.arange(shares.shape[1]), len(n)), whole.ravel())


def drawn_rows(code: Index, types: NDArray[np.str_], names: tuple[str, ...], luck: Float) -> Index:
    """Return a cell of the reference of the type of each cell, (cell,), drawn with replacement.

    code : (cell,) types among `names`. types : (reference cell,) names. luck : (cell,) uniforms in [0, 1).
    """
    rows = np.empty(len(code), np.intp)
    for t, name in enumerate(names):
        mine, those = code == t, np.flatnonzero(types == name)
        rows[mine] = those[(luck[mine] * len(those)).astype(np.intp)]
    return rows
