"""Drug in a body of one or two compartments with depots and linear elimination, exact in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

# Where drug of a body is; the order of every vector of amounts. What is eliminated or never absorbed is kept count of.
SITES = ("oral depot", "subcutaneous depot", "central", "peripheral", "eliminated", "not absorbed")
ORAL, SUBCUTANEOUS, CENTRAL, PERIPHERAL, ELIMINATED, NOT_ABSORBED = range(len(SITES))

TERMS = 20  # of the series; with LARGEST the rest is below 0.5^20/20! = 4e-25 of the sum
LARGEST = 0.5  # 1-norm below which the series is summed
LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class Input:
    """Drug that comes in during a step: evenly from `begin` to `end`, all at once where they are the same.

    begin, end : h since the step began, 0 <= begin <= end <= its length; the same, or a second apart at least.
    amount : (site,), what comes in altogether, by where it comes to; any unit.
    """

    begin: float
    end: float
    amount: Float


def compartment_rates(
    clearance: float,
    volume: float,
    peripheral_volume: float = 0.0,
    flow: float = 0.0,
    absorption: tuple[float, float] = (0.0, 0.0),
) -> Float:
    """Return the generator G of da/dt = G a for the amounts a at `SITES`.

    Absorption from the depots and elimination from the central compartment are of first order, k_e = CL/V_c, and
    drug goes to and fro with Q/V_c and Q/V_p. Every column adds up to 0: no drug is lost.

    Parameters
    ----------
    clearance : CL, volume per h, >= 0. volume : V_c, > 0.
    peripheral_volume, flow : V_p and Q; 0 for one compartment.
    absorption : 1/h, of the oral and the subcutaneous depot.

    Returns
    -------
    (site, site), 1/h.

    Source
    ------
    Gibaldi and Perrier, Pharmacokinetics, 2nd edition (1982), chapters 1 and 2.
    """
    rates = np.zeros((len(SITES), len(SITES)))
    moves = [
        (ORAL, CENTRAL, absorption[0]),
        (SUBCUTANEOUS, CENTRAL, absorption[1]),
        (CENTRAL, ELIMINATED, clearance / volume),
    ]
    if flow > 0:
        moves += [(CENTRAL, PERIPHERAL, flow / volume), (PERIPHERAL, CENTRAL, flow / peripheral_volume)]
    for source, target, rate in moves:
        rates[target, source] += rate
        rates[source, source] -= rate
    return rates


def with_effect_site(rates: Float, gain: float, rate: float) -> Float:
    """Return the generator with one more state x that follows the central amount: dx/dt = rate · (gain · a_c − x).

    A tissue that equilibrates with plasma; it is so small that it takes nothing from it.

    rates : (site, site), 1/h. gain : x per amount at equilibrium. rate : 1/h.
    """
    n = len(rates)
    wider = np.zeros((n + 1, n + 1))
    wider[:n, :n] = rates
    wider[n, CENTRAL], wider[n, n] = rate * gain, -rate
    return wider


def exponential(rates: Float, dt: float) -> Float:
    """Return exp(rates · dt) of a matrix whose off-diagonal elements are >= 0.

    The diagonal is shifted away, so that only positive numbers are added: each element is right to its own last
    digits, however small, and not just to those of the largest.

    rates : (state, state), 1/h. dt : h, >= 0.

    Source
    ------
    Moler and Van Loan, Nineteen dubious ways to compute the exponential of a matrix, SIAM Review 45 (2003), 3-49,
    method 3; Xue and Ye, Entrywise relative perturbation theory for nonnegative exponentials, Numer Math 110 (2008).
    """
    shift = float(np.max(-np.diag(rates), initial=0.0))
    positive = (rates + shift * np.eye(len(rates))) * dt
    norm = float(positive.sum(axis=0).max(initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(norm / LARGEST)))) if norm > LARGEST else 0
    part = positive / 2.0**halvings
    term = total = np.eye(len(rates))
    for k in range(1, TERMS + 1):
        term = term @ part / k
        total = total + term
    total = total * np.exp(-shift * dt / 2.0**halvings)
    for _ in range(halvings):
        total = total @ total
    return np.asarray(total)


def advance(rates: Float, amounts: Float, dt: float, inputs: Sequence[Input] = ()) -> Float:
    """Return the amounts `dt` hours later, exact for any `dt` and for inputs that begin and end inside of it.

    Parameters
    ----------
    rates : (state, state), 1/h, off-diagonal >= 0; its first states are `SITES`.
    amounts : (state,). Not modified.
    dt : h.
    inputs : what comes in; several at a time add up.
    """
    n = len(amounts)
    edges = sorted({0.0, dt, *(e for piece in inputs for e in (piece.begin, piece.end) if 0.0 < e < dt)})
    now = np.asarray(amounts, dtype=np.float64)
    for begin, end in pairwise(edges):
        steady = np.zeros(n)  # what comes in evenly in this part, per h
        for piece in inputs:
            if piece.begin == piece.end and (piece.begin == begin or (begin == 0.0 and piece.begin <= 0.0)):
                now = now + _wide(piece.amount, n)
            elif piece.begin <= begin and piece.end >= end and piece.end > piece.begin:
                steady += _wide(piece.amount, n) / (piece.end - piece.begin)
        now = _free(rates, now, steady, end - begin)
    for piece in inputs:
        if piece.begin == piece.end >= dt:
            now = now + _wide(piece.amount, n)
    return now


def half_life(clearance: float, volume: float, peripheral_volume: float = 0.0, flow: float = 0.0) -> float:
    """Return the terminal half-life after a dose into the vein, h: ln 2 over the smaller root β of the disposition.

    Source
    ------
    Gibaldi and Perrier, Pharmacokinetics, 2nd edition (1982), equations 2.22 and 2.23.
    """
    out = clearance / volume
    if flow == 0:
        return LN2 / out
    to, back = flow / volume, flow / peripheral_volume
    total, product = out + to + back, out * back
    larger = (total + np.sqrt(total**2 - 4.0 * product)) / 2.0
    return float(LN2 * larger / product)


def _free(rates: Float, amounts: Float, steady: Float, dt: float) -> Float:
    """Return the amounts after `dt` with a steady inflow, (state,) per h; one constant state more carries it."""
    if not steady.any():
        return np.asarray(exponential(rates, dt) @ amounts)
    n = len(amounts)
    wider = np.zeros((n + 1, n + 1))
    wider[:n, :n], wider[:n, n] = rates, steady / steady.max()  # of the order of the rates, whatever the unit
    after = exponential(wider, dt) @ np.append(amounts, steady.max())
    return np.asarray(after[:n])


def _wide(amount: Float, n: int) -> Float:
    """Return amounts at `SITES` with nothing in further states."""
    return np.append(amount, np.zeros(n - len(amount)))
