"""The `lingshu` backbone: the published recipe of Lingshu-Cell, so that its tables can be run again.

Genes are shuffled once; the level embeddings of S consecutive ones are concatenated and mapped to one token; two
tokens, context and perturbation, stand before them and are never masked; RoPE over the tokens; after the blocks a
linear map goes back to S vectors, and a linear head gives 281 logits a gene. No latent, no depth.

What no account of the recipe states, and what is chosen here: the final norm stands before the up-map, so that all that
follows it is linear, guidance on it is guidance on logits, and up-map and head fold into one map a slot; the head is
not tied to the embedding; a gene has an embedding of its own, added to its level's (`identity`; the released file's
size leaves no room for one: without it, a wholly masked cell tells genes apart by RoPE and by slot alone).

Source
------
Lingshu-Cell, arXiv 2603.25240: D 640, 13 blocks, 10 heads of 64, SwiGLU 2,560, RMSNorm, RoPE; S 1, 8 (default) or 32.
"""

from collections.abc import Callable, Iterator
from typing import Literal, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from twin.kernels.random import Stream, hash_words
from twin.kernels.tokens import N_LEVELS
from twin.model.backbones.backbone import Backbone, BackboneConfig, Heads, Inputs
from twin.model.backbones.slots import layout, slot_maps
from twin.model.backbones.transformer import EPSILON, Block, initialise, rotation_table, run_blocks

CONDITION_TOKENS = 2
SMALLEST_LOG_ODDS = -20.0  # of a non-zero count; beyond it nothing is told apart in 32 bit; our choice
VECTORS_A_PASS = 16_384  # (cell, group) vectors whose 281 logits exist at once; our choice


class LingshuConfig(BackboneConfig):
    """Sizes of the backbone; the defaults are the published ones."""

    kind: Literal["lingshu"] = "lingshu"
    latent: Literal[0] = 0
    packing: Literal[1, 8, 32] = 8
    width: int = Field(640, ge=1)
    blocks: int = Field(13, ge=1)
    heads: int = Field(10, ge=1)
    inner: int = Field(2_560, ge=1)
    identity: bool = True
    permutation: int = Field(0, ge=0)  # the seed of the genes' order

    @model_validator(mode="after")
    def _heads_divide(self) -> "LingshuConfig":
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"a width of {self.width} does not give {self.heads} heads of an even width each")
        return self


class Lingshu(Backbone):
    """Packed genes under a bidirectional transformer with a 281-way head."""

    sees_depth = False

    def __init__(self, config: LingshuConfig) -> None:
        super().__init__()
        self.config: LingshuConfig = config
        c = config
        d, s = c.width, c.packing
        shuffled = np.argsort(
            Stream(hash_words(c.permutation, "order of genes")).bits(
                np.zeros(c.n_genes, np.uint64), np.arange(c.n_genes, dtype=np.uint64)
            ),
            kind="stable",
        )
        self.layout = layout(shuffled.astype(np.int64), s)
        self.n_groups = self.layout.n_groups
        self.level_in = nn.Parameter(torch.randn(N_LEVELS + 1, d))
        if c.identity:
            self.gene_in = nn.Parameter(torch.randn(c.n_genes, d))
        self.pack = nn.Parameter(torch.randn(s, d, d) * (s * d) ** -0.5)  # (slot, in, out)
        self.context_in = nn.Linear(c.context_width, d)
        self.perturbation_in = nn.Linear(c.perturbation_width, d)
        self.blocks = nn.ModuleList(Block(d, c.heads, c.inner) for _ in range(c.blocks))
        self.norm = nn.RMSNorm(d, eps=EPSILON)
        self.unpack = nn.Parameter(torch.randn(s, d, d) * d**-0.5)  # (slot, out, in)
        self.unpack_bias = nn.Parameter(torch.zeros(s, d))
        self.head = nn.Linear(d, N_LEVELS)
        initialise(self.blocks_of(), c.blocks)
        nn.init.normal_(self.head.weight, std=0.1 * d**-0.5)
        nn.init.zeros_(self.head.bias)
        places = torch.from_numpy(np.append(self.layout.order, np.full(self.n_groups * s - c.n_genes, -1)))
        self.register_buffer("places", places, persistent=False)  # (group × slot,) the gene there, −1 for none
        self.register_buffer("group", torch.from_numpy(self.layout.group), persistent=False)
        self.register_buffer("slot", torch.from_numpy(self.layout.slot), persistent=False)
        table = rotation_table(self.n_groups + CONDITION_TOKENS, d // c.heads)
        self.register_buffer("rotation", table, persistent=False)
        self.places: Tensor
        self.group: Tensor
        self.slot: Tensor
        self.rotation: Tensor

    def blocks_of(self) -> Iterator[Block]:
        """Yield the blocks of the body."""
        yield from cast(Iterator[Block], iter(self.blocks))

    @torch.no_grad()
    def start(self, rate: Tensor, levels: Tensor) -> None:
        """Start the head at the shares of the levels; genes' rates have no place in the recipe."""
        self.head.bias.copy_(torch.log(levels + 1e-7))

    def encode(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return an empty latent, twice (cell, 0)."""
        return inputs.context.new_zeros(len(inputs.level), 0), inputs.context.new_zeros(len(inputs.level), 0)

    def _level_table(self) -> Tensor:
        """Return what each level in each slot adds to its group's token, (slot × 282 + 1, width); the last row is 0.

        The first map is linear in the embeddings, so that packing is a sum of table rows.
        """

        def make() -> Tensor:
            with torch.autocast(self.pack.device.type, enabled=False):
                table = torch.matmul(self.level_in, self.pack).flatten(0, 1)  # (slot × level, width)
            return torch.cat([table, table.new_zeros(1, self.config.width)])

        return self.kept("levels", make)

    def _identity(self) -> Tensor:
        """Return what the genes' own embeddings add to the tokens, (group, width)."""

        def make() -> Tensor:
            gene = torch.cat([self.gene_in, self.gene_in.new_zeros(1, self.config.width)])[self.places]
            return torch.einsum("psi,sio->po", gene.view(self.n_groups, self.config.packing, -1), self.pack).float()

        return self.kept("identity", make)

    def hidden(self, inputs: Inputs) -> Tensor:
        """Return the groups' vectors, (cell, group, width) float32."""
        n, s = len(inputs.level), self.config.packing
        level = inputs.level.long()[:, self.places.clamp(min=0)]  # (cell, group × slot)
        row = level + (N_LEVELS + 1) * (torch.arange(len(self.places), device=level.device) % s)
        nothing = s * (N_LEVELS + 1)
        row = torch.where(self.places >= 0, row, nothing).view(n * self.n_groups, s)
        x = nn.functional.embedding_bag(row, self._level_table(), mode="sum", padding_idx=nothing)
        x = x.view(n, self.n_groups, -1)
        if self.config.identity:
            x = x + self._identity()
        told = torch.stack([self.context_in(inputs.context), self.perturbation_in(inputs.perturbation)], dim=1)
        x = torch.cat([told.float(), x], dim=1)
        x = run_blocks(self.blocks, x, self.rotation, checkpointed=self.checkpoint_blocks)
        return cast(Tensor, self.norm(x[:, CONDITION_TOKENS:]).float())

    def read(self, hidden: Tensor, inputs: Inputs) -> "LingshuHeads":
        """Return the heads of hidden vectors; the inputs are not looked at."""
        return LingshuHeads(self, hidden)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return up-map and head as one map a slot: (slot, 281, width) and its bias (slot, 281)."""
        with torch.autocast(self.unpack.device.type, enabled=False):
            return (
                self.kept("head", lambda: torch.matmul(self.head.weight, self.unpack)),
                self.kept("bias", lambda: self.head(self.unpack_bias)),
            )


class LingshuHeads(Heads):
    """281 logits a gene from the groups' vectors (cell, group, width), never all of them at once."""

    def __init__(self, net: Lingshu, hidden: Tensor) -> None:
        self.net, self.states = net, hidden
        self.maps, self.bias = net.folded()

    def logits(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return all 281 logits of entries, (entry, 281)."""
        return self._at(rows, genes, lambda a: a)

    def hazard(self) -> Tensor:
        """Return λ0, (cell, gene), slot by slot."""
        with torch.autocast(self.states.device.type, enabled=False):
            return self._hazards()

    def _hazards(self) -> Tensor:
        n, groups, width = self.states.shape
        flat = self.states.reshape(n * groups, width)
        size = self.net.config.packing
        columns = []
        for s in range(size):
            parts = []
            for x in torch.split(flat, VECTORS_A_PASS):
                told = (x, self.maps[s], self.bias[s])
                out = checkpoint(_hazard_of, *told, use_reentrant=False) if torch.is_grad_enabled() else None
                parts.append(_hazard_of(*told) if out is None else cast(Tensor, out))
            columns.append(torch.cat(parts).view(n, groups))
        return torch.stack(columns, dim=2).view(n, groups * size)[:, self.net.group * size + self.net.slot]

    def hazard_at(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return λ0 of entries, (entry,)."""
        return self._at(rows, genes, hazard_of)

    def value_logits(self, rows: Tensor, genes: Tensor) -> Tensor:
        """Return the logits of the non-zero levels of entries, (entry, 280)."""
        return self._at(rows, genes, lambda a: a[:, 1:])

    def _at(self, rows: Tensor, genes: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        groups, slots = self.net.group[genes], self.net.slot[genes]
        with torch.autocast(self.states.device.type, enabled=False):
            return slot_maps(self.states, rows, groups, slots, self.maps, self.bias, then)


def hazard_of(logits: Tensor) -> Tensor:
    """Return λ0 = −log P(level 0) of 281 logits, (entry, 281) to (entry,)."""
    odds = torch.logsumexp(logits[:, 1:], dim=1) - logits[:, 0]
    return nn.functional.softplus(odds.clamp(min=SMALLEST_LOG_ODDS))


def _hazard_of(x: Tensor, map_: Tensor, bias: Tensor) -> Tensor:
    return hazard_of(nn.functional.linear(x, map_, bias).float())
