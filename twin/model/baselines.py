"""Honest baselines behind the contract: what a world model has to beat, nameable in a scenario.

`still`  nothing ever changes.
`shift`  arithmetic: a cell's target is drawn gene by gene from its type's measured rates, moved by the
         similarity-weighted measured effect; no latent, no network (only the genes' dispersion, the width
         of their counts around the mean, is the trained one).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.kernels.random import Streams
from twin.model.contract import Condition, Counts, Resting
from twin.model.files import embedded
from twin.model.masked import MaskedDiffusion, ModelCard
from twin.model.network import LatentNetwork

Float = NDArray[np.float64]

# Each is a correction of the negative binomial of the measured mean: at zero the mean is exactly the measured one.
CORRECTIONS = (
    "code_out", "hurdle_bias", "assay_hurdle", "value_bias", "assay_value", "prior_mean", "prior_root", "log_gain",
)  # fmt: skip


def without_network(model: MaskedDiffusion, name: str) -> MaskedDiffusion:
    """Return the model with every trained correction taken out: measured rates and effects alone.

    A count is then negative binomial about rate × depth × effect, and library sizes are the asked depths on average.
    """
    net = LatentNetwork(model.net.config)
    net.load_state_dict(model.net.state_dict())
    with torch.no_grad():
        for table in CORRECTIONS:
            getattr(net, table).zero_()
    card = ModelCard(name, model.card.sources, model.card.n_cells, model.card.holdout, kappa=model.card.kappa)
    return MaskedDiffusion(net, model.knowledge, card)


def shift() -> MaskedDiffusion:
    """Return the similarity-weighted shift on the embedded checkpoint's data."""
    return without_network(embedded(), "shift")


class Still(Resting):
    """Nothing ever changes; new cells are drawn gene by gene from their type's rates."""

    def __init__(self, model: MaskedDiffusion) -> None:
        self.name = "still"
        self._draws = without_network(model, "still")
        self.genes, self.contexts = model.genes, model.contexts
        self.composition, self.perturbations = model.composition, model.perturbations

    @cached_property
    def fingerprint(self) -> str:
        """As that of the rates it draws from."""
        return "still:" + self._draws.fingerprint

    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Draw library sizes (cell,)."""
        return self._draws.depths(context, ids, streams)

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw cells gene by gene from their type's rates; what is done to them changes nothing."""
        untouched = replace(condition, dose=np.zeros_like(condition.dose), clamp=None)
        counts, _ = self._draws.sample(untouched, streams, steps=steps, guidance=guidance)
        return counts, np.zeros((condition.n, 0), np.float32)

    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return the type's rates, (cell, gene) counts per 10,000."""
        empty = np.zeros((condition.n, self._draws.latent_size), np.float32)
        return self._draws.expected(empty, condition, genes)

    def support(self, condition: Condition) -> Float:
        """Return as the data's: how much of what is asked was seen, (cell,)."""
        return self._draws.support(condition)

    def with_context(self, name: str, controls: sp.csr_array) -> "Still":
        """Return a `still` that also knows these cells."""
        return Still(self._draws.with_context(name, controls))

    def focused(
        self,
        contexts: Sequence[str] | None = None,
        genes: Sequence[str] | None = None,
        perturbations: Sequence[str] | None = None,
    ) -> "Still":
        """Return a `still` of some contexts, genes and perturbations."""
        return Still(self._draws.focused(contexts, genes, perturbations))


def still() -> Still:
    """Return the model in which nothing changes, on the embedded checkpoint's axis."""
    return Still(embedded())
