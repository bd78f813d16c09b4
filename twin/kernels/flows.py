"""Flows between well-mixed nodes, exact in time: organs that exchange substances through blood and lymph."""

from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

TERMS = 18  # of the series below, for a generator of norm 1: the rest is 1/19! = 8e-18


def exit_rates(volume: Float, flow: Float, partition: Float, clearance: Float) -> Float:
    """Return how fast each node would empty if nothing came in, k = (Σ_j Q_ij + CL_i)/(K_i V_i), (substance, node) 1/h.

    What leaves a node with its blood is in equilibrium with the node: its concentration there is c/K.

    Parameters
    ----------
    volume : (node,) or (substance, node) V, µm³, > 0.
    flow : (node, node) Q from row to column, µm³/h, >= 0; the diagonal is not looked at.
    partition : (substance, node) K, concentration in the node over that in its blood at equilibrium, > 0.
    clearance : (substance, node) CL, of the blood that leaves the node, µm³/h, >= 0.
    """
    away = flow.sum(axis=1) - np.diagonal(flow)  # (node,)
    return np.asarray((away + clearance) / (partition * volume), dtype=np.float64)


def flow_generator(volume: Float, flow: Float, partition: Float, clearance: Float) -> Float:
    """Return the generator of the amounts, dA/dt = G A, with one more node behind each that holds what it has cleared.

    dA_i/dt = Σ_j Q_ji c_j/K_j − Σ_j Q_ij c_i/K_i − CL_i c_i/K_i with c = A/V. No amount is lost: the columns of G sum
    to 0, and no entry but the diagonal is below it. Where the flows of every node balance, what the network comes to
    without clearance is one c/K in all nodes that paths tie.

    Parameters
    ----------
    volume, flow, partition, clearance : as `exit_rates` takes them.

    Returns
    -------
    (substance, 2 node, 2 node) 1/h: the nodes, then what each has cleared.

    Source
    ------
    Rowland and Tozer, Clinical Pharmacokinetics, well-stirred organs; perfusion-limited models, e.g. Jones and
    Rowland-Yeo, CPT Pharmacometrics Syst Pharmacol 2:e63 (2013).
    """
    n = volume.shape[-1]
    out = np.zeros((len(partition), 2 * n, 2 * n))
    per_amount = 1.0 / (partition * volume)  # (substance, node)
    out[:, :n, :n] = flow.T * per_amount[:, None, :]
    out[:, n:, :n] = np.eye(n) * (clearance * per_amount)[:, None, :]
    _close(out)
    return out


def _close(generator: Float) -> None:
    """Set the diagonal, in place, so that every column sums to 0."""
    diagonal = np.arange(generator.shape[1])
    generator[:, diagonal, diagonal] = 0.0
    generator[:, diagonal, diagonal] = -generator.sum(axis=1)


def propagators(generator: Float, dt: float) -> tuple[Float, Float]:
    """Return exp(G dt), for amounts that are there, and its mean over the step, for amounts that come evenly in it.

    G is negative on the diagonal only, and its columns sum to 0. Uniformisation: G h + q h is nowhere negative, so its
    exponential is a series of positive terms, and squaring that adds positive terms again: nothing cancels, however far
    apart the rates lie (stiff networks). The mean doubles by φ(2h) = (φ(h) + exp(G h) φ(h))/2, of positive terms too.
    Columns are scaled to sum 1 at every doubling, which keeps amounts to rounding.

    Parameters
    ----------
    generator : (substance, node, node) 1/h. Not modified.
    dt : h, >= 0.

    Returns
    -------
    Two (substance, node, node), entries in [0, 1].

    Source
    ------
    Moler and Van Loan, Nineteen dubious ways to compute the exponential of a matrix, SIAM Review 45 (2003), 3; Stewart,
    Introduction to the Numerical Solution of Markov Chains (1994), ch. 8, uniformisation. The mean is φ_1 of
    exponential integrators, Hochbruck and Ostermann, Acta Numerica 19 (2010), 209.
    """
    diagonal = np.arange(generator.shape[1])
    fastest = max(float(-generator[:, diagonal, diagonal].min(initial=0.0)) * dt, 0.0)
    doublings = max(0, ceil(log2(fastest)) + 1) if fastest > 0 else 0
    small = generator * (dt / 2**doublings)  # (substance, node, node); no rate is above 1/2
    positive = small.copy()
    positive[:, diagonal, diagonal] += fastest / 2**doublings
    step = np.broadcast_to(np.eye(generator.shape[1]), generator.shape).copy()
    mean, power, term = step.copy(), step.copy(), step.copy()
    for k in range(1, TERMS + 1):
        power = power @ positive / k
        step += power
        term = term @ small / (k + 1)
        mean += term
    step, mean = _summing_to_one(step), _summing_to_one(np.maximum(mean, 0.0))
    for _ in range(doublings):
        mean = _summing_to_one((mean + step @ mean) / 2)
        step = _summing_to_one(step @ step)
    return step, mean


def _summing_to_one(columns: Float) -> Float:
    return np.asarray(columns / columns.sum(axis=1, keepdims=True))


def exchange_amounts(amounts: Float, step: Float) -> tuple[Float, Float]:
    """Return where amounts are after a step, and what each node has cleared of them in it.

    Parameters
    ----------
    amounts : (substance, node), any unit. Not modified.
    step : (substance, 2 node, 2 node), one of the `propagators` of a `flow_generator`.

    Returns
    -------
    Two (substance, node); together they are as much as before.
    """
    n = amounts.shape[1]
    after = np.einsum("sij,sj->si", step[:, :, :n], amounts)  # (substance, 2 node)
    return after[:, :n], after[:, n:]


def kept_shares(rate: Float, dt: float) -> tuple[Float, Float]:
    """Return which shares stay where they are: exp(−k dt) of what is there, its mean (1 − exp(−k dt))/(k dt) of what
    comes evenly in the step; both of the shape of `rate`, k in 1/h (`exit_rates`).
    """
    gone = rate * dt
    return np.exp(-gone), np.where(gone > 0, -np.expm1(-gone) / np.where(gone > 0, gone, 1.0), 1.0)


def exchange_voxels(old: Float, fresh: Float, after: Float, kept: Float, kept_fresh: Float) -> Float:
    """Return the concentrations in the voxels of a node, of which the node has the mean `after`.

    Every voxel exchanges with the node's blood at the same rate a volume: dc/dt = s(t) + f − k c, the same s for all, f
    its own even source. So the mean obeys the equation of the node, and the deviation d of a voxel from it obeys
    dd/dt = (f − mean f) − k d whatever s does: c(dt) = c(0) exp(−k dt) + f (1 − exp(−k dt))/k + what the blood brought,
    which is what the mean lacks. This is exact, and never below 0.

    Parameters
    ----------
    old, fresh : (substance, voxel) nM, what was there and what came evenly in the step, f dt. Not modified.
    after : (substance,) nM, mean of the node after the step.
    kept, kept_fresh : (substance,), `kept_shares`.

    Returns
    -------
    (substance, voxel) nM.
    """
    own = old * kept[:, None] + fresh * kept_fresh[:, None]
    brought = np.maximum(after - own.mean(axis=1), 0.0)  # (substance,); below 0 by rounding only
    return np.asarray(own + brought[:, None], dtype=np.float64)
