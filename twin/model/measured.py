"""From an experiment's cells to what was measured: rates of each context, and effect families."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.data.arms import Arm
from twin.data.experiment import Experiment
from twin.model.effects import EffectFamily, Group, fit_family
from twin.model.groups import Summary, are_apart, dispersion, summarise
from twin.model.likeness import NO_FEATURES, Features
from twin.model.network import DEPTH_QUANTILES, NOT_MEASURED
from twin.model.treatments import Treatment

Float = NDArray[np.float64]
Index = NDArray[np.intp]

LEAST_CONTROL, LEAST_TREATED = 3, 3  # cells of a group; a well of bulk is a group of its own
USUAL_BETWEEN = 0.3  # squared coefficient of variation of a gene's rate between contexts of an experiment; our choice
BETWEEN_COUNTS = 20.0  # counts' worth of weight that the usual variation has; our choice
BETWEEN_BOUNDS = (1e-3, 20.0)
LOWEST = -20.0  # log rate of a measured gene that was never seen
DEPTH_BORROWED = 5  # cells below which a context's library sizes are those of its files; our choice


@dataclass(frozen=True)
class Measured:
    """What tables the network starts from.

    log_rate : (context, gene) log shares among controls, `NOT_MEASURED` where unknown. log_rest : (context,).
    depth_law : (context, DEPTH_QUANTILES) quantiles of the log library size.
    assay : (context,) the experiment that each context comes from. families, treatments : effects.
    """

    assay: Index
    log_rate: Float
    log_rest: Float
    depth_law: Float
    families: tuple[EffectFamily, ...]
    treatments: tuple[tuple[Arm, int], ...]


def measure(
    data: Experiment, features: Features = NO_FEATURES, on_family: Callable[[str], None] | None = None
) -> Measured:
    """Measure every context's control rates and, by experiment, what the treatments do.

    Contexts without control cells take their treated ones for the rates, and have no effects.
    """
    n_contexts, n_genes = len(data.contexts), len(data.genes)
    log_rate = np.full((n_contexts, n_genes), NOT_MEASURED)
    log_rest = np.full(n_contexts, NOT_MEASURED)
    law = depth_law(data)
    families, treatments = [], []
    assay = np.zeros(n_contexts, np.intp)
    for number_of_assay, contexts in enumerate(related(data)):
        assay[contexts] = number_of_assay
        rates = _control_rates(data, contexts)
        treated = sorted({int(a) for a in data.arm[np.isin(data.context, contexts)] if a >= 0})
        if treated:
            groups, depths, by_donor = _groups(data, contexts, treated)
            if groups and any(g.arm >= 0 for g in groups):
                if on_family is not None:
                    on_family(
                        ", ".join(dict.fromkeys(data.contexts[c].tissue or data.contexts[c].name for c in contexts))
                    )
                used = sorted({g.arm for g in groups if g.arm >= 0})
                number = {a: i for i, a in enumerate(used)}
                local = [Group(g.context, number.get(g.arm, -1), g.sums, g.donor) for g in groups]
                arms = [data.arms[a] for a in used]
                family, denoised = fit_family(local, arms, depths, features)
                families.append(family)
                treatments += [(arm, len(families) - 1) for arm in arms]
                if not by_donor:
                    for context, rate in zip(family.contexts, denoised, strict=True):
                        _take(rates[context], family.genes, rate)
        for context, rate in rates.items():
            whole = min(float(rate.sum()), 1.0)
            known = rate > 0
            log_rate[context, known] = np.maximum(np.log(rate[known]), LOWEST)
            log_rest[context] = max(np.log(max(1.0 - whole, 1e-13)), NOT_MEASURED)
    return Measured(assay, log_rate, log_rest, law, tuple(families), tuple(treatments))


def related(data: Experiment) -> list[list[int]]:
    """Return the contexts by experiment: those whose files are the same, or overlap."""
    group = list(range(len(data.sources)))

    def root(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for context in data.contexts:
        for file in context.files[1:]:
            group[root(file)] = root(context.files[0])
    found: dict[int, list[int]] = {}
    for i, context in enumerate(data.contexts):
        found.setdefault(root(context.files[0]), []).append(i)
    return list(found.values())


def depth_law(data: Experiment) -> Float:
    """Return quantiles of the log library size of each context's control cells, (context, DEPTH_QUANTILES)."""
    out = np.zeros((len(data.contexts), DEPTH_QUANTILES))
    for c, context in enumerate(data.contexts):
        mine = data.context == c
        rows = mine & (data.arm < 0) if (mine & (data.arm < 0)).sum() >= DEPTH_BORROWED else mine
        if rows.sum() < DEPTH_BORROWED:
            rows = np.isin(data.file, context.files)
        logs = np.log(np.maximum(data.depth[rows], 1.0))
        out[c] = np.quantile(logs, np.linspace(0, 1, DEPTH_QUANTILES))
    return out


def _control_rates(data: Experiment, contexts: Sequence[int]) -> dict[int, Float]:
    """Return smoothed shares of the transcriptome among each context's controls, (gene,); 0 where not measured.

    A gene's rates are drawn from a gamma law about the rate of the experiment's pool, as wide as the gene is found to
    vary between its contexts: a marker of one type keeps its own counts, a gene that no type differs in takes the
    pool's, and one that is unseen in a small context still has a rate.
    """
    sums = {c: _sums(data, (data.context == c) & (data.arm < 0)) or _sums(data, data.context == c) for c in contexts}
    there = {c: s for c, s in sums.items() if s is not None}
    total = sum((s.total for s in there.values()), np.zeros(len(data.genes)))
    exposure = sum((s.depth for s in there.values()), np.zeros(len(data.genes)))
    pooled = (total + 0.5 / len(total)) / np.maximum(exposure, 1.0)
    phi = dispersion(list(there.values()))
    excess = {c: 1.0 + phi * pooled * s.depth_square / np.maximum(s.depth, 1.0) for c, s in there.items()}
    between = _between(list(there.values()), pooled, list(excess.values()))
    out = {}
    for c, s in there.items():
        borrowed = excess[c] / between  # counts
        rate = (s.total + borrowed) / (s.depth + borrowed / pooled)
        out[c] = np.where(s.n > 0, rate, 0.0)
    return out


def _between(groups: Sequence[Summary], pooled: Float, excess: Sequence[Float]) -> Float:
    """Return the squared coefficient of variation of each gene's rate between contexts, by moments, (gene,).

    Shrunk towards `USUAL_BETWEEN` by the weight of `BETWEEN_COUNTS` counts.

    Parameters
    ----------
    excess : (gene,) each: how many times as large as a Poisson count's the variance of a context's sum is.
    """
    found, weight = np.zeros_like(pooled), np.zeros_like(pooled)
    for s, times in zip(groups, excess, strict=True):
        expected = s.depth * pooled  # counts
        known = expected > 0
        square = np.where(known, (s.total - expected) ** 2 / np.maximum(expected, 1e-300), 0.0)
        found += square / times - known
        weight += expected / times
    return np.asarray(
        np.clip((np.maximum(found, 0.0) + BETWEEN_COUNTS * USUAL_BETWEEN) / (weight + BETWEEN_COUNTS), *BETWEEN_BOUNDS)
    )


def _take(rate: Float, genes: Index, denoised: Float) -> None:
    """Put denoised rates (per 10,000) in place, keeping the share of the transcriptome that the genes hold."""
    measured = rate[genes] > 0
    at = genes[measured]
    new = denoised[measured] / 1e4
    rate[at] = new * (rate[at].sum() / new.sum())


def _sums(data: Experiment, mask: NDArray[np.bool_]) -> Summary | None:
    rows = np.flatnonzero(mask)
    if len(rows) == 0:
        return None
    files = np.unique(data.file[rows])
    if len(files) == 1:
        return summarise(data.counts[rows], data.measured[files[0]], data.depth[rows])
    parts = [
        summarise(data.counts[rows[data.file[rows] == f]], data.measured[f], data.depth[rows[data.file[rows] == f]])
        for f in files
    ]
    return Summary(**{key: sum(getattr(p, key) for p in parts) for key in vars(parts[0])})


def _groups(data: Experiment, contexts: Sequence[int], arms: Sequence[int]) -> tuple[list[Group], list[Float], bool]:
    """Return an experiment's groups, library sizes of their contexts' controls, and whether donors are told apart.

    Donors are part of the context where nothing else varies: one context, several donors with both arms.
    """
    here = np.isin(data.context, contexts)
    wells = here.sum() < LEAST_TREATED * 2 * (len(arms) + 1)
    least_control, least_treated = (1, 1) if wells else (LEAST_CONTROL, LEAST_TREATED)
    donors = [-1]
    if len(contexts) == 1:
        both = set(data.donor[here & (data.arm < 0)].tolist()) & set(data.donor[here & (data.arm >= 0)].tolist())
        if len(both) > 1:
            donors = sorted(both)
    groups: list[Group] = []
    depths: list[Float] = []
    for c in contexts:
        for donor in donors:
            mine = (data.context == c) & ((data.donor == donor) if donor >= 0 else True)
            of = {-1: mine & (data.arm < 0)} | {a: mine & (data.arm == a) for a in arms}
            if of[-1].sum() < least_control:
                continue
            depths.append(data.depth[of[-1]])
            of = {a: rows for a, rows in of.items() if a < 0 or rows.sum() >= least_treated}
            apart = are_apart([data.donor[rows] for rows in of.values()])
            for a, rows in of.items():
                sums = _sums(data, rows)
                assert sums is not None, "a group has cells"
                groups.append(Group(c, a, sums, donor, _samples(data, rows) if apart else ()))
    return groups, depths, len(donors) > 1


def _samples(data: Experiment, mask: NDArray[np.bool_]) -> tuple[tuple[int, Summary], ...]:
    """Return the sums of each donor's cells."""
    parts = ((d, _sums(data, mask & (data.donor == d))) for d in np.unique(data.donor[mask]).tolist())
    return tuple((d, sums) for d, sums in parts if sums is not None)


def treatments_of(treatments: Sequence[tuple[Arm, int]], names: Sequence[str]) -> tuple[Treatment, ...]:
    """Return the treatments with the indices of their agents among the model's perturbations."""
    place = {name: i for i, name in enumerate(names)}
    return tuple(Treatment(arm, family, tuple(place[a.name] for a in arm.agents)) for arm, family in treatments)
