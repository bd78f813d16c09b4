"""Draw counts from the heads of the world model: due genes, hurdle, values, one pass a cell.

One 53-bit uniform per (cell, gene) decides all three in turn: u < ρ says that the gene is due, u / ρ < p
that its new value is not zero, and what is left, u / (ρ p), picks the value by inverse CDF. Rescaled
that way the parts are independent, and a mask costs no random number of its own.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ONE, _S11, _S27, _S30, _S31 = np.uint64(1), np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
_TO_UNIT = 2.0**-53
N_VALUES = 280
_ABOVE_ROUNDING = 1.0 + 1e-9  # a bound times this stays one in floating point
_NEGLIGIBLE = 1e-9  # weight relative to the sum so far at which the falling tail is cut


@njit(cache=True, nogil=True, inline="always")
def _mix(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


@njit(cache=True, nogil=True, inline="always")
def _hazard(log_mu, theta, bias):  # type: ignore[no-untyped-def]
    """Return λ0 = −log P(0) of a negative binomial, times exp(bias)."""
    return theta * math.log1p(math.exp(log_mu) / theta) * math.exp(bias)


@njit(cache=True, nogil=True)
def _weights(table, log_odds, level_value, out):  # type: ignore[no-untyped-def]
    """Fill `out` with unnormalised weights of the 280 values; return (how many, their sum)."""
    largest = table[0] + log_odds * level_value[0]
    for k in range(1, N_VALUES):
        w = table[k] + log_odds * level_value[k]
        if w > largest:
            largest = w
        elif w < largest - 25.0 and k < 99:
            break
    total = 0.0
    n = N_VALUES
    falling = False
    for k in range(N_VALUES):
        w = math.exp(table[k] + log_odds * level_value[k] - largest)
        if k > 0 and w < out[k - 1]:
            falling = True
        out[k] = w
        total += w
        # past level 100 the bins widen, so the tail may rise there once: only cut before it
        if falling and k < 98 and w < _NEGLIGIBLE * total:
            n = k + 1
            break
    return n, total


@njit(cache=True, nogil=True)
def _spread_weights(theta, base, log_odds, level_value, out):  # type: ignore[no-untyped-def]
    """As `_weights`, at a θ that has no table; base : what of it depends on the values alone."""
    gamma = math.lgamma(1.0 + theta)
    largest = -np.inf
    n = N_VALUES
    for k in range(N_VALUES):
        if k >= 99:  # values of one token lie further apart than one
            gamma = math.lgamma(level_value[k] + theta)
        elif k > 0:
            gamma += math.log(k + theta)  # log Γ(k + 1 + θ)
        out[k] = gamma + base[k] + log_odds * level_value[k]
        if out[k] > largest:
            largest = out[k]
        elif out[k] < largest - 25.0 and k < 99:
            n = k + 1
            break
    total = 0.0
    for k in range(n):
        out[k] = math.exp(out[k] - largest)
        total += out[k]
    return n, total


@njit(cache=True, nogil=True)
def _invert(weights, n, total, u):  # type: ignore[no-untyped-def]
    """Return the level (1–280) at which the CDF of the weights passes u."""
    target = u * total
    cumulative = 0.0
    for k in range(n):
        cumulative += weights[k]
        if cumulative > target:
            return k + 1
    return n


@njit(cache=True, nogil=True)
def _nearest(level_value, value):  # type: ignore[no-untyped-def]
    """Return the level (0–280) whose count is nearest."""
    k = min(int(np.searchsorted(level_value, value)), N_VALUES - 1)
    below = level_value[k - 1] if k > 0 else 0.0
    return k + 1 if level_value[k] - value <= value - below else k


@njit(cache=True, nogil=True)
def _with_room(gene, token, filled, least):  # type: ignore[no-untyped-def]
    """Return the entries so far in arrays of at least `least` places, doubled so that growing stays cheap."""
    size = max(2 * len(gene), least + 1024)
    bigger_gene, bigger_token = np.empty(size, np.int64), np.empty(size, np.uint16)
    bigger_gene[:filled] = gene[:filled]
    bigger_token[:filled] = token[:filled]
    return bigger_gene, bigger_token


@njit(cache=True, nogil=True)
def reveal(
    key: np.uint64,
    ids: NDArray[np.uint64],
    place: NDArray[np.uint64],
    due: NDArray[np.float64],
    log_mean: NDArray[np.float32],
    effect: NDArray[np.float32],
    strength: NDArray[np.float64],
    context: NDArray[np.int64],
    assay: NDArray[np.int64],
    theta: NDArray[np.float32],
    hurdle_bias: NDArray[np.float32],
    value_bias: NDArray[np.float32],
    table: NDArray[np.float32],
    level_value: NDArray[np.float64],
    indptr: NDArray[np.int64],
    gene: NDArray[np.int64],
    token: NDArray[np.uint16],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]:
    """Replace the due genes of each cell by fresh draws; the others keep their token.

    Parameters
    ----------
    key : of the stream. ids : (cell,).
    place : (gene,) the number by which each gene's luck is keyed, its own wherever it stands.
    due : (gene,) probability ρ that a gene is due; or (cell, gene).
    log_mean : (cell, gene) log μ without effects.
    effect : (arm, context, gene) shifts of log μ at full strength.
    strength : (cell, arm). context : (cell,) index into the effects' contexts.
    assay : (cell,) index into the tables: theta, hurdle_bias, value_bias : (assay, gene). table : (assay, gene, 280).
    level_value : (280,).
    indptr (cell + 1,), gene, token (entry,) : what the cells hold now, CSR with sorted genes.

    Returns
    -------
    indptr, gene, token : what they hold afterwards.
    """
    n, g = log_mean.shape
    n_arms = strength.shape[1]
    new_indptr = np.zeros(n + 1, np.int64)
    capacity = len(gene) * 2 + n * 64 + 1024
    new_gene = np.empty(capacity, np.int64)
    new_token = np.empty(capacity, np.uint16)
    weights = np.empty(N_VALUES, np.float64)
    filled = 0
    for i in range(n):
        if filled + g > len(new_gene):
            new_gene, new_token = _with_room(new_gene, new_token, filled, filled + g)
        cell = _mix(ids[i] ^ np.uint64(key))
        a = assay[i]
        old = indptr[i]
        last = indptr[i + 1]
        exposed = False
        for p in range(n_arms):
            if strength[i, p] != 0.0:
                exposed = True
        for j in range(g):
            held = old < last and gene[old] == j
            rho = due[j]
            u = (_mix(cell + (place[j] + _ONE) * _GOLDEN) >> _S11) * _TO_UNIT
            if u >= rho:
                if held:
                    new_gene[filled] = j
                    new_token[filled] = token[old]
                    filled += 1
                    old += 1
                continue
            if held:
                old += 1
            log_mu = float(log_mean[i, j])
            if exposed:
                for p in range(n_arms):
                    log_mu += strength[i, p] * effect[p, context[i], j]
            # P(count > 0) = 1 − exp(−λ0) ≤ λ0 ≤ μ exp(bias): most genes of a cell need no more than this to stay 0
            if u >= rho * math.exp(log_mu + hurdle_bias[a, j]) * _ABOVE_ROUNDING:
                continue
            positive = -math.expm1(-_hazard(log_mu, theta[a, j], hurdle_bias[a, j]))
            if u >= rho * positive:
                continue
            log_value = log_mu + value_bias[a, j]
            log_odds = -math.log1p(theta[a, j] * math.exp(-min(max(log_value, -12.0), 12.0)))
            many, total = _weights(table[a, j], log_odds, level_value, weights)
            new_gene[filled] = j
            new_token[filled] = _invert(weights, many, total, u / (rho * positive))
            filled += 1
        new_indptr[i + 1] = filled
    return new_indptr, new_gene[:filled].copy(), new_token[:filled].copy()


@njit(cache=True, nogil=True)
def couple(
    key: np.uint64,
    ids: NDArray[np.uint64],
    place: NDArray[np.uint64],
    log_mean: NDArray[np.float32],
    shift: NDArray[np.float32],
    spread: NDArray[np.float32],
    spread_row: NDArray[np.int64],
    assay: NDArray[np.int64],
    theta: NDArray[np.float32],
    hurdle_bias: NDArray[np.float32],
    value_bias: NDArray[np.float32],
    table: NDArray[np.float32],
    level_base: NDArray[np.float64],
    level_value: NDArray[np.float64],
    indptr: NDArray[np.int64],
    gene: NDArray[np.int64],
    token: NDArray[np.uint16],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]:
    """Move each cell from the control law to the treated law along equal quantiles.

    A gene's present value fixes where in the control distribution the cell stands (evenly at random inside the
    value's own probability mass); the same quantile of the treated distribution is its new value. This is the
    optimal transport of each gene, and a gene without an effect keeps its value exactly. A value that the control
    law holds for impossible (a tail below 1e-9) has no such quantile: it is multiplied by what μ is.

    What a rise adds scatters in its own way: a gene that is rare and bursty untreated need not stay so once it is
    induced. With r = μ0 / μ1 the share that was there before, the deviations √φ of both parts add up, as they do where
    the cells that hold more get more: √φ1 = r √φ0 + (1 − r) √spread; so the control's corrections of its law's shape
    fade by r, too. A fall leaves the shape as it is.

    Parameters as `reveal`; shift : (cell, gene) of log μ, all effects together.
    spread : (row, gene) φ of what is added; NaN: as before. spread_row : (cell,) which row is a cell's.
    level_base : (280,) what of a value's log weight depends on the value alone.
    """
    n, g = log_mean.shape
    new_indptr = np.zeros(n + 1, np.int64)
    capacity = len(gene) * 2 + n * 64 + 1024
    new_gene = np.empty(capacity, np.int64)
    new_token = np.empty(capacity, np.uint16)
    weights = np.empty(N_VALUES, np.float64)
    filled = 0
    for i in range(n):
        if filled + g > len(new_gene):
            new_gene, new_token = _with_room(new_gene, new_token, filled, filled + g)
        cell = _mix(ids[i] ^ np.uint64(key))
        a = assay[i]
        old = indptr[i]
        last = indptr[i + 1]
        for j in range(g):
            value = 0
            if old < last and gene[old] == j:
                value = int(token[old])
                old += 1
            if shift[i, j] == 0.0:
                if value > 0:
                    new_gene[filled] = j
                    new_token[filled] = value
                    filled += 1
                continue
            u = (_mix(cell + (place[j] + _ONE) * _GOLDEN) >> _S11) * _TO_UNIT
            log_mu = float(log_mean[i, j])
            p_before = -math.expm1(-_hazard(log_mu, theta[a, j], hurdle_bias[a, j]))
            kept = 1.0
            theta_after = float(theta[a, j])
            if shift[i, j] > 0.0 and spread[spread_row[i], j] > 0.0:
                kept = math.exp(-shift[i, j])  # share of what it holds afterwards that it held before
                deviation = kept / math.sqrt(theta_after) + (1.0 - kept) * math.sqrt(spread[spread_row[i], j])
                theta_after = 1.0 / deviation**2
            p_after = -math.expm1(-_hazard(log_mu + shift[i, j], theta_after, kept * hurdle_bias[a, j]))
            # the cell's rank from the top: below p_before it is positive, and the higher its count the lower it is
            log_before = log_mu + value_bias[a, j]
            if value > 0:
                odds = -math.log1p(theta[a, j] * math.exp(-min(max(log_before, -12.0), 12.0)))
                many, total = _weights(table[a, j], odds, level_value, weights)
                above = 0.0
                for k in range(value, many):
                    above += weights[k]
                mass = weights[value - 1] if value <= many else 0.0
                rank = p_before * (above + u * mass) / total
                if rank < _NEGLIGIBLE * p_before:  # beyond the law, which has no quantile for it
                    level = _nearest(level_value, level_value[value - 1] * math.exp(shift[i, j]))
                    if level > 0:
                        new_gene[filled] = j
                        new_token[filled] = level
                        filled += 1
                    continue
            else:
                rank = p_before + u * (1.0 - p_before)
            if rank >= p_after:
                continue
            log_after = log_mu + shift[i, j] + kept * value_bias[a, j]
            odds = -math.log1p(theta_after * math.exp(-min(max(log_after, -12.0), 12.0)))
            if kept == 1.0:
                many, total = _weights(table[a, j], odds, level_value, weights)
            else:
                many, total = _spread_weights(theta_after, level_base, odds, level_value, weights)
            new_gene[filled] = j
            new_token[filled] = _invert(weights, many, total, 1.0 - rank / p_after)
            filled += 1
        new_indptr[i + 1] = filled
    return new_indptr, new_gene[:filled].copy(), new_token[:filled].copy()
