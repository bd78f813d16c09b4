"""The shipped world model: masked discrete diffusion with a per-cell latent, behind the common contract."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.data.agents import AGENTS
from twin.kernels.dose import strength
from twin.kernels.random import Streams
from twin.kernels.turnover import replaced_fraction
from twin.model.contract import HALF_LIFE, Condition, Counts, Perturbation, WorldModel
from twin.model.decoder import Decoder, slices, tensor
from twin.model.effects import TEMPERATURE, context_weights, similarity
from twin.model.network import LatentNetwork

Float = NDArray[np.float64]

LATENT_HALF_TIME = 72.0  # h; of z's drift towards its context's prior (days; design), our choice
BORROWED = 30.0  # cells' worth of covariance that a new context borrows from the known ones; our choice
FULL_SUPPORT_CELLS = 20.0  # treated cells at which support is 1 − 1/e; our choice


@dataclass(frozen=True)
class ModelCard:
    """Where a checkpoint comes from."""

    name: str
    sources: tuple[str, ...] = ()
    n_cells: int = 0
    holdout: float = 0.0
    training: dict[str, float] = field(default_factory=dict)


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
        self.decoder = Decoder(self.net)
        self.name = card.name
        self.genes = tuple(genes)
        self.contexts = tuple(contexts)
        self.composition = np.asarray(composition, dtype=np.float64)
        self.perturbations = tuple(perturbations)
        self.latent_size = net.config.latent
        self.card = card
        self.half_life = np.full(len(self.genes), HALF_LIFE) if half_life is None else half_life
        self.notes = self._notes()

    def _notes(self) -> tuple[str, ...]:
        known = [p.name for p in self.perturbations if p.name in AGENTS]
        notes = [f"{name}: {AGENTS[name].source}" for name in known]
        if len(np.unique(self.half_life)) == 1:
            notes.append(f"the messages of every gene have one half-life, {self.half_life[0]:g} h: none was measured")
        if self.perturbations:
            notes.append("an effect does not depend on the time since exposure: its speed comes from turnover alone")
        return tuple(notes)

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
        h = self.strengths(condition) * (1.0 + guidance)
        return self.decoder.target(empty, z, condition, h, streams, "sample", steps=steps), z

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
        for rows in slices(condition.n):
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
        h = self.strengths(condition)
        return self.decoder.target(counts, z, condition, h, streams, "transition", due=due), z

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return these very cells under `condition`: each gene moves along equal quantiles."""
        z = self.encode(counts, _untreated(condition))
        h = self.strengths(condition)
        return self.decoder.move(counts, z, condition, h, streams)

    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return P(count > 0) · E[value] over depth, per 10,000 counts, (cell, gene)."""
        return self.decoder.expected(z, condition, self.strengths(condition), genes)

    def support(self, condition: Condition) -> Float:
        """Return per cell how much of what is asked was seen: 1 − exp(−n / 20) for n similar treated cells.

        n counts the treated cells of every context, weighted exp((similarity − 1) / T). A dose above the trained one
        scales by d_ref / d. Where nothing is asked of a cell (no dose) the score is 1.
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
                torch.cat([self.net.get_buffer(effect), tensor(np.stack(rows))], dim=1)
                if rows
                else torch.zeros(0, len(self.contexts) + 1, len(self.genes))
            )
        logs = np.log(np.maximum(totals, 1.0))
        added["depth_law"] = np.array([[logs.mean(), max(float(logs.std()), 0.05)]])
        added["log_gain"] = np.zeros(1)
        added["prior_mean"] = np.zeros((1, self.latent_size))
        added["prior_root"] = np.eye(self.latent_size)[None]
        for key, value in added.items():
            state[key] = torch.cat([self.net.get_buffer(key), tensor(value)])
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
        covariance = (centred.T @ centred + BORROWED * borrowed @ borrowed.T) / (n + BORROWED)
        net.prior_mean[-1] = z.mean(dim=0)
        net.prior_root[-1] = torch.linalg.cholesky(covariance + 1e-5 * torch.eye(self.latent_size))
        return model

    # -- drawing --------------------------------------------------------------------------------------------

    @cached_property
    def _rates(self) -> Float:
        return self.net.log_rate.numpy().astype(np.float64)


def _untreated(condition: Condition) -> Condition:
    return replace(condition, dose=np.zeros_like(condition.dose))
