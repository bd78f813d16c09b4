"""Our model as a predictor of the protocol: kriged effects, and the start cells moved by them through a network."""

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from twin.analysis.protocol.arrangement import REFERENCE, Arrangement, arranged
from twin.analysis.protocol.bases import Bases
from twin.analysis.protocol.task import Float, Prediction, Task, library_sizes
from twin.data.contexts import Context
from twin.data.substances import DEFAULT_EC50_SHARE
from twin.kernels.random import Streams
from twin.model.aimed import CELL_SHARE, aimed, pseudobulk
from twin.model.contract import HALF_LIFE, Condition, Perturbation
from twin.model.effects import EffectFamily, Group, fit_family
from twin.model.groups import are_apart, summarise
from twin.model.kriging import LEVEL
from twin.model.likeness import NO_FEATURES, Features
from twin.model.logmean import LogMean
from twin.model.masked import Knowledge, MaskedDiffusion, ModelCard
from twin.model.network import DEPTH_QUANTILES, NOT_MEASURED, LatentNetwork
from twin.model.treatments import Treatment
from twin.model.trials import probability
from twin.model.tuning import EVEN

Index = NDArray[np.intp]

OWN_SHARE = 0.72  # of the start cells' own mean in the control level that a prediction stands on; see `Recipe`
MOST_WORK = 3e9  # groups³ × genes; above it only the scored genes are kriged for a pseudobulk; our choice
LEAST_CELLS = 20  # controls of a family; with fewer there is no network to train, and no cells are predicted
DEEPEST = 1e6  # median library size; above it they are bulk, which is no cell to move
LEAST_LEFT_OUT = 3  # contexts or donors to leave out, one by one, for the size of effects; our choice
LEAST_PAIR = 8  # cells an arm of one that is left out; our choice
INFLATION_BOUNDS = (1.0, 2.0)  # our choice


@dataclass(frozen=True)
class Fitted:
    """The effects of one task, measured on its visible cells.

    genes : (gene,) columns of the task that were kriged. rates : (unit, gene) denoised control rates per 10,000.
    depths : per unit its reference cells' library sizes. weight : (unit,) start cells.
    """

    groups: Arrangement
    genes: Index
    family: EffectFamily
    rates: Float
    depths: tuple[Float, ...]
    weight: Float
    features: Features

    def expected(self, share: float = EVEN) -> tuple[Float, Float, float]:
        """Return the treated and the control level expected of the start cells, (gene,) each, and the support.

        share : weight of the level scale (`EffectFamily.shifts`).
        """
        treated, control = np.zeros(len(self.genes)), np.zeros(len(self.genes))
        support, phi, at = 0.0, self.family.phi, self.family.genes
        for u in np.flatnonzero(self.weight).tolist():
            rate, depth = self.rates[u], self.depths[u]
            part = self.weight[u] / self.weight.sum()
            mean = LogMean(depth)
            treated[at] += part * mean.forward(rate * np.exp(self.shift(u, share)), phi)
            control[at] += part * mean.forward(rate, phi)
            evidence = self.family.evidence(rate, depth, self.groups.asked, self.features, own=u)
            support += float(part * probability(np.array(evidence)))
        return treated, control, support

    def untreated(self) -> float:
        """Return how much of the asked level stands on the start cells' own control level, [0, 1].

        1 less the weights of the measured treated groups of the own unit: 1 where it was never seen treated, nearly 0
        where it was seen well under what is asked, or at doses on either side, and between a course's reference and a
        later time the share of the way that is left.
        """
        family, left = self.family, 0.0
        for u in np.flatnonzero(self.weight).tolist():
            k = family.kernel(np.zeros(len(family.near)), [self.groups.asked], self.features, LEVEL, own=u)[0]
            weight = float((family.precision @ k)[family.row_context == u].sum())
            left += float(self.weight[u] / self.weight.sum()) * min(max(1.0 - weight, 0.0), 1.0)
        return left

    def shift(self, unit: int, share: float = EVEN) -> Float:
        """Return the asked shift of log μ in a unit, (gene of the family,)."""
        rate, depths, asked = self.rates[unit], self.depths[unit], [self.groups.asked]
        return np.asarray(self.family.shifts(rate, depths, asked, self.features, own=unit, share=share)[0])


def fitted(task: Task, features: Features = NO_FEATURES, genes: Index | None = None) -> Fitted:
    """Return the effects that a task's visible cells show, on some of its genes; None: all."""
    found = arranged(task)
    columns = np.arange(task.counts.shape[1], dtype=np.intp) if genes is None else genes
    counts = task.counts if genes is None else task.counts[:, genes]
    everywhere = np.ones(len(columns), np.bool_)
    contexts = list(dict.fromkeys(context for context, _ in found.units))
    donors = list(dict.fromkeys(donor for _, donor in found.units if donor))
    label = np.unique(task.column("donor"), return_inverse=True)[1]
    groups: list[Group] = []
    depths = []
    for u, (context, donor) in enumerate(found.units):
        c, d = contexts.index(context), donors.index(donor) if donor else -1
        arms = {arm: rows for arm in (REFERENCE, *range(len(found.arms))) if len(rows := found.rows(u, arm))}
        apart = are_apart([label[rows] for rows in arms.values()])
        for arm, rows in arms.items():
            kinds = np.unique(label[rows]).tolist() if apart else []
            parts = [rows[label[rows] == kind] for kind in kinds]
            sums, *samples = (summarise(counts[r], everywhere, task.totals[r]) for r in (rows, *parts))
            groups.append(Group(c, arm, sums, d, tuple(zip(kinds, samples, strict=True))))
        depths.append(task.totals[found.rows(u, REFERENCE)])
    family, rates = fit_family(groups, found.arms, depths, features)
    weight = np.bincount(found.unit[task.start], minlength=len(found.units)).astype(np.float64)
    family = replace(family, contexts=tuple(range(len(found.units))))
    return Fitted(found, columns, family, rates, tuple(depths), weight, features)


@dataclass
class Recipe:
    """Our model, fitted to each task's visible cells.

    A treated level is the control level and the effect. The control level of few cells is known from their own mean,
    which is what their change is measured against and holds their sampling noise, and from the fit, which is nearer to
    other cells of their kind. By the fit alone the level is nearest to the truth (mean squared error); by the own mean
    alone the change is (correlation without shared noise). `OWN_SHARE` lies where the sum of the correlations with and
    without shared noise is largest, leaving PBMC donors out (0.70 to 0.74 without any one of the donors). Where the
    start cells' own unit was seen treated, the treated level is measured and stands on no control. Cells that are moved
    stay the very cells: theirs is the own mean. Their effects are as large, all together, as effects are (`inflation`),
    and stand more on the scale on which counts multiply: leaving PBMC types out, moved cells agree better with the
    treated ones in what is differentially expressed (overlap of the largest changes 0.552, 0.559, 0.565, 0.566, area
    under the precision-recall curve 0.635, 0.659, 0.658, 0.652 and squared error 0.0172, 0.0142, 0.0136, 0.0133 for
    shares 0, 0.25, 0.35, 0.5 of the level scale).

    features : vectors of prior knowledge, by which a gene never perturbed is told.
    bases : the networks that move cells; None: only what is expected is predicted, no cells.
    """

    features: Features = NO_FEATURES
    bases: Bases | None = None
    _last: tuple[str, Fitted] | None = field(default=None, repr=False)
    _inflation: tuple[str, float] | None = field(default=None, repr=False)

    def __call__(self, task: Task) -> Prediction:
        """Return what is expected of the start cells; with `bases` these very cells, moved, and their mean."""
        if self.bases is not None:
            moved = self._moved(task, self.bases)
            if moved is not None:
                return moved
        fit = self._fitted(task, whole=False)
        treated, control, support = fit.expected()
        place = {int(g): i for i, g in enumerate(fit.genes)}
        at = np.array([place[int(g)] for g in task.scored], dtype=np.intp)
        own = OWN_SHARE * fit.untreated() * (task.means(task.start) - control[at])
        return Prediction(np.maximum(treated[at] + own, 0.0), support=support, control=control[at] + own)

    def _fitted(self, task: Task, *, whole: bool) -> Fitted:
        found = arranged(task)
        groups = len({(u, a) for u, a in zip(found.unit.tolist(), found.arm.tolist(), strict=True) if u >= 0})
        some = not whole and groups**3 * task.counts.shape[1] > MOST_WORK
        key = f"{some} {_visible(task)}"
        if self._last is None or self._last[0] != key:
            self._last = key, fitted(task, self.features, task.scored if some else None)
        weight = np.bincount(found.unit[task.start], minlength=len(found.units)).astype(np.float64)
        return replace(self._last[1], groups=found, weight=weight)

    def _stretch(self, task: Task, found: Arrangement) -> float:
        own = sorted(set(task.column("donor" if found.by_donor else "context")[task.start].tolist()))
        key = f"{own} {_visible(task)}"
        if self._inflation is None or self._inflation[0] != key:
            self._inflation = key, inflation(task, found, self.features)
        return self._inflation[1]

    def _moved(self, task: Task, bases: Bases) -> Prediction | None:
        found = arranged(task)
        reference = (found.arm == REFERENCE) & (found.unit >= 0)
        if reference.sum() < LEAST_CELLS or np.median(task.totals[reference]) > DEEPEST:
            return None
        fit = self._fitted(task, whole=True)
        contexts = list(dict.fromkeys(context for context, _ in found.units))
        of_unit = np.array([contexts.index(context) for context, _ in found.units], dtype=np.intp)
        rows = np.flatnonzero(reference)
        base = bases.base(
            task.counts[rows], task.totals[rows], task.genes, contexts, of_unit[found.unit[rows]], task.seed
        )
        model = assembled(base, fit, of_unit, task)
        treated, control, support = fit.expected(CELL_SHARE)
        rise = np.zeros(len(task.genes))
        rise[fit.genes] = self._stretch(task, found) * (treated - control)
        cells, sizes = moved(model, task, found, rise)
        mean = pseudobulk(cells, sizes)[task.scored]
        return Prediction(mean, cells, sizes, support)


def assembled(base: MaskedDiffusion, fit: Fitted, of_unit: Index, task: Task) -> MaskedDiffusion:
    """Return a world model with the weights of `base` and a fold's own rates and effects; its contexts are the units.

    of_unit : (unit,) index of each unit's context among those of `base`.
    """
    n_units, asked = len(fit.groups.units), fit.groups.asked
    net = LatentNetwork(base.net.config.model_copy(update={"n_contexts": n_units}))
    where = torch.from_numpy(of_unit.astype(np.int64))
    state = dict(base.net.state_dict())
    for key in ("prior_mean", "prior_root", "log_gain", "assay"):
        state[key] = state[key][where]
    share = np.array([_on_axis(task, fit.groups.rows(u, REFERENCE)) for u in range(n_units)])
    log_rate = np.full((n_units, len(task.genes)), NOT_MEASURED)
    rates = fit.rates / fit.rates.sum(axis=1, keepdims=True) * share[:, None]
    log_rate[:, fit.genes[fit.family.genes]] = np.log(np.maximum(rates, np.exp(NOT_MEASURED / 2 + 1)))
    state["log_rate"] = torch.from_numpy(log_rate).float()
    state["log_rest"] = torch.from_numpy(np.log(np.maximum(1.0 - share, np.exp(NOT_MEASURED)))).float()
    grid = np.linspace(0, 1, DEPTH_QUANTILES)
    law = np.stack([np.quantile(np.log(np.maximum(d, 1.0)), grid) for d in fit.depths])
    state["depth_law"] = torch.from_numpy(law).float()
    net.load_state_dict(state, strict=False)
    dose = asked.agents[0].dose
    perturbation = Perturbation(
        asked.name, asked.agents[0].kind, dose, "asked", DEFAULT_EC50_SHARE * dose, 1.0, (asked.time,), {}
    )
    knowledge = Knowledge(
        tuple(task.genes),
        tuple(Context(" ".join(filter(None, unit)), unit[0], "", "", "", (0,)) for unit in fit.groups.units),
        np.full(n_units, 1.0 / n_units),
        (perturbation,),
        (fit.family,),
        (Treatment(asked, 0, (0,)),),
        np.full(len(task.genes), HALF_LIFE),
        fit.features,
    )
    return MaskedDiffusion(net, knowledge, ModelCard("recipe"))


def inflation(task: Task, found: Arrangement, features: Features) -> float:
    """Return by how much expected effects have to be stretched to be as large, all together, as effects are.

    An expectation is smaller than what it is the expectation of. That is right for a pseudobulk, and wrong for cells of
    which one asks how many genes moved: √(Σ (d² − noise) / Σ e²) over the scored genes of the visible contexts (or
    donors), each left out in turn; d its measured, e its expected effect. 1 with fewer than three.

    Source
    ------
    Louis, J Am Stat Assoc 79:393 (1984); Ghosh, J Am Stat Assoc 87:533 (1992): constrained empirical Bayes.
    """
    context, label = task.column("context"), task.column("donor" if found.by_donor else "context")
    treated = task.is_asked() & task.visible & (found.unit >= 0)
    reference = (found.arm == REFERENCE) & (found.unit >= 0)
    own = set(label[task.start].tolist())
    others = [one for one in np.unique(label[treated & (found.arm >= 0)]).tolist() if one not in own]
    pairs = {
        one: [
            (reference & mine, treated & mine)
            for c in np.unique(context[label == one])
            if min((reference & (mine := (label == one) & (context == c))).sum(), (treated & mine).sum()) >= LEAST_PAIR
        ]
        for one in others
    }
    used = {one: found_pairs for one, found_pairs in pairs.items() if found_pairs}
    if len(used) < LEAST_LEFT_OUT:
        return 1.0
    size, expected = 0.0, 0.0
    for one, sides in used.items():
        keep = ~(treated & (label == one))
        shown = replace(task, start=np.any([before for before, _ in sides], axis=0)).take(keep)
        fit = fitted(shown, features, task.scored)
        for before, after in sides:
            weight = np.bincount(fit.groups.unit[before[keep]], minlength=len(fit.groups.units)).astype(np.float64)
            level, control, _ = replace(fit, weight=weight).expected(CELL_SHARE)
            c, t = task.logged[before], task.logged[after]
            size += float(
                ((t.mean(axis=0) - c.mean(axis=0)) ** 2 - t.var(axis=0) / len(t) - c.var(axis=0) / len(c)).sum()
            )
            expected += float(((level - control) ** 2).sum())
    return float(np.clip(np.sqrt(max(size, 0.0) / max(expected, 1e-12)), *INFLATION_BOUNDS))


def moved(model: MaskedDiffusion, task: Task, found: Arrangement, rise: Float) -> tuple[sp.csr_array, Float]:
    """Return the start cells under what is asked, as counts, and their library sizes (`twin.model.aimed`).

    rise : (gene,) expected change of the pseudobulk.
    """
    rows = np.flatnonzero(task.start)
    counts = sp.csr_array(task.counts[rows], dtype=np.int32)
    dose = model.perturbations[0].reference
    n = len(rows)
    condition = Condition(
        np.arange(n, dtype=np.uint64),
        found.unit[rows],
        np.maximum(task.totals[rows], 1.0),
        np.full((n, 1), dose if np.isfinite(dose) else 1.0),
        np.full((n, 1), np.nan),
        np.ones(n),
    )
    z = model.encode(counts, replace(condition, dose=np.zeros((n, 1))))
    effects, streams = model.effects(condition), Streams(task.seed, 0, 0)
    cells = aimed(model.decoder, counts, z, condition, effects, streams, rise)
    return cells, library_sizes(task, Prediction(np.zeros(0), cells))


def _on_axis(task: Task, rows: Index) -> float:
    """Return the share of some cells' library that lies on the task's genes."""
    return float(np.clip(task.counts[rows].sum() / max(task.totals[rows].sum(), 1.0), 1e-6, 1.0))


def _visible(task: Task) -> str:
    """Return a word for the cells that a task shows and what it asks."""
    return replace(task, name="", start=task.visible, truth=np.zeros_like(task.visible)).digest()
