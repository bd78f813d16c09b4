"""Pairs of cells that touch, the rates of what one does to the other, and who is first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.kernels.random import Stream
from twin.process import View

Float = NDArray[np.float64]
Rows = NDArray[np.intp]

HALF = np.uint64(32)  # bits; a 64-bit id is kept in two numbers, each exact in a float
LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class Pairs:
    """What cells may do to a neighbour: (pair,) rows of the doer, of the other one, and the rate, 1/h."""

    doer: Rows
    other: Rows
    rate: Float

    def happening(self, stream: Stream, ids: NDArray[np.uint64], dt: float) -> tuple[Rows, Float]:
        """Return which pairs' events come within `dt`, and when, h; each pair has luck of its own, by both ids."""
        u = stream.uniform_at(ids[self.doer], ids[self.other])
        wait = -np.log1p(-u) / self.rate
        soon = np.flatnonzero(wait < dt)
        return soon, wait[soon]


def touching(view: View) -> tuple[Rows, Rows]:
    """Return the rows of all pairs that touch, each both ways round."""
    pairs = view.contacts.tocoo()
    return pairs.row.astype(np.intp), pairs.col.astype(np.intp)


def toward_types(view: View, pattern: str) -> Float:
    """Return a behaviour that names a type, of every cell towards every type, (cell, type)."""
    types = view.names["cell_type"]
    out = np.zeros((view.n_cells, len(types)))
    for name in set(view.behaviours.names(pattern)) & set(types):
        out[:, types.index(name)] = view.behaviour(pattern.replace("{type}", name))
    return out


def kept(doer: Rows, other: Rows, rate: Float) -> Pairs:
    """Return the pairs in which something can happen."""
    some = rate > 0.0
    return Pairs(doer[some], other[some], rate[some])


def attacks(view: View, pairs: tuple[Rows, Rows]) -> Pairs:
    """Return who may begin to attack whom: rate of the attacker × immunogenicity of the attacked."""
    i, j = pairs
    code = view["cell_type"].astype(np.intp)
    rate = toward_types(view, "attack {type}")[i, code[j]]
    types = view.names["cell_type"]
    shown = np.ones((view.n_cells, len(types)))
    for name in set(view.behaviours.names("immunogenicity to {type}")) & set(types):
        shown[:, types.index(name)] = view.behaviour(f"immunogenicity to {name}")
    rate = rate * np.maximum(shown[j, code[i]], 0.0)
    return kept(i, j, np.where(view["alive"][i] & view["alive"][j], rate, 0.0))


def meals(view: View, pairs: tuple[Rows, Rows], dying: Float) -> Pairs:
    """Return who may eat whom: living cells by their type, dead ones by how they died."""
    i, j = pairs
    code, alive = view["cell_type"].astype(np.intp), view["alive"]
    living = toward_types(view, "phagocytose {type}")[i, code[j]]
    by_death = {"apoptotic": dying == 1.0, "necrotic": dying >= 2.0, "other dead": dying == 0.0}
    dead = np.zeros(len(i))
    for word, died_so in by_death.items():
        dead += np.where(died_so[j], view.behaviour(f"phagocytose {word} cell")[i], 0.0)
    return kept(i, j, np.where(alive[i], np.where(alive[j], living, dead), 0.0))


def mergers(view: View, pairs: tuple[Rows, Rows]) -> Pairs:
    """Return who may take whom in by fusion."""
    i, j = pairs
    rate = toward_types(view, "fuse to {type}")[i, view["cell_type"].astype(np.intp)[j]]
    return kept(i, j, np.where(view["alive"][i] & view["alive"][j], rate, 0.0))


def split_ids(ids: NDArray[np.uint64]) -> Float:
    """Return ids as two exact numbers each, (cell, 2); 0, 0 is nobody's."""
    return np.stack([(ids >> HALF).astype(np.float64) + 1.0, (ids & LOW).astype(np.float64)], axis=-1)


def rows_of(halves: Float, ids: NDArray[np.uint64]) -> Rows:
    """Return the rows of cells whose ids are kept in two numbers, −1 for nobody and for who is no longer there."""
    some = halves[..., 0] > 0
    wanted = (np.maximum(halves[..., 0] - 1.0, 0.0).astype(np.uint64) << HALF) | halves[..., 1].astype(np.uint64)
    if not len(ids):
        return np.full(wanted.shape, -1, dtype=np.intp)
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)
    row = order[place]
    return np.where(some & (ids[row] == wanted), row, -1).astype(np.intp)
