"""Genes in groups of S slots: linear maps that belong to a slot, applied to scattered (cell, gene) entries."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

ENTRIES_A_PASS = {
    "cpu": 256,
    "cuda": 4_096,
}  # fixed, so that an entry's numbers do not depend on the others; our choice


@dataclass(frozen=True)
class Layout:
    """Which group and which slot in it every gene has.

    order : (gene,) the gene at each place. group, slot : (gene,) of each gene.
    """

    order: NDArray[np.int64]
    group: NDArray[np.int64]
    slot: NDArray[np.int64]

    @property
    def n_groups(self) -> int:
        """How many groups, the last one perhaps not full."""
        return int(self.group.max()) + 1


def layout(order: NDArray[np.int64], size: int) -> Layout:
    """Return groups of `size` genes in this order."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Layout(order, place // size, place % size)


def slot_maps(
    hidden: Tensor,
    rows: Tensor,
    groups: Tensor,
    slots: Tensor,
    maps: Tensor,
    bias: Tensor | None,
    then: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return `then(M_s h + b_s)` for each entry, s its slot and h its group's vector, (entry, …) in the entries' order.

    Passes have a fixed, padded number of entries; with gradients, each is computed again in the backward pass, so that
    no (entry, out) tensor outlives it.

    Parameters
    ----------
    hidden : (cell, group, width). rows, groups, slots : (entry,).
    maps : (slot, out, width). bias : (slot, out).
    """
    size = ENTRIES_A_PASS.get(hidden.device.type, 256)
    order = torch.argsort(slots, stable=True)
    ends = torch.bincount(slots, minlength=len(maps)).cumsum(0).tolist()
    done, parts = 0, []

    def some(x: Tensor, map_: Tensor, constant: Tensor | None) -> Tensor:
        return then(torch.nn.functional.linear(x, map_, constant).float())

    for s, end in enumerate(ends):
        for first in range(done, end, size):
            pick = order[first : min(first + size, end)]
            x = hidden[rows[pick], groups[pick]]
            x = torch.nn.functional.pad(x, (0, 0, 0, size - len(pick)))  # (size, width)
            told = (x, maps[s], None if bias is None else bias[s])
            again = torch.is_grad_enabled()
            out = checkpoint(some, *told, use_reentrant=False) if again else some(*told)
            assert isinstance(out, Tensor)
            parts.append(out[: len(pick)])
        done = end
    if not parts:
        return some(hidden.new_zeros(size, hidden.shape[-1]), maps[0], None if bias is None else bias[0])[:0]
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=order.device)
    return torch.cat(parts)[back]


def in_passes(x: Tensor, weight: Tensor) -> Tensor:
    """Return x Wᵀ in passes of a fixed, padded number of entries; x (entry, in), weight (out, in)."""
    size = ENTRIES_A_PASS.get(x.device.type, 256)
    whole = torch.nn.functional.pad(x, (0, 0, 0, -len(x) % size))
    parts = [torch.nn.functional.linear(part, weight) for part in torch.split(whole, size)]
    return torch.cat(parts)[: len(x)] if len(x) else x.new_zeros(0, len(weight))
