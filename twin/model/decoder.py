"""The decoder at work: from z and condition to counts, in one round or several.

Passes are padded to a fixed number of rows, so that a cell's numbers do not depend on its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from twin.kernels.random import Streams
from twin.kernels.reveal import couple, reveal
from twin.kernels.tokens import counts_of, tokens_of
from twin.model.contract import Condition, Counts
from twin.model.network import Inputs, LatentNetwork

Float = NDArray[np.float64]

PAD = 256  # rows a pass is padded to


@dataclass(frozen=True)
class _Heads:
    """The network's per-gene numbers as arrays, made once."""

    theta: NDArray[np.float32]
    hurdle_bias: NDArray[np.float32]
    value_bias: NDArray[np.float32]
    table: NDArray[np.float32]
    level_value: Float
    hurdle_effect: NDArray[np.float32]
    value_effect: NDArray[np.float32]
    residual_hurdle: NDArray[np.float32]
    residual_value: NDArray[np.float32]


class Decoder:
    """Draws counts from a trained network; made anew when the network changes."""

    def __init__(self, net: LatentNetwork) -> None:
        self.net = net
        self.n_genes = net.config.n_genes

    @cached_property
    def _heads(self) -> _Heads:
        net = self.net
        with torch.no_grad():
            return _Heads(
                net.theta().numpy(),
                net.hurdle_bias.detach().numpy(),
                net.value_bias.detach().numpy(),
                net.level_table().numpy(),
                net.level_value.numpy().astype(np.float64),
                net.hurdle_effect.numpy(),
                net.value_effect.numpy(),
                net.effect_hurdle.detach().numpy(),
                net.effect_value.detach().numpy(),
            )

    # -- the contract ---------------------------------------------------------------------------------------

    def target(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        h: Float,
        streams: Streams,
        purpose: str,
        *,
        due: Float | None = None,
        steps: int = 1,
    ) -> Counts:
        """Replace the due genes (all, without `due`) by draws from p(x | z, condition) in `steps` rounds.

        With several rounds each reveals a random share of the genes, given those revealed before; what the cell
        held before is no evidence. h : (cell, perturbation) strengths of the effects.
        """
        due = np.ones(self.n_genes) if due is None else due
        word = purpose if steps == 1 else purpose + " due"  # the stream that says which genes are due
        if steps == 1:
            key = streams.stream(purpose).key
            drawn = [
                self._reveal(counts[rows], z[rows], condition.rows(rows), h[rows], due, key)
                for rows in slices(condition.n)
            ]
            result = sp.vstack(drawn, format="csr") if drawn else counts.copy()
        else:
            blank = sp.csr_array((condition.n, self.n_genes), dtype=np.int32)
            result = self._rounds(blank, z, condition, h, streams, purpose, steps)
            if (due < 1.0).any():
                chosen = streams.stream(word).uniform(condition.ids, self.n_genes) < due
                result = _merge(counts, result, chosen)
        owner, gene = self._clamp_entries(condition)
        fresh = streams.stream(word).uniform_at(owner, gene.astype(np.uint64)) < due[gene]
        return self._clamped(result, condition, fresh, streams)

    def move(self, counts: Counts, z: NDArray[np.float32], condition: Condition, h: Float, streams: Streams) -> Counts:
        """Move cells from the control law to that of strengths h (cell, perturbation), along equal quantiles."""
        heads = self._heads
        key = np.uint64(streams.stream("perturb").key)
        parts = []
        for rows in slices(condition.n):
            some = condition.rows(rows)
            inputs, log_mean = self.log_mean(z[rows], some, np.zeros_like(h[rows]))
            with torch.no_grad():
                shifted = Inputs(inputs.z, inputs.context, inputs.log_depth, tensor(h[rows]))
                hurdle, value = (t.numpy() for t in self.net.effects(shifted))
            part = counts[rows]
            indptr, gene, token = couple(
                key,
                some.ids,
                log_mean,
                hurdle,
                value,
                heads.theta,
                heads.hurdle_bias,
                heads.value_bias,
                heads.table,
                heads.level_value,
                part.indptr.astype(np.int64),
                part.indices.astype(np.int64),
                tokens_of(part.data),
            )
            parts.append(self._counts(indptr, gene, token, some, part))
        result = sp.vstack(parts, format="csr") if parts else counts.copy()
        owner, _ = self._clamp_entries(condition)
        return self._clamped(result, condition, np.ones(len(owner), dtype=np.bool_), streams)

    @torch.no_grad()
    def expected(self, z: NDArray[np.float32], condition: Condition, h: Float, genes: Sequence[int]) -> Float:
        """Return P(count > 0) · E[value] over depth, per 10,000 counts, (cell, gene)."""
        out = np.zeros((condition.n, len(genes)))
        if condition.n == 0 or len(genes) == 0:
            return out
        wanted = torch.as_tensor(list(genes), dtype=torch.int64)
        table = self.net.level_table(wanted)
        for rows in slices(condition.n):
            some = condition.rows(rows)
            inputs, log_mean = self.log_mean(z[rows], some, h[rows])
            mean = torch.from_numpy(log_mean[:, list(genes)])
            hurdle, value = self._effects_at(inputs, wanted)
            theta = self.net.theta()[wanted]
            hazard = theta * torch.log1p(torch.exp(mean) / theta)
            positive = -torch.expm1(-hazard * torch.exp(self.net.hurdle_bias[wanted] + hurdle))
            log_value = mean + self.net.value_bias[wanted] + value
            odds = -torch.log1p(theta * torch.exp(-log_value.clamp(-12.0, 12.0)))
            weights = torch.softmax(table + odds[..., None] * self.net.level_value, dim=-1)
            average = (weights * self.net.level_value).sum(dim=-1)
            out[rows] = (positive * average).numpy() * (1e4 / some.depth[:, None])
        if condition.clamp is not None:
            out *= _clamp_factors(condition.clamp, genes)
        return out

    def _rounds(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        h: Float,
        streams: Streams,
        purpose: str,
        steps: int,
    ) -> Counts:
        parts = []
        for rows in slices(condition.n):
            some, part = condition.rows(rows), counts[rows]
            order = streams.stream(purpose + " order").uniform(some.ids, self.n_genes)
            for k in range(steps):
                now = (order >= k / steps) & (order < (k + 1) / steps)
                masked = order >= k / steps
                drawn = self._reveal(
                    part,
                    z[rows],
                    some,
                    h[rows],
                    np.ones(self.n_genes),
                    streams.stream(purpose, k).key,
                    seen=(part, masked) if k else None,
                )
                part = _merge(part, drawn, now)
            parts.append(part)
        return sp.vstack(parts, format="csr") if parts else counts.copy()

    def log_mean(
        self,
        z: NDArray[np.float32],
        condition: Condition,
        h: Float,
        seen: tuple[Counts, NDArray[np.bool_]] | None = None,
    ) -> tuple[Inputs, NDArray[np.float32]]:
        """Return decoder inputs and log μ without effects, (cell, gene); rows padded to `PAD`."""
        n = condition.n
        padded = max(PAD, n)

        def pad(x: NDArray[np.generic]) -> NDArray[np.generic]:
            return np.concatenate([x, np.zeros((padded - n, *x.shape[1:]), x.dtype)])

        with torch.no_grad():
            depth = tensor(pad(np.log(np.maximum(condition.depth, 1.0))))
            visible = masked = None
            if seen is not None:
                part, mask = seen
                indptr = np.concatenate([part.indptr, np.full(padded - n, part.indptr[-1])])
                visible = self.net.visible_sum(
                    torch.from_numpy(indptr.astype(np.int64)),
                    torch.from_numpy(part.indices.astype(np.int64)),
                    torch.from_numpy(part.data.astype(np.float32)),
                    depth,
                )
                masked = self.net.masked_sum(tensor(pad(mask.astype(np.float32))))
            context = torch.from_numpy(pad(condition.context.astype(np.int64)).astype(np.int64))
            whole = Inputs(tensor(pad(z)), context, depth, tensor(pad(h)), visible, masked)
            log_mean = self.net.log_mean(whole, self.net.hidden(whole))[:n].numpy()
        inputs = Inputs(whole.z[:n], context[:n], depth[:n], whole.strength[:n])
        return inputs, log_mean

    def _effects_at(self, inputs: Inputs, genes: Tensor) -> tuple[Tensor, Tensor]:
        w = self.net.effect_hidden(inputs.z, inputs.context, inputs.strength)
        hurdle, value = w @ self.net.effect_hurdle[genes].T, w @ self.net.effect_value[genes].T
        for p in range(inputs.strength.shape[1]):
            h = inputs.strength[:, p, None]
            hurdle = hurdle + h * self.net.hurdle_effect[p, inputs.context][:, genes]
            value = value + h * self.net.value_effect[p, inputs.context][:, genes]
        return hurdle, value

    def _reveal(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        h: Float,
        due: Float,
        key: int,
        seen: tuple[Counts, NDArray[np.bool_]] | None = None,
    ) -> Counts:
        inputs, log_mean = self.log_mean(z, condition, h, seen)
        heads = self._heads
        with torch.no_grad():
            hidden = self.net.effect_hidden(inputs.z, inputs.context, inputs.strength).numpy()
        indptr, gene, token = reveal(
            np.uint64(key),
            condition.ids,
            np.ascontiguousarray(due, dtype=np.float64),
            log_mean,
            heads.hurdle_effect,
            heads.value_effect,
            np.ascontiguousarray(h, dtype=np.float64),
            condition.context.astype(np.int64),
            heads.residual_hurdle,
            heads.residual_value,
            hidden,
            heads.theta,
            heads.hurdle_bias,
            heads.value_bias,
            heads.table,
            heads.level_value,
            counts.indptr.astype(np.int64),
            counts.indices.astype(np.int64),
            tokens_of(counts.data),
        )
        return self._counts(indptr, gene, token, condition, counts)

    def _counts(
        self,
        indptr: NDArray[np.int64],
        gene: NDArray[np.int64],
        token: NDArray[np.uint16],
        condition: Condition,
        before: Counts,
    ) -> Counts:
        values = counts_of(token, np.repeat(condition.ids, np.diff(indptr)), gene)
        counts = sp.csr_array((values, gene.astype(np.int32), indptr), shape=(condition.n, self.n_genes))
        counts.has_sorted_indices = True
        large = np.flatnonzero(token >= 100)  # a level that did not change keeps its exact count
        if len(large) and before.nnz:
            flat, old = _flat(counts)[large], _flat(before)
            place = np.minimum(np.searchsorted(old, flat), len(old) - 1)
            same = (old[place] == flat) & (tokens_of(before.data[place]) == token[large])
            counts.data[large[same]] = before.data[place[same]]
        return counts

    def _clamped(self, drawn: Counts, condition: Condition, fresh: NDArray[np.bool_], streams: Streams) -> Counts:
        """Scale the clamped genes of fresh draws by their factors; what a cell still holds of them stays.

        fresh : (entry of the clamp,) which clamped genes were drawn anew.
        """
        clamp = condition.clamp
        if clamp is None or clamp.nnz == 0:
            return drawn
        row = np.repeat(np.arange(condition.n), np.diff(clamp.indptr))
        flat_clamp, flat_drawn = _flat(clamp), _flat(drawn)
        held = np.searchsorted(flat_drawn, flat_clamp)
        found = (held < len(flat_drawn)) & (flat_drawn[np.minimum(held, len(flat_drawn) - 1)] == flat_clamp)
        value = np.where(found, drawn.data[np.minimum(held, len(flat_drawn) - 1)], 0)
        u = streams.stream("clamp").uniform_at(condition.ids[row], clamp.indices.astype(np.uint64))
        scaled = np.floor(value * clamp.data + u).astype(np.int64)  # unbiased rounding
        value = np.where(fresh, np.where(clamp.data == 0, 0, scaled), value)
        others = ~np.isin(flat_drawn, flat_clamp)
        kept = value > 0
        flat = np.concatenate([flat_drawn[others], flat_clamp[kept]])
        data = np.concatenate([drawn.data[others], value[kept]])
        result = sp.csr_array((data, (flat // self.n_genes, flat % self.n_genes)), shape=drawn.shape, dtype=np.int32)
        result.sort_indices()
        return result

    def _clamp_entries(self, condition: Condition) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        """Return the owner's id and the gene of every clamped entry."""
        if condition.clamp is None:
            return np.empty(0, np.uint64), np.empty(0, np.intp)
        return np.repeat(condition.ids, np.diff(condition.clamp.indptr)), condition.clamp.indices.astype(np.intp)


def tensor(x: NDArray[np.generic]) -> Tensor:
    """Return an array as a 32-bit tensor."""
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def slices(n: int) -> list[slice]:
    """Return the rows of each pass over `n` cells."""
    return [slice(start, min(start + PAD, n)) for start in range(0, n, PAD)]


def _flat(counts: Counts) -> NDArray[np.int64]:
    row = np.repeat(np.arange(counts.shape[0], dtype=np.int64), np.diff(counts.indptr))
    return np.asarray(row * counts.shape[1] + counts.indices, dtype=np.int64)


def _merge(old: Counts, new: Counts, chosen: NDArray[np.bool_]) -> Counts:
    """Return `new` where chosen and `old` elsewhere; chosen (cell, gene)."""
    row_new = np.repeat(np.arange(new.shape[0]), np.diff(new.indptr))
    row_old = np.repeat(np.arange(old.shape[0]), np.diff(old.indptr))
    from_new, from_old = chosen[row_new, new.indices], ~chosen[row_old, old.indices]
    merged = sp.csr_array(
        (
            np.concatenate([new.data[from_new], old.data[from_old]]),
            (
                np.concatenate([row_new[from_new], row_old[from_old]]),
                np.concatenate([new.indices[from_new], old.indices[from_old]]),
            ),
        ),
        shape=new.shape,
        dtype=np.int32,
    )
    merged.sort_indices()
    return merged


def _clamp_factors(clamp: sp.csr_array, genes: Sequence[int]) -> Float:
    """Return the factor of each wanted gene, (cell, gene): 1 where nothing is clamped."""
    factors = np.ones((clamp.shape[0], len(genes)))
    row = np.repeat(np.arange(clamp.shape[0]), np.diff(clamp.indptr))
    for column, gene in enumerate(genes):
        hit = clamp.indices == gene
        factors[row[hit], column] = clamp.data[hit]
    return factors
