"""Drawing cells from a token backbone: rounds in random order, by inverse distribution function, guided.

A cell's passes (control, and one for each of its perturbations where they are needed) lie side by side in one padded
batch of fixed size, so that a cell's numbers depend neither on its neighbours nor on how many there are. Guidance and
dose act on logits, against the control of the same context:

    a = a_ctrl + Σ_p (1 + w) h_p (a_p − a_ctrl)

A cell whose sum is one full effect (w = 0, one perturbation at the trained dose) needs no control pass, and an
untreated one no other. Each gene is revealed in the round that its own uniform says; genes that are not due stay
masked, which leaves them out of the law as if they were summed over.

Source
------
Lingshu-Cell, arXiv 2603.25240 (guidance; cosine reverse schedule, whose formula MaskGIT, arXiv 2202.04200, gives).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from twin.errors import InputError
from twin.kernels.random import Streams
from twin.kernels.tokens import MASK, N_LEVELS, counts_of, tokens_of
from twin.model.backbones.backbone import Backbone, Heads, Inputs
from twin.model.backbones.luck import id_words, uniforms
from twin.model.condition import Counts
from twin.model.runtime import autocast

ROWS = {"cpu": 16, "cuda": 128}  # passes in one batch, padded; our choice
ENTRIES_AT_ONCE = 32_768  # entries whose 280 probabilities exist at once; our choice

Schedule = Literal["linear", "cosine"]


@dataclass(frozen=True)
class Ask:
    """What is to be drawn, one row a cell.

    ids : (cell,) uint64. context : (cell, context_width) float32. log_depth : (cell,) float32. z : (cell, latent).
    perturbation : (cell, arm, perturbation_width) float32, what is done to it at the trained dose.
    strength : (cell, arm) h, the share of the trained effect.
    """

    ids: NDArray[np.uint64]
    context: NDArray[np.float32]
    log_depth: NDArray[np.float32]
    z: NDArray[np.float32]
    perturbation: NDArray[np.float32]
    strength: NDArray[np.float64]

    @property
    def n(self) -> int:
        """How many cells."""
        return len(self.ids)

    def rows(self, rows: NDArray[np.intp]) -> "Ask":
        """Return some of the cells."""
        return Ask(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def untreated(self) -> "Ask":
        """Return the same cells with nothing done to them."""
        return Ask(self.ids, self.context, self.log_depth, self.z, self.perturbation, np.zeros_like(self.strength))


def masked_share(done: int, rounds: int, schedule: Schedule) -> float:
    """Return the share of genes still masked after `done` of `rounds` rounds, from 1 to 0."""
    if done >= rounds:
        return 0.0
    return 1.0 - done / rounds if schedule == "linear" else math.cos(0.5 * math.pi * done / rounds)


class Chunk:
    """Some cells whose passes fill one batch: what is computed together, always in a batch of the same size."""

    def __init__(self, backbone: Backbone, ask: Ask, weight: NDArray[np.float64], rows: int, precision: str) -> None:
        self.backbone, self.ask, self.rows, self.precision = backbone, ask, rows, precision
        self.device = next(backbone.parameters()).device
        cell, arm, factor = _passes(weight)
        padded = np.append(cell, np.zeros(rows - len(cell), np.intp))
        vector = np.zeros((rows, ask.perturbation.shape[2]), np.float32)
        treated = np.flatnonzero(arm >= 0)
        vector[treated] = ask.perturbation[cell[treated], arm[treated]]
        self.cell = torch.from_numpy(padded).to(self.device)
        self.places, self.factors = (torch.from_numpy(x).to(self.device) for x in _by_cell(cell, factor, ask.n))
        self.blank = Inputs(
            torch.empty(0, dtype=torch.int32),
            self._tensor(ask.context[padded]),
            self._tensor(vector),
            self._tensor(ask.log_depth[padded]),
            self._tensor(ask.z[padded]),
        )
        self.words = id_words(ask.ids, self.device)

    def _tensor(self, x: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).to(self.device)

    @torch.no_grad()
    def heads(self, level: Tensor) -> Heads:
        """Return the guided law of every cell given what is visible; level (cell, gene) int32."""
        with autocast(self.device, self.precision):
            hidden = self.backbone.hidden(self.blank.but(level=level[self.cell]))
        guided = self.factors[0, :, None, None] * hidden[self.places[0]]  # (cell, token, width)
        for place, factor in zip(self.places[1:], self.factors[1:], strict=True):
            guided = guided + factor[:, None, None] * hidden[place]
        padded = torch.nn.functional.pad(guided, (0, 0, 0, 0, 0, self.rows - self.ask.n))
        return self.backbone.read(padded, self._of_cells())

    def _of_cells(self) -> Inputs:
        own = self._tensor(np.append(self.ask.log_depth, np.zeros(self.rows - self.ask.n, np.float32)))
        return self.blank.but(log_depth=own)


def _passes(weight: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the passes of cells: whose each is, which arm (−1: control), and its factor in the sum.

    weight : (cell, arm), (1 + w) h. The control's factor is 1 − Σ weight; a pass of factor 0 is left out.
    """
    whole = np.concatenate([1.0 - weight.sum(axis=1, keepdims=True), weight], axis=1)
    cell, arm = np.nonzero(whole)
    return cell.astype(np.intp), (arm - 1).astype(np.intp), whole[cell, arm]


def _by_cell(
    cell: NDArray[np.intp], factor: NDArray[np.float64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each cell's passes and their factors, (most passes of a cell, cell); where a cell has fewer, factor 0.

    A cell's sum is always taken in the same order, and a term of 0 changes nothing.
    """
    count = np.bincount(cell, minlength=n)
    nth = np.arange(len(cell)) - np.repeat(np.cumsum(count) - count, count)
    places = np.zeros((max(int(count.max(initial=1)), 1), n), np.int64)
    factors = np.zeros(places.shape, np.float32)
    places[nth, cell], factors[nth, cell] = np.arange(len(cell)), factor
    return places, factors


def chunks(
    backbone: Backbone, ask: Ask, guidance: float, rows: int = 0, precision: str = "auto"
) -> Iterator[tuple[slice, Chunk]]:
    """Yield consecutive cells whose passes fit a batch of `rows` (0: the device's usual number).

    Raises
    ------
    InputError
        If a single cell needs more passes than that.
    """
    rows = rows or ROWS.get(next(backbone.parameters()).device.type, 16)
    weight = (1.0 + guidance) * ask.strength
    needed = np.bincount(_passes(weight)[0], minlength=ask.n) if ask.n else np.zeros(0, np.intp)
    first = 0
    while first < ask.n:
        last = first + int(np.searchsorted(np.cumsum(needed[first:]), rows, side="right"))
        if last == first:
            raise InputError(
                f"{needed[first] - 1} perturbations at once: at most {rows - 1} can be told apart in a pass"
            )
        here = slice(first, last)
        yield here, Chunk(backbone, ask.rows(np.arange(first, last)), weight[here], rows, precision)
        first = last


def draw(
    backbone: Backbone,
    ask: Ask,
    streams: Streams,
    purpose: str,
    *,
    rounds: int = 1,
    schedule: Schedule = "cosine",
    guidance: float = 0.0,
    before: Counts | None = None,
    due: NDArray[np.float64] | None = None,
    held: Counts | None = None,
    rows: int = 0,
    precision: str = "auto",
) -> Counts:
    """Draw counts of all genes, or of those that are due, in `rounds` rounds.

    Parameters
    ----------
    purpose : the word that names the streams.
    before : (cell, gene) counts held now; what is not due keeps them. due : (gene,) probability that a gene is drawn
        anew.
    held : (cell, gene) stored entries start visible, at these counts, and are not drawn (a knocked-out gene: a stored
        0).
    rows : passes in a batch; 0 takes the device's usual number. precision : of matrix products (`Runtime`).

    Returns
    -------
    (cell, gene) CSR int32. A count above 99 whose level did not change stays as it was.
    """
    n_genes = backbone.config.n_genes
    parts = []
    for here, chunk in chunks(backbone, ask, guidance, rows, precision):
        genes = torch.arange(n_genes, device=chunk.device)
        level = torch.full((chunk.ask.n, n_genes), MASK, dtype=torch.int32, device=chunk.device)
        wanted = torch.ones_like(level, dtype=torch.bool)
        if due is not None:
            chance = torch.from_numpy(np.ascontiguousarray(due, dtype=np.float64)).to(chunk.device)
            wanted = uniforms(streams.stream(purpose + " due"), chunk.words[:, None], genes) < chance
        fixed = None if held is None else _visible(held[here], level)
        order = uniforms(streams.stream(purpose + " order"), chunk.words[:, None], genes) if rounds > 1 else None
        for k in range(rounds):
            now = wanted & (level == MASK)
            if order is not None:
                now &= order >= masked_share(k + 1, rounds, schedule)
            row, gene = torch.nonzero(now, as_tuple=True)
            if len(row) == 0:
                continue
            luck = uniforms(streams.stream(purpose, k), chunk.words[row], gene)
            level[row, gene] = invert(chunk.heads(level), row, gene, luck).to(torch.int32)
        if fixed is not None:
            level.masked_fill_(fixed & ~wanted, MASK)
        parts.append(counts_on_levels(level, chunk.ask.ids, None if before is None else before[here]))
    return sp.vstack(parts, format="csr") if parts else sp.csr_array((0, n_genes), dtype=np.int32)


@torch.no_grad()
def invert(heads: Heads, row: Tensor, gene: Tensor, luck: Tensor) -> Tensor:
    """Return the level of each entry by inverse distribution function: zero first, a value only where it is not.

    row, gene : (entry,). luck : (entry,) float64 uniforms; what lies above P(0) is spread over the values.
    """
    zero = torch.exp(-heads.hazard_at(row, gene).double())
    hit = torch.nonzero(luck >= zero).ravel()
    rest = ((luck[hit] - zero[hit]) / (1.0 - zero[hit]).clamp(min=1e-300)).clamp(0.0, 1.0)
    level = torch.zeros_like(row)
    for some in torch.split(torch.arange(len(hit), device=row.device), ENTRIES_AT_ONCE):
        place = hit[some]
        below = value_cdf(heads, row[place], gene[place])
        level[place] = 1 + (below <= rest[some, None]).sum(dim=1).clamp(max=N_LEVELS - 2)
    return level


def value_cdf(heads: Heads, row: Tensor, gene: Tensor) -> Tensor:
    """Return the distribution function of the non-zero levels of entries, (entry, 280) float64, ending at 1."""
    below = torch.softmax(heads.value_logits(row, gene).double(), dim=1).cumsum(dim=1)
    return below / below[:, -1:]


def _visible(held: Counts, level: Tensor) -> Tensor:
    """Write the held entries' levels into `level`, in place, and return where they are, (cell, gene) bool."""
    row = torch.from_numpy(np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))).to(level.device)
    gene = torch.from_numpy(held.indices.astype(np.int64)).to(level.device)
    level[row, gene] = torch.from_numpy(tokens_of(held.data.astype(np.int64)).astype(np.int32)).to(level.device)
    fixed = torch.zeros_like(level, dtype=torch.bool)
    fixed[row, gene] = True
    return fixed


def counts_on_levels(level: Tensor, ids: NDArray[np.uint64], before: Counts | None) -> Counts:
    """Return levels as counts; what is still masked keeps what it held before, and so does what did not change."""
    fresh = torch.nonzero((level > 0) & (level != MASK)).cpu().numpy()
    row, gene = fresh[:, 0], fresh[:, 1]
    token = level[level.new_tensor(row, dtype=torch.long), level.new_tensor(gene, dtype=torch.long)].cpu().numpy()
    value = counts_of(token, ids[row], gene)
    if before is not None and before.nnz:
        owner = np.repeat(np.arange(before.shape[0]), np.diff(before.indptr))
        asked = (
            level[level.new_tensor(owner, dtype=torch.long), level.new_tensor(before.indices, dtype=torch.long)]
            .cpu()
            .numpy()
        )
        same = (asked == MASK) | (asked == tokens_of(before.data))
        drop = np.isin(row * level.shape[1] + gene, owner[same] * level.shape[1] + before.indices[same])
        row = np.concatenate([row[~drop], owner[same]])
        gene = np.concatenate([gene[~drop], before.indices[same]])
        value = np.concatenate([value[~drop], before.data[same]])
    counts = sp.csr_array((value.astype(np.int32), (row, gene)), shape=tuple(level.shape))
    counts.sort_indices()
    return counts
