"""These very cells under a perturbation: from the control law to the treated one along equal quantiles.

Gene by gene, the count a cell holds has a place in the control law's distribution function, drawn evenly inside the
count's own step; the cell gets the count at that place of the treated law. So a cell stays itself, and one that
nothing is done to stays unchanged.
"""

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from twin.kernels.random import Streams
from twin.kernels.tokens import MASK, tokens_of
from twin.model.backbones.backbone import Backbone, Heads
from twin.model.backbones.luck import uniforms
from twin.model.backbones.sampler import ENTRIES_AT_ONCE, Ask, Chunk, chunks, counts_on_levels, invert, value_cdf
from twin.model.condition import Counts


@torch.no_grad()
def couple(
    backbone: Backbone,
    ask: Ask,
    counts: Counts,
    streams: Streams,
    purpose: str,
    *,
    rows: int = 0,
    precision: str = "auto",
) -> Counts:
    """Return what these cells would hold under the perturbations of `ask` instead of control.

    Parameters
    ----------
    ask : what is done to each cell; its z is that of the cell as it is, and holds under both laws.
    counts : (cell, gene) what the cells hold under control; not modified.
    """
    treated = np.flatnonzero((ask.strength != 0).any(axis=1))
    parts = []
    some, held = ask.rows(treated), counts[treated]
    for here, chunk in chunks(backbone, some, 0.0, rows, precision):
        control = Chunk(backbone, chunk.ask, np.zeros_like(chunk.ask.strength), chunk.rows, precision)
        level = torch.from_numpy(tokens_of(held[here].toarray()).astype(np.int64)).to(chunk.device)
        blank = torch.full_like(level, MASK, dtype=torch.int32)
        genes = torch.arange(level.shape[1], device=chunk.device)
        luck = uniforms(streams.stream(purpose), chunk.words[:, None], genes)
        place = quantiles(control.heads(blank), level, luck)
        row, gene = (
            x.ravel() for x in torch.meshgrid(torch.arange(len(level), device=chunk.device), genes, indexing="ij")
        )
        moved = invert(chunk.heads(blank), row, gene, place.ravel()).view_as(level).to(torch.int32)
        parts.append(counts_on_levels(moved, chunk.ask.ids, held[here]))
    if not parts:
        return counts.copy()
    untouched = np.setdiff1d(np.arange(ask.n), treated)
    whole = sp.vstack([*parts, counts[untouched]], format="csr")
    return sp.csr_array(whole[np.argsort(np.concatenate([treated, untouched]))])


def quantiles(heads: Heads, level: Tensor, luck: Tensor) -> Tensor:
    """Return each entry's place in the law's distribution function, in [0, 1), (cell, gene) float64.

    level : (cell, gene) int64. luck : (cell, gene) where inside the count's own step.
    """
    zero = torch.exp(-heads.hazard()[: len(level)].double())  # the heads' cells are padded
    place = luck * zero
    row, gene = torch.nonzero(level, as_tuple=True)
    for some in torch.split(torch.arange(len(row), device=row.device), ENTRIES_AT_ONCE):
        r, g = row[some], gene[some]
        below = torch.nn.functional.pad(value_cdf(heads, r, g), (1, 0))  # (entry, 281)
        k = level[r, g][:, None]
        low, high = below.gather(1, k - 1)[:, 0], below.gather(1, k)[:, 0]
        place[r, g] = zero[r, g] + (1.0 - zero[r, g]) * (low + luck[r, g] * (high - low))
    return place
