"""Cells without transcriptomes, of any types: for a scenario that is mechanics, fields and rules alone."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.kernels.random import Streams
from twin.model.contract import Condition, Counts, Resting

Float = NDArray[np.float64]


class NoTranscriptome(Resting):
    """A cell is its type, its place and its columns: there are no genes, no latent and no perturbations.

    Its cell types are those that the scenario names.
    """

    name = "none"

    def __init__(self, contexts: Sequence[str] = ()) -> None:
        self.genes: tuple[str, ...] = ()
        self.contexts = tuple(contexts)
        self.composition = np.full(len(self.contexts), 1.0 / max(len(self.contexts), 1))
        self.perturbations = ()

    @property
    def fingerprint(self) -> str:
        """A hash of its cell types, the only thing that it holds."""
        return "none:" + sha256("\n".join(self.contexts).encode()).hexdigest()[:16]

    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Return 1 for every cell: there is no library."""
        return np.ones(len(ids))

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Return counts of no gene, (cell, 0)."""
        return sp.csr_array((condition.n, 0), dtype=np.int32), np.zeros((condition.n, 0), np.float32)

    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return rates of no gene, (cell, 0)."""
        return np.zeros((condition.n, len(genes)))

    def support(self, condition: Condition) -> Float:
        """Return 1 for every cell: nothing is predicted."""
        return np.ones(condition.n)

    def with_context(self, name: str, controls: Counts) -> "NoTranscriptome":
        """Return the model with one more cell type."""
        return NoTranscriptome((*self.contexts, name))

    def for_types(self, types: Sequence[str]) -> "NoTranscriptome":
        """Return the model with these cell types beside its own."""
        return NoTranscriptome(tuple(dict.fromkeys((*self.contexts, *types))))

    def focused(
        self,
        contexts: Sequence[str] | None = None,
        genes: Sequence[str] | None = None,
        perturbations: Sequence[str] | None = None,
    ) -> "NoTranscriptome":
        """Return the model with some of its cell types."""
        return NoTranscriptome(self.contexts if contexts is None else contexts)


def none() -> NoTranscriptome:
    """Return the model without genes."""
    return NoTranscriptome()
