"""Cells that hold on to each other: who does, and how it draws them together."""

import numpy as np
from numpy.typing import NDArray

from twin.process import View
from twin_interactions.pairs import rows_of, split_ids, touching

Float = NDArray[np.float64]
Edges = NDArray[np.intp]  # (edge, 2) rows

SLOTS = 12  # attachments that a cell can have; PhysiCell 1.14, maximum_number_of_attachments


def attached(view: View, dt: float) -> Edges:
    """Return which cells hold on to each other after `dt` hours, each pair once.

    An attachment ends at the sum of both cells' detachment rates; two living cells that touch attach at the sum of
    their attachment rates, in the order of time, as long as both have a hand free.
    """
    ids, alive = view.ids, view["alive"]
    partner = rows_of(view["attached"].reshape(view.n_cells, SLOTS, 2), ids)  # (cell, slot)
    i, slot = np.nonzero(partner >= 0)
    held = np.stack([i, partner[i, slot]], axis=1) if len(i) else np.empty((0, 2), np.intp)
    held = held[_first(held, ids) & alive[held[:, 0]] & alive[held[:, 1]]]
    off = np.maximum(view.behaviour("cell detachment rate"), 0.0)
    held = held[_wait(view, "detach", held, off) >= dt]
    on = np.maximum(view.behaviour("cell attachment rate"), 0.0)
    most = np.minimum(view.behaviour("maximum number of cell attachments"), SLOTS)
    near = np.stack(touching(view), axis=1)
    near = near[_first(near, ids) & alive[near[:, 0]] & alive[near[:, 1]]]
    wait = _wait(view, "attach", near, on)
    hands = np.bincount(held.ravel(), minlength=view.n_cells)
    joined = {tuple(pair) for pair in held.tolist()}
    soon = np.flatnonzero(wait < dt)
    for p in soon[np.argsort(wait[soon], kind="stable")]:
        a, b = near[p].tolist()
        if (a, b) not in joined and hands[a] < most[a] and hands[b] < most[b]:
            joined.add((a, b))
            hands[[a, b]] += 1
    return np.array(sorted(joined), dtype=np.intp).reshape(-1, 2)


def slots(edges: Edges, ids: NDArray[np.uint64]) -> Float:
    """Return attachments as the column that keeps them, (cell, 2 × SLOTS), partners in the order of their ids."""
    out = np.zeros((len(ids), SLOTS, 2))
    both = np.concatenate([edges, edges[:, ::-1]])
    order = np.lexsort((ids[both[:, 1]], both[:, 0])) if len(both) else np.empty(0, np.intp)
    both = both[order]
    start = np.searchsorted(both[:, 0], both[:, 0])
    out[both[:, 0], np.arange(len(both)) - start] = split_ids(ids[both[:, 1]])
    return out.reshape(len(ids), 2 * SLOTS)


def pulled(position: Float, edges: Edges, constant: Float, dt: float) -> Float:
    """Return how far springs of no length draw cells in `dt` hours, (cell, axis) µm.

    A pair's distance decays as exp(−2 k dt), exactly; where a cell has several, each is taken as if all its partners
    stood still for the others, which keeps every cell inside the hull of its partners for any `dt`. The centre of
    mass stays. k is the geometric mean of the two cells' constants, as PhysiCell has it.
    """
    moved = np.zeros_like(position)
    if not len(edges):
        return moved
    i, j = edges[:, 0], edges[:, 1]
    hands = np.bincount(edges.ravel(), minlength=len(position)).astype(np.float64)
    k = np.sqrt(np.maximum(constant[i], 0.0) * np.maximum(constant[j], 0.0))
    both = hands[i] + hands[j]
    step = (-np.expm1(-k * both * dt) / both)[:, None] * (position[j] - position[i])
    np.add.at(moved, i, step)
    np.add.at(moved, j, -step)
    return moved


def _first(pairs: Edges, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which pairs are this way round: the smaller id first."""
    return np.asarray(ids[pairs[:, 0]] < ids[pairs[:, 1]], dtype=np.bool_)


def _wait(view: View, purpose: str, pairs: Edges, rate: Float) -> Float:
    """Return when each pair's event comes, h, at the sum of both cells' rates; infinite where they are 0."""
    total = rate[pairs[:, 0]] + rate[pairs[:, 1]]
    u = view.streams.stream(purpose).uniform_at(view.ids[pairs[:, 0]], view.ids[pairs[:, 1]])
    return np.where(total > 0.0, -np.log1p(-u) / np.where(total > 0.0, total, 1.0), np.inf)
