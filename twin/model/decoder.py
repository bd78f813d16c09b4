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
from twin.model.network import LEAST_RATE, GeneTables, Inputs, LatentNetwork, log_hazard, log_odds
from twin.model.shifts import Effects

Float = NDArray[np.float64]

PAD = 256  # rows a pass is padded to
MOST_TABLES = 500_000  # genes of all assays together whose tables of levels are kept: 560 MB


@dataclass(frozen=True)
class _Heads:
    """The network's numbers of some assays as arrays, (assay, gene, …)."""

    theta: NDArray[np.float32]
    hurdle_bias: NDArray[np.float32]
    value_bias: NDArray[np.float32]
    table: NDArray[np.float32]
    level_base: Float
    level_value: Float


class Decoder:
    """Draws counts from a trained network; made anew when the network changes."""

    def __init__(self, net: LatentNetwork, places: NDArray[np.uint64] | None = None) -> None:
        """Take a network; places : (gene,) the number that keys each gene's luck; None: where it stands."""
        self.net = net
        self.n_genes = net.config.n_genes
        self.places = np.arange(self.n_genes, dtype=np.uint64) if places is None else places
        self._made: tuple[NDArray[np.int64], _Heads] | None = None  # of some assays

    def _heads(self, context: NDArray[np.intp]) -> tuple[NDArray[np.int64], _Heads]:
        """Return numbers of the assays of these cells' contexts, and which of them each cell's is, (cell,)."""
        assay = self.net.assay.numpy()[context]
        used = np.unique(assay)
        made = self._made  # as it is now: another thread may put its own there
        if made is None or not np.isin(used, made[0]).all():
            all_so_far = used if made is None else np.union1d(used, made[0])
            used = all_so_far if len(all_so_far) * self.n_genes <= MOST_TABLES else used
            g, rows = self._tables, torch.from_numpy(used)
            with torch.no_grad():
                theta = g.theta[rows]
                heads = _Heads(
                    theta.numpy(),
                    g.hurdle_bias[rows].numpy(),
                    g.value_bias[rows].numpy(),
                    self.net.level_table(theta).numpy(),
                    self.net.level_base().numpy().astype(np.float64),
                    self.net.level_value.numpy().astype(np.float64),
                )
            self._made = made = used, heads
        return np.searchsorted(made[0], assay).astype(np.int64), made[1]

    @cached_property
    def _tables(self) -> GeneTables:
        with torch.no_grad():
            g = self.net.tables()
            return GeneTables(**{key: value.detach() for key, value in vars(g).items()})

    @cached_property
    def _contexts(self) -> tuple[Tensor, Tensor]:
        """Every context's vector, and the code of all its genes masked, (context, …) each."""
        with torch.no_grad():
            g = self._tables
            vectors = self.net.context_vectors(g, torch.arange(self.net.config.n_contexts))
            measured = (g.log_rate > LEAST_RATE).float()
            masked = measured @ g.code_in / measured.sum(dim=1).clamp(min=1.0).sqrt()[:, None]
            return vectors, masked

    def encode(
        self, counts: Counts, condition: Condition, shift: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return the mean of q(z | x, context, condition), (cell, latent); shift (cell, gene) of what was done."""
        out = np.zeros((condition.n, self.net.config.latent), dtype=np.float32)
        g = self._tables
        for rows in slices(condition.n):
            part = counts[rows]
            with torch.no_grad():
                depth = tensor(np.log(np.maximum(condition.depth[rows], 1.0)))
                visible = self.net.visible_sum(
                    g,
                    torch.from_numpy(part.indptr.astype(np.int64)),
                    torch.from_numpy(part.indices.astype(np.int64)),
                    tensor(part.data),
                    depth,
                )
                code = torch.zeros_like(visible) if shift is None else self.net.effect_code(g, tensor(shift[rows]))
                context = self._contexts[0][torch.from_numpy(condition.context[rows].astype(np.int64))]
                out[rows] = self.net.encode(visible, context, depth, code)[0].numpy()
        return out

    # -- the contract ---------------------------------------------------------------------------------------

    def target(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        effects: Effects,
        streams: Streams,
        purpose: str,
        *,
        due: Float | None = None,
        steps: int = 1,
    ) -> Counts:
        """Replace the due genes (all, without `due`) by draws from p(x | z, condition) in `steps` rounds.

        With several rounds each reveals a random share of the genes, given those revealed before; what the cell
        held before is no evidence.
        """
        due = np.ones(self.n_genes) if due is None else due
        word = purpose if steps == 1 else purpose + " due"  # the stream that says which genes are due
        if steps == 1:
            key = streams.stream(purpose).key
            drawn = [
                self._reveal(counts[rows], z[rows], condition.rows(rows), effects.rows(rows), due, key)
                for rows in slices(condition.n)
            ]
            result = sp.vstack(drawn, format="csr") if drawn else counts.copy()
        else:
            blank = sp.csr_array((condition.n, self.n_genes), dtype=np.int32)
            result = self._rounds(blank, z, condition, effects, streams, purpose, steps)
            if (due < 1.0).any():
                chosen = self._uniform(streams, word, condition) < due
                result = _merge(counts, result, chosen)
        owner, gene = self._clamp_entries(condition)
        fresh = streams.stream(word).uniform_at(owner, self.places[gene]) < due[gene]
        return self._clamped(result, condition, fresh, streams)

    def move(
        self, counts: Counts, z: NDArray[np.float32], condition: Condition, effects: Effects, streams: Streams
    ) -> Counts:
        """Move cells from the control law to the treated one, along equal quantiles (`couple`)."""
        assay, heads = self._heads(condition.context)
        key = np.uint64(streams.stream("perturb").key)
        spread, of_cell = effects.spread()
        parts = []
        for rows in slices(condition.n):
            some = condition.rows(rows)
            part = counts[rows]
            indptr, gene, token = couple(
                key,
                some.ids,
                self.places,
                self.log_mean(z[rows], some),
                effects.rows(rows).shift(),
                spread,
                of_cell[rows],
                assay[rows],
                heads.theta,
                heads.hurdle_bias,
                heads.value_bias,
                heads.table,
                heads.level_base,
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
    def expected(self, z: NDArray[np.float32], condition: Condition, effects: Effects, genes: Sequence[int]) -> Float:
        """Return P(count > 0) · E[value] over depth, per 10,000 counts, (cell, gene)."""
        out = np.zeros((condition.n, len(genes)))
        if condition.n == 0 or len(genes) == 0:
            return out
        wanted = np.asarray(list(genes), dtype=np.intp)
        at = torch.from_numpy(wanted.astype(np.int64))
        g = self._tables
        theta, hurdle_bias, value_bias = g.theta[:, at], g.hurdle_bias[:, at], g.value_bias[:, at]
        assay = self.net.assay.numpy()[condition.context]
        for rows in slices(condition.n):
            some = condition.rows(rows)
            mean = torch.from_numpy(self.log_mean(z[rows], some)[:, wanted] + effects.rows(rows).shift(wanted))
            for a in np.unique(assay[rows]):
                mine = np.flatnonzero(assay[rows] == a)
                own = mean[torch.from_numpy(mine)]
                positive = -torch.expm1(-torch.exp(log_hazard(own, theta[a], hurdle_bias[a])))
                odds = log_odds(own + value_bias[a], theta[a])
                weights = torch.softmax(self.net.level_table(theta[a]) + odds[..., None] * self.net.level_value, dim=-1)
                average = (weights * self.net.level_value).sum(dim=-1)
                out[mine + rows.start] = (positive * average).numpy() * (1e4 / some.depth[mine, None])
        if condition.clamp is not None:
            out *= _clamp_factors(condition.clamp, genes)
        return out

    def _rounds(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        effects: Effects,
        streams: Streams,
        purpose: str,
        steps: int,
    ) -> Counts:
        parts = []
        for rows in slices(condition.n):
            some, part = condition.rows(rows), counts[rows]
            order = self._uniform(streams, purpose + " order", some)
            for k in range(steps):
                now = (order >= k / steps) & (order < (k + 1) / steps)
                masked = order >= k / steps
                drawn = self._reveal(
                    part,
                    z[rows],
                    some,
                    effects.rows(rows),
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
        seen: tuple[Counts, NDArray[np.bool_]] | None = None,
    ) -> NDArray[np.float32]:
        """Return log μ without effects, (cell, gene); passes are padded to `PAD` rows.

        seen : counts so far and (cell, gene) which genes are still masked; None: all are.
        """
        n = condition.n
        padded = max(PAD, n)

        def pad(x: NDArray[np.generic]) -> NDArray[np.generic]:
            return np.concatenate([x, np.zeros((padded - n, *x.shape[1:]), x.dtype)])

        with torch.no_grad():
            g = self._tables
            depth = tensor(pad(np.log(np.maximum(condition.depth, 1.0))))
            context = torch.from_numpy(pad(condition.context.astype(np.int64)).astype(np.int64))
            vectors, all_masked = self._contexts
            visible, masked = None, all_masked[context]
            if seen is not None:
                part, mask = seen
                indptr = np.concatenate([part.indptr, np.full(padded - n, part.indptr[-1])])
                visible = self.net.visible_sum(
                    g,
                    torch.from_numpy(indptr.astype(np.int64)),
                    torch.from_numpy(part.indices.astype(np.int64)),
                    tensor(part.data),
                    depth,
                )
                measured = (g.log_rate > LEAST_RATE).float()[context]
                hidden = tensor(pad(mask.astype(np.float32))) * measured
                masked = hidden @ g.code_in / measured.sum(dim=1).clamp(min=1.0).sqrt()[:, None]
            whole = Inputs(tensor(pad(z)), context, vectors[context], depth, visible, masked)
            return np.asarray(self.net.log_mean(g, whole, self.net.hidden(whole))[:n].numpy())

    def _reveal(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        effects: Effects,
        due: Float,
        key: int,
        seen: tuple[Counts, NDArray[np.bool_]] | None = None,
    ) -> Counts:
        assay, heads = self._heads(condition.context)
        felt = np.flatnonzero(effects.strength.any(axis=0))
        indptr, gene, token = reveal(
            np.uint64(key),
            condition.ids,
            self.places,
            np.ascontiguousarray(due, dtype=np.float64),
            self.log_mean(z, condition, seen),
            np.ascontiguousarray(effects.table[felt]),
            np.ascontiguousarray(effects.strength[:, felt]),
            effects.context,
            assay,
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
        u = streams.stream("clamp").uniform_at(condition.ids[row], self.places[clamp.indices])
        scaled = np.floor(value * clamp.data + u).astype(np.int64)  # unbiased rounding
        value = np.where(fresh, np.where(clamp.data == 0, 0, scaled), value)
        others = ~np.isin(flat_drawn, flat_clamp)
        kept = value > 0
        flat = np.concatenate([flat_drawn[others], flat_clamp[kept]])
        data = np.concatenate([drawn.data[others], value[kept]])
        result = sp.csr_array((data, (flat // self.n_genes, flat % self.n_genes)), shape=drawn.shape, dtype=np.int32)
        result.sort_indices()
        return result

    def _uniform(self, streams: Streams, purpose: str, condition: Condition) -> Float:
        """Return a uniform for each cell and gene, (cell, gene)."""
        return streams.stream(purpose).uniform_at(condition.ids[:, None], self.places[None, :])

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
