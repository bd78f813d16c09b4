"""Kriging of expression over contexts and treatments: what a context shows under a treatment it was never given.

Each gene is a Gaussian process over groups of cells. A control group of context c has the mean μ + a_c, a treated one
μ + (1 − β) a_c + e_{c,A}, with a ~ N(0, v_a K_a) and e ~ N(0, v_e (ρ + K_c) ∘ K_A): similar contexts respond alike,
and related treatments do alike. Every group is seen with its own sampling noise, so that 20 cells weigh as 20 cells,
and a control that many treated groups share is noisy once. β > 0 says that a gene already high rises less.

The answer for a group never seen is the posterior mean: the similarity-weighted shift and the treated level of the
other contexts, ridge regression and additive effects of combinations are all special cases.

Source
------
Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapter 2; variances per gene by
expectation–maximisation with a prior (empirical Bayes: Efron, Large-Scale Inference, 2010, chapter 1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Float = NDArray[np.float64]
Index = NDArray[np.intp]

UNSEEN = 1e6  # variance of a group that did not measure a gene
EM_ROUNDS = 6


@dataclass(frozen=True)
class Settings:
    """Scales of the process on one scale of expression.

    saturation : β.
    common : ρ, weight of what all contexts share.
    stretch : factor on the fitted v_e. Above 1: a context left out lies farther from those seen than they from each
        other. Chosen by leaving PBMC types out.
    least_effect : smallest standard deviation of an effect; relative : … and as a share of the mean effect.
    least_spread : smallest variance of a control mean between contexts.
    """

    saturation: float
    common: float
    stretch: float
    least_effect: float
    relative: float
    least_spread: float


LEVEL = Settings(0.0, 3.0, 4.0, 0.05, 0.5, 1e-3)  # mean log1p(CP10k)
RATE = Settings(0.2, 3.0, 4.0, 0.2, 0.3, 0.05)  # log of the mean rate


@dataclass(frozen=True)
class Groups:
    """Means of groups of cells on one scale.

    mean, variance : (group, gene) means and their sampling variances.
    context : (group,). arm : (group,) index; −1 is control.
    """

    mean: Float
    variance: Float
    context: Index
    arm: Index


@dataclass(frozen=True)
class Fit:
    """A fitted process, ready for questions.

    centre : (gene,) μ. weight : (treated group, gene) v_e α, so that an effect is the kernel times it.
    control : (context, gene) posterior means of the control groups. signal : (gene,) v_e.
    """

    settings: Settings
    centre: Float
    weight: Float
    control: Float
    signal: Float

    def effect(self, kernel: Float) -> Float:
        """Return e at queries, (query, gene); kernel (query, treated group): (ρ + K_c) ∘ K_A."""
        return np.asarray(kernel @ self.weight)

    def treated(self, control: Float, effect: Float) -> Float:
        """Return the treated mean of a context whose control mean is `control`, shapes (…, gene)."""
        return np.asarray(control - self.settings.saturation * (control - self.centre) + effect)


def fit(groups: Groups, like: Float, effect_kernel: Float, settings: Settings) -> Fit:
    """Fit the process gene by gene.

    Parameters
    ----------
    groups : each context has at most one control group.
    like : (context, context) K_a of the control means.
    effect_kernel : (treated group, treated group) (ρ + K_c) ∘ K_A, in the order of the treated groups.
    """
    control = groups.arm < 0
    treated = np.flatnonzero(~control)
    centre = _centre(groups.mean[control], groups.variance[control])
    spread = _spread(groups.mean[control] - centre, groups.variance[control], settings)
    v = settings.stretch * _effect_variance(_deltas(groups), effect_kernel, settings)
    share = np.where(control, 1.0, 1.0 - settings.saturation)
    own = like[np.ix_(groups.context, groups.context)] * np.outer(share, share)
    everything = np.zeros_like(own)
    everything[np.ix_(treated, treated)] = effect_kernel
    diagonal = np.arange(len(share))
    off = (groups.mean - centre).T  # (gene, group)
    alpha = np.empty_like(off)
    for gene, y in enumerate(off):
        covariance = spread[gene] * own + v[gene] * everything
        covariance[diagonal, diagonal] += groups.variance[:, gene]
        _, alpha[gene], info = lapack.dposv(covariance.T, y, overwrite_a=True)
        assert info == 0, info  # kernels are positive semidefinite, variances positive
    posterior = centre + spread * ((like[:, groups.context] * share) @ alpha.T)
    return Fit(settings, centre, v * alpha.T[treated], posterior, v)


def left_out(groups: Groups, effect_kernel: Float, settings: Settings) -> Float:
    """Return the mean squared error of each treated group's effect, predicted from the others, (treated group,).

    The mean is over the genes that the group and its control measured. A group whose context has no control, or with
    nothing measured, is NaN.
    """
    off = left_out_residuals(groups, effect_kernel, settings)
    several = np.isfinite(off).sum(axis=1)
    total = np.nansum(off**2, axis=1)
    return np.where(several > 0, total / np.maximum(several, 1), np.nan)


def left_out_residuals(groups: Groups, effect_kernel: Float, settings: Settings) -> Float:
    """Return each treated group's effect less what the others predict of it, (treated group, gene); NaN: not measured.

    In closed form: y_i − ŷ_i = [M⁻¹ y]_i / [M⁻¹]_ii (Rasmussen and Williams, equation 5.12).
    """
    deltas = _deltas(groups)
    rows = deltas.rows
    out = np.full((len(effect_kernel), groups.mean.shape[1]), np.nan)
    if len(rows) == 0:
        return out
    kernel = effect_kernel[np.ix_(rows, rows)]
    v, seen = settings.stretch * _effect_variance(deltas, effect_kernel, settings), deltas.seen
    for gene, y in enumerate(deltas.delta):
        inverse = np.linalg.inv(v[gene] * kernel + deltas.noise(gene))
        out[rows, gene] = np.where(seen[gene], inverse @ y / np.diag(inverse), np.nan)
    return out


def _centre(mean: Float, variance: Float) -> Float:
    """Return the mean over groups that saw a gene, each weighing by its precision, (gene,).

    No group weighs more than four times the median; 0 where none saw it.
    """
    seen = variance < UNSEEN / 2
    precision = np.where(seen, 1.0 / variance, 0.0)
    order = np.sort(precision, axis=0)[::-1]  # those that saw it come first
    n = np.maximum(seen.sum(axis=0), 1)
    if len(order) == 0:
        return np.zeros(mean.shape[1])
    genes = np.arange(mean.shape[1])
    median = 0.5 * (order[(n - 1) // 2, genes] + order[n // 2, genes])
    weight = np.minimum(precision, 4.0 * median)
    total = weight.sum(axis=0)
    return np.asarray((weight * mean).sum(axis=0) / np.where(total > 0, total, 1.0))


def _spread(off: Float, variance: Float, settings: Settings) -> Float:
    """Return v_a by moments, (gene,)."""
    seen = variance < UNSEEN / 2
    excess = np.where(seen, off**2 - variance, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.asarray(np.maximum(excess, settings.least_spread))


@dataclass(frozen=True)
class _Deltas:
    """Treated minus control, for the treated groups whose context has a control.

    rows : (row,) which of the treated groups. delta : (gene, row). variance, base : (gene, row) sampling variances of
    the treated and of the control mean. shared : (row, row) 1 where two have one control, whose noise they share.
    """

    rows: Index
    delta: Float
    variance: Float
    base: Float
    shared: Float

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where both the treated and the control group measured the gene, (gene, row)."""
        return np.asarray(self.variance + self.base < UNSEEN / 2)

    def noise(self, gene: int) -> Float:
        """Return the covariance of a gene's deltas that sampling makes, (row, row)."""
        out = np.asarray(self.base[gene][:, None] * self.shared)
        out[np.diag_indices(len(out))] += self.variance[gene]
        return out


def _deltas(groups: Groups) -> _Deltas:
    control = {
        int(c): int(i) for i, c in zip(np.flatnonzero(groups.arm < 0), groups.context[groups.arm < 0], strict=True)
    }
    treated = np.flatnonzero(groups.arm >= 0)
    rows = np.array([i for i, t in enumerate(treated) if int(groups.context[t]) in control], dtype=np.intp)
    at = treated[rows]
    base = np.array([control[int(groups.context[t])] for t in at], dtype=np.intp)
    return _Deltas(
        rows,
        (groups.mean[at] - groups.mean[base]).T,
        np.ascontiguousarray(groups.variance[at].T),
        np.ascontiguousarray(groups.variance[base].T),
        (base[:, None] == base[None, :]).astype(np.float64),
    )


def _effect_variance(deltas: _Deltas, kernel: Float, settings: Settings) -> Float:
    """Return v_e, (gene,): expectation–maximisation from the moments, held by a prior of one degree of freedom."""
    delta, seen = deltas.delta, deltas.seen
    floor = np.full(len(delta), settings.least_effect**2)
    n = len(deltas.rows)
    if n == 0:
        return floor
    kernel = kernel[np.ix_(deltas.rows, deltas.rows)]
    size = float(np.mean(np.diag(kernel)))
    several = np.maximum(seen.sum(axis=1), 1)
    excess = np.where(seen, delta**2 - deltas.variance - deltas.base, 0.0)
    v = np.maximum(excess.sum(axis=1) / several, floor) / size
    average = np.where(seen, delta, 0.0).sum(axis=1) / several
    prior = np.maximum(floor, (settings.relative * average) ** 2) / size
    diagonal, beside, length = _tridiagonal(deltas, kernel)
    for _ in range(EM_ROUNDS):
        trace, square = _moments(diagonal, beside, length, v)
        v = (v * trace + v**2 * square + prior) / (n + 1.0)
    return np.asarray(v)


def _tridiagonal(deltas: _Deltas, kernel: Float) -> tuple[Float, Float, Float]:
    """Turn each gene's deltas so that the noise is 1, K is tridiagonal and δ lies along the first axis.

    In that basis M = v T + 1, so that after one reduction of order n³ every v costs order n. The reflections that make
    [[0, δᵀ], [δ, K]] tridiagonal (Golub and Van Loan, Matrix Computations, 2013, section 8.3.1) leave its first axis
    alone and take δ to a multiple of the second: one call does both.

    Returns
    -------
    diagonal (row, gene), beside (row − 1, gene) : T. length : (gene,) |δ|, with a sign.
    """
    n_genes, n = deltas.delta.shape
    diagonal, beside = np.empty((n + 1, n_genes)), np.empty((n, n_genes))
    work = int(lapack.dsytrd_lwork(n + 1, lower=1)[0])
    bordered = np.zeros((n + 1, n + 1), order="F")
    for gene, y in enumerate(deltas.delta):
        factor, info = lapack.dpotrf(deltas.noise(gene).T, lower=1, overwrite_a=True)
        assert info == 0, info
        bordered[1:, 1:], _ = lapack.dsygst(kernel, factor, lower=1)
        bordered[1:, :1], _ = lapack.dtrtrs(factor, y[:, None], lower=1)
        _, diagonal[:, gene], beside[:, gene], _, _ = lapack.dsytrd(bordered, lower=1, lwork=work)
    return diagonal[1:], beside[1:], beside[0]


def _moments(diagonal: Float, beside: Float, length: Float, v: Float) -> tuple[Float, Float]:
    """Return n − v tr(K M⁻¹) and aᵀ K a, a = M⁻¹ δ, (gene,) each, from `_tridiagonal`.

    With M⁻¹ tridiagonal's inverse, its diagonal from the pivots of elimination upwards and downwards (Meurant, SIAM
    J. Matrix Anal. Appl. 13, 1992, theorem 2.3); all pivots are at least 1.
    """
    n = len(diagonal)
    m, off = 1.0 + v * diagonal, v * beside
    down, up, w = m.copy(), m.copy(), np.empty_like(m)
    for i in range(1, n):
        down[i] -= off[i - 1] ** 2 / down[i - 1]
    for i in reversed(range(n - 1)):
        up[i] -= off[i] ** 2 / up[i + 1]
    w[0] = length / up[0]
    for i in range(1, n):
        w[i] = -off[i - 1] * w[i - 1] / up[i]
    square = (diagonal * w**2).sum(axis=0) + 2.0 * (beside * w[1:] * w[:-1]).sum(axis=0)
    return (1.0 / (up + down - m)).sum(axis=0), square
