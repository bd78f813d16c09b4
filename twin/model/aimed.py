"""Cells moved so that, all together, they change by as much as is expected of them.

Equal quantiles say which cell changes, gene by gene. How much a population changes by them hangs on the heads' idea of
each gene's spread and on the luck of one draw. Here the shifts of log μ are corrected until the pseudobulk of the moved
cells is their own and the expected rise, as near as whole molecules come to it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.kernels.random import Streams
from twin.model.condition import Condition, Counts
from twin.model.decoder import Decoder
from twin.model.effects import whole
from twin.model.logmean import LogMean
from twin.model.shifts import Effects

Float = NDArray[np.float64]

CELL_SHARE = (
    0.35  # of the level scale in the effects of moved cells: counts multiply; `protocol.recipe.Recipe` says why
)
ROUNDS = 5  # of correcting the shifts
FARTHEST_STEP = 1.0  # of log μ in one round; our choice
LEAST_STEP = 1e-3  # of log μ that shows a slope; our choice
LEAST_SLOPE = 0.01  # of the level in log μ; our choice
LEAST_GROUP = 20  # cells that make a pseudobulk; fewer are moved by their shifts as they are; our choice


def aimed(
    decoder: Decoder,
    counts: Counts,
    z: NDArray[np.float32],
    condition: Condition,
    effects: Effects,
    streams: Streams,
    rise: Float,
) -> Counts:
    """Move cells to which one thing is done, so that their pseudobulk rises by `rise`.

    The shifts of log μ are corrected gene by gene in `ROUNDS` rounds, with the random numbers held fixed (Newton, by
    the steeper of a law's slope and the one seen; a round that is worse for a gene is not kept). Levels are read at the
    library sizes that the cells had, so that each gene's hangs on its own shift alone. A gene without a shift keeps its
    counts. Aimed at is what the cells would hold without their clamps, which act on the last draw alone. Time: that of
    `ROUNDS` + 1 = 6 plain draws.

    counts : (cell, gene). z : (cell, latent). effects : of equal strength in every cell.
    rise : (gene,) expected change of the mean log1p(CP10k), at the cells' whole library sizes (`condition.depth`).
    """
    strength = effects.strength[:1]
    assert (effects.strength == strength).all(), effects.strength
    table = np.zeros((1, *effects.table.shape[1:]), np.float32)  # (1, context, gene)
    for arm in range(effects.table.shape[0]):
        table[0] += strength[0, arm].astype(np.float32) * effects.table[arm]
    spread = effects.rows(slice(0, 1)).spread()[0]  # (1, gene)
    summed = Effects(table, effects.context, np.ones((condition.n, 1)), spread)
    free = replace(condition, clamp=None)
    library = np.maximum(condition.depth, _sums(counts))

    def drawn(offset: Float, asked: Condition) -> Counts:
        moved = np.where(table != 0, table + offset.astype(np.float32), np.float32(0))
        return decoder.move(counts, z, asked, replace(summed, table=moved), streams)

    target = np.maximum(pseudobulk(counts, library) + rise, 0.0)
    offset, best, step, last = np.zeros((4, len(target)))
    least = np.full(len(target), np.inf)
    for _ in range(ROUNDS):
        level = pseudobulk(drawn(offset, free), library)
        off = target - level
        better = np.abs(off) < least
        least, best = np.where(better, np.abs(off), least), np.where(better, offset, best)
        slope = np.maximum(-np.expm1(-np.maximum(level, target)), LEAST_SLOPE)  # of log(1 + r) in log r
        moved = np.divide(level - last, step, out=np.zeros_like(step), where=np.abs(step) > LEAST_STEP)
        last, step = level, np.clip(off / np.maximum(slope, moved), -FARTHEST_STEP, FARTHEST_STEP)
        offset = offset + step
    return drawn(best, condition)


def aimed_by_group(
    decoder: Decoder,
    counts: Counts,
    z: NDArray[np.float32],
    condition: Condition,
    effects: Effects,
    streams: Streams,
    rise: Callable[[Condition, float], Float],
) -> Counts:
    """Move cells, those of one context to which the same is done all together; the answer knows no order of rows.

    Groups of fewer than `LEAST_GROUP` cells are moved by their shifts as they are, and cells to which nothing is done
    come back as they were.

    rise : of a group's condition and the share of its molecules that lies on the axis, the expected rise, (gene,).
    """
    same = np.column_stack([condition.context, effects.strength])
    group = np.unique(same, axis=0, return_inverse=True)[1].ravel()
    size = np.bincount(group, minlength=1)
    plain = np.flatnonzero((size[group] < LEAST_GROUP) | ~effects.strength.any(axis=1))
    parts, order = [], []

    def take(rows: NDArray[np.intp], aim: Float | None) -> None:
        given = decoder, counts[rows], z[rows], condition.rows(rows), effects.rows(rows), streams
        parts.append(Decoder.move(*given) if aim is None else aimed(*given, aim))
        order.append(rows)

    if len(plain):
        take(plain, None)
    for one in np.setdiff1d(group, group[plain]).tolist():
        rows = np.flatnonzero(group == one)
        rows = rows[np.argsort(condition.ids[rows], kind="stable")]
        here, sums = condition.rows(rows), _sums(counts[rows])
        library = np.maximum(here.depth, sums)
        take(rows, rise(replace(here, depth=library), float(sums.sum() / library.sum())))
    if not parts:
        return counts.copy()
    return sp.csr_array(sp.vstack(parts, format="csr")[np.argsort(np.concatenate(order))])


def expected_rise(rate: Float, shift: Float, dispersion: Float, depths: Float) -> Float:
    """Return by how much the mean log1p(CP10k) of cells is expected to rise, (gene,).

    A shift moves shares of one transcriptome: what it adds in all is taken from every gene alike.

    rate : (gene,) counts per 10,000 of the library; 0: the gene is not known, and does not rise.
    shift : (gene,) of log μ. dispersion : (gene,) φ. depths : (cell,) library sizes.
    """
    mean = LogMean(depths)
    after = mean.forward(rate * np.exp(shift) / whole(rate / 1e4, shift), dispersion)
    return np.asarray(np.where(rate > 0, after - mean.forward(rate, dispersion), 0.0))


def pseudobulk(counts: Counts, depth: Float) -> Float:
    """Return the mean log1p(CP10k) of some cells, (gene,); depth : (cell,) library sizes."""
    of_entry = np.repeat(np.maximum(depth, 1.0), np.diff(counts.indptr))
    level = np.log1p(1e4 * counts.data.astype(np.float64) / of_entry)
    return np.asarray(np.bincount(counts.indices, weights=level, minlength=counts.shape[1]) / max(counts.shape[0], 1))


def _sums(counts: Counts) -> Float:
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
