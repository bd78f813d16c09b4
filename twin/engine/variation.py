"""Donors, batches and operators drawn: what a scenario declares as spreads becomes numbers of each replicate.

Nothing of it is kept in the state but a cell's donor: every number is a hash of the scenario's seed and of whose it is.
So branches of one replicate share their donors, daughters have their mother's, and a resumed run goes on with the same.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.engine.world import INJECTED, SAMPLED, UNKNOWN, World, composed, type_counts
from twin.kernels.random import Streams, hash_words
from twin.kernels.variation import vary, vary_by_kind
from twin.scenario.schema import Compartment, SampledCells
from twin.scenario.variation import Batch, Operator
from twin.state.variation import ALIKE, Drawn

Float = NDArray[np.float64]
Codes = NDArray[np.intp]


def drawn_of(world: World, name: str, replicate: int) -> Drawn:
    """Return the effects that a replicate has in a compartment; drawn once a world."""
    if world.scenario.variation is None:
        return ALIKE
    if (name, replicate) not in world.drawn:
        world.drawn[name, replicate] = _draw(world, name, replicate)
    return world.drawn[name, replicate]


def sown(world: World, name: str, document: Compartment, replicate: int) -> tuple[Codes, Codes]:
    """Return the type and the donor of each cell that the model draws, (cell,) codes each, type by type.

    Where donors do not differ in composition, the types are those that the scenario asks for, and the donors take
    turns; else each donor has the same number of cells, in shares of its own.
    """
    types, drawn = world.names[name]["cell_type"], drawn_of(world, name, replicate)
    n = composed(name, document, types, world.models[name])  # (type,)
    total = int(n.sum())
    if drawn.seeding != 1.0 and total:
        total = max(1, round(total * drawn.seeding))
        n = type_counts(total, n.astype(np.float64))
    present = drawn.present or (0,)
    if drawn.odds is None:
        code = np.repeat(np.arange(len(types)), n)
        return code, np.asarray(present, np.intp)[np.arange(len(code)) % len(present)]
    table = np.zeros((len(types), len(present)), np.intp)
    for i, (donor, own) in enumerate(zip(present, type_counts(total, np.ones(len(present))), strict=True)):
        table[:, i] = type_counts(int(own), n * np.exp(drawn.odds[donor]))
    code = np.repeat(np.arange(len(types)), table.sum(axis=1))
    return code, np.concatenate([np.repeat(np.asarray(present, np.intp), row) for row in table])


def donors_of(world: World, name: str, document: Compartment, replicate: int, n: int) -> Codes:
    """Return the declared donor of each of n cells, in the order of their source, (cell,) codes.

    Where the source has an order of its own, a file or a table, they take turns.
    """
    if isinstance(document.cells, SampledCells):
        return sown(world, name, document, replicate)[1]
    present = np.asarray(drawn_of(world, name, replicate).present or (0,), np.intp)
    return present[np.arange(n) % len(present)]


def _draw(world: World, name: str, replicate: int) -> Drawn:
    variation, seed = world.scenario.variation, world.scenario.seed
    assert variation is not None
    types, names = world.names[name]["cell_type"], world.names[name]["donor"]
    own = [i for i, donor in enumerate(names) if donor in world.donors]
    measured = name in world.measured
    from_file = variation.donors is not None and not own
    if from_file:  # whose cells were measured is there in each replicate
        present = tuple(i for i, donor in enumerate(names) if donor not in (UNKNOWN, SAMPLED, INJECTED))
    else:
        present = tuple(own[i] for i in variation.donors_of(replicate, len(own))) if own else ()
    again = replicate if from_file and variation.replicate_is == "donor" else 0  # measured donors respond anew
    luck = _Luck(Streams(seed, again, 0), [names[i] for i in present], list(present), len(names))
    batch, operator = variation.batch or Batch(), variation.operator or Operator()
    of_batch = Streams(seed, replicate // batch.every, 0)
    of_operator = Streams(seed, replicate // operator.every, 0)
    late = abs(_one(of_operator, "operator delay")) * operator.delay
    effects = world.spreads
    latent = 0 if measured else world.models[name].latent_size
    offset = luck.normal("identity", latent, effects.identity) if latent else None
    if latent and batch.shift:
        shift = batch.shift * of_batch.stream("batch shift").normal(np.zeros(1, np.uint64), latent)
        offset = shift.repeat(len(names), axis=0) if offset is None else offset + shift
    return Drawn(
        present=present,
        ec50=luck.factor("sensitivity", effects.sensitivity),
        library=None if measured else luck.factor("library", effects.library),
        odds=luck.by_type("composition", types, [effects.composition or 0.0] * len(types)),
        gain=_along(world, name, luck, "gain"),
        tone=None if measured else _along(world, name, luck, "baseline"),
        offset=offset,
        depth=1.0 if measured else float(np.exp(batch.depth * _one(of_batch, "batch depth"))),
        dose=float(np.exp(operator.dose * _one(of_operator, "operator dose"))),
        seeding=float(np.exp(operator.seeding * _one(of_operator, "operator seeding"))),
        delay=round(late / world.scenario.tick),
    )


def _one(streams: Streams, purpose: str) -> float:
    return float(streams.stream(purpose).normal(np.zeros(1, np.uint64), 1)[0, 0])


class _Luck:
    """Effects of the donors that are present; the rows of all others stay as nobody differs."""

    def __init__(self, streams: Streams, names: Sequence[str], rows: Sequence[int], n: int) -> None:
        self.streams, self.rows, self.n = streams, list(rows), n
        self.ids = np.array([hash_words("donor", name) for name in names], np.uint64)

    def normal(self, purpose: str, width: int, sd: float | None) -> Float | None:
        """Return (donor, width), or None where the spread is 0."""
        return self._placed(vary(self.streams, purpose, self.ids, width, sd)) if sd and self.rows else None

    def factor(self, purpose: str, sd: float | None) -> Float | None:
        """Return log-normal factors with the median 1, (donor,)."""
        drawn = self.normal(purpose, 1, sd)
        return None if drawn is None else np.exp(drawn[:, 0])

    def by_type(self, purpose: str, types: Sequence[str], sd: Sequence[float], shared: float = 0.0) -> Float | None:
        """Return (donor, type), or None where all spreads are 0."""
        if not self.rows or not any(sd):
            return None
        return self._placed(vary_by_kind(self.streams, purpose, self.ids, types, sd, shared))

    def _placed(self, drawn: Float) -> Float:
        out = np.zeros((self.n, drawn.shape[1]))
        out[self.rows] = drawn
        return out


def _along(world: World, name: str, luck: _Luck, what: Literal["gain", "baseline"]) -> Float | None:
    """Return gain (a factor) or baseline (a share of the effect) of each donor, (donor, type, perturbation) or None."""
    effects, types = world.spreads, world.names[name]["cell_type"]
    parts = []
    for perturbation in world.perturbations_of(name):
        sd = [effects.of_type(what, perturbation, t) for t in types]
        parts.append(luck.by_type(f"{what} {perturbation}", types, sd, effects.common(what)))
    if all(part is None for part in parts):
        return None
    none = np.zeros((luck.n, len(types)))
    drawn = np.stack([none if part is None else part for part in parts], axis=2)
    return np.exp(drawn) if what == "gain" else drawn
