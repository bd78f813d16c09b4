"""The seven metrics of cell-eval (and the share of right signs): predicted against real perturbed cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from twin.analysis.metrics.rank_test import (
    ALPHA,
    Cells,
    DifferentialTable,
    Float,
    differential_expression,
    gene_means,
    sparse,
)
from twin.analysis.scores import pearson
from twin.errors import InputError

CELL_EVAL_NAMES = {  # our name: the name in cell-eval's registry
    "mae": "mae",
    "pds": "discrimination_score_l1",
    "des": "overlap_at_N",
    "pearson_delta": "pearson_delta",
    "spearman_deg": "de_spearman_sig",
    "spearman_lfc": "de_spearman_lfc_sig",
    "auprc": "pr_auc",
    "direction_match": "de_direction_match",
}
LOWER_IS_BETTER = frozenset({"mae"})
FLOOR_FDR = 1e-10  # of the score -log10(FDR); cell-eval


@dataclass(frozen=True)
class PanelScores:
    """Scores of the predictions of a panel of perturbations.

    values : metric -> (perturbation,), NaN where undefined. A metric of the whole panel has no entry here.
    means : metric -> mean over the perturbations where it is defined, or the number of the whole panel.
    """

    perturbations: tuple[str, ...]
    values: dict[str, Float]
    means: dict[str, float]


def mean_defined(values: Float) -> float:
    """Return the mean of the values that are not NaN; NaN where none is."""
    good = values[~np.isnan(values)]
    return float(good.mean()) if len(good) else float("nan")


def average_precision(label: NDArray[np.bool_], score: Float) -> float:
    """Return Σ (R_k − R_k−1) P_k over the distinct thresholds of the score; NaN where all labels are equal.

    label, score : (gene,). As scikit-learn's average_precision_score: no interpolation, ties share one threshold.
    """
    if label.all() or not label.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(label[order])
    last = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])  # last gene of each threshold
    recall = hits[last] / hits[-1]
    return float(np.sum(np.diff(np.r_[0.0, recall]) * hits[last] / (last + 1)))


def spearman(x: Float, y: Float) -> float:
    """Return Spearman's rank correlation with mean ranks at ties; NaN below two points or where one is constant."""
    return pearson(rankdata(x), rankdata(y)) if len(x) > 1 else float("nan")


def table_agreement(predicted: DifferentialTable, real: DifferentialTable, alpha: float = ALPHA) -> dict[str, float]:
    """Return how well a predicted table of differential expression agrees with the real one.

    With R and P the genes significant in truth and in prediction:
    des : |R ∩ top_|R|(P)| / |R|, P by descending |log2FC| (single precision; ties in gene order); 0 if R or P is empty.
    spearman_lfc : Spearman of log2FC over R.
    auprc : average precision of −log10(predicted FDR, at least 1e-10) for the label R.
    direction_match : share of R whose predicted log2FC has the real sign.
    n_real, n_predicted : |R|, |P|.

    Source
    ------
    cell-eval 0.8.2 (Arc Institute): overlap_at_N, de_spearman_lfc_sig, pr_auc, de_direction_match.
    """
    truth, called = real.significant(alpha), np.flatnonzero(predicted.significant(alpha))
    n = int(truth.sum())
    size = np.abs(predicted.log2fc[called]).astype(np.float32)  # cell-eval keeps tables in single precision
    top = called[np.argsort(-size, kind="stable")][:n]
    signs = np.sign(real.log2fc[truth]) == np.sign(predicted.log2fc[truth])
    return {
        "des": float(truth[top].sum()) / n if n else 0.0,
        "spearman_lfc": spearman(real.log2fc[truth], predicted.log2fc[truth]),
        "auprc": average_precision(truth, -np.log10(np.clip(predicted.fdr, FLOOR_FDR, 1.0))),
        "direction_match": float(signs.mean()) if n else float("nan"),
        "n_real": float(n),
        "n_predicted": float(len(called)),
    }


def discrimination(predicted: Float, real: Float, own_gene: Sequence[int | None]) -> Float:
    """Return how near the predicted delta of each perturbation is to its real one among all real ones, (perturbation,).

    1 − r / P with r the number of real deltas nearer in L1 distance than the true one (half of those as near: for
    distances without ties cell-eval's discrimination_score_l1). The perturbation's own gene is left out.

    Parameters
    ----------
    predicted, real : (perturbation, gene) deltas.
    own_gene : column of each perturbation's own gene, or None.
    """
    count = len(real)
    scores = np.empty(count)
    for i, column in enumerate(own_gene):
        keep = np.ones(real.shape[1], dtype=np.bool_)
        if column is not None:
            keep[column] = False
        distance = np.abs(real[:, keep] - predicted[i, keep]).sum(axis=1)
        nearer, equal = (distance < distance[i]).sum(), (distance == distance[i]).sum() - 1
        scores[i] = 1 - (nearer + equal / 2) / count
    return scores


def cell_eval_scores(
    predicted: Mapping[str, Cells],
    real: Mapping[str, Cells],
    controls: Cells,
    genes: Sequence[str],
    *,
    predicted_controls: Cells | None = None,
    alpha: float = ALPHA,
) -> PanelScores:
    """Score predicted cells of each perturbation as cell-eval 0.8.2 does.

    Pseudobulk = mean over cells of the log-normalised values, delta = pseudobulk − that of the own side's controls.
    mae : mean over genes of |predicted − real pseudobulk|. pds : `discrimination`. pearson_delta : Pearson of the
    deltas over genes. des, spearman_lfc, auprc, direction_match : `table_agreement` of both sides' tables against
    their own controls. spearman_deg (one number of the panel): Spearman, over the perturbations with a really
    significant gene, of the numbers of significant genes; 1 where no perturbation has one.
    Beside these `values` holds n_real and n_predicted, the numbers of significant genes.

    Means leave out perturbations where a score is undefined (cell-eval's mean is then undefined altogether).

    Parameters
    ----------
    predicted, real : perturbation -> (cell, gene) log-normalised cells. Not modified.
    controls : (cell, gene) log-normalised real controls.
    genes : names of the genes; a perturbation of the same name has its gene left out of pds.
    predicted_controls : controls on the predicted side, where they are not the real ones.

    Raises
    ------
    InputError
        If the perturbations of both sides differ, or gene numbers do.

    Source
    ------
    cell-eval 0.8.2, github.com/ArcInstitute/cell-eval; Roohani et al., Virtual Cell Challenge, Cell 188:3370 (2025).
    """
    names = panel(predicted, real, len(genes))
    control = sparse(controls, "the controls")
    other = control if predicted_controls is None else sparse(predicted_controls, "the predicted controls")
    for cells, whose in ((control, "controls"), (other, "predicted controls")):
        if cells.shape[1] != len(genes):
            raise InputError(f"the {whose} have {cells.shape[1]} genes, but {len(genes)} names of genes were given")
    place = {gene: i for i, gene in enumerate(genes)}
    bulk = (
        np.array([gene_means(sparse(predicted[n], n)) for n in names]),
        np.array([gene_means(real[n]) for n in names]),
    )
    delta = bulk[0] - gene_means(other), bulk[1] - gene_means(control)
    rows = [
        table_agreement(
            differential_expression(predicted[name], other), differential_expression(real[name], control), alpha
        )
        for name in names
    ]
    values = {
        "mae": np.abs(bulk[0] - bulk[1]).mean(axis=1),
        "pds": discrimination(delta[0], delta[1], [place.get(name) for name in names]),
        "pearson_delta": np.array([pearson(p, r) for p, r in zip(*delta, strict=True)]),
        **{key: np.array([row[key] for row in rows]) for key in rows[0]},
    }
    means = {key: mean_defined(column) for key, column in values.items()}
    some = values["n_real"] > 0
    means["spearman_deg"] = spearman(values["n_real"][some], values["n_predicted"][some]) if some.any() else 1.0
    return PanelScores(names, values, means)


def cell_eval_normalised(user: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """Return each metric's score against a baseline, and their arithmetic mean as `mean`.

    (u − b) / (1 − b) where higher is better, 1 − u / b where lower is; an undefined one is 0, none is below 0.

    Parameters
    ----------
    user, baseline : metric -> mean over perturbations, as `PanelScores.means`; those of cell-eval's metrics that
        both hold are scored. cell-eval's baseline gives every perturbation the mean of the perturbation means.

    Source
    ------
    cell-eval 0.8.2, score_agg_metrics.
    """
    scores = {}
    for key in CELL_EVAL_NAMES:
        if key not in user or key not in baseline:
            continue
        u, b = user[key], baseline[key]
        above, whole = (b - u, b) if key in LOWER_IS_BETTER else (u - b, 1 - b)
        score = above / whole if whole else float("nan")
        scores[key] = 0.0 if np.isnan(score) else max(score, 0.0)
    if not scores:
        raise InputError(f"nothing to score: neither table holds any of {', '.join(CELL_EVAL_NAMES)}")
    return {**scores, "mean": float(np.mean(list(scores.values())))}


def panel(predicted: Mapping[str, Cells], real: Mapping[str, Cells], n_genes: int) -> tuple[str, ...]:
    """Return the names of the perturbations of both sides, sorted.

    Raises
    ------
    InputError
        If one side lacks a perturbation of the other, there is none, or a matrix has another number of genes.
    """
    odd = sorted(set(predicted) ^ set(real))
    if odd or not real:
        raise InputError(
            "predictions and real cells must name the same perturbations, at least one; "
            f"on one side only: {', '.join(odd) or 'none'}"
        )
    for side, cells in (("predicted", predicted), ("real", real)):
        for name, matrix in cells.items():
            if matrix.shape[1] != n_genes:
                raise InputError(f"{side} cells of {name} have {matrix.shape[1]} genes, not {n_genes} as named")
    return tuple(sorted(real))
