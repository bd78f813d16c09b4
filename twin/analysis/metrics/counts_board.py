"""The six metrics of the Virtual Cell Challenge 2026: predicted counts against real counts."""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.analysis.metrics.differential import PanelScores, mean_defined, panel
from twin.analysis.metrics.direction import board_score, change_error, direction_agreement
from twin.analysis.metrics.rank_test import ALPHA, Cells, DifferentialTable, Float, counts_table, sparse
from twin.errors import InputError

BOARD_NAMES = {  # our name: the name in cell-eval2's catalogue
    "pds_cosine": "pds_cosine",
    "mse_norm": "expr_mse_unbiased_capped_norm",
    "direction_yield": "de_wilcoxon_direction_fidelity_yield_raw",
    "direction_reach": "de_wilcoxon_direction_reach_raw",
    "sig_jaccard": "de_wilcoxon_sig_jaccard",
    "lfc_nmae": "de_wilcoxon_lfc_nmae",
}
GROUP_DEPTH = 5e4  # molecules to which the sum of a group is scaled; cell-eval2's bulk_target_sum
LOWEST_NMAE = -6.0  # floor of the scaled lfc_nmae; cell-eval2's ERROR_LINEAR
BLOCK = 64  # cells of a dense block of the jackknife: stays in cache

Places = Sequence[int | None]


def bulk_profiles(sums: Float) -> Float:
    """Return log1p(5e4 · sum of the group / its total), (group, gene); a group without molecules is 0.

    sums : (group, gene) molecules summed over the cells of a group.
    """
    totals = sums.sum(axis=1)
    scale = np.divide(GROUP_DEPTH, totals, out=np.zeros_like(totals), where=totals > 0)
    return np.asarray(np.log1p(sums * scale[:, None]))


def jackknife_variance(counts: sp.csr_array) -> float:
    """Return the delete-one jackknife of the sampling variance of a group's bulk profile, summed over genes.

    (n − 1) / n · Σ_g Σ_i (v_ig − mean_i v_ig)², v_i the bulk profile without cell i; 0 below two cells.

    counts : (cell, gene).
    """
    n = int(counts.shape[0])
    whole = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    total = float(whole.sum())
    if n < 2 or total <= 0:
        return 0.0
    profile = np.log1p(GROUP_DEPTH * whole / total)
    first, second = np.zeros_like(whole), np.zeros_like(whole)
    for start in range(0, n, BLOCK):
        rest = total - library[start : start + BLOCK]
        left = whole - counts[start : start + BLOCK].toarray()
        v = np.log1p(GROUP_DEPTH * left / np.where(rest > 0, rest, 1.0)[:, None])
        v = np.where(rest[:, None] > 0, v, 0.0) - profile  # the shift saves the digits of the difference below
        first += v.sum(axis=0)
        second += np.einsum("ij,ij->j", v, v)
    return max(float((second - first**2 / n).sum()) * (n - 1) / n, 0.0)


def cosine_discrimination(predicted: Float, real: Float) -> Float:
    """Return 1 − rank / (P − 1) of the true real delta among all by cosine distance, (perturbation,).

    Rank 0 is the nearest; ties share their mean rank; a delta of length 0 has distance 1 to all. One perturbation: 1.

    predicted, real : (perturbation, gene) deltas without the panel's target genes.
    """
    if len(real) < 2:
        return np.ones(len(real))
    length = np.sqrt((predicted**2).sum(axis=1))[:, None] * np.sqrt((real**2).sum(axis=1))
    likeness = np.divide(predicted @ real.T, length, out=np.zeros((len(predicted), len(real))), where=length > 0)
    distance = np.clip(1.0 - likeness, 0.0, 2.0)
    own = np.diag(distance)[:, None]
    rank = (distance < own).sum(axis=1) + ((distance == own).sum(axis=1) - 1) / 2
    return np.asarray(1.0 - rank / (len(real) - 1))


def mse_parts(
    predicted: Float, real: Float, control: Float, noise: tuple[Float, Float, float], own: Places
) -> tuple[Float, Float]:
    """Return (error, size of the effect) of each perturbation, both without sampling noise, each (perturbation,).

    error = (‖predicted − real‖² − r · min(c_pred, c_real) − c_real) / G', effect = (‖real − control‖² − c_real −
    c_control) / G', both without the perturbation's own gene (G' genes are left). c are jackknife variances. The
    prediction may claim no more noise than the reference has, and in all no more than it varies between
    perturbations: r = min(1, B / Σ_p w_p min(c_pred, c_real)), B = Σ_g Σ_p w_p (predicted − weighted mean)², w = 1/G'.
    Their sums' ratio is 0 for the truth, 1 for predicting the controls.

    Parameters
    ----------
    predicted, real : (perturbation, gene) bulk profiles. control : (gene,).
    noise : c of the predicted groups, of the real groups, each (perturbation,), and of the controls.
    own : column of each perturbation's own gene, or None.
    """
    claimed, c_real, c_control = np.minimum(noise[0], noise[1]), noise[1], noise[2]
    keep = np.ones(real.shape, dtype=np.bool_)
    for row, column in enumerate(own):
        if column is not None:
            keep[row, column] = False
    left = keep.sum(axis=1).astype(np.float64)
    weight = np.divide(1.0, left, out=np.zeros_like(left), where=left > 0)
    budget = _spread(predicted, keep, weight)
    claim = float((claimed * weight).sum())
    if claim > 0:
        claimed = claimed * min(1.0, budget / claim)
    # the corrections stay whole: a gene's share of them is negligible, its share of the distance is not
    error = (np.where(keep, predicted - real, 0.0) ** 2).sum(axis=1) - claimed - c_real
    effect = (np.where(keep, real - control, 0.0) ** 2).sum(axis=1) - c_real - c_control
    with np.errstate(divide="ignore", invalid="ignore"):
        return error / left, effect / left


def counts_board(
    predicted: Mapping[str, Cells],
    real: Mapping[str, Cells],
    controls: Cells,
    genes: Sequence[str],
    *,
    targets: Mapping[str, str | None] | None = None,
    predicted_controls: Cells | None = None,
    alpha: float = ALPHA,
) -> PanelScores:
    """Score predicted counts of each perturbation by the six metrics of the Virtual Cell Challenge 2026.

    pds_cosine : `cosine_discrimination` of bulk deltas. mse_norm : Σ error / Σ effect of `mse_parts` over the panel,
    in `means` alone; `values` holds its two parts as mse_error and mse_effect. The others: `direction_agreement` of
    `counts_table`s. Both sides are measured against the real controls, unless predicted ones are given.

    Parameters
    ----------
    predicted, real : perturbation -> (cell, gene) raw integer counts. Not modified.
    controls : (cell, gene) raw counts of the real controls.
    genes : names of the genes.
    targets : perturbation -> the gene it targets (left out of its scores), None for no gene; without an entry the
        gene of the perturbation's own name, if there is one.

    Raises
    ------
    InputError
        If a matrix holds no raw counts, or the two sides do not fit together.

    Source
    ------
    cell-eval2 0.20.0, preset vcc2026, github.com/ArcInstitute/cell-eval2.
    """
    names = panel(predicted, real, len(genes))
    side = {n: raw_counts(predicted[n], f"predicted cells of {n}") for n in names}
    truth = {n: raw_counts(real[n], f"real cells of {n}") for n in names}
    control = raw_counts(controls, "the controls")
    other = control if predicted_controls is None else raw_counts(predicted_controls, "the predicted controls")
    own = own_genes(names, genes, targets)
    bulk = [bulk_profiles(np.array([_sums(cells[n]) for n in names])) for cells in (side, truth)]
    base, theirs = (bulk_profiles(_sums(c)[None])[0] for c in (control, other))
    kept = np.setdiff1d(np.arange(len(genes)), [c for c in own if c is not None])
    noise = [np.array([jackknife_variance(cells[n]) for n in names]) for cells in (side, truth)]
    error, effect = mse_parts(bulk[0], bulk[1], base, (noise[0], noise[1], jackknife_variance(control)), own)
    order = np.argsort(np.asarray(genes, dtype=np.str_), kind="stable")
    rows = []
    for name, column in zip(names, own, strict=True):
        counted = order != (-1 if column is None else column)
        tables = (
            counts_table(side[name][:, order], other[:, order]),
            counts_table(truth[name][:, order], control[:, order]),
        )
        rows.append(direction_agreement(*tables, counted, alpha))
    values = {
        "pds_cosine": cosine_discrimination((bulk[0] - theirs)[:, kept], (bulk[1] - base)[:, kept]),
        "mse_error": error,
        "mse_effect": effect,
        **{key: np.array([row[key] for row in rows]) for key in rows[0]},
    }
    both = np.isfinite(error) & np.isfinite(effect)
    means = {key: mean_defined(column) for key, column in values.items()}
    whole = float(effect[both].sum())
    means["mse_norm"] = float(error[both].sum()) / whole if whole else float("nan")
    return PanelScores(names, values, means)


def replicate_board(
    real: Mapping[str, Cells],
    controls: Cells,
    genes: Sequence[str],
    *,
    targets: Mapping[str, str | None] | None = None,
    splits: int = 5,
    seed: int = 0,
    alpha: float = ALPHA,
) -> dict[str, float]:
    """Return the means that a replicate of the experiment reaches: the other half of the cells as the prediction.

    Cells of every perturbation and of the controls are halved at random into disjoint halves, one scored against the
    other, each against its own controls; means over `splits`. lfc_nmae differs: the genes and the scale are those of
    the full tables, only the difference is that of the halves.

    Source
    ------
    cell-eval2 0.20.0, anchor and lfc_nmae_ref (their seeds are others).
    """
    names = panel(real, real, len(genes))
    full = {n: counts_table(raw_counts(real[n], n), raw_counts(controls, "the controls")) for n in names}
    own = own_genes(names, genes, targets)
    rng = np.random.default_rng(seed)
    found: list[dict[str, float]] = []
    for _ in range(splits):
        c = _halves(controls, rng)
        halves = {n: _halves(real[n], rng) for n in names}
        first, second = ({n: h[i] for n, h in halves.items()} for i in (0, 1))
        means = counts_board(second, first, c[0], genes, targets=targets, predicted_controls=c[1], alpha=alpha).means
        errors = []
        for name, column in zip(names, own, strict=True):
            gate = full[name].significant(alpha) & (np.arange(len(genes)) != (-1 if column is None else column))
            tables: list[DifferentialTable] = [counts_table(halves[name][i], c[i]) for i in (0, 1)]
            errors.append(change_error(tables[0], tables[1], full[name], gate))
        found.append({**means, "lfc_nmae": mean_defined(np.array(errors))})
    return {key: float(np.mean([f[key] for f in found])) for key in BOARD_NAMES}


def board_scores(
    user: Mapping[str, float], baseline: Mapping[str, float], replicate: Mapping[str, float]
) -> dict[str, float]:
    """Return the six scaled scores and their `mean`: 0 is the baseline, 1 a replicate of the experiment.

    mse_norm is kept within [0, 1], lfc_nmae above −6, the others are free. What the user lacks counts as the worst:
    0 for a metric whose worst value is 0, else the floor.

    Source
    ------
    cell-eval2 0.20.0, the column from_replicate of the preset vcc2026.
    """
    scores = {}
    for key in BOARD_NAMES:
        u = user.get(key, float("nan"))
        low = {"mse_norm": 0.0, "lfc_nmae": LOWEST_NMAE}.get(key)
        if np.isfinite(u):
            score = board_score(u, baseline[key], replicate[key], low)
        else:
            score = board_score(0.0, baseline[key], replicate[key]) if low is None else low
        scores[key] = min(score, 1.0) if key == "mse_norm" else score
    return {**scores, "mean": float(np.mean(list(scores.values())))}


def raw_counts(cells: Cells, what: str) -> sp.csr_array:
    """Return checked raw counts, (cell, gene) float64 CSR.

    Raises
    ------
    InputError
        If a value is negative or not whole.
    """
    counts = sparse(cells, what)
    if (counts.data < 0).any() or (counts.data != np.round(counts.data)).any():
        raise InputError(
            f"{what} are not raw counts: a value is negative or not whole; give counts, not normalised values"
        )
    return counts


def own_genes(
    names: Sequence[str], genes: Sequence[str], targets: Mapping[str, str | None] | None = None
) -> list[int | None]:
    """Return the column of each perturbation's own gene, None where it has none on the axis."""
    place = {gene: i for i, gene in enumerate(genes)}
    wanted = [targets.get(n, n) if targets is not None else n for n in names]
    return [None if gene is None else place.get(gene) for gene in wanted]


def _sums(counts: sp.csr_array) -> Float:
    return np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()


def _spread(profiles: Float, keep: NDArray[np.bool_], weight: Float) -> float:
    """Weighted squares of the profiles around their weighted mean, over the rows that each gene keeps."""
    w = keep * weight[:, None]
    mass = w.sum(axis=0)
    good = (keep.sum(axis=0) >= 2) & (mass > 0)
    mean = np.divide((w * profiles).sum(axis=0), mass, out=np.zeros_like(mass), where=good)
    return float(((w * (profiles - mean) ** 2).sum(axis=0))[good].sum())


def _halves(cells: Cells, rng: np.random.Generator) -> tuple[sp.csr_array, sp.csr_array]:
    rows = sp.csr_array(cells)
    order, cut = rng.permutation(rows.shape[0]), rows.shape[0] // 2
    if cut < 1:
        raise InputError("a group of one cell cannot be halved; give two or more cells of every perturbation")
    return rows[order[:cut]], rows[order[cut : 2 * cut]]
