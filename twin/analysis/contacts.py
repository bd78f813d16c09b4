"""Which types of cell touch which, and whether more than chance lets them."""

from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError
from twin.kernels.random import Stream

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Enrichment:
    """Contacts of types against those of the same graph with the types shuffled; rows touch columns.

    observed : contacts, each from both sides, so that the diagonal counts every contact of like cells twice.
    expected : mean over all shuffles, exact.
    z : (observed − expected) / standard deviation of the shuffles; NaN where that is 0.
    p_value : share of shuffles at least as far from the expected, (1 + hits) / (1 + shuffles), two-sided.
    """

    observed: pd.DataFrame
    expected: pd.DataFrame
    z: pd.DataFrame
    p_value: pd.DataFrame


def neighbour_types(cells: ad.AnnData, key: str = "cell_type", *, by_area: bool = False) -> pd.DataFrame:
    """Return how many contacts, or how much area in µm², cells of one type (row) have with those of another (column).

    Every contact is counted from both sides: the matrix is symmetric, its diagonal holds contacts of like cells twice.

    Parameters
    ----------
    cells : `Run.cells()`: needs `obsp["contacts"]`, by area `obsp["contact_area"]`.
    key : obs column of the types.
    """
    code, names = _types(cells, key)
    first, second, area = _edges(cells, by_area=by_area)
    return _frame(_counted(code[first], code[second], area, len(names)), names)


def expected_contacts(cells: ad.AnnData, key: str = "cell_type") -> pd.DataFrame:
    """Return the mean of `neighbour_types` over all ways to shuffle the types among the cells.

    Of m contacts between n cells, types of a and b cells share 2m·ab/(n(n−1)), seen from one side; like cells
    2m·a(a−1)/(n(n−1)).
    """
    code, names = _types(cells, key)
    n = len(code)
    size = np.bincount(code, minlength=len(names)).astype(np.float64)
    pairs = np.outer(size, size) - np.diag(size)
    return _frame(len(_edges(cells, by_area=False)[0]) * pairs / max(n * (n - 1), 1), names)


def neighbour_enrichment(
    cells: ad.AnnData, key: str = "cell_type", *, shuffles: int = 1000, seed: int = 0
) -> Enrichment:
    """Return which types touch more or less often than shuffled types on the same contact graph would.

    O(shuffles × contacts). Source: Palla et al., Squidpy, Nature Methods 19 (2022), neighbourhood enrichment; here the
    graph is that of real contacts, and the expected numbers are exact.
    """
    code, names = _types(cells, key)
    first, second, ones = _edges(cells, by_area=False)
    observed = _counted(code[first], code[second], ones, len(names))
    expected = expected_contacts(cells, key).to_numpy()
    square, hits = np.zeros_like(expected), np.zeros_like(expected)
    rows = np.arange(len(code), dtype=np.uint64)
    for shuffle in range(shuffles):
        mixed = code[np.argsort(Stream(seed).bits(rows, np.array([shuffle], np.uint64)), kind="stable")]
        off = _counted(mixed[first], mixed[second], ones, len(names)) - expected
        square += off**2
        hits += np.abs(off) >= np.abs(observed - expected) - 1e-9
    spread = np.sqrt(square / max(shuffles, 1))
    z = np.divide(observed - expected, spread, out=np.full_like(spread, np.nan), where=spread > 0)
    return Enrichment(*(_frame(part, names) for part in (observed, expected, z, (1.0 + hits) / (1.0 + shuffles))))


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


def _edges(cells: ad.AnnData, *, by_area: bool) -> tuple[NDArray[np.intp], NDArray[np.intp], Float]:
    """Return both ends of every contact, from both sides, (contact twice,), and its weight."""
    name = "contact_area" if by_area else "contacts"
    if name not in cells.obsp:
        raise InputError(f"the cells have no obsp[{name!r}]: read them by run.cells()")
    graph = cells.obsp[name].tocoo()
    weight = graph.data.astype(np.float64) if by_area else np.ones(graph.nnz)
    return graph.row.astype(np.intp), graph.col.astype(np.intp), weight


def _counted(first: NDArray[np.intp], second: NDArray[np.intp], weight: Float, n: int) -> Float:
    total = np.bincount(first * n + second, weights=weight, minlength=n * n)
    return np.asarray(total.reshape(n, n), dtype=np.float64)


def _frame(values: Float, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.Index(names, name="type"), columns=pd.Index(names, name="neighbour"))
