"""How signals move a behaviour: the response of PhysiCell's cell behaviour hypothesis grammar."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def join_signals(signals: Float, half_max: Float, power: Float) -> Float:
    """Return the multivariate Hill response S/(1 + S) with S = Σ (s/s_half)^h: 0 without signals, 1 far above.

    Parameters
    ----------
    signals : (signal, cell); what is below 0 counts as 0. Not modified.
    half_max : (signal,), > 0, each in its signal's unit.
    power : (signal,), > 0.

    Returns
    -------
    (cell,), in [0, 1].

    Source
    ------
    Johnson et al., Cell 188:4711 (2025); PhysiCell 1.14.2, `multivariate_Hill_response_function`.
    """
    with np.errstate(over="ignore"):
        ratio = np.maximum(signals, 0.0) / half_max[:, None]  # (signal, cell)
        total = (ratio ** power[:, None]).sum(axis=0)  # (cell,)
    huge = total > 1e300  # where the quotient below would be ∞/∞
    finite = np.where(huge, 0.0, total)
    return np.where(huge, 1.0, finite / (1.0 + finite))


def respond(base: float, up: Float, highest: float, down: Float, lowest: float) -> Float:
    """Return a behaviour that `up` raises from its base and `down` then lowers from there.

    b = b_up + (b_min − b_up)·D with b_up = b_0 + (b_max − b_0)·U.

    Parameters
    ----------
    up, down : (cell,) responses in [0, 1].
    highest, lowest : values at full response; equal to `base` where nothing raises or lowers it.

    Returns
    -------
    (cell,), in the behaviour's unit.

    Source
    ------
    Johnson et al., Cell 188:4711 (2025); PhysiCell 1.14.2, `Hypothesis_Rule::evaluate`.
    """
    raised = base + (highest - base) * up
    return np.asarray(raised + (lowest - raised) * down)
