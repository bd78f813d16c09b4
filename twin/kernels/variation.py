"""Random effects: numbers that one donor, batch or hand has, and keeps wherever it is met."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.kernels.random import Streams

Float = NDArray[np.float64]
UInt64 = NDArray[np.uint64]


def vary(streams: Streams, purpose: str, ids: UInt64, width: int, sd: float) -> Float:
    """Return normal effects, (donor, width), with the standard deviation `sd`; they hang on the donor's id alone."""
    return sd * streams.stream(f"donor {purpose}").normal(ids, width)


def vary_by_kind(
    streams: Streams, purpose: str, ids: UInt64, kinds: Sequence[str], sd: Sequence[float], shared: float
) -> Float:
    """Return normal effects of donors on kinds of cells, e_dk = σ_k (√ρ u_d + √(1 − ρ) w_dk), (donor, kind).

    A kind's numbers do not hang on which other kinds there are.

    Parameters
    ----------
    ids : (donor,). kinds : names of the kinds. sd : (kind,) σ.
    shared : ρ, the correlation of one donor's effects on two kinds.
    """
    alike = vary(streams, purpose, ids, 1, float(np.sqrt(shared)))
    own = [vary(streams, f"{purpose} {kind}", ids, 1, float(np.sqrt(1.0 - shared))) for kind in kinds]
    mixed = np.concatenate([alike + w for w in own], axis=1) if own else np.zeros((len(ids), 0))
    return np.asarray(mixed * np.asarray(sd, dtype=np.float64))
