"""Which types of cell touch which, or are neighbours, and whether more than chance lets them."""

from collections.abc import Mapping
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.random import Stream

Float = NDArray[np.float64]

LEAST = 10  # cells of a type below which its z says little; our choice


@dataclass(frozen=True)
class Enrichment:
    """Contacts of types against those of the same graph with the types shuffled; rows touch columns.

    observed : contacts, each from both sides, so that the diagonal counts every contact of like cells twice.
    expected : mean over all shuffles, exact.
    z : (observed − expected) / standard deviation over all shuffles, exact; NaN where that is 0.
    p_value : share of some shuffles at least as far from the expected, (1 + hits) / (1 + shuffles), two-sided.
    """

    observed: pd.DataFrame
    expected: pd.DataFrame
    z: pd.DataFrame
    p_value: pd.DataFrame


def neighbour_types(
    cells: ad.AnnData, key: str = "cell_type", *, by_area: bool = False, graph: sp.sparray | sp.spmatrix | None = None
) -> pd.DataFrame:
    """Return how many contacts, or how much area in µm², cells of one type (row) have with those of another (column).

    Every contact is counted from both sides: the matrix is symmetric, its diagonal holds contacts of like cells twice.

    Parameters
    ----------
    cells : `Run.cells()`: needs `obsp["contacts"]`, by area `obsp["contact_area"]`, where no graph is given.
    key : obs column of the types.
    graph : (cell, cell) who is whose neighbour, in the place of contacts; symmetric (`twin.analysis.neighbours`).
    """
    code, names = _types(cells, key)
    first, second, area = _edges(cells, by_area=by_area, graph=graph)
    return _frame(_counted(code[first], code[second], area, len(names)), names)


def expected_contacts(
    cells: ad.AnnData, key: str = "cell_type", *, graph: sp.sparray | sp.spmatrix | None = None
) -> pd.DataFrame:
    """Return the mean of `neighbour_types` over all ways to shuffle the types among the cells.

    Of m contacts between n cells, types of a and b cells share 2m·ab/(n(n−1)), seen from one side; like cells
    2m·a(a−1)/(n(n−1)).
    """
    code, names = _types(cells, key)
    n = len(code)
    size = np.bincount(code, minlength=len(names)).astype(np.float64)
    pairs = np.outer(size, size) - np.diag(size)
    return _frame(len(_edges(cells, by_area=False, graph=graph)[0]) * pairs / max(n * (n - 1), 1), names)


def neighbour_enrichment(
    cells: ad.AnnData,
    key: str = "cell_type",
    *,
    graph: sp.sparray | sp.spmatrix | None = None,
    shuffles: int = 1000,
    seed: int = 0,
) -> Enrichment:
    """Return which types touch more or less often than shuffled types on the same contact graph would.

    `graph` takes the place of contacts, as in `neighbour_types`. O(shuffles × contacts).

    Source: Palla et al., Squidpy, Nature Methods 19 (2022), neighbourhood enrichment; here the mean and the standard
    deviation are those of all shuffles, so that z has no luck in it.
    """
    code, names = _types(cells, key)
    first, second, ones = _edges(cells, by_area=False, graph=graph)
    observed = _counted(code[first], code[second], ones, len(names))
    expected = expected_contacts(cells, key, graph=graph).to_numpy()
    hits = np.zeros_like(expected)
    rows = np.arange(len(code), dtype=np.uint64)
    for shuffle in range(shuffles):
        mixed = code[np.argsort(Stream(seed).bits(rows, np.array([shuffle], np.uint64)), kind="stable")]
        off = _counted(mixed[first], mixed[second], ones, len(names)) - expected
        hits += np.abs(off) >= np.abs(observed - expected) - 1e-9
    spread = shuffled_deviation(np.bincount(code, minlength=len(names)), np.bincount(first, minlength=len(code)))
    z = np.divide(observed - expected, spread, out=np.full_like(spread, np.nan), where=spread > 0)
    return Enrichment(*(_frame(part, names) for part in (observed, expected, z, (1.0 + hits) / (1.0 + shuffles))))


def shuffled_deviation(size: NDArray[np.intp], degree: NDArray[np.intp]) -> Float:
    """Return the standard deviation of `neighbour_types` over all shuffles of the types, exact, (type, type).

    Two contacts that share a cell and two that share none agree with different chances; how many there are of each
    follows from the number of neighbours of every cell.

    Parameters
    ----------
    size : (type,) cells. degree : (cell,) neighbours of each cell, in a symmetric graph.

    Source
    ------
    Moran, The interpretation of statistical maps, J. R. Stat. Soc. B 10:243 (1948): join counts, nonfree sampling.
    """
    n, a = float(len(degree)), size.astype(np.float64)
    contacts = degree.sum() / 2.0
    touching = float((degree * (degree - 1.0)).sum()) / 2.0  # pairs of contacts that share a cell
    apart = contacts * (contacts - 1.0) / 2.0 - touching
    below = np.maximum(n - np.arange(4), 1.0).cumprod()  # n, n(n−1), … ; 1 where there are too few cells
    two, three, four = a * (a - 1), a * (a - 1) * (a - 2), a * (a - 1) * (a - 2) * (a - 3)
    # like cells: mean of the square of the number of contacts
    square = contacts * two / below[1] + 2 * touching * three / below[2] + 2 * apart * four / below[3]
    like = 4.0 * (square - (contacts * two / below[1]) ** 2)  # each counts twice
    ab, both = np.outer(a, a), np.outer(two, two)
    chance = 2.0 * ab / below[1]
    shared = ab * (a[:, None] + a[None, :] - 2.0) / below[2]
    unlike = contacts * chance + 2 * touching * shared + 2 * apart * 4.0 * both / below[3] - (contacts * chance) ** 2
    variance = np.where(np.eye(len(a), dtype=np.bool_), like, unlike)
    scale = 1e-12 * max(contacts, 1.0) ** 2  # rounding is no spread
    return np.sqrt(np.where(variance > scale, variance, 0.0))


def most_apart(one: Enrichment, other: Enrichment, size: Mapping[str, int], least: int = LEAST) -> pd.DataFrame:
    """Return how far two tissues of the same types lie apart in z, a row for each two types, the farthest first.

    Parameters
    ----------
    size : cells of each type. least : types with fewer cells are left out.
    """
    names = [name for name in one.z.index if name in set(other.z.index) and size[name] >= least]
    a, b = one.z.loc[names, names].to_numpy(), other.z.loc[names, names].to_numpy()
    upper = np.triu_indices(len(names))
    table = pd.DataFrame(
        {
            "type": np.array(names, dtype=object)[upper[0]],
            "neighbour": np.array(names, dtype=object)[upper[1]],
            "z": a[upper],
            "z_other": b[upper],
            "difference": (b - a)[upper],
        }
    )
    return table.sort_values("difference", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def mixing_index(cells: ad.AnnData, one: str, other: str, key: str = "cell_type") -> float:
    """Return the contacts between two types over those that random mixing of the two would have.

    Only contacts among cells of these types count. 0: wholly parted; 1: mixed at random; above 1: each seeks the
    other (a chess board: 2). NaN where they have no contacts, or a type has no cell.

    Raises
    ------
    InputError
        If no cell is of such a type.
    """
    code, names = _types(cells, key)
    for name in (one, other):
        if name not in names:
            raise InputError(f"no cell is of type {name!r}; types here: {', '.join(names)}")
    pair = [names.index(one), names.index(other)]
    first, second, _ = _edges(cells, by_area=False)
    among = np.isin(code[first], pair) & np.isin(code[second], pair)
    a, b = (int((code == i).sum()) for i in pair)
    chance = 2.0 * a * b / max((a + b) * (a + b - 1), 1)  # of a contact to be one of unlike cells
    unlike = code[first[among]] != code[second[among]]
    return float(unlike.mean() / chance) if len(unlike) and chance > 0 and one != other else float("nan")


def _types(cells: ad.AnnData, key: str) -> tuple[NDArray[np.intp], list[str]]:
    """Return the type of every cell as a number, (cell,), and the names of the types that have cells."""
    if key not in cells.obs:
        raise InputError(f"the cells have no obs column {key!r}; they have {', '.join(map(str, cells.obs.columns))}")
    names, code = np.unique(cells.obs[key].astype(str).to_numpy(dtype=object).astype(str), return_inverse=True)
    return np.asarray(code, dtype=np.intp), [str(name) for name in names]


def _edges(
    cells: ad.AnnData, *, by_area: bool, graph: sp.sparray | sp.spmatrix | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float]:
    """Return both ends of every contact, from both sides, (contact twice,), and its weight."""
    if graph is not None:
        return _given(graph, cells.n_obs)
    name = "contact_area" if by_area else "contacts"
    if name not in cells.obsp:
        raise InputError(f"the cells have no obsp[{name!r}]: read them by run.cells()")
    found = cells.obsp[name].tocoo()
    weight = found.data.astype(np.float64) if by_area else np.ones(found.nnz)
    return found.row.astype(np.intp), found.col.astype(np.intp), weight


def _given(graph: sp.sparray | sp.spmatrix, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Float]:
    """Return the edges of a graph of neighbours, each counting 1; InputError where it is none of these cells."""
    if graph.shape != (n, n):
        raise InputError(f"the graph has the shape {graph.shape}, and there are {n} cells: give one of these cells")
    links = sp.csr_array(graph) != 0
    links.setdiag(False)
    links.eliminate_zeros()
    if (links != links.T).nnz:
        raise InputError("the graph is not symmetric: a neighbour's neighbour is the cell itself; add its transpose")
    found = links.tocoo()
    return found.row.astype(np.intp), found.col.astype(np.intp), np.ones(found.nnz)


def _counted(first: NDArray[np.intp], second: NDArray[np.intp], weight: Float, n: int) -> Float:
    total = np.bincount(first * n + second, weights=weight, minlength=n * n)
    return np.asarray(total.reshape(n, n), dtype=np.float64)


def _frame(values: Float, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.Index(names, name="type"), columns=pd.Index(names, name="neighbour"))
