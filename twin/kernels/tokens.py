"""Counts as tokens: 281 levels, exact below 100, two significant digits up to 9,999.

Level 0 is a count of zero, 1–99 are themselves, 100–279 are the 90 bins of each of two decades,
280 holds everything above 9,999. MASK (281) is an input only, never a value.

Source
------
Lingshu-Cell, arXiv 2603.25240: token = 100 + 90 (k − 2) + (floor(x / 10^(k−1)) − 10), k = floor(log10 x).
"""

import numpy as np
from numpy.typing import NDArray

from twin.kernels.random import Stream, hash_words

N_LEVELS = 281
MASK = 281
OVERFLOW = 280
LARGEST = 2**31 - 1

_INSIDE_BIN = Stream(hash_words("count inside its bin"))


def _edges() -> NDArray[np.int64]:
    """Return the lower edge of every level and one past the last, (282,)."""
    exact = np.arange(100)
    hundreds, thousands = np.arange(10, 100) * 10, np.arange(10, 100) * 100
    return np.concatenate([exact, hundreds, thousands, [10_000, 20_000]]).astype(np.int64)


LEVEL_EDGES = _edges()  # counts; level v holds LEVEL_EDGES[v] <= x < LEVEL_EDGES[v + 1]
_TABLE = np.searchsorted(LEVEL_EDGES[:-1], np.arange(10_001), side="right").astype(np.uint16) - np.uint16(1)


def tokens_of(counts: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Return the level of each count, any shape; counts are >= 0."""
    return np.asarray(_TABLE[np.minimum(counts, 10_000)], dtype=np.uint16)


def counts_of(tokens: NDArray[np.integer], ids: NDArray[np.uint64], genes: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return a count inside each level: exact below 100, else drawn evenly inside the bin.

    The draw is a hash of (cell id, gene, level): the same cell's unchanged entry always gives the
    same count, so a state can be unpacked and packed at will. Overflow is drawn in 10,000–19,999.

    Parameters
    ----------
    tokens, ids, genes : (entry,), the level, its cell's id and its gene.
    """
    level = np.asarray(tokens, dtype=np.int64)
    low = LEVEL_EDGES[level]
    width = LEVEL_EDGES[level + 1] - low
    counts = low.copy()
    wide = np.flatnonzero(width > 1)
    if len(wide):
        index = np.asarray(genes, np.uint64)[wide] * np.uint64(512) + level[wide].astype(np.uint64)
        u = _INSIDE_BIN.uniform_at(np.asarray(ids, np.uint64)[wide], index)
        counts[wide] += np.floor(u * width[wide]).astype(np.int64)
    return counts.astype(np.int32)
