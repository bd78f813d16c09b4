"""What a treatment does in a context: measured, denoised, and carried over to contexts and treatments never measured.

A family is one experiment: contexts whose control and treated cells were measured together. Its groups of cells
are kriged (`twin.model.kriging`) on two scales. On the rate scale effects multiply: a gene that a monocyte holds
more of rises by more. On the level scale, mean log1p(CP10k), they add. Between contexts the truth lies between the
two, and their mean is better than either (PBMC, one type left out: MSE 0.0183 and 0.0178 alone, 0.0134 together);
so it may along a course (`twin.model.tuning`); where else only the treatment varies, the level scale alone is.

The answer is a shift of log μ, so that the decoder's heads turn it into counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from twin.data.arms import Arm
from twin.model.groups import Samples, Summary, dispersion, levels, rates
from twin.model.kriging import LEVEL, RATE, Fit, Groups, Settings, fit
from twin.model.likeness import NO_FEATURES, Features, Likeness, is_course
from twin.model.logmean import LogMean
from twin.model.trials import CONTEXT, GROUP, NO_TRIALS, TREATMENT, Trials, tried
from twin.model.tuning import EVEN, NUGGET, chosen_likeness, even_is_better, own_nugget, stretched

Float = NDArray[np.float64]
Index = NDArray[np.intp]

TEMPERATURE = 0.5  # of the likeness of contexts, exp((r − 1) / T); chosen by leaving PBMC types out
CONTROL_TEMPERATURE, CONTROL_NUGGET = 0.05, 0.3  # the same of control means
DONOR = 0.1  # weight of what one donor's contexts share, in both; our choice
SIMILAR_GENES = 1_000  # genes of largest spread between contexts, by which contexts are compared
LEAST_SHIFT, MOST_SHIFT = 1e-3, 14.0  # of log μ: smaller is none, larger (from dust to the highest) is bounded
LEAST_TOTAL = 1e-3  # smallest share of the transcriptome after a shift


class Question(TypedDict):
    """What an `EffectFamily` is asked of one context."""

    rate: Float
    depths: Float
    arm: Arm
    features: Features
    own: int


@dataclass(frozen=True)
class EffectFamily:
    """The fitted effects of one experiment.

    genes : (gene,) index on the model's axis, of the genes that the experiment measured.
    contexts : indices on the model's list, of the contexts that have control cells here.
    profiles : (context, similar gene) control levels; similar : (similar gene,) index into `genes`.
    arms : what was done; row_context, row_arm : (row,) which group each treated row is.
    phi : (gene,) dispersion. level, rate : the two processes; rate None where only the treatment varies.
    precision : (row, row) (K + λ I)⁻¹ of the treated rows. trials : what leaving out each of them shows, for support.
    near : (context, context) K_c. A context may be one donor's cells of a type, then donors are part of it.
    """

    genes: Index
    contexts: tuple[int, ...]
    profiles: Float
    similar: Index
    arms: tuple[Arm, ...]
    row_context: Index
    row_arm: Index
    likeness: Likeness
    phi: Float
    level: Fit
    rate: Fit | None
    near: Float
    precision: Float
    trials: Trials = NO_TRIALS

    def kernel(self, alike: Float, arms: Sequence[Arm], features: Features, settings: Settings, own: int = -1) -> Float:
        """Return (ρ + K_c) ∘ K_A of one context's queries, (arm, treated row).

        alike : (context,) correlation of the asked context's profile with the family's. own : which of the
        family's contexts it is; −1: none.
        """
        near = self.near[own] if own >= 0 else np.exp((alike - 1.0) / TEMPERATURE)
        by_arm = self.likeness.kernel(arms, self.arms, features)
        return np.asarray((settings.common + near[self.row_context])[None, :] * by_arm[:, self.row_arm])

    def shifts(
        self,
        rate: Float,
        depths: Float,
        arms: Sequence[Arm],
        features: Features = NO_FEATURES,
        own: int = -1,
        *,
        share: float = EVEN,
    ) -> Float:
        """Return the shifts of log μ of one context under each arm, (arm, gene of the family).

        An arm that is like none of those measured, as that of no agent, shifts nothing.

        rate : (gene of the family,) the context's control rates per 10,000; NaN where it did not measure a gene.
        depths : a sample of its library sizes, or their quantiles.
        share : weight of the level scale, [0, 1], beside the rate scale where there is one.
        """
        mean = LogMean(depths)
        known = np.isfinite(rate)
        rate = np.where(known, rate, 1e-4)
        control = mean.forward(rate, self.phi)
        alike = self.likeness_to(control, known)
        kernel = self.kernel(alike, arms, features, LEVEL, own)
        level = self.level.treated(control, self.level.effect(kernel))
        if self.rate is not None:
            logs = self.rate.treated(np.log(rate), self.rate.effect(self.kernel(alike, arms, features, RATE, own)))
            level = share * level + (1.0 - share) * mean.forward(np.exp(logs), self.phi)
        shift = np.log(mean.inverse(level, self.phi) / rate)
        shift = np.clip(shift, -MOST_SHIFT, MOST_SHIFT)
        # a gene that is hardly there cannot be seen to fall: no shift from numerical dust
        shift[np.abs(level - control) < LEAST_SHIFT * np.maximum(control, LEAST_SHIFT)] = 0.0
        shift[~kernel.any(axis=1)] = 0.0  # nothing like it was measured: no saturation without an effect
        return np.where(known, shift, 0.0)

    def explained(self, rate: Float, depths: Float, arm: Arm, features: Features = NO_FEATURES, own: int = -1) -> float:
        """Return the share of an effect's prior variance that the measured groups explain, [0, 1].

        k^T (K + λ I)⁻¹ k / k(q, q), λ the median over genes of noise over signal (Rasmussen and Williams, eq. 2.26).
        """
        k, itself = self._asked(rate, depths, arm, features, own)
        return float(np.clip(k @ self.precision @ k / max(itself, 1e-12), 0.0, 1.0))

    def evidence(self, rate: Float, depths: Float, arm: Arm, features: Features = NO_FEATURES, own: int = -1) -> float:
        """Return how far an effect is on the safe side of none (`twin.model.trials`); −∞: it is like none measured.

        Judged by the groups of the same treatment that were left out where there are two or more, else by all, as
        their treatments are alike. NaN: none could be left out.
        """
        k, itself = self._asked(rate, depths, arm, features, own)
        if not k.any():
            return -np.inf
        here = self.row_context == own
        same = np.array([a.key == arm.key for a in self.arms], np.bool_)[self.row_arm]
        if same.sum() == 1 and (same & here).any():
            return self.trials.measured(k, int(np.flatnonzero(same)[0])) if len(self.trials.noise) else float("nan")
        weight = same.astype(np.float64)
        if same.sum() < 2:
            weight = self.likeness.kernel([arm], self.arms, features)[0, self.row_arm]
        kind = TREATMENT if not same.any() else GROUP if here.any() else CONTEXT
        return self.trials.evidence(k, weight, kind, itself - float(k @ self.precision @ k))

    def _asked(self, rate: Float, depths: Float, arm: Arm, features: Features, own: int) -> tuple[Float, float]:
        """Return the kernel of one question, (treated row,), and its own variance."""
        known = np.isfinite(rate)
        control = LogMean(depths).forward(np.where(known, rate, 1e-4), self.phi)
        k = self.kernel(self.likeness_to(control, known), [arm], features, LEVEL, own)[0]
        itself = LEVEL.common + (self.near[own, own] if own >= 0 else 1.0 + NUGGET)
        return k, float(itself * self.likeness.kernel([arm], [arm], features)[0, 0])

    def moved(self, genes: Index, contexts: Mapping[int, int]) -> "EffectFamily":
        """Return the family on another axis: genes (new gene,) index on the old one; contexts: old to new index."""
        place = np.full(max(int(self.genes.max(initial=0)), int(genes.max(initial=0))) + 1, -1)
        place[genes] = np.arange(len(genes))
        kept = np.flatnonzero(place[self.genes] >= 0)
        within = np.full(len(self.genes), -1)
        within[kept] = np.arange(len(kept))
        similar = within[self.similar]

        def cut(process: Fit) -> Fit:
            return Fit(
                process.settings,
                process.centre[kept],
                process.weight[:, kept],
                process.control[:, kept],
                process.signal[kept],
            )

        return replace(
            self,
            genes=place[self.genes[kept]],
            contexts=tuple(contexts.get(c, -1) for c in self.contexts),
            profiles=self.profiles[:, similar >= 0],
            similar=similar[similar >= 0],
            phi=self.phi[kept],
            level=cut(self.level),
            rate=None if self.rate is None else cut(self.rate),
        )

    def likeness_to(self, control: Float, known: NDArray[np.bool_]) -> Float:
        """Return Pearson correlations of control levels with the family's contexts, (context,)."""
        at = self.similar[known[self.similar]]
        if len(at) < 3:
            return np.full(len(self.contexts), 0.0)
        x = control[at] - control[at].mean()
        profiles = self.profiles[:, known[self.similar]]
        y = profiles - profiles.mean(axis=1, keepdims=True)
        size = np.linalg.norm(y, axis=1) * np.linalg.norm(x)
        return np.asarray((y @ x) / np.maximum(size, 1e-12))


@dataclass(frozen=True)
class Group:
    """One group of cells of a family: which context and arm (−1: control) it is, and its sums over the axis' genes.

    samples : the sums of each of its donors, by index, where its context's controls are of others than those treated.
    """

    context: int
    arm: int
    sums: Summary
    donor: int = -1
    samples: tuple[tuple[int, Summary], ...] = ()


def fit_family(
    groups: Sequence[Group], arms: Sequence[Arm], depths: Sequence[Float], features: Features = NO_FEATURES
) -> tuple[EffectFamily, Float]:
    """Fit the effects of one experiment.

    Parameters
    ----------
    groups : its groups; contexts without a control group must not be among them.
        Groups of one donor each make donors part of the context.
    depths : per context and donor of `groups`, in order of first appearance, its control cells' library sizes.

    Returns
    -------
    family, and the contexts' denoised control rates per 10,000, (context, gene of the family).
    """
    units = tuple(dict.fromkeys((g.context, g.donor) for g in groups))
    place = {unit: i for i, unit in enumerate(units)}
    context = np.array([place[g.context, g.donor] for g in groups], dtype=np.intp)
    arm = np.array([g.arm for g in groups], dtype=np.intp)
    control = arm < 0
    genes = np.flatnonzero(sum((g.sums.n for g in groups), np.zeros_like(groups[0].sums.n)) > 0)
    sums = [_at(g.sums, genes) for g in groups]
    phi = dispersion(sums)
    level_mean, level_variance = levels(sums)
    level_variance = level_variance + _between(groups, genes, levels)
    everywhere = np.all([g.n > 0 for g, c in zip(sums, control, strict=True) if c], axis=0)
    comparable = np.flatnonzero(everywhere) if everywhere.sum() > 2 else np.arange(len(genes))
    spread = level_mean[np.ix_(control, comparable)].var(axis=0)
    similar = np.sort(comparable[np.argsort(-spread, kind="stable")[:SIMILAR_GENES]])
    profiles = np.stack([level_mean[control & (context == i)].mean(axis=0)[similar] for i in range(len(units))])
    near, alike = _context_kernels(units, profiles)
    row_context, row_arm = context[~control], arm[~control]
    level = Groups(level_mean, level_variance, context, arm)
    likeness = chosen_likeness(level, near, row_context, row_arm, arms, features)
    near = near + (own_nugget(level, similar, near, likeness, arms, features) - NUGGET) * np.eye(len(units))
    by_arm = likeness.kernel(arms, arms, features)[np.ix_(row_arm, row_arm)]

    def kernel(settings: Settings) -> Float:
        return np.asarray((settings.common + near[np.ix_(row_context, row_context)]) * by_arm)

    settings = stretched(level, similar, kernel(LEVEL)) if len(units) == 1 else LEVEL
    level_fit = fit(level, alike, kernel(LEVEL), settings)
    rate_fit = None
    course = all(is_course(a) for a in arms)
    if len(units) > 1 or course:
        rate_mean, rate_variance = rates(sums, control, phi)
        rate_variance = rate_variance + _between(
            groups, genes, lambda parts: rates(parts, np.ones(len(parts), np.bool_), phi)
        )
        rate = Groups(rate_mean, rate_variance, context, arm)
        if len(units) > 1 or even_is_better(level, rate, kernel, settings, LogMean(depths[0]), phi):
            rate_fit = fit(rate, alike, kernel(RATE), RATE)
    controls = []
    for i in range(len(units)):
        mean = LogMean(depths[i])
        control_level = level_fit.control[i]
        if rate_fit is not None and len(units) > 1:  # as the treated levels; of a course the reference is measured
            control_level = EVEN * control_level + (1.0 - EVEN) * mean.forward(np.exp(rate_fit.control[i]), phi)
        controls.append(mean.inverse(control_level, phi))
    treated_variance = level_variance[~control]
    noise = np.median(treated_variance / level_fit.signal, axis=1) if len(row_arm) else np.zeros(0)
    precision = np.asarray(np.linalg.inv(kernel(LEVEL) + np.diag(noise)) if len(row_arm) else np.zeros((0, 0)))
    donors = np.array([donor for _, donor in units], dtype=np.intp)
    left = donors[row_context] if (donors >= 0).any() else row_context  # a donor is left out with all contexts
    trials = tried(
        level, kernel(LEVEL), precision, level_fit.signal, level_fit.weight, (_together(groups), row_arm, left)
    )
    family = EffectFamily(
        genes,
        tuple(context for context, _ in units),
        profiles,
        similar,
        tuple(arms),
        row_context,
        row_arm,
        likeness,
        phi,
        level_fit,
        rate_fit,
        near,
        precision,
        trials,
    )
    return family, np.stack(controls)


def _between(groups: Sequence[Group], genes: Index, scale: Callable[[Sequence[Summary]], tuple[Float, Float]]) -> Float:
    """Return what differences between samples add to the variance of each group's mean, (group, gene)."""
    out = np.zeros((len(groups), len(genes)))
    some = [i for i, g in enumerate(groups) if g.samples]
    if some:
        parts = [(i, donor, _at(sums, genes)) for i, at in enumerate(some) for donor, sums in groups[at].samples]
        sums = [part for _, _, part in parts]
        group, name = (np.array([part[k] for part in parts], dtype=np.intp) for k in (0, 1))
        cells = np.array([float(s.n.max(initial=0.0)) for s in sums])
        out[some] = Samples(*scale(sums), cells, group, name).between()
    return out


def _together(groups: Sequence[Group]) -> Index:
    """Return what is left out with each treated group, (treated group,): those with cells of the same samples.

    Cells of one animal agree with each other in whatever is its own; that is no sign that another animal would.
    """
    treated = [g for g in groups if g.arm >= 0]
    samples = [{donor for donor, _ in g.samples} for g in treated]
    out = np.arange(len(treated), dtype=np.intp)
    for i, mine in enumerate(samples):
        for j in range(i):
            if mine & samples[j]:
                out[out == out[i]] = out[j]
    return out


def whole(share: Float, shift: Float) -> float:
    """Return the whole transcriptome after a shift of log μ, as a share of that before it.

    share : (gene,) of each gene before; what is not among them stays as it is.
    """
    return max(float((share * np.expm1(shift)).sum()) + 1.0, LEAST_TOTAL)


def _context_kernels(units: Sequence[tuple[int, int]], profiles: Float) -> tuple[Float, Float]:
    """Return K_c of effects and K_a of control means, (unit, unit) each; a unit is (context, donor).

    Contexts are compared by their mean profiles over donors; cells of one donor, and of one context, share more.
    """
    kind = np.array([context for context, _ in units])
    donor = np.array([d for _, d in units])
    kinds = list(dict.fromkeys(kind.tolist()))
    means = np.stack([profiles[kind == k].mean(axis=0) for k in kinds])
    correlation = np.nan_to_num(np.corrcoef(means), nan=0.0) if len(kinds) > 1 else np.ones((1, 1))
    at = np.array([kinds.index(k) for k in kind])
    r = correlation[np.ix_(at, at)]
    same_kind, unit = (at[:, None] == at[None, :]).astype(np.float64), np.eye(len(units))
    near = np.exp((r - 1.0) / TEMPERATURE) + NUGGET * same_kind
    alike = np.exp((r - 1.0) / CONTROL_TEMPERATURE) + CONTROL_NUGGET * same_kind
    if (donor >= 0).any():
        same_donor = (donor[:, None] == donor[None, :]).astype(np.float64)
        near += DONOR * same_donor + 0.5 * DONOR * unit
        alike += DONOR * same_donor + DONOR * unit
    return near, alike


def _at(sums: Summary, genes: Index) -> Summary:
    return replace(sums, **{key: value[genes] for key, value in vars(sums).items()})
