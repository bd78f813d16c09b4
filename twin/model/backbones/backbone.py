"""What every token backbone offers: tokens and condition vectors in, a law of every gene's count out.

p(x_g | visible genes, z, context, perturbation, depth) = P(0) = exp(−λ_g), and where the count is not zero a
categorical law over the 280 other levels. `hidden` is where guidance acts: what follows it up to the logits is
linear, so that a = a_ctrl + (w + 1)(a_pert − a_ctrl) on hidden vectors is the same on logits.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from twin.model.backbones.transformer import Block


class BackboneConfig(BaseModel):
    """What every configuration holds.

    latent : numbers in z; 0 for none. context_width, perturbation_width : of the condition vectors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_genes: int = Field(ge=1)
    context_width: int = Field(ge=1)
    perturbation_width: int = Field(ge=1)
    latent: int = Field(ge=0)


@dataclass(frozen=True)
class Inputs:
    """What a backbone is told of a batch of cells.

    level : (cell, gene) int32, 0–280 where visible, MASK where not (or not measured).
    context : (cell, context_width). perturbation : (cell, perturbation_width); zero is control.
    log_depth : (cell,). z : (cell, latent). measured : (cell, gene) of 0 and 1; None: every gene was.
    """

    level: Tensor
    context: Tensor
    perturbation: Tensor
    log_depth: Tensor
    z: Tensor
    measured: Tensor | None = None

    def but(self, **changes: Tensor) -> Self:
        """Return the same with some tensors exchanged."""
        return replace(self, **changes)


class Heads(ABC):
    """The law of every gene's count, for a batch of cells. Cells × genes × levels is never made as a whole."""

    @abstractmethod
    def hazard(self) -> Tensor:
        """Return λ0 = −log P(count = 0), (cell, gene)."""

    @abstractmethod
    def hazard_at(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return λ0 of entries, (entry,); rows and genes (entry,)."""

    @abstractmethod
    def value_logits(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return the logits of the non-zero levels of entries, (entry, 280)."""


class Backbone(nn.Module, ABC):
    """A conditional masked diffusion over the levels of all genes.

    sees_depth : whether the law depends on log depth. blocks : what is compiled, checkpointed and sharded one by one.
    """

    config: BackboneConfig
    sees_depth: bool
    checkpoint_blocks: bool = False

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> Self:
        """Switch between training and use; in use, tables made of weights alone are made once."""
        self._kept.clear()
        return super().train(mode)

    def kept(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return `make()`, made once in use (`eval`), when weights no longer change."""
        if self.training or torch.is_grad_enabled():
            return make()
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    @abstractmethod
    def blocks_of(self) -> Iterator[Block]:
        """Yield every transformer block."""

    @abstractmethod
    def encode(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z | x, context, perturbation), (cell, latent) each; z is not looked at."""

    @abstractmethod
    def hidden(self, inputs: Inputs) -> Tensor:
        """Return what the heads read, (cell, token, width) float32."""

    @abstractmethod
    def read(self, hidden: Tensor, inputs: Inputs) -> Heads:
        """Return the heads of (guided) hidden vectors; of the inputs only depth and measured genes count."""

    @abstractmethod
    def start(self, rate: Tensor, levels: Tensor) -> None:
        """Set what can be measured before training, in place; a backbone takes what it has a place for.

        rate : (gene,) share of the transcriptome. levels : (281,) share of each level among all counts.
        """

    def heads(self, inputs: Inputs) -> Heads:
        """Return the law of every gene."""
        return self.read(self.hidden(inputs), inputs)

    def decayed(self) -> Iterator[nn.Parameter]:
        """Yield the parameters that weight decay acts on: matrices, not vectors."""
        yield from (p for p in self.parameters() if p.ndim >= 2)
