"""Honest baselines behind the contract: what a world model has to beat, nameable in a scenario.

`still`  nothing ever changes.
`shift`  arithmetic: a cell's target is drawn gene by gene from its type's measured rates, moved by the
         similarity-weighted measured effect; no latent, no network (only the genes' dispersion, the width
         of their counts around the mean, is the trained one).
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.kernels.random import Streams
from twin.model.contract import Condition, Counts, WorldModel
from twin.model.files import embedded
from twin.model.masked import MaskedDiffusion, ModelCard
from twin.model.network import LatentNetwork

Float = NDArray[np.float64]


GENES_AT_ONCE = 2_000  # genes whose 280 levels are summed together; bounds the memory


def without_network(model: MaskedDiffusion, name: str) -> MaskedDiffusion:
    """Return the model with every trained correction taken out: measured rates and effects alone."""
    net = LatentNetwork(model.net.config)
    net.load_state_dict(model.net.state_dict())
    with torch.no_grad():
        for table in (net.code_out, net.effect_hurdle, net.effect_value, net.hurdle_bias, net.value_bias):
            table.zero_()
        net.prior_mean.zero_()
        net.prior_root.zero_()
    _balance(MaskedDiffusion(net, model.genes, model.contexts, model.composition, model.perturbations, model.card))
    card = ModelCard(name, model.card.sources, model.card.n_cells, model.card.holdout, {})
    return MaskedDiffusion(
        net, model.genes, model.contexts, model.composition, model.perturbations, card, model.half_life
    )


def _balance(model: MaskedDiffusion) -> None:
    """Make expected library sizes equal the asked depth again, untreated and at each trained dose, in place."""
    net, n = model.net, len(model.contexts)
    depth = np.exp(net.depth_law[:, 0].numpy().astype(np.float64))
    z = np.zeros((n, model.latent_size), np.float32)
    for arm in (None, *range(len(model.perturbations))):
        h = np.zeros((n, len(model.perturbations)))
        if arm is not None:
            h[:, arm] = 1.0
        here = Condition(np.arange(n, dtype=np.uint64), np.arange(n), depth, h, np.full(h.shape, np.nan), np.ones(n))
        for _ in range(2):
            blocks = [
                range(g, min(g + GENES_AT_ONCE, len(model.genes))) for g in range(0, len(model.genes), GENES_AT_ONCE)
            ]
            whole = sum(model.decoder.expected(z, here, h, block).sum(axis=1) for block in blocks) / 1e4
            by = torch.from_numpy(-np.log(whole)).float()
            if arm is None:
                net.log_gain += by
            else:
                net.hurdle_effect[arm] += by[:, None]
                net.value_effect[arm] += by[:, None]


def shift() -> MaskedDiffusion:
    """Return the similarity-weighted shift on the embedded checkpoint's data."""
    return without_network(embedded(), "shift")


class Still(WorldModel):
    """Nothing ever changes; new cells are drawn gene by gene from their type's rates."""

    def __init__(self, model: MaskedDiffusion) -> None:
        self.name, self.turns_over = "still", False
        self._draws = without_network(model, "still")
        self.genes, self.contexts = model.genes, model.contexts
        self.composition, self.perturbations = model.composition, model.perturbations
        self.latent_size = 0

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
        untouched = Condition(
            condition.ids,
            condition.context,
            condition.depth,
            np.zeros_like(condition.dose),
            condition.time_since,
            condition.ec50_factor,
        )
        counts, _ = self._draws.sample(untouched, streams, steps=steps, guidance=guidance)
        return counts, np.zeros((condition.n, 0), np.float32)

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


def still() -> Still:
    """Return the model in which nothing changes, on the embedded checkpoint's axis."""
    return Still(embedded())
