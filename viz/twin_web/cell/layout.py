"""Places for genes: a round cell on a square grid, divided into territories of given sizes."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Index = NDArray[np.intp]

ROUNDS = 60  # in which sites move to the middle of their territories; our choice
STEPS = 25  # of the weights within a round; our choice
GAIN = 0.45  # 1; 2/π of it would be a Newton step for round territories side by side


def disc(n: int) -> tuple[Index, Index]:
    """Return the `n` places of a square grid that are nearest to its middle, (place,) x and y from 0 on."""
    reach = int(np.ceil(np.sqrt(n / np.pi))) + 2
    y, x = (a.ravel() for a in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    near = np.lexsort((np.arctan2(y, x), x**2 + y**2))[:n]
    x, y = x[near], y[near]
    return x - x.min(), y - y.min()


def territories(x: Index, y: Index, sizes: Index, sites: Float) -> Index:
    """Return whose each place is, (place,): of territory j there are exactly `sizes[j]`, and each is compact.

    They are the cells of a power diagram whose sites have come to rest in the middle of their cells, so that who
    begins side by side stays so.

    Parameters
    ----------
    x, y : (place,). sizes : (territory,), their sum is the number of places. sites : (territory, 2), where to begin.

    Source
    ------
    Aurenhammer, Hoffmann, Aronov, Minkowski-type theorems and least-squares clustering, Algorithmica 20 (1998): a power
    diagram whose weights give the wanted sizes is the assignment of least squares.
    """
    places = np.stack([x, y], axis=1).astype(np.float64)
    assert sizes.sum() == len(places), (sizes.sum(), len(places))
    own, weight = sites.astype(np.float64).copy(), np.zeros(len(sizes))
    for _ in range(ROUNDS):
        cost = ((places[:, None, :] - own[None]) ** 2).sum(axis=2)  # (place, territory)
        for _ in range(STEPS):
            whose = np.argmin(cost - weight, axis=1)
            weight = weight + GAIN * (sizes - np.bincount(whose, minlength=len(sizes)))
        counts = np.maximum(np.bincount(whose, minlength=len(sizes)), 1)
        middle = np.stack([np.bincount(whose, weights=p, minlength=len(sizes)) / counts for p in places.T], axis=1)
        held = np.bincount(whose, minlength=len(sizes)) > 0
        own[held] = middle[held]
    cost = ((places[:, None, :] - own[None]) ** 2).sum(axis=2)
    return _evened(cost - weight, np.argmin(cost - weight, axis=1), sizes)


def _evened(cost: Float, whose: Index, sizes: Index) -> Index:
    """Hand over the few places that are left until the sizes are met, along the cheapest chains of neighbours."""
    whose = whose.copy()
    k = len(sizes)
    while True:
        excess = np.bincount(whose, minlength=k) - sizes
        if not excess.any():
            return whose
        price, cell = np.full((k, k), np.inf), np.zeros((k, k), np.intp)  # of handing one place from row to column
        for j in range(k):
            mine = np.flatnonzero(whose == j)
            if len(mine):
                extra = cost[mine] - cost[mine, j][:, None]
                best = extra.argmin(axis=0)
                price[j], cell[j] = extra[best, np.arange(k)], mine[best]
        np.fill_diagonal(price, np.inf)
        reached, before = np.where(excess > 0, 0.0, np.inf), np.full(k, -1)
        for _ in range(k):
            through = reached[:, None] + price
            best = through.argmin(axis=0)
            shorter = through[best, np.arange(k)] < reached - 1e-9
            reached = np.where(shorter, through[best, np.arange(k)], reached)
            before = np.where(shorter, best, before)
        at = int(np.argmin(np.where(excess < 0, reached, np.inf)))
        while before[at] >= 0:
            whose[cell[before[at], at]] = at
            at = int(before[at])


def arranged(x: Index, y: Index, whose: Index, order: Index) -> Index:
    """Return the place of each gene, (gene,): those that come first stand in the middle of their territory.

    order : (gene,) genes, first come first served; gene g is of territory `whose_of[g]`, so that of each territory
    there are as many genes as places: the sequence must be sorted by territory, as are the places here.
    """
    places = np.stack([x, y], axis=1).astype(np.float64)
    out = np.zeros(len(order), np.intp)
    first = 0
    for j in range(int(whose.max()) + 1):
        mine = np.flatnonzero(whose == j)
        centre = places[mine].mean(axis=0)
        near = mine[np.argsort(((places[mine] - centre) ** 2).sum(axis=1), kind="stable")]
        out[order[first : first + len(mine)]] = near
        first += len(mine)
    return out
