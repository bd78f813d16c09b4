"""What any cell world model has to offer: the shipped network, the baselines, a third party's.

Counts cross this door as integer CSR matrices (cell, gene), so that a model needs to know nothing
of tokens or chunks. Every draw takes its randomness from the `Streams` it is handed.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.kernels.random import Streams

Float = NDArray[np.float64]
Counts: TypeAlias = sp.csr_array  # (cell, gene), int32, sorted indices

HALF_LIFE = 5.0  # h; median mRNA half-life in human cells, Tani et al., Genome Res 2012 (order of magnitude)


@dataclass(frozen=True)
class Perturbation:
    """One perturbation that a model was trained on.

    name : its word ("IFNB1"); a cytokine or gene by symbol, a drug by generic name.
    kind : "cytokine", "gene" or "drug".
    reference : the trained dose, nM; the effect at this dose is the measured one. NaN: no dose.
    reference_text : the same as the data said it ("100 U/mL").
    ec50 : nM; half-effect dose of the Hill curve by which other doses are read.
    hill : its exponent.
    times : h; the measured times since exposure.
    cells : per context, how many treated cells were seen.
    """

    name: str
    kind: str
    reference: float
    reference_text: str
    ec50: float
    hill: float
    times: tuple[float, ...]
    cells: dict[str, int]


@dataclass(frozen=True)
class Condition:
    """What a set of cells is and what is done to them.

    ids : (cell,) uint64; they key every random number.
    context : (cell,) index into the model's `contexts`.
    depth : (cell,) library size at which the cell is captured.
    dose : (cell, perturbation) nM, columns as the model's `perturbations`.
    time_since : (cell, perturbation) h since exposure began; NaN before it.
    ec50_factor : (cell,) factor on every EC50 of this cell.
    clamp : (cell, gene) factors on expression; stored 0 = knocked out, absent = free.
    """

    ids: NDArray[np.uint64]
    context: NDArray[np.intp]
    depth: Float
    dose: Float
    time_since: Float
    ec50_factor: Float
    clamp: sp.csr_array | None = None

    @property
    def n(self) -> int:
        """How many cells."""
        return len(self.ids)

    def rows(self, rows: slice | NDArray[np.intp]) -> Self:
        """Return the condition of some of the cells."""
        return replace(
            self,
            ids=self.ids[rows],
            context=self.context[rows],
            depth=self.depth[rows],
            dose=self.dose[rows],
            time_since=self.time_since[rows],
            ec50_factor=self.ec50_factor[rows],
            clamp=None if self.clamp is None else self.clamp[rows],
        )


class WorldModel(ABC):
    """A conditional generator of whole transcriptomes that can step a cell through time.

    genes : the gene axis, symbols.
    contexts : cell types (or other contexts) it knows.
    composition : (context,) share of each context among the control cells it was trained on.
    perturbations : what it can do to a cell.
    latent_size : numbers in z; 0 where the model keeps no latent.
    notes : what a run has to record of it, a sentence each (an EC50 that is a choice, its training data).
    """

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

    def kappa(self) -> float:
        """Return the turnover scale: at the assay's time the snapshot is reached to 95 %.

        κ = 4.32 · t½ / T; with one measured time it is a convention, not a fit. Without any
        perturbation it is 1.
        """
        times = [t for p in self.perturbations for t in p.times if t > 0]
        return 4.32 * HALF_LIFE / max(times) if times else 1.0

    def last_time(self) -> float:
        """Return the last measured time since exposure, h; beyond it a result is extrapolated."""
        return max((t for p in self.perturbations for t in p.times), default=0.0)
