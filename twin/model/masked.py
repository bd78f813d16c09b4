"""The shipped world model: masked discrete diffusion with a per-cell latent, behind the common contract."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import anndata as ad
import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from twin.data.agents import AGENTS
from twin.kernels.dose import strength
from twin.kernels.random import Streams
from twin.kernels.reveal import couple, reveal
from twin.kernels.tokens import counts_of, tokens_of
from twin.kernels.turnover import replaced_fraction
from twin.model.contract import HALF_LIFE, Condition, Counts, Perturbation, WorldModel
from twin.model.effects import TEMPERATURE, context_weights, similarity
from twin.model.network import Inputs, LatentNetwork
from twin.model.prediction import predict

Float = NDArray[np.float64]

LATENT_HALF_TIME = 72.0  # h; of z's drift towards its context's prior (days; design), our choice
FULL_SUPPORT_CELLS = 20.0  # treated cells at which support is 1 − 1/e; our choice
PAD = 256  # rows a pass is padded to, so that a cell's numbers do not depend on its neighbours


@dataclass(frozen=True)
class ModelCard:
    """Where a checkpoint comes from."""

    name: str
    sources: tuple[str, ...] = ()
    n_cells: int = 0
    holdout: float = 0.0
    training: dict[str, float] = field(default_factory=dict)


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


class MaskedDiffusion(WorldModel):
    """A trained `LatentNetwork` with its gene axis, contexts and perturbations."""

    def __init__(
        self,
        net: LatentNetwork,
        genes: Sequence[str],
        contexts: Sequence[str],
        composition: Float,
        perturbations: Sequence[Perturbation],
        card: ModelCard,
        half_life: Float | None = None,
    ) -> None:
        self.net = net.eval()
        self.name = card.name
        self.genes = tuple(genes)
        self.contexts = tuple(contexts)
        self.composition = np.asarray(composition, dtype=np.float64)
        self.perturbations = tuple(perturbations)
        self.latent_size = net.config.latent
        self.card = card
        self.half_life = np.full(len(self.genes), HALF_LIFE) if half_life is None else half_life
        known = [p.name for p in self.perturbations if p.name in AGENTS]
        self.notes = tuple(f"{name}: {AGENTS[name].source}" for name in known)

    # -- what decides the answers ---------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all tensors, names and half-lives."""
        digest = sha256("\n".join((*self.genes, *self.contexts)).encode())
        for key, value in sorted(self.net.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.numpy().tobytes())
        digest.update(repr([vars(p) for p in self.perturbations]).encode())
        digest.update(self.half_life.tobytes())
        return digest.hexdigest()

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

    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Draw library sizes from each context's log-normal law, (cell,)."""
        law = self.net.depth_law.numpy().astype(np.float64)[context]
        noise = streams.stream("depth").normal(ids, 1)[:, 0]
        return np.asarray(np.round(np.exp(law[:, 0] + law[:, 1] * noise)))

    def strengths(self, condition: Condition) -> Float:
        """Return h, (cell, perturbation): the share of the trained effect that each dose has."""
        columns = [
            strength(condition.dose[:, i], p.reference, p.ec50, p.hill, condition.ec50_factor)
            for i, p in enumerate(self.perturbations)
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((condition.n, 0))

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw cells from nothing: z from its prior, then every gene in `steps` rounds of random order."""
        z = self.prior(condition, streams.stream("sample z").normal(condition.ids, self.latent_size))
        empty = sp.csr_array((condition.n, len(self.genes)), dtype=np.int32)
        counts = self.target(empty, z, condition, streams, "sample", steps=steps, guidance=guidance)
        return counts, z

    def prior(self, condition: Condition, noise: Float) -> NDArray[np.float32]:
        """Return z = m + L ε of each cell's context, (cell, latent) float32."""
        mean = self.net.prior_mean.numpy().astype(np.float64)[condition.context]
        root = self.net.prior_root.numpy().astype(np.float64)[condition.context]
        return np.asarray(mean + np.einsum("nij,nj->ni", root, noise), dtype=np.float32)

    @torch.no_grad()
    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """Return the mean of q(z | x, context, condition), (cell, latent) float32."""
        out = np.zeros((condition.n, self.latent_size), dtype=np.float32)
        h = self.strengths(condition)
        for rows in _slices(condition.n):
            part = counts[rows]
            depth = torch.from_numpy(np.log(np.maximum(condition.depth[rows], 1.0)).astype(np.float32))
            visible = self.net.visible_sum(
                torch.from_numpy(part.indptr.astype(np.int64)),
                torch.from_numpy(part.indices.astype(np.int64)),
                torch.from_numpy(part.data.astype(np.float32)),
                depth,
            )
            mean, _ = self.net.encode(
                visible,
                torch.from_numpy(condition.context[rows].astype(np.int64)),
                depth,
                torch.from_numpy(h[rows].astype(np.float32)),
            )
            out[rows] = mean.numpy()
        return out

    def transition(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        elapsed: float,
        kappa: float,
        streams: Streams,
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Take each cell `elapsed` hours on: turnover towards a target.

        z drifts towards its context's prior (Ornstein–Uhlenbeck, exact in time); a gene is due with probability
        1 − 2^(−κ Δt / t½) and takes the value of a fresh target drawn given z and the present condition; the
        others keep theirs and are no evidence for the new state.
        """
        keep = 2.0 ** (-elapsed / LATENT_HALF_TIME)
        noise = streams.stream("drift z").normal(condition.ids, self.latent_size)
        centre = self.net.prior_mean.numpy().astype(np.float64)[condition.context]
        fresh = self.prior(condition, np.sqrt(1.0 - keep**2) * noise).astype(np.float64)
        z = np.asarray(fresh + keep * (z.astype(np.float64) - centre), dtype=np.float32)
        due = replaced_fraction(self.half_life, elapsed, kappa)
        return self.target(counts, z, condition, streams, "transition", due=due), z

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return these very cells under `condition`: each gene moves along equal quantiles."""
        z = self.encode(counts, _untreated(condition))
        h = self.strengths(condition)
        heads = self._heads
        key = np.uint64(streams.stream("perturb").key)
        parts = []
        for rows in _slices(condition.n):
            some = condition.rows(rows)
            inputs, log_mean = self._log_mean(z[rows], some, np.zeros_like(h[rows]))
            with torch.no_grad():
                shifted = Inputs(inputs.z, inputs.context, inputs.log_depth, _tensor(h[rows]))
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

    def predict(
        self,
        adata: ad.AnnData,
        perturbation: str,
        dose: str | None = None,
        *,
        cell_type: str | None = None,
        seed: int = 0,
    ) -> ad.AnnData:
        """Return what these very cells would hold under a perturbation (`twin.model.prediction.predict`)."""
        return predict(self, adata, perturbation, dose, cell_type=cell_type, seed=seed)

    @torch.no_grad()
    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return P(count > 0) · E[value] over depth, per 10,000 counts, (cell, gene)."""
        out = np.zeros((condition.n, len(genes)))
        if condition.n == 0 or len(genes) == 0:
            return out
        wanted = torch.as_tensor(list(genes), dtype=torch.int64)
        h = self.strengths(condition)
        table = self.net.level_table(wanted)
        for rows in _slices(condition.n):
            some = condition.rows(rows)
            inputs, log_mean = self._log_mean(z[rows], some, h[rows])
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

    def support(self, condition: Condition) -> Float:
        """Return per cell how much of what is asked was seen: 1 − exp(−n / 20) for n similar treated cells.

        n counts the treated cells of every context, weighted exp((similarity − 1) / T). A control cell counts
        the control cells of its context's likeness. A dose above the trained one scales by d_ref / d.
        """
        like = np.exp((similarity(self._rates, self._rates) - 1.0) / TEMPERATURE)
        score = np.ones(condition.n)
        for i, p in enumerate(self.perturbations):
            seen = np.array([float(p.cells.get(name, 0)) for name in self.contexts])
            by_context = -np.expm1(-(like @ seen) / FULL_SUPPORT_CELLS)
            exposed = condition.dose[:, i] > 0
            beyond = np.ones(condition.n)
            if np.isfinite(p.reference) and p.reference > 0:
                beyond = np.minimum(1.0, p.reference / np.maximum(condition.dose[:, i], 1e-300))
            score = np.where(exposed, np.minimum(score, by_context[condition.context] * beyond), score)
        return score

    def with_context(self, name: str, controls: Counts) -> "MaskedDiffusion":
        """Return a model that also knows the context that these control cells are.

        Its rates are the cells' own (with a little of the similarity-weighted known ones), its effects the
        similarity-weighted mean of the treated contexts', its prior of z the cells' own encodings.
        """
        totals = np.asarray(controls.sum(axis=1), dtype=np.float64).ravel()
        pooled = np.asarray(controls.sum(axis=0), dtype=np.float64).ravel()
        known = np.exp(self._rates)
        raw = np.log((pooled + 1e-3) / (pooled.sum() + 1e-3 * len(pooled)))[None, :]
        alike = context_weights(raw, self._rates, np.ones(len(self.contexts)))  # (1, context)
        prior_counts = 2_000.0  # counts borrowed from the known contexts; our choice
        rate = (pooled + prior_counts * (alike @ known)[0]) / (pooled.sum() + prior_counts)
        rates = np.log(rate / rate.sum())[None, :]

        net = LatentNetwork(self.net.config.model_copy(update={"n_contexts": len(self.contexts) + 1}))
        state = dict(self.net.state_dict())
        codes = (alike @ self.net.context_code.numpy().astype(np.float64)).astype(np.float32)
        added = {"log_rate": rates, "context_code": codes}
        for effect in ("hurdle_effect", "value_effect"):
            table = self.net.get_buffer(effect).numpy()
            rows = []
            for i, p in enumerate(self.perturbations):
                cells = np.array([float(p.cells.get(c, 0)) for c in self.contexts])
                rows.append(context_weights(rates, self._rates, cells) @ table[i])
            state[effect] = (
                torch.cat([self.net.get_buffer(effect), _tensor(np.stack(rows))], dim=1)
                if rows
                else torch.zeros(0, len(self.contexts) + 1, len(self.genes))
            )
        logs = np.log(np.maximum(totals, 1.0))
        added["depth_law"] = np.array([[logs.mean(), max(float(logs.std()), 0.05)]])
        added["log_gain"] = np.zeros(1)
        added["prior_mean"] = np.zeros((1, self.latent_size))
        added["prior_root"] = np.eye(self.latent_size)[None]
        for key, value in added.items():
            state[key] = torch.cat([self.net.get_buffer(key), _tensor(value)])
        net.load_state_dict(state, strict=False)
        share = len(totals) / max(self.card.n_cells, 1)
        model = MaskedDiffusion(
            net,
            self.genes,
            (*self.contexts, name),
            np.append(self.composition, share) / (1 + share),
            self.perturbations,
            self.card,
            self.half_life,
        )
        n = len(totals)
        here = Condition(
            np.arange(n, dtype=np.uint64),
            np.full(n, len(self.contexts)),
            np.maximum(totals, 1.0),
            np.zeros((n, len(self.perturbations))),
            np.full((n, len(self.perturbations)), np.nan),
            np.ones(n),
        )
        z = torch.from_numpy(model.encode(controls, here))
        centred = z - z.mean(dim=0)
        borrowed = self.net.prior_root.mean(dim=0)
        covariance = (centred.T @ centred + 30.0 * borrowed @ borrowed.T) / (n + 30.0)
        net.prior_mean[-1] = z.mean(dim=0)
        net.prior_root[-1] = torch.linalg.cholesky(covariance + 1e-5 * torch.eye(self.latent_size))
        return model

    # -- drawing --------------------------------------------------------------------------------------------

    @cached_property
    def _rates(self) -> Float:
        return self.net.log_rate.numpy().astype(np.float64)

    def target(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        streams: Streams,
        purpose: str,
        *,
        due: Float | None = None,
        steps: int = 1,
        guidance: float = 0.0,
    ) -> Counts:
        """Replace the due genes (all, without `due`) by draws from p(x | z, condition) in `steps` rounds.

        With several rounds each reveals a random share of the genes, given those revealed before; what the cell
        held before is no evidence. Guidance w scales effects by 1 + w.
        """
        due = np.ones(len(self.genes)) if due is None else due
        h = self.strengths(condition) * (1.0 + guidance)
        word = purpose if steps == 1 else purpose + " due"  # the stream that says which genes are due
        if steps == 1:
            key = streams.stream(purpose).key
            drawn = [
                self._reveal(counts[rows], z[rows], condition.rows(rows), h[rows], due, key)
                for rows in _slices(condition.n)
            ]
            result = sp.vstack(drawn, format="csr") if drawn else counts.copy()
        else:
            blank = sp.csr_array((condition.n, len(self.genes)), dtype=np.int32)
            result = self._rounds(blank, z, condition, h, streams, purpose, steps)
            if (due < 1.0).any():
                chosen = streams.stream(word).uniform(condition.ids, len(self.genes)) < due
                result = _merge(counts, result, chosen)
        owner, gene = self._clamp_entries(condition)
        fresh = streams.stream(word).uniform_at(owner, gene.astype(np.uint64)) < due[gene]
        return self._clamped(result, condition, fresh, streams)

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
        for rows in _slices(condition.n):
            some, part = condition.rows(rows), counts[rows]
            order = streams.stream(purpose + " order").uniform(some.ids, len(self.genes))
            for k in range(steps):
                now = (order >= k / steps) & (order < (k + 1) / steps)
                masked = order >= k / steps
                drawn = self._reveal(
                    part,
                    z[rows],
                    some,
                    h[rows],
                    np.ones(len(self.genes)),
                    streams.stream(purpose, k).key,
                    seen=(part, masked) if k else None,
                )
                part = _merge(part, drawn, now)
            parts.append(part)
        return sp.vstack(parts, format="csr") if parts else counts.copy()

    def _log_mean(
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
            depth = _tensor(pad(np.log(np.maximum(condition.depth, 1.0))))
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
                masked = self.net.masked_sum(_tensor(pad(mask.astype(np.float32))))
            context = torch.from_numpy(pad(condition.context.astype(np.int64)).astype(np.int64))
            whole = Inputs(_tensor(pad(z)), context, depth, _tensor(pad(h)), visible, masked)
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
        inputs, log_mean = self._log_mean(z, condition, h, seen)
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
        counts = sp.csr_array((values, gene.astype(np.int32), indptr), shape=(condition.n, len(self.genes)))
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
        result = sp.csr_array(
            (data, (flat // len(self.genes), flat % len(self.genes))), shape=drawn.shape, dtype=np.int32
        )
        result.sort_indices()
        return result

    def _clamp_entries(self, condition: Condition) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        """Return the owner's id and the gene of every clamped entry."""
        if condition.clamp is None:
            return np.empty(0, np.uint64), np.empty(0, np.intp)
        return np.repeat(condition.ids, np.diff(condition.clamp.indptr)), condition.clamp.indices.astype(np.intp)


def _tensor(x: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def _slices(n: int) -> list[slice]:
    return [slice(start, min(start + PAD, n)) for start in range(0, n, PAD)]


def _flat(counts: Counts) -> NDArray[np.int64]:
    row = np.repeat(np.arange(counts.shape[0], dtype=np.int64), np.diff(counts.indptr))
    return np.asarray(row * counts.shape[1] + counts.indices, dtype=np.int64)


def _untreated(condition: Condition) -> Condition:
    return replace(condition, dose=np.zeros_like(condition.dose))


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
