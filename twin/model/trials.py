"""How far a prediction can be trusted: what was measured, predicted as if it had not been.

A predicted effect ê is nearer to the true one δ than "no change" is exactly if ⟨ê, δ⟩ > ½ |ê|². Each treated group of
an experiment is left out in turn, with all that would be missing too in a question of its kind, and predicted from the
others. That shows how much of a predicted effect is really there (the slope r of δ on ê), and how far off along ê it
is (σ). A new prediction ê is then (r − ½) |ê| / σ standard deviations on the safe side: its evidence. Large effects of
experiments that predict their own groups are trusted, small ones and those of erratic experiments are not. Where the
kernel leaves more of a question open than it left of the groups that were left out, σ grows with it.

Source
------
Left-out residuals in closed form: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equation
5.12, here for blocks of groups; calibration: Platt (1999), see `twin.analysis.metrics.calibration`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.model.kriging import UNSEEN, Groups

Float = NDArray[np.float64]
Index = NDArray[np.intp]

GROUP, TREATMENT, CONTEXT = 0, 1, 2  # what is missing in a question: this pair alone, its treatment, its context
KINDS = 3
GENES = 200  # of largest fitted effects, on which predictions are compared; our choice
OFF_AXIS = 0.05  # share of a group's whole error taken to lie along ê, as one group more; our choice
MOST_NUMBERS = 4_000_000  # of the matrices that are inverted at a time
MOST = 4.0  # towards which evidence saturates, either way: nothing is certain; our choice
SLOPE, INTERCEPT = 1.1, 0.54  # from evidence to log odds; fitted on 156 left-out conditions of 18 families
UNTESTED = 0.5  # support where no group could be left out: nothing is known; our choice


@dataclass(frozen=True)
class Trials:
    """The treated groups of an experiment, each left out.

    along, size, rest : (kind of question, row) means over genes of ê δ, ê² and (δ − ê)². size 0: nothing predicts it.
    open : (kind of question, row) variance that the kernel leaves, in its own unit (a typical gene's v_e).
    noise : (row,) mean sampling variance of δ.
    weight : (row, trial gene) by which the kernel of a question gives its ê on these genes (`Fit.weight`).
    """

    along: Float
    size: Float
    rest: Float
    open: Float
    noise: Float
    weight: Float

    def evidence(self, kernel: Float, weight: Float, kind: int, left_open: float) -> float:
        """Return (r − ½) |ê| / σ of a question; NaN where no group like it could be left out.

        kernel : (row,) of the question. weight : (row,) how much each left-out group tells of it. left_open : variance
        that the kernel leaves of it.
        """
        if not len(self.noise):
            return float("nan")
        along, size, rest = self.along[kind], self.size[kind], self.rest[kind]
        w = np.where(size > 0, weight, 0.0)
        if w.sum() <= 0:
            return float("nan")
        w = w / w.sum()
        slope = float(w @ along / (w @ size))
        beside = np.where(size > 0, (along - slope * size) ** 2 / np.where(size > 0, size, 1.0), 0.0)
        variance = w @ beside + OFF_AXIS * float(w @ w) * (w @ rest)
        variance *= max(1.0, left_open / max(w @ self.open[kind], 1e-9))
        return float((slope - 0.5) * np.sqrt(np.mean((kernel @ self.weight) ** 2) / max(variance, 1e-12)))

    def measured(self, kernel: Float, row: int) -> float:
        """Return ½ |ê| / σ of a group that was itself measured and is like no other: σ is its sampling noise."""
        effect = kernel @ self.weight
        return float(0.5 * np.sqrt((effect @ effect) / max(self.noise[row], 1e-12)))


NO_TRIALS = Trials(*(np.zeros((KINDS, 0)),) * 4, np.zeros(0), np.zeros((0, GENES)))


def tried(
    groups: Groups, kernel: Float, precision: Float, signal: Float, weight: Float, labels: tuple[Index, Index, Index]
) -> Trials:
    """Return what leaving out each treated group shows.

    Parameters
    ----------
    groups : every treated group's context has a control group.
    kernel : (treated group, treated group) (ρ + K_c) ∘ K_A. precision : (K + λ I)⁻¹ of it, λ of a typical gene.
    signal : (gene,) v_e. weight : (treated group, gene).
    labels : (treated group,) each: what is left out with a group where this pair, where its treatment, and where its
        context is asked for as one never seen.
    """
    rows = np.flatnonzero(groups.arm >= 0)
    n = len(rows)
    if n == 0:
        return NO_TRIALS
    control = {int(groups.context[i]): int(i) for i in np.flatnonzero(groups.arm < 0)}
    base = np.array([control[int(groups.context[i])] for i in rows], dtype=np.intp)
    genes = np.sort(np.argsort(-signal, kind="stable")[:GENES])
    variance, below = groups.variance[np.ix_(rows, genes)], groups.variance[np.ix_(base, genes)]  # (row, gene)
    delta = groups.mean[np.ix_(rows, genes)] - groups.mean[np.ix_(base, genes)]
    seen = variance + below < UNSEEN / 2
    shared = (base[:, None] == base[None, :]).astype(np.float64)
    kinds = labels
    predicted, left_open = np.zeros((KINDS, n, len(genes))), np.zeros((KINDS, n))
    typical = np.diag(np.linalg.inv(precision) - kernel)  # λ
    for kind, label in enumerate(kinds):
        for one in np.unique(label):
            out = np.flatnonzero(label == one)
            left_open[kind, out] = np.diag(np.linalg.inv(precision[np.ix_(out, out)])) - typical[out]
    step = max(1, MOST_NUMBERS // n**2)
    for first in range(0, len(genes), step):
        some = slice(first, first + step)
        noise = below.T[some, :, None] * shared
        noise[:, np.arange(n), np.arange(n)] += variance.T[some]
        inverse = np.linalg.inv(signal[genes[some], None, None] * kernel + noise)  # (gene, row, row)
        alpha = (inverse @ delta.T[some, :, None])[:, :, 0]
        for kind, label in enumerate(kinds):
            for one in np.unique(label):
                out = np.flatnonzero(label == one)
                off = np.linalg.solve(inverse[:, out[:, None], out], alpha[:, out, None])[:, :, 0]
                predicted[kind, out, some] = delta[out, some] - off.T
    known = np.maximum(seen.sum(axis=1), 1)

    def mean(values: Float) -> Float:
        return np.asarray(np.where(seen, values, 0.0).sum(axis=-1) / known)

    alone = np.array([[len(set(label.tolist())) == 1] for label in kinds])  # nothing is left to predict from
    return Trials(
        mean(predicted * delta),
        np.where(alone, 0.0, mean(predicted**2)),
        mean((delta - predicted) ** 2),
        left_open,
        mean(variance + below),
        weight[:, genes],
    )


def probability(evidence: Float, slope: float = SLOPE, intercept: float = INTERCEPT) -> Float:
    """Return the calibrated probability that a prediction is no worse than saying that nothing changes.

    evidence : of any shape; NaN gives `UNTESTED`, −∞ (nothing like it was measured) 0.
    """
    bounded = MOST * np.tanh(evidence / MOST)
    known = np.where(np.isneginf(evidence), 0.0, 1.0 / (1.0 + np.exp(-(slope * bounded + intercept))))
    return np.asarray(np.where(np.isnan(evidence), UNTESTED, known))
