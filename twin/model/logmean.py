"""Between two means of a count: that of the rate, and that of log1p(CP10k) over cells."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Float = NDArray[np.float64]
Index = NDArray[np.intp]

LOG_RATES = np.linspace(np.log(1e-4), np.log(5e3), 90)  # counts per 10,000
LOG_DISPERSIONS = np.linspace(np.log(0.02), np.log(20.0), 14)
DEPTHS = 5  # quantiles of the library size
TAIL = 60.0  # means up to which counts are summed; our choice


class LogMean:
    """E[log1p(1e4 x / D)] for x negative binomial of mean rate · D / 1e4 and variance μ + φ μ², over library sizes D.

    Tabulated over rate and φ, interpolated linearly in their logs (to 0.03); increasing in the rate, so that it has an
    inverse.
    """

    def __init__(self, depths: Float) -> None:
        """Tabulate for a law of library sizes. depths : (any,) a sample of it or its quantiles."""
        quantiles = np.quantile(depths, (np.arange(DEPTHS) + 0.5) / DEPTHS)
        self._table = _table(tuple(float(f"{q:.4g}") for q in np.maximum(quantiles, 1.0)))

    def forward(self, rate: Float, dispersion: Float) -> Float:
        """Return the mean log1p(CP10k); rate (…, gene) per 10,000, dispersion (gene,) φ."""
        return self._at(np.log(np.maximum(rate, 1e-300)), dispersion)

    def inverse(self, level: Float, dispersion: Float) -> Float:
        """Return the rate per 10,000 whose mean log1p(CP10k) is `level`, (…, gene), within the table."""
        y = _place(np.log(dispersion), LOG_DISPERSIONS)
        j = y.astype(np.intp)
        b = y - j

        def node(i: Index) -> Float:
            return np.asarray((1 - b) * self._table[j, i] + b * self._table[j + 1, i])

        low = np.zeros(level.shape, np.intp)
        high = np.full(level.shape, len(LOG_RATES) - 1)
        for _ in range(int(np.ceil(np.log2(len(LOG_RATES) - 1)))):
            middle = (low + high) // 2
            above = node(middle) > level
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        low = np.minimum(low, len(LOG_RATES) - 2)
        start, end = node(low), node(low + 1)
        along = np.clip((level - start) / (end - start), 0.0, 1.0)
        return np.asarray(np.exp(LOG_RATES[low] + along * (LOG_RATES[1] - LOG_RATES[0])))

    def _at(self, log_rate: Float, dispersion: Float) -> Float:
        x = _place(log_rate, LOG_RATES)
        y = _place(np.log(dispersion), LOG_DISPERSIONS)
        i, j = x.astype(np.intp), y.astype(np.intp)
        a, b, t = x - i, y - j, self._table
        below = (1 - a) * t[j, i] + a * t[j, i + 1]
        above = (1 - a) * t[j + 1, i] + a * t[j + 1, i + 1]
        return np.asarray((1 - b) * below + b * above)


def _place(x: Float, grid: Float) -> Float:
    return np.asarray(np.clip((x - grid[0]) / (grid[1] - grid[0]), 0.0, len(grid) - 1.000001))


@lru_cache(maxsize=512)
def _table(depths: tuple[float, ...]) -> Float:
    """Return the means, (dispersion, rate)."""
    k = np.concatenate(
        [np.arange(40.0), np.arange(40.0, 200, 4), np.arange(200.0, 1000, 20), np.geomspace(1e3, 3e6, 60)]
    )
    top = TAIL * float(np.exp(LOG_RATES[-1])) * max(depths) / 1e4
    if top > k[-1]:  # the library of a bulk well
        k = np.append(k, np.geomspace(k[-1], top, 2 + int(np.log(top / k[-1]) / np.log(k[-1] / k[-2])))[1:])
    width = np.gradient(k)
    width[:40] = 1.0
    theta = np.exp(-LOG_DISPERSIONS)[:, None, None]
    constant = gammaln(k + theta) - gammaln(theta) - gammaln(k + 1)  # (dispersion, 1, k)
    out = np.zeros((len(LOG_DISPERSIONS), len(LOG_RATES)))
    for depth in depths:
        mu = (np.exp(LOG_RATES) * depth / 1e4)[None, :, None]
        log_p = k * np.log(mu / (theta + mu))
        log_p += theta * np.log(theta / (theta + mu))
        log_p += constant
        p = np.exp(log_p, out=log_p)
        mean, total = np.moveaxis(p @ np.stack([width * np.log1p(1e4 * k / depth), width], axis=1), 2, 0)
        out += mean / total / len(depths)
    return np.asarray(np.maximum.accumulate(out, axis=1) + 1e-9 * np.arange(len(LOG_RATES)))
