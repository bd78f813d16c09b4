"""What any cell world model has to offer: the shipped network, the baselines, a third party's.

Counts cross this door as integer CSR matrices (cell, gene), so that a model needs to know nothing
of tokens or chunks. Every draw takes its randomness from the `Streams` it is handed.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import anndata as ad
import numpy as np
from numpy.typing import NDArray

from twin.data.counts import CountData
from twin.kernels.random import Streams
from twin.model.condition import HALF_LIFE, Condition, Counts, Float, Perturbation
from twin.model.prediction import predict

__all__ = ["HALF_LIFE", "Condition", "Counts", "Perturbation", "Resting", "WorldModel"]

REACHED = 4.32  # half-lives in which 95 % of the messages are replaced: log2(20)


class WorldModel(ABC):
    """A conditional generator of whole transcriptomes that can step a cell through time.

    genes : the gene axis, symbols.
    contexts : cell types (or other contexts) it knows.
    composition : (context,) share of each context among the control cells it was trained on.
    perturbations : what it can do to a cell.
    latent_size : numbers in z; 0 where the model keeps no latent.
    notes : what a run has to record of it, a sentence each (an EC50 that is a choice, its training data).
    """

    shares_threads: bool = False  # True: several threads may ask it at once
    turns_over: bool = True  # False: nothing ever changes, and its turnover means nothing
    needs_data: bool = False  # True: it is made of the cells of the scenario's files (`for_data`)
    tells_donors_apart: bool = False  # True: it heeds a condition's gain, tone and offset
    name: str
    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    composition: Float
    perturbations: tuple[Perturbation, ...]
    latent_size: int
    notes: tuple[str, ...] = ()

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of what decides this model's answers (recorded in a run)."""

    @abstractmethod
    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Draw library sizes (cell,) from the law of each cell's context."""

    @abstractmethod
    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw cells from nothing: (counts, z (cell, latent))."""

    @abstractmethod
    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """Return z (cell, latent): who each of these cells is."""

    @abstractmethod
    def transition(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        elapsed: float,
        kappa: float,
        streams: Streams,
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Take each cell `elapsed` hours on; `kappa` scales the messages' turnover (design: 4.6)."""

    @abstractmethod
    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return what these very cells would hold under `condition` instead of control.

        A cell that nothing is done to comes back unchanged.
        """

    @abstractmethod
    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return expected shares of the transcriptome, (cell, gene), counts per 10,000."""

    @abstractmethod
    def support(self, condition: Condition) -> Float:
        """Return per cell, in [0, 1], how much of what is asked the training data hold."""

    @abstractmethod
    def with_context(self, name: str, controls: Counts) -> "WorldModel":
        """Return a model that also knows the context that these control cells are."""

    def for_types(self, types: Sequence[str]) -> "WorldModel":
        """Return the model for a scenario that names these types; one that knows no types takes them as its own."""
        return self

    def for_data(self, files: Sequence[tuple[CountData, NDArray[np.str_]]]) -> "WorldModel":
        """Return the model for a scenario with these cells, each file's with their types (cell,).

        Asked of a model that `needs_data`, before anything else is asked of it.
        """
        return self

    def focused(
        self,
        contexts: Sequence[str] | None = None,
        genes: Sequence[str] | None = None,
        perturbations: Sequence[str] | None = None,
    ) -> "WorldModel":
        """Return the model for some contexts and perturbations, on the genes that these contexts measured, or on some.

        A run asks for what its scenario names. A model that is small may return itself, whole.
        """
        return self

    def panels(self) -> tuple[tuple[str, ...], ...]:
        """Return for each context the genes that it measured, in the order of the axis; contexts often share theirs."""
        return tuple(self.focused([context]).genes for context in self.contexts)

    def predict(self, adata: ad.AnnData, perturbation: str, dose: str | None = None, **options: Any) -> ad.AnnData:
        """Return what these very cells would hold under a perturbation (`twin.model.prediction.predict`)."""
        return predict(self, adata, perturbation, dose, **options)

    def kappa(self) -> float:
        """Return the turnover scale: at the assay's time the snapshot is reached to 95 %.

        κ = 4.32 · t½ / T; with one measured time it is a convention, not a fit. Without any
        perturbation it is 1.
        """
        times = [t for p in self.perturbations for t in p.times if t > 0]
        return REACHED * HALF_LIFE / max(times) if times else 1.0

    def last_time(self) -> float:
        """Return the last measured time since exposure, h; beyond it a result is extrapolated."""
        return max((t for p in self.perturbations for t in p.times), default=0.0)


class Resting(WorldModel):
    """What models share in which nothing ever changes: a cell is its counts, keeps no latent, and stays as it is."""

    turns_over = False
    latent_size = 0

    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """Return an empty latent, (cell, 0)."""
        return np.zeros((condition.n, 0), np.float32)

    def transition(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        elapsed: float,
        kappa: float,
        streams: Streams,
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Return the cells as they are."""
        return counts, z

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return the cells as they are."""
        return counts
