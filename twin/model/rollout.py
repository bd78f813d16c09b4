"""A well-stirred culture through time: the law of a tissue run, without its space.

Cells are drawn, exposed and moved as `twin run` does it in a compartment whose medium is the same everywhere and is
not used up: the same streams, keyed by the same ids and ticks, so that the same seed gives the same cells the same
luck. `tests/model/test_rollout.py` holds both side by side.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import floor

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.substances import known_protein
from twin.errors import InputError, UnknownNameError
from twin.kernels.exposure import gate_receptor
from twin.kernels.random import Streams
from twin.model.condition import Condition, Counts, Float, clamp_of
from twin.model.contract import WorldModel

__all__ = ["Culture", "Moment", "draw_culture", "exposed", "receptors_of", "rollout", "take_culture", "twinned"]

Complexes = tuple[tuple[str, ...], ...]  # receptors, any of which will do, each the genes of its subunits

EC50_SPREAD = 0.5  # 1; as a scenario's `ec50_spread` without a word of its own
DETECTION = 1e-3  # counts per 10,000; as a scenario's `detection` of a receptor
BEGINS_AT = 0.01  # of the cell's own EC50; from this dose on it counts as exposed, as in the plugin `exposure`


@dataclass(frozen=True)
class Culture:
    """Cells in one medium: what they hold, who they are, and what is done to them.

    counts : (cell, gene). z : (cell, latent).
    """

    counts: Counts
    z: NDArray[np.float32]
    condition: Condition

    @property
    def n(self) -> int:
        """How many cells."""
        return self.condition.n

    def rows(self, rows: slice | NDArray[np.intp]) -> "Culture":
        """Return some of the cells."""
        return Culture(self.counts[rows], self.z[rows], self.condition.rows(rows))


@dataclass(frozen=True)
class Moment:
    """A culture at one time.

    hour : h since the roll-out began. counts : (cell, gene). z : (cell, latent).
    """

    hour: float
    counts: Counts
    z: NDArray[np.float32]


def draw_culture(
    model: WorldModel,
    context: str,
    n: int,
    *,
    first: int = 0,
    seed: int = 0,
    replicate: int = 0,
    ec50_spread: float = EC50_SPREAD,
) -> Culture:
    """Return untreated cells of a context that the model draws: those with the ids `first` … `first + n − 1`.

    ec50_spread : standard deviation of ln EC50 between cells.

    Raises
    ------
    UnknownNameError
        If the model does not know the context.
    """
    ids = np.arange(first, first + n, dtype=np.uint64)
    streams = Streams(seed, replicate, 0)
    where = np.full(n, _place(model, context))
    condition = _untreated(model, where, model.depths(where, ids, streams), ids, streams, ec50_spread)
    counts, z = model.sample(condition, streams)
    return Culture(counts, z, condition)


def take_culture(
    model: WorldModel,
    counts: Counts,
    context: str,
    *,
    seed: int = 0,
    replicate: int = 0,
    ec50_spread: float = EC50_SPREAD,
) -> Culture:
    """Return measured cells as a culture, with the ids 0, 1, …; the model reads from their counts who they are.

    counts : (cell, gene) on the model's axis; not modified. The same cell may stand in it more than once: its copies
    start alike, and each has its own luck.

    Raises
    ------
    UnknownNameError
        If the model does not know the context.
    """
    n = counts.shape[0]
    ids = np.arange(n, dtype=np.uint64)
    depth = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    where = np.full(n, _place(model, context))
    condition = _untreated(model, where, depth, ids, Streams(seed, replicate, 0), ec50_spread)
    return Culture(counts, model.encode(counts, condition), condition)


def exposed(
    model: WorldModel,
    culture: Culture,
    doses: Mapping[str, float],
    clamp: Mapping[str, float] | None = None,
    receptors: Mapping[str, Complexes] | None = None,
) -> Culture:
    """Return the culture with a medium that holds these doses, and with clamped genes; the cells are as they were.

    A dose reaches a cell as far as it has the receptor (`receptors_of`): a type that expresses it has it fully, times
    the clamp of its scarcest subunit. A perturbation without receptors, or whose receptors' genes the model lacks, is
    felt by every cell.

    Parameters
    ----------
    model : that moves them; it may know other perturbations than the one that drew them.
    doses : nM by perturbation; of one that was measured without a dose, anything above 0 is the measured effect.
    clamp : factor by gene on its expression, 0 = knocked out.
    receptors : by perturbation, instead of those of the table of substances; () for none.

    Raises
    ------
    UnknownNameError
        If the model does not know a perturbation or a gene.
    InputError
        If a dose or a factor is negative or not a number.
    """
    known = [p.name for p in model.perturbations]
    dose = np.zeros((culture.n, len(known)))
    factors = clamp or {}
    clamped = clamp_of(factors, model.genes, culture.n)
    for name, value in doses.items():
        if name not in known:
            raise UnknownNameError("perturbation of this model", name, known)
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"dose of {name}: {value} nM is no dose, it must be 0 or above")
        complexes = receptors_of(model, name) if receptors is None else receptors.get(name, ())
        dose[:, known.index(name)] = value * _competence(model, culture.condition, complexes, factors)
    condition = replace(culture.condition, dose=dose, time_since=np.full_like(dose, np.nan), clamp=clamped)
    return replace(culture, condition=condition)


def receptors_of(model: WorldModel, perturbation: str) -> Complexes:
    """Return the receptors of a cytokine by the table of substances, as far as the model has their genes; else ()."""
    known = known_protein(perturbation)
    genes = set(model.genes)
    return () if known is None else tuple(whole for whole in known.receptors if genes.issuperset(whole))


def twinned(culture: Culture) -> Culture:
    """Return the culture and, below it, the same cells again with nothing done to them: (2 × cell) rows.

    The twins have the ids of the cells, so that both have the same luck: what differs later is the treatment's doing.
    """
    c = culture.condition
    free = None if c.clamp is None else sp.vstack([c.clamp, sp.csr_array(c.clamp.shape)], format="csr")
    both = replace(
        c.rows(np.tile(np.arange(c.n), 2)),
        dose=np.concatenate([c.dose, np.zeros_like(c.dose)]),
        clamp=free,
    )
    return Culture(sp.vstack([culture.counts] * 2, format="csr"), np.tile(culture.z, (2, 1)), both)


def rollout(
    model: WorldModel,
    culture: Culture,
    *,
    hours: float,
    step: float = 1.0,
    kappa: float | None = None,
    seed: int = 0,
    replicate: int = 0,
) -> Iterator[Moment]:
    """Yield the culture at each step after the start, to the last that is not after `hours`.

    The exposure begins at the start; the doses stay. A culture to which nothing is done still lives: its messages turn
    over and its cells drift, so that it is a twin (`twinned`) that an effect is read against.

    Parameters
    ----------
    hours, step : h.
    kappa : scale of the messages' turnover; None: the model's.
    seed, replicate : as of a run.

    Raises
    ------
    InputError
        If a time is not above 0.
    """
    if not (np.isfinite(hours) and hours > 0 and np.isfinite(step) and 0 < step <= hours):
        raise InputError(f"a roll-out of {hours:g} h in steps of {step:g} h: both must be above 0, a step within it")
    scale = model.kappa() if kappa is None else kappa
    counts, z, whole = culture.counts, culture.z, culture.condition
    begun = _begun(model, whole)
    for tick in range(floor(hours / step + 1e-9)):
        since = np.where(begun, (tick + 1) * step, np.nan)
        counts, z = model.transition(
            counts, z, replace(whole, time_since=since), step, scale, Streams(seed, replicate, tick)
        )
        yield Moment((tick + 1) * step, counts, z)


def _begun(model: WorldModel, condition: Condition) -> NDArray[np.bool_]:
    """Return which exposures count as begun, (cell, perturbation)."""
    ec50 = np.array([p.ec50 for p in model.perturbations], dtype=np.float64)
    least = BEGINS_AT * np.where(np.isfinite(ec50), ec50, 0.0) * condition.ec50_factor[:, None]
    return np.asarray(condition.dose > least)


def _place(model: WorldModel, context: str) -> int:
    if context not in model.contexts:
        raise UnknownNameError("cell type of this model", context, model.contexts)
    return model.contexts.index(context)


def _untreated(
    model: WorldModel,
    context: NDArray[np.intp],
    depth: Float,
    ids: NDArray[np.uint64],
    streams: Streams,
    ec50_spread: float,
) -> Condition:
    none = np.zeros((len(ids), len(model.perturbations)))
    spread = np.exp(ec50_spread * streams.stream("ec50").normal(ids, 1)[:, 0])
    return Condition(ids, context, depth, none, np.full_like(none, np.nan), spread)


def _competence(model: WorldModel, condition: Condition, complexes: Complexes, factors: Mapping[str, float]) -> Float:
    """Return how far each cell has the best of the receptors, in [0, 1], (cell,); 1 where there is none to have.

    Read as the plugin `exposure` does: from what the model expects of the cells' type at z = 0 and its median depth.
    """
    if not complexes:
        return np.ones(condition.n)
    here, code = np.unique(condition.context, return_inverse=True)
    median = np.array([np.median(condition.depth[code == i]) for i in range(len(here))])
    none = np.zeros((len(here), len(model.perturbations)))
    types = Condition(
        np.arange(len(here), dtype=np.uint64), here, median, none, np.full_like(none, np.nan), np.ones(len(here))
    )
    centre = np.zeros((len(here), model.latent_size), np.float32)
    found = []
    for whole in complexes:
        rates = model.expected(centre, types, [model.genes.index(gene) for gene in whole])
        own = np.tile([factors.get(gene, 1.0) for gene in whole], (condition.n, 1))
        found.append(gate_receptor(rates, own, code, DETECTION))
    return np.asarray(np.max(found, axis=0))
