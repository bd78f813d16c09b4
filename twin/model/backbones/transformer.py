"""The transformer body: pre-norm blocks of full attention and SwiGLU, without biases.

A block has 4 D² + 3 · D · F matrix weights (attention; gate, value and output maps of the SwiGLU).

Source
------
Vaswani et al. 2017 (attention); Zhang & Sennrich 2019 (RMSNorm); Shazeer 2020 (SwiGLU); Su et al. 2021 (RoPE).
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

EPSILON = 1e-6  # of RMSNorm; our choice
ROTARY_BASE = 10_000.0  # Su et al. 2021


class Block(nn.Module):
    """Pre-norm residual block: bidirectional attention, then SwiGLU."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        assert width % heads == 0, (width, heads)
        self.heads = heads
        self.attention_norm = nn.RMSNorm(width, eps=EPSILON)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.feed_norm = nn.RMSNorm(width, eps=EPSILON)
        self.gate_value = nn.Linear(width, 2 * inner, bias=False)
        self.feed_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor | None = None) -> Tensor:
        """Return x plus its transform; x (cell, token, width), rotation (2, token, width / head / 2) cos and sin."""
        n, tokens, width = x.shape
        joint = self.query_key_value(self.attention_norm(x)).view(n, tokens, 3, self.heads, -1)
        query, key, value = joint.permute(2, 0, 3, 1, 4)  # (cell, head, token, width / head) each
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(n, tokens, width))
        gate, inner = self.gate_value(self.feed_norm(x)).chunk(2, dim=-1)
        return cast(Tensor, x + self.feed_out(nn.functional.silu(gate) * inner))


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Return x turned by its position: pairs (i, i + half) by the angle of (position, i); shape and dtype of x."""
    cos, sin = rotation.to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def rotation_table(tokens: int, width: int) -> Tensor:
    """Return cosines and sines of every position's angles, (2, token, width / 2)."""
    rate = ROTARY_BASE ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    angle = torch.arange(tokens, dtype=torch.float32)[:, None] * rate
    return torch.stack([angle.cos(), angle.sin()])


def initialise(blocks: Iterable[Block], depth: int) -> None:
    """Draw the weights of blocks: normal of width^−½, output maps smaller by (2 depth)^−½."""
    for block in blocks:
        for linear in (block.query_key_value, block.gate_value):
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
        for linear in (block.attention_out, block.feed_out):
            nn.init.normal_(linear.weight, std=(2 * depth * linear.in_features) ** -0.5)


def run_blocks(
    blocks: Iterable[nn.Module], x: Tensor, rotation: Tensor | None = None, *, checkpointed: bool = False
) -> Tensor:
    """Return x after all blocks; `checkpointed` blocks keep their input alone for the backward pass."""
    for block in blocks:
        if checkpointed and torch.is_grad_enabled():
            x = cast(Tensor, checkpoint(block, x, rotation, use_reentrant=False))
        else:
            x = block(x, rotation)
    return x
