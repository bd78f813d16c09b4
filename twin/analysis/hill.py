"""A Hill curve through responses at several doses, and whether the doses tell enough to believe it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.stats import f as fisher
from scipy.stats import t as student

from twin.analysis.bands import LEVEL

Float = NDArray[np.float64]

N_PARAMETERS = 4
STARTS = (0.6, 1.0, 2.0, 4.0)  # slopes that the search begins at
SLOPES = (0.1, 20.0)  # outside of which no slope is sought; our choice
BEYOND = 1e3  # how far outside of the doses the EC50 is sought, as a factor
BETWEEN = 0.05  # of the way, within which a response tells where the curve rises; our choice
WIDEST = 100.0  # high over low end of the EC50's or the slope's interval, above which it says nothing; our choice
ALPHA = 0.05  # of the test that there is any response at all


@dataclass(frozen=True)
class HillFit:
    """response = at_zero + (at_most − at_zero) · dose^slope / (EC50^slope + dose^slope).

    ec50_interval, slope_interval : 95 %, of the logarithms, by Student's t.
    why_not : one phrase where the doses do not tell the curve; its numbers are then not to be shown. "" where they do.
    """

    at_zero: float
    at_most: float
    ec50: float
    slope: float
    ec50_interval: tuple[float, float]
    slope_interval: tuple[float, float]
    why_not: str = ""

    def __call__(self, dose: Float) -> Float:
        """Return the response at doses ≥ 0."""
        return hill(dose, self.at_zero, self.at_most, np.log(self.ec50), np.log(self.slope))


def hill(dose: Float, at_zero: float, at_most: float, log_ec50: float, log_slope: float) -> Float:
    """Return the Hill curve at doses ≥ 0; logarithms keep EC50 and slope positive while they are sought."""
    with np.errstate(divide="ignore"):
        power = np.exp(log_slope) * (np.log(dose) - log_ec50)  # −inf at no dose
    # dose^h / (EC50^h + dose^h), without the powers that overflow
    return np.asarray(at_zero + (at_most - at_zero) / (1.0 + np.exp(np.clip(-power, -700.0, 700.0))))


def fit_hill(dose: Float, response: Float, weight: Float | None = None) -> HillFit:
    """Fit a Hill curve by least squares, and say where it cannot be believed.

    Parameters
    ----------
    dose : (point,) ≥ 0, any unit. response : (point,), NaN is left out.
    weight : (point,) how much each counts; None: all alike.
    """
    given = np.ones(len(dose)) if weight is None else np.nan_to_num(weight)
    good = np.isfinite(response) & np.isfinite(dose) & (given > 0)
    dose, response, given = dose[good], response[good], given[good]
    several, points = len(np.unique(dose)), len(dose)
    if several < N_PARAMETERS:
        return _unknown(f"{several} doses cannot tell the {N_PARAMETERS} numbers of the curve")
    if points <= N_PARAMETERS:
        return _unknown(f"{points} points leave no scatter to judge {N_PARAMETERS} numbers by: give more")
    if np.ptp(response) == 0:
        return _unknown("the response is the same at all doses")
    sigma = np.sqrt(given.mean() / given)
    best = _searched(dose, response, sigma)
    if best is None:
        return _unknown("no plateau is reached: the fit does not converge")
    found, covariance, left = best
    free = points - N_PARAMETERS
    mean = np.average(response, weights=given)
    whole = float((((response - mean) / sigma) ** 2).sum())
    gain = (whole - left) / (N_PARAMETERS - 1)
    if left > 0 and fisher.sf(gain / (left / free), N_PARAMETERS - 1, free) > ALPHA:
        return _unknown("no response to the dose beyond the scatter")
    reach = student.ppf(0.5 + LEVEL / 2, free) * np.sqrt(np.diag(covariance))
    ends = [(_exp(found[i] - reach[i]), _exp(found[i] + reach[i])) for i in (2, 3)]
    made = HillFit(float(found[0]), float(found[1]), _exp(found[2]), _exp(found[3]), ends[0], ends[1])
    why = _doubt(made, dose)
    return (
        made
        if not why
        else HillFit(made.at_zero, made.at_most, made.ec50, made.slope, made.ec50_interval, made.slope_interval, why)
    )


def _searched(dose: Float, response: Float, sigma: Float) -> tuple[Float, Float, float] | None:
    """Return the best of several searches: parameters, covariance, weighted sum of squares left."""
    tested = np.log(dose[dose > 0])
    ends = float(response[dose == dose.min()].mean()), float(response[dose == dose.max()].mean())
    low = [-np.inf, -np.inf, tested.min() - np.log(BEYOND), np.log(SLOPES[0])]
    high = [np.inf, np.inf, tested.max() + np.log(BEYOND), np.log(SLOPES[1])]
    size = float(np.ptp(response))
    best = None
    for slope in STARTS:
        start = [*ends, float(tested.mean()), np.log(slope)]
        try:
            found, covariance = curve_fit(
                hill, dose, response, start, sigma, bounds=(low, high), x_scale=[size, size, 1.0, 1.0], max_nfev=300
            )
        except RuntimeError:  # this start leads nowhere; another may
            continue
        left = float((((response - hill(dose, *found)) / sigma) ** 2).sum())
        if best is None or left < best[2]:
            best = (np.asarray(found), np.asarray(covariance), left)
    return best


def _doubt(fit: HillFit, dose: Float) -> str:
    """Return why the numbers of a fit are not to be believed, or ""."""
    tested = dose[dose > 0]
    if not tested.min() <= fit.ec50 <= tested.max():
        side = "above" if fit.ec50 > tested.max() else "below"
        return f"half of the response would lie {side} all doses: no plateau is reached"
    between = hill(dose, 0.0, 1.0, float(np.log(fit.ec50)), float(np.log(fit.slope)))  # of the way from none to all
    if not ((between > BETWEEN) & (between < 1 - BETWEEN)).any():
        return "no dose has a response between none and all: any EC50 between two of them fits"
    for name, (low, high) in (("EC50", fit.ec50_interval), ("slope", fit.slope_interval)):
        if not high / low < WIDEST:
            return f"the 95 % interval of the {name} spans more than a factor of {WIDEST:g}"
    return ""


def _exp(value: float) -> float:
    return float(np.exp(np.clip(value, -700.0, 700.0)))


def _unknown(why: str) -> HillFit:
    nothing = float("nan")
    return HillFit(nothing, nothing, nothing, nothing, (nothing, nothing), (nothing, nothing), why)
