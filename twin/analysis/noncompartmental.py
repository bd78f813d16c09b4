"""What a course of a drug in plasma comes to without a model of it: peak, trough, area, half-life."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

LEAST_POINTS = 3  # of a terminal line
CLOSE = 0.9999  # of the best adjusted R²: a longer line that is as good is taken; as in usual practice
STRAIGHT = 0.9  # adjusted R² below which no half-life is told; our choice
LN2 = float(np.log(2.0))


@dataclass(frozen=True)
class Course:
    """Numbers of a course of concentrations; times in h, concentrations in the unit of the course.

    peak, peak_time : C_max and t_max, the first of the highest samples.
    trough : least concentration between the peak and the end.
    area : to the end. area_extrapolated : to infinity, NaN where no half-life can be told.
    mean : area over the length of the course.
    half_life : of the terminal line through the logarithms, NaN where there is none.
    """

    peak: float
    peak_time: float
    trough: float
    area: float
    area_extrapolated: float
    mean: float
    half_life: float


def course_numbers(times: Float, levels: Float) -> Course:
    """Return what a course of concentrations comes to.

    Areas are by linear trapezoids where concentrations rise and logarithmic ones where they fall, which are exact for
    exponential decline. The terminal line is that of the last points, three at least after the peak, with the best
    adjusted R²; where the course rises to its end, or is no line, there is none.

    Parameters
    ----------
    times : (time,) h, rising. levels : (time,) >= 0.

    Raises
    ------
    ValueError
        If there are fewer than two samples, times do not rise, or a concentration is below 0 or no number.

    Source
    ------
    Gabrielsson and Weiner, Non-compartmental analysis, Methods Mol Biol 929 (2012), 377-389.
    """
    if len(times) < 2 or (np.diff(times) <= 0).any():
        raise ValueError("a course needs two samples at least, in the order of time")
    if not (np.isfinite(levels).all() and (levels >= 0).all()):
        raise ValueError("concentrations of a course are numbers >= 0")
    top = int(np.argmax(levels))
    area = sum(_part(*span) for span in pairwise(zip(times.tolist(), levels.tolist(), strict=True)))
    half = _terminal(times[top:], levels[top:])
    return Course(
        peak=float(levels[top]),
        peak_time=float(times[top]),
        trough=float(levels[top:].min()),
        area=area,
        area_extrapolated=area + float(levels[-1]) * half / LN2,
        mean=area / float(times[-1] - times[0]),
        half_life=half,
    )


def _part(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Return the area between two samples (h, concentration)."""
    (t0, c0), (t1, c1) = before, after
    if c1 >= c0 or c1 <= 0:
        return (t1 - t0) * (c0 + c1) / 2
    return (t1 - t0) * (c0 - c1) / float(np.log(c0 / c1))


def _terminal(times: Float, levels: Float) -> float:
    """Return the half-life of the terminal line through samples from the peak on, h; NaN where there is none."""
    seen = levels > 0
    last = len(seen) if seen.all() else int(np.argmin(seen))  # up to the first that is 0
    t, y = times[1:last], np.log(levels[1:last])
    best, half = -np.inf, float("nan")
    for n in range(LEAST_POINTS, len(t) + 1):
        slope, level = np.polyfit(t[-n:] - t[-1], y[-n:], 1)
        spread = float(((y[-n:] - y[-n:].mean()) ** 2).sum())
        rest = float(((y[-n:] - level - slope * (t[-n:] - t[-1])) ** 2).sum())
        fit = 1.0 - rest / spread * (n - 1) / (n - 2) if spread > 0 else -np.inf
        if fit >= max(CLOSE * best, STRAIGHT) and slope < 0:
            best, half = max(best, fit), -LN2 / float(slope)
    return half
