"""A world model around a token backbone: named, sampled, predicting and stepping like the shipped one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.kernels.dose import of_donor, strength
from twin.kernels.random import Streams
from twin.kernels.tokens import MASK, tokens_of
from twin.kernels.turnover import replaced_fraction
from twin.model.backbones.backbone import Inputs
from twin.model.backbones.clamp import knocked_out, scale_clamped
from twin.model.backbones.couple import couple
from twin.model.backbones.lingshu import Lingshu
from twin.model.backbones.patches import Patches
from twin.model.backbones.sampler import ENTRIES_AT_ONCE, ROWS, Ask, Schedule, chunks, draw
from twin.model.backbones.tables import Tables, pooled_profile
from twin.model.condition import HALF_LIFE, Condition, Counts, Perturbation
from twin.model.contract import WorldModel
from twin.model.network import level_values
from twin.model.runtime import autocast, device_of

Float = NDArray[np.float64]

LATENT_HALF_TIME = 72.0  # h; of z's drift towards its context's prior (days; design), our choice
FULL_SUPPORT_CELLS = 20.0  # treated cells at which support is 1 − 1/e; our choice
TEMPERATURE = 0.05  # of the similarity between contexts' profiles, as in `twin.model.effects`


@dataclass(frozen=True)
class Names:
    """The words that a token world model knows.

    composition : (context,) share of each context among the control cells. half_life : (gene,) of the messages, h.
    sources : files it was trained on.
    """

    name: str
    genes: tuple[str, ...]
    contexts: tuple[str, ...]
    composition: Float
    perturbations: tuple[Perturbation, ...]
    half_life: Float
    sources: tuple[str, ...] = ()
    n_cells: int = 0


@dataclass(frozen=True)
class Drawing:
    """How cells are drawn: guidance w of transitions is 0 by design; rounds and w of `sample` are asked each time.

    rounds : of a transition's target. schedule : of the share revealed in each. rows : passes in a batch, 0: the
    device's usual number. precision : of matrix products (`twin.model.runtime.Runtime`).
    """

    rounds: int = 1
    schedule: Schedule = "cosine"
    rows: int = 0
    precision: str = "auto"


class TokenWorldModel(WorldModel):
    """A trained token backbone with its gene axis, contexts and perturbations."""

    tells_donors_apart = True

    def __init__(
        self,
        backbone: Patches | Lingshu,
        names: Names,
        tables: Tables,
        drawing: Drawing = Drawing(),
        device: str = "auto",
    ) -> None:
        self.backbone = backbone.to(device_of(device)).eval()
        self.words, self.tables, self.drawing, self.device = names, tables, drawing, device
        self.name, self.genes, self.contexts = names.name, names.genes, names.contexts
        self.composition, self.perturbations = names.composition, names.perturbations
        self.half_life, self.latent_size = names.half_life, backbone.config.latent
        self.notes = self._notes()

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if len(np.unique(self.half_life)) == 1 and self.half_life[0] == HALF_LIFE:
            notes.append(f"the messages of every gene have one half-life, {HALF_LIFE:g} h: none was measured")
        if self.perturbations:
            notes.append("an effect does not depend on the time since exposure: its speed comes from turnover alone")
        if not self.backbone.sees_depth:
            notes.append("a cell's library size follows from its draw: this backbone does not see the depth asked for")
        return tuple(notes)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all tensors, names, tables and how cells are drawn."""
        digest = sha256("\n".join((*self.genes, *self.contexts)).encode())
        for key, value in sorted(self.backbone.state_dict().items()):
            digest.update(key.encode() + value.cpu().numpy().tobytes())
        for key, table in sorted(self.tables.arrays().items()):
            digest.update(key.encode() + np.ascontiguousarray(table).tobytes())
        digest.update(repr([vars(p) for p in self.perturbations]).encode())
        digest.update(self.half_life.tobytes() + repr((self.drawing, self.backbone.config)).encode())
        return digest.hexdigest()

    # -- questions to the backbone --------------------------------------------------------------------------

    def strengths(self, condition: Condition) -> Float:
        """Return h, (cell, perturbation): the share of the trained effect that each dose has."""
        columns = [
            strength(condition.dose[:, i], p.reference, p.ec50, p.hill, condition.ec50_factor)
            for i, p in enumerate(self.perturbations)
        ]
        h = np.stack(columns, axis=1) if columns else np.zeros((condition.n, 0))
        return of_donor(h, condition.gain, condition.tone)

    def ask(self, condition: Condition, z: NDArray[np.float32]) -> Ask:
        """Return a condition as vectors; a cell has as many arms as the cell with most perturbations."""
        h = self.strengths(condition)
        given = np.count_nonzero(h, axis=1)
        n_arms = max(int(given.max(initial=0)), 1)
        width = self.backbone.config.perturbation_width
        vector = np.zeros((condition.n, n_arms, width), np.float32)
        share = np.zeros((condition.n, n_arms))
        cell, which = np.nonzero(h)
        arm = np.arange(len(cell)) - np.repeat(np.cumsum(given) - given, given)
        vector[cell, arm], share[cell, arm] = self.tables.perturbation[which], h[cell, which]
        depth = np.log(np.maximum(condition.depth, 1.0)).astype(np.float32)
        return Ask(condition.ids, self.tables.context[condition.context], depth, z, vector, share)

    # -- the contract ---------------------------------------------------------------------------------------

    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Draw library sizes from each context's log-normal law, (cell,)."""
        law = self.tables.depth_law.astype(np.float64)[context]
        noise = streams.stream("depth").normal(ids, 1)[:, 0]
        return np.asarray(np.round(np.exp(law[:, 0] + law[:, 1] * noise)))

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw cells from nothing: z from its prior, then every gene in `steps` rounds of random order."""
        z = self.prior(condition, streams.stream("sample z").normal(condition.ids, self.latent_size))
        return self._draw(condition, z, streams, "sample", None, None, steps, guidance), z

    def prior(self, condition: Condition, noise: Float) -> NDArray[np.float32]:
        """Return z = m + L ε of each cell's context, (cell, latent) float32; a donor's offset adds to ε."""
        mean = self.tables.prior_mean.astype(np.float64)[condition.context]
        root = self.tables.prior_root.astype(np.float64)[condition.context]
        noise = noise if condition.offset is None else noise + condition.offset
        return np.asarray(mean + np.einsum("nij,nj->ni", root, noise), dtype=np.float32)

    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """Return the mean of q(z | x, context, perturbation, depth), (cell, latent) float32."""
        return self.encoded(counts, condition)[0]

    @torch.no_grad()
    def encoded(self, counts: Counts, condition: Condition) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and variance of q(z | x, …), (cell, latent) each; passes have a fixed, padded number of cells."""
        mean = np.zeros((condition.n, self.latent_size), np.float32)
        variance = np.zeros_like(mean)
        if self.latent_size == 0:
            return mean, variance
        where = next(self.backbone.parameters()).device
        size = self.drawing.rows or ROWS.get(where.type, 16)
        asked = self.ask(condition, mean)
        perturbation = np.einsum("na,naw->nw", asked.strength, asked.perturbation).astype(np.float32)
        for first in range(0, condition.n, size):
            rows = np.minimum(np.arange(first, first + size), condition.n - 1)
            own = slice(first, min(first + size, condition.n))
            told = [
                tokens_of(counts[rows].toarray()).astype(np.int32),
                asked.context[rows],
                perturbation[rows],
                asked.log_depth[rows],
                mean[rows],
            ]
            with autocast(where, self.drawing.precision):
                m, v = self.backbone.encode(Inputs(*(torch.from_numpy(x).to(where) for x in told)))
            n = own.stop - own.start
            mean[own], variance[own] = m[:n].float().cpu().numpy(), v[:n].float().exp().cpu().numpy()
        return mean, variance

    def transition(
        self,
        counts: Counts,
        z: NDArray[np.float32],
        condition: Condition,
        elapsed: float,
        kappa: float,
        streams: Streams,
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Take each cell `elapsed` hours on: turnover towards a target (as `MaskedDiffusion.transition`).

        z drifts towards its context's prior, exactly in time; a gene is due with probability 1 − 2^(−κ Δt / t½) and
        takes the value of a fresh target drawn given z and the present condition.
        """
        keep = 2.0 ** (-elapsed / LATENT_HALF_TIME)
        noise = streams.stream("drift z").normal(condition.ids, self.latent_size)
        centre = self.tables.prior_mean.astype(np.float64)[condition.context]
        if condition.offset is not None:
            centre = self.prior(condition, np.zeros_like(noise)).astype(np.float64)
        fresh = self.prior(condition, np.sqrt(1.0 - keep**2) * noise).astype(np.float64)
        z = np.asarray(fresh + keep * (z.astype(np.float64) - centre), dtype=np.float32)
        due = replaced_fraction(self.half_life, elapsed, kappa)
        return self._draw(condition, z, streams, "transition", counts, due, self.drawing.rounds, 0.0), z

    def _draw(
        self,
        condition: Condition,
        z: NDArray[np.float32],
        streams: Streams,
        purpose: str,
        before: Counts | None,
        due: Float | None,
        rounds: int,
        guidance: float,
    ) -> Counts:
        how = self.drawing
        drawn = draw(
            self.backbone,
            self.ask(condition, z),
            streams,
            purpose,
            rounds=rounds,
            schedule=how.schedule,
            guidance=guidance,
            before=before,
            due=due,
            held=knocked_out(condition),
            rows=how.rows,
            precision=how.precision,
        )
        return scale_clamped(drawn, condition, streams.stream("clamp"), due, streams.stream(purpose + " due"))

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return these very cells under `condition`: each gene moves along equal quantiles."""
        untreated = replace(condition, dose=np.zeros_like(condition.dose))
        asked = self.ask(condition, self.encode(counts, untreated))
        how = self.drawing
        moved = couple(self.backbone, asked, counts, streams, "perturb", rows=how.rows, precision=how.precision)
        return scale_clamped(moved, condition, streams.stream("clamp"), None, streams.stream("perturb due"))

    @torch.no_grad()
    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return P(count > 0) · E[value] per 10,000 counts, (cell, gene).

        A backbone that does not see depth is read at its context's usual library size.
        """
        out = np.zeros((condition.n, len(genes)))
        asked = self.ask(condition, z)
        values = level_values().double()
        for here, chunk in chunks(self.backbone, asked, 0.0, self.drawing.rows, self.drawing.precision):
            blank = torch.full((chunk.ask.n, len(self.genes)), MASK, dtype=torch.int32, device=chunk.device)
            heads = chunk.heads(blank)
            row = torch.arange(chunk.ask.n, device=chunk.device).repeat_interleave(len(genes))
            gene = torch.tensor(list(genes), dtype=torch.long, device=chunk.device).repeat(chunk.ask.n)
            mean = []
            for r, g in zip(torch.split(row, ENTRIES_AT_ONCE), torch.split(gene, ENTRIES_AT_ONCE), strict=True):
                law = torch.softmax(heads.value_logits(r, g).double(), dim=1)
                mean.append(-torch.expm1(-heads.hazard_at(r, g).double()) * (law @ values.to(chunk.device)))
            out[here] = torch.cat(mean).view(chunk.ask.n, len(genes)).cpu().numpy() if len(genes) else 0.0
        usual = np.exp(self.tables.depth_law[condition.context, 0].astype(np.float64))
        out *= 1e4 / (np.maximum(condition.depth, 1.0) if self.backbone.sees_depth else usual)[:, None]
        if condition.clamp is not None:
            factor = condition.clamp[:, list(genes)].toarray()
            stored = sp.csr_array(
                (np.ones(condition.clamp.nnz), condition.clamp.indices, condition.clamp.indptr), condition.clamp.shape
            )
            out *= np.where(stored[:, list(genes)].toarray() > 0, factor, 1.0)
        return out

    def support(self, condition: Condition) -> Float:
        """Return per cell how much of what is asked was seen: 1 − exp(−n / 20) for n similar treated cells.

        n counts the treated cells of every context, weighted exp((similarity − 1) / T). A dose above the trained one
        scales by d_ref / d. Where nothing is asked of a cell (no dose) the score is 1.
        """
        like = np.exp((self._alike(self.tables.log_rate) - 1.0) / TEMPERATURE)
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

    def _alike(self, log_rate: NDArray[np.float32]) -> Float:
        """Return correlations of profiles, log1p of counts per 10,000, with those of the contexts, (row, context)."""

        def unit(rates: NDArray[np.float32]) -> Float:
            x = np.log1p(1e4 * np.exp(rates.astype(np.float64)))
            x = x - x.mean(axis=1, keepdims=True)
            return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300))

        return unit(log_rate) @ unit(self.tables.log_rate).T

    def with_context(self, name: str, controls: Counts) -> "TokenWorldModel":
        """Return a model that also knows the context of these control cells: its vector is their pooled profile."""
        totals = np.asarray(controls.sum(axis=1), dtype=np.float64).ravel()
        pooled = np.asarray(controls.sum(axis=0), dtype=np.float64).ravel()
        raw = np.log((pooled + 1e-3) / (pooled.sum() + 1e-3 * len(pooled)))[None].astype(np.float32)
        like = np.exp((self._alike(raw)[0] - 1.0) / TEMPERATURE)
        profile = pooled_profile(controls, self.tables.log_rate, like / max(float(like.sum()), 1e-300))
        share = len(totals) / max(self.words.n_cells, 1)
        names = replace(
            self.words,
            contexts=(*self.contexts, name),
            composition=np.append(self.composition, share) / (1 + share),
        )
        model = self._but(names, self.tables.with_context(profile, totals))
        mean, variance = model.encoded(controls, model.untreated(totals, len(self.contexts)))
        tables = model.tables.with_prior(len(self.contexts), mean.astype(np.float64), variance.astype(np.float64))
        return model._but(names, tables)

    def untreated(self, depth: Float, context: int | NDArray[np.intp]) -> Condition:
        """Return the condition of cells that nothing is done to; depth (cell,)."""
        n, p = len(depth), len(self.perturbations)
        return Condition(
            np.arange(n, dtype=np.uint64),
            np.broadcast_to(np.asarray(context, dtype=np.intp), n),
            np.maximum(depth, 1.0),
            np.zeros((n, p)),
            np.full((n, p), np.nan),
            np.ones(n),
        )

    def _but(self, names: Names, tables: Tables) -> "TokenWorldModel":
        return TokenWorldModel(self.backbone, names, tables, self.drawing, self.device)
