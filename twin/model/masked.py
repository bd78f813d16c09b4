"""The shipped world model: masked discrete diffusion with a per-cell latent, behind the common contract."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.data.substances import known_protein
from twin.kernels.random import Streams
from twin.kernels.turnover import replaced_fraction
from twin.model.aimed import CELL_SHARE, aimed_by_group, expected_rise
from twin.model.contract import HALF_LIFE, REACHED, Condition, Counts, WorldModel
from twin.model.decoder import PAD, Decoder
from twin.model.effects import LEAST_TOTAL, EffectFamily, Question, whole
from twin.model.extension import set_last_prior, with_context
from twin.model.focus import kept_genes, narrowed, narrowed_network
from twin.model.knowledge import Knowledge, ModelCard
from twin.model.likeness import Features
from twin.model.network import DEPTH_QUANTILES, LEAST_RATE, LatentNetwork
from twin.model.shifts import Effects
from twin.model.treatments import strengths
from twin.model.trials import probability
from twin.model.tuning import EVEN

__all__ = ["Knowledge", "MaskedDiffusion", "ModelCard"]

Float = NDArray[np.float64]

LATENT_HALF_TIME = 72.0  # h; of z's drift towards its context's prior (days; design), our choice


class MaskedDiffusion(WorldModel):
    """A trained `LatentNetwork` with its gene axis, contexts and treatments."""

    shares_threads = True
    tells_donors_apart = True

    def __init__(self, net: LatentNetwork, knowledge: Knowledge, card: ModelCard) -> None:
        self.net = net.eval()
        self.decoder = Decoder(self.net, knowledge.places)
        self.knowledge = knowledge
        self.card = card
        self.name = card.name
        self.genes = knowledge.genes
        self.contexts = tuple(c.name for c in knowledge.contexts)
        self.composition = knowledge.composition
        self.perturbations = knowledge.perturbations
        self.latent_size = net.config.latent
        self.half_life = knowledge.half_life
        self.notes = self._notes()
        self._shifts: dict[tuple[int, int], NDArray[np.float32]] = {}
        self._rates: dict[int, Float] = {}
        self._evidences: dict[tuple[int, int], float] = {}
        self._families: dict[tuple[tuple[int, ...], int], int] = {}

    def _notes(self) -> tuple[str, ...]:
        known = [k for k in (known_protein(p.name) for p in self.perturbations) if k is not None]
        notes = [f"{k.name}: {k.source}" for k in known]
        if len(np.unique(self.half_life)) == 1:
            notes.append(f"the messages of every gene have one half-life, {self.half_life[0]:g} h: none was measured")
        once = [p.name for p in self.perturbations if len(p.times) < 2]
        if once:
            notes.append(
                "an effect measured at one time does not depend on the time since exposure: its speed comes from "
                "turnover alone"
            )
        return tuple(notes)

    # -- what decides the answers ---------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all tensors, names, effects and half-lives."""
        digest = sha256("\n".join((*self.genes, *self.contexts)).encode())
        for key, value in sorted(self.net.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.numpy().tobytes())
        digest.update(repr([vars(p) for p in self.perturbations]).encode())
        digest.update(repr([(t.arm.key, t.family) for t in self.knowledge.treatments]).encode())
        for family in self.knowledge.families:
            for table in (family.level.weight, None if family.rate is None else family.rate.weight, family.phi):
                digest.update(b"" if table is None else np.ascontiguousarray(table).tobytes())
            for table in vars(family.trials).values():
                digest.update(np.ascontiguousarray(table).tobytes())
        digest.update(self.half_life.tobytes() + repr(self.card.kappa).encode() + self.decoder.places.tobytes())
        return digest.hexdigest()

    def kappa(self) -> float:
        """Return the fitted turnover scale where there is one, else the convention (`WorldModel.kappa`).

        The convention looks at the assays of the cells that a tissue of this model is made of: other experiments have
        clocks of their own.
        """
        if self.card.kappa is not None:
            return self.card.kappa
        last = self.last_time()
        return REACHED * HALF_LIFE / last if last > 0 else 1.0

    def last_time(self) -> float:
        """Return the last measured time since exposure, h, among the cells that a tissue of this model is made of."""
        home = {c for c, share in zip(self.contexts, self.composition, strict=True) if share > 0} or set(self.contexts)
        timed = [p for p in self.perturbations if p.kind != "course" and home & set(p.cells)]
        return max((t for p in timed for t in p.times), default=0.0)

    def depths(self, context: NDArray[np.intp], ids: NDArray[np.uint64], streams: Streams) -> Float:
        """Draw library sizes from each context's measured law, (cell,): between its quantiles, linear in the log."""
        law = self.net.depth_law.numpy().astype(np.float64)[context]
        place = streams.stream("depth").uniform(ids, 1)[:, 0] * (DEPTH_QUANTILES - 1)
        low = np.minimum(place.astype(np.intp), DEPTH_QUANTILES - 2)
        cell = np.arange(len(context))
        share = place - low
        return np.asarray(np.round(np.exp((1 - share) * law[cell, low] + share * law[cell, low + 1])))

    # -- what is done ---------------------------------------------------------------------------------------

    def effects(self, condition: Condition) -> Effects:
        """Return what is done to each cell; guidance w scales every effect by 1 + w (design: 4.5)."""
        h = self.strengths(condition) * (1.0 + condition.guidance)
        felt = np.flatnonzero(h.any(axis=0))
        here, context = np.unique(condition.context, return_inverse=True)
        table = np.zeros((len(felt), len(here), len(self.genes)), np.float32)
        for i, t in enumerate(felt):
            for j, c in enumerate(here):
                table[i, j] = self.shift(int(t), int(c))
        return Effects(table, context.astype(np.int64), h[:, felt], self.knowledge.dispersion(felt))

    def strengths(self, condition: Condition) -> Float:
        """Return how strongly each cell feels each treatment, (cell, treatment) (`twin.model.treatments.strengths`).

        What several experiments did alike is read from the one that has the cell's context, else from the one that
        explains most of the effect there.
        """
        treatments = self.knowledge.treatments
        families: dict[tuple[int, ...], set[int]] = {}
        for t in treatments:
            families.setdefault(t.agents, set()).add(t.family)
        if all(len(several) == 1 for several in families.values()):
            return strengths(treatments, self.perturbations, condition)
        out = np.zeros((condition.n, len(treatments)))
        for c in np.unique(condition.context):
            rows = np.flatnonzero(condition.context == c)
            chosen = {agents: self._family_for(agents, several, int(c)) for agents, several in families.items()}
            used = np.array([i for i, t in enumerate(treatments) if chosen[t.agents] == t.family], dtype=np.intp)
            some = [treatments[i] for i in used]
            out[np.ix_(rows, used)] = strengths(some, self.perturbations, condition.rows(rows))
        return out

    def _family_for(self, agents: tuple[int, ...], several: set[int], context: int) -> int:
        if len(several) == 1:
            return next(iter(several))
        if (agents, context) not in self._families:
            explained = {
                f: max(
                    self.explained(i, context)
                    for i, t in enumerate(self.knowledge.treatments)
                    if t.agents == agents and t.family == f
                )
                for f in sorted(several)
            }
            own = [f for f in explained if context in self.knowledge.families[f].contexts]
            self._families[agents, context] = max(own or explained, key=lambda f: explained[f])
        return self._families[agents, context]

    def shift(self, treatment: int, context: int) -> NDArray[np.float32]:
        """Return the shift of log μ of a context under a treatment at full strength, (gene,).

        A combination's is what it does beyond the sum of its parts.
        """
        key = (treatment, context)
        if key not in self._shifts:
            self._shifts[key] = self._shift(treatment, context)
        return self._shifts[key]

    def _shift(self, treatment: int, context: int) -> NDArray[np.float32]:
        known = (self.net.log_rate[context] > LEAST_RATE).numpy()
        rate = np.where(known, self._shares(context), 0.0)
        shift, *parts = [np.where(rate > 0, r - np.log(whole(rate, r)), 0.0) for r in self._kriged(treatment, context)]
        for part in parts:
            shift = shift - part
        return shift.astype(np.float32)

    def _kriged(self, treatment: int, context: int, share: float = EVEN) -> Float:
        """Return the shifts of log μ of a treatment and, where it is a combination, of its parts, (arm, gene).

        share : weight of the level scale (`EffectFamily.shifts`).
        """
        family, asked = self._question(treatment, context)
        arms = [asked["arm"]]
        if len(arms[0].agents) > 1:
            arms += [replace(arms[0], agents=(agent,)) for agent in arms[0].agents]
        out = np.zeros((len(arms), len(self.genes)))
        out[:, family.genes] = family.shifts(
            asked["rate"], asked["depths"], arms, asked["features"], own=asked["own"], share=share
        )
        return out

    def _shares(self, context: int) -> Float:
        """Return the mean share of the transcriptome that the decoder gives each gene of control cells, (gene,).

        It is by these, not by the measured rates that they correct, that a shift has to leave the library size alone.
        """
        if context not in self._rates:
            ids = np.arange(PAD, dtype=np.uint64)
            depth = np.full(PAD, np.exp(float(self.net.depth_law[context].median())))
            none = np.zeros((PAD, len(self.perturbations)))
            here = Condition(ids, np.full(PAD, context), depth, none, np.full_like(none, np.nan), np.ones(PAD))
            z = self.prior(here, Streams(0, 0, 0).stream("shares").normal(ids, self.latent_size))
            mean = np.exp(self.decoder.log_mean(z, here).astype(np.float64)).mean(axis=0)
            rest = float(self.net.log_rest[context].double().exp())
            self._rates[context] = mean / mean.sum() * (1.0 - min(rest, 1.0 - LEAST_TOTAL))
        return self._rates[context]

    # -- the contract ---------------------------------------------------------------------------------------

    def sample(
        self, condition: Condition, streams: Streams, *, steps: int = 1, guidance: float = 0.0
    ) -> tuple[Counts, NDArray[np.float32]]:
        """Draw cells from nothing: z from its prior, then every gene in `steps` rounds of random order."""
        z = self.prior(condition, streams.stream("sample z").normal(condition.ids, self.latent_size))
        empty = sp.csr_array((condition.n, len(self.genes)), dtype=np.int32)
        effects = self.effects(replace(condition, guidance=guidance + condition.guidance))
        return self.decoder.target(empty, z, condition, effects, streams, "sample", steps=steps), z

    def prior(self, condition: Condition, noise: Float) -> NDArray[np.float32]:
        """Return z = m + L ε of each cell's context, (cell, latent) float32; a donor's offset adds to ε."""
        mean = self.net.prior_mean.numpy().astype(np.float64)[condition.context]
        root = self.net.prior_root.numpy().astype(np.float64)[condition.context]
        noise = noise if condition.offset is None else noise + condition.offset
        return np.asarray(mean + np.einsum("nij,nj->ni", root, noise), dtype=np.float32)

    def encode(self, counts: Counts, condition: Condition) -> NDArray[np.float32]:
        """Return the mean of q(z | x, context, condition), (cell, latent) float32."""
        effects = self.effects(condition)
        return self.decoder.encode(counts, condition, effects.shift() if effects.table.shape[0] else None)

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
        if condition.offset is not None:
            centre = self.prior(condition, np.zeros_like(noise)).astype(np.float64)
        fresh = self.prior(condition, np.sqrt(1.0 - keep**2) * noise).astype(np.float64)
        z = np.asarray(fresh + keep * (z.astype(np.float64) - centre), dtype=np.float32)
        due = replaced_fraction(self.half_life, elapsed, kappa)
        return self.decoder.target(counts, z, condition, self.effects(condition), streams, "transition", due=due), z

    def perturb(self, counts: Counts, condition: Condition, streams: Streams) -> Counts:
        """Return these very cells under `condition`: each gene moves along equal quantiles.

        They are read as populations: 20 or more cells of one context to which the same is done rise together by what
        is expected of them (`twin.model.aimed`), which takes six times a plain draw. So a part of the cells alone
        does not come back as it does among the others.
        """
        z = self.encode(counts, replace(condition, dose=np.zeros_like(condition.dose)))
        return aimed_by_group(self.decoder, counts, z, condition, self.effects(condition), streams, self.rise)

    def rise(self, condition: Condition, on_axis: float = 1.0) -> Float:
        """Return by how much the mean log1p(CP10k) of cells is expected to rise under what is done to them, (gene,).

        Its shifts of log μ are weighed by their strengths as those of the decoder are, and stand more on the scale on
        which counts multiply (`CELL_SHARE`).

        condition : cells of one context, to which the same is done. on_axis : share of their molecules on the axis.
        """
        context = int(condition.context[0])
        strength = self.strengths(condition.rows(slice(0, 1)))[0] * (1.0 + condition.guidance)
        shift, log_phi, told = np.zeros((3, len(self.genes)))
        for t in np.flatnonzero(strength).tolist():
            family = self.knowledge.families[self.knowledge.treatments[t].family]
            kriged = self._kriged(t, context, CELL_SHARE)
            shift += strength[t] * (kriged[0] - kriged[1:].sum(axis=0))
            log_phi[family.genes] += np.log(family.phi)
            told[family.genes] += 1
        log_rate = self.net.log_rate[context].numpy().astype(np.float64)
        rate = np.where(log_rate > LEAST_RATE, np.exp(log_rate), 0.0)
        rate *= 1e4 * on_axis / rate.sum()
        return expected_rise(rate, shift, np.exp(log_phi / np.maximum(told, 1)), condition.depth)

    def expected(self, z: NDArray[np.float32], condition: Condition, genes: Sequence[int]) -> Float:
        """Return P(count > 0) · E[value] over depth, per 10,000 counts, (cell, gene)."""
        return self.decoder.expected(z, condition, self.effects(condition), genes)

    def support(self, condition: Condition) -> Float:
        """Return per cell how well what is asked is supported by data, in [0, 1].

        The calibrated probability that the prediction is no worse than saying that nothing changes
        (`twin.model.trials`); of several treatments the least. 0 where nothing like it was measured. A dose above the
        highest measured one scales it by their ratio. Nothing asked: 1.
        """
        h = self.strengths(condition)
        score = np.ones(condition.n)
        for t in np.flatnonzero(h.any(axis=0)):
            felt = np.flatnonzero(h[:, t])
            here, back = np.unique(condition.context[felt], return_inverse=True)
            evidence = np.array([self._evidence(int(t), int(c)) for c in here])
            told = probability(evidence) if self.card.support is None else probability(evidence, *self.card.support)
            score[felt] = np.minimum(score[felt], told[back])
        for p in range(len(self.perturbations)):
            top = max((t.dose for t in self.knowledge.treatments if t.agents == (p,) and t.dose > 0), default=np.inf)
            score = score * np.minimum(1.0, top / np.maximum(condition.dose[:, p], 1e-300))
        return score

    def explained(self, treatment: int, context: int) -> float:
        """Return the share of an effect's prior variance that the data explain, [0, 1]."""
        family, asked = self._question(treatment, context)
        return family.explained(**asked)

    def _evidence(self, treatment: int, context: int) -> float:
        key = (treatment, context)
        if key not in self._evidences:
            family, asked = self._question(treatment, context)
            self._evidences[key] = family.evidence(**asked)
        return self._evidences[key]

    def _question(self, treatment: int, context: int) -> tuple[EffectFamily, Question]:
        asked = self.knowledge.treatments[treatment]
        family = self.knowledge.families[asked.family]
        log_rate = self.net.log_rate[context].numpy().astype(np.float64)[family.genes]
        return family, {
            "rate": np.where(log_rate > LEAST_RATE, np.exp(log_rate) * 1e4, np.nan),
            "depths": np.exp(self.net.depth_law[context].numpy().astype(np.float64)),
            "arm": asked.arm,
            "features": self.knowledge.features,
            "own": family.contexts.index(context) if family.contexts.count(context) == 1 else -1,
        }

    # -- other models made from this one --------------------------------------------------------------------

    def with_context(self, name: str, controls: Counts) -> "MaskedDiffusion":
        """Return a model that also knows the context that these control cells are.

        Its rates are the cells' own (with a little of those of the known context most like it), its vector follows
        from them, its effects are kriged from the measured contexts by likeness, its prior of z the cells' own
        encodings.
        """
        net, knowledge = with_context(self.net, self.knowledge, name, controls, self.card.n_cells)
        model = MaskedDiffusion(net, knowledge, self.card)
        totals = np.asarray(controls.sum(axis=1), dtype=np.float64).ravel()
        n, none = len(totals), np.zeros((len(totals), len(self.perturbations)))
        here = Condition(
            np.arange(n, dtype=np.uint64),
            np.full(n, len(self.contexts)),
            np.maximum(totals, 1.0),
            none,
            np.full_like(none, np.nan),
            np.ones(n),
        )
        set_last_prior(net, model.encode(controls, here))
        return model

    def focused(
        self,
        contexts: Sequence[str] | None = None,
        genes: Sequence[str] | None = None,
        perturbations: Sequence[str] | None = None,
    ) -> "MaskedDiffusion":
        """Return the model for some contexts, on some genes: without `genes`, on those that these contexts measured.

        The same cells, smaller and faster: nothing that is left out was ever expressed in these contexts, and each
        gene keeps its luck. log μ agrees to rounding, so that a count can differ where its uniform lies that near an
        edge; counts above 99 may differ inside their level. Times, and with them κ and the last time, are those of the
        `perturbations` that are kept.
        """
        if perturbations is not None and len(perturbations) < len(self.perturbations):
            known = self.knowledge.for_perturbations(perturbations)
            return MaskedDiffusion(self.net, known, self.card).focused(contexts, genes)
        wanted = list(self.contexts if contexts is None else contexts)
        rows = torch.tensor([self.contexts.index(c) for c in wanted])
        keep = kept_genes(self.net, self.knowledge, rows, genes)
        if np.array_equal(keep, np.arange(len(self.genes))) and tuple(wanted) == self.contexts:
            return self
        net = narrowed_network(self.net, rows, keep)
        return MaskedDiffusion(net, narrowed(self.knowledge, rows.numpy(), keep, self.decoder.places[keep]), self.card)

    def panels(self) -> tuple[tuple[str, ...], ...]:
        """Return for each context the genes that it measured; those that share theirs have the very same tuple."""
        shared: dict[bytes, tuple[str, ...]] = {}
        found = []
        for known in (self.net.log_rate > LEAST_RATE).numpy():
            key = known.tobytes()
            if key not in shared:
                shared[key] = tuple(self.genes[i] for i in np.flatnonzero(known))
            found.append(shared[key])
        return tuple(found)

    def with_perturbation(self, name: str) -> "MaskedDiffusion | None":
        """Return a model that can also perturb a gene that it never saw perturbed (`Knowledge.with_gene`), or None."""
        knowledge = self.knowledge.with_gene(name)
        return None if knowledge is None else MaskedDiffusion(self.net, knowledge, self.card)

    def with_features(self, features: Features) -> "MaskedDiffusion":
        """Return the model with vectors of prior knowledge, by which it can say something of genes never perturbed."""
        return MaskedDiffusion(self.net, replace(self.knowledge, features=features), self.card)

    def named(self, card: Mapping[str, object]) -> "MaskedDiffusion":
        """Return the model with some words of its card exchanged."""
        return MaskedDiffusion(self.net, self.knowledge, replace(self.card, **card))  # type: ignore[arg-type] # checked by the dataclass' fields
