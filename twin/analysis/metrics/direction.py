"""Agreement of two tables of differential expression as the Virtual Cell Challenge 2026 counts it."""

import numpy as np

from twin.analysis.metrics.rank_test import ALPHA, Bool, DifferentialTable
from twin.errors import InputError

PURITY = 0.9  # share of right signs that a prefix of the ranking must keep; cell-eval2's REACH_PURITY_FLOOR
LEAST_GENES = 10  # fewer significant genes and the size of the change is not scored; cell-eval2's min_gate_size


def direction_agreement(
    predicted: DifferentialTable, real: DifferentialTable, counted: Bool, alpha: float = ALPHA
) -> dict[str, float]:
    """Return four scores of the predicted table of one perturbation.

    R and P are the significant genes in truth and prediction, the perturbation's own gene left out of everything.
    A gene tested on both sides *can be judged* where its real log2FC is not 0; it *matches* where the predicted one
    has the same sign.

    direction_yield : matches / max(judged, |R|) with `judged` the genes of P that can be judged; NaN if both are 0.
    direction_reach : genes of R tested in the prediction, ordered by predicted (FDR, p, −|log2FC|, name): the largest
        number of judged genes at whose end ≥ 90 % match, over |R|; 0 if none, NaN without R.
    sig_jaccard : |R ∩ P| / |R ∪ P|; 1 if both are empty.
    lfc_nmae : Σ|predicted − real log2FC| / Σ|real log2FC| over the genes of R with a finite real log2FC, a missing or
        infinite prediction counting as 0; NaN below 10 such genes.

    Parameters
    ----------
    counted : (gene,) which genes count: all but the perturbation's own. The genes are in the order of their names.

    Source
    ------
    cell-eval2 0.20.0: de_wilcoxon_{direction_fidelity_yield_raw, direction_reach_raw, sig_jaccard, lfc_nmae}.
    """
    truth, called = real.significant(alpha) & counted, predicted.significant(alpha) & counted
    shared = real.tested & predicted.tested & counted
    judged = shared & (real.log2fc != 0)
    match = judged & (predicted.log2fc != 0) & (np.sign(predicted.log2fc) == np.sign(real.log2fc))
    n_real, n_judged = int(truth.sum()), int((called & judged).sum())
    most = max(n_real, n_judged)
    union = int((truth | called).sum())
    return {
        "direction_yield": float((called & match).sum()) / most if most else float("nan"),
        "direction_reach": _reach(predicted, truth & shared, judged, match) / n_real if n_real else float("nan"),
        "sig_jaccard": float((truth & called).sum()) / union if union else 1.0,
        "lfc_nmae": change_error(predicted, real, real, truth),
    }


def change_error(predicted: DifferentialTable, real: DifferentialTable, scale: DifferentialTable, genes: Bool) -> float:
    """Return Σ|predicted − real log2FC| / Σ|log2FC of `scale`| over some genes with a finite scale; NaN below 10.

    A change that is missing or infinite, on either of the first two sides, counts as 0.
    """
    gate = genes & np.isfinite(scale.log2fc)
    whole = float(np.abs(scale.log2fc[gate]).sum())
    if gate.sum() < LEAST_GENES or whole == 0:
        return float("nan")
    a, b = (np.where(np.isfinite(t.log2fc[gate]), t.log2fc[gate], 0.0) for t in (predicted, real))
    return float(np.abs(a - b).sum()) / whole


def board_score(user: float, baseline: float, replicate: float, low: float | None = None) -> float:
    """Return (u − b) / (r − b): 0 at the baseline, 1 at a replicate of the experiment; at least `low` where given.

    Raises
    ------
    InputError
        If the replicate is not apart from the baseline.
    """
    if not np.isfinite([baseline, replicate]).all() or replicate == baseline:
        raise InputError(
            f"the replicate ({replicate:.6g}) must differ from the baseline ({baseline:.6g}), "
            "both finite, to make a scale"
        )
    score = (user - baseline) / (replicate - baseline)
    return score if low is None else max(score, low)


def _reach(predicted: DifferentialTable, ranked: Bool, judged: Bool, match: Bool) -> int:
    genes = np.flatnonzero(ranked)
    keys = (-np.abs(predicted.log2fc[genes]), predicted.p[genes], predicted.fdr[genes])
    genes = genes[np.lexsort(keys)]  # stable: equal keys stay in the order of names
    depth, right = np.cumsum(judged[genes]), np.cumsum(match[genes])
    pure = (depth > 0) & (right >= PURITY * depth)
    return int(depth[pure].max()) if pure.any() else 0
