"""Numbers of peers that are quoted, not run: each with where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from twin.analysis.protocol.kang import TYPES
from twin.analysis.protocol.table import Row

SCGEN = (
    "scGen by pertpy 1.0.3, defaults, 26 epochs (its early stopping), log-normalised counts; measured before on these "
    "cells, genes and scores, not run here; {seeds}"
)
SCVI = (
    "scvi-tools 1.4.2, NB, 2 layers, 30 latent, batch = condition, one count vector sampled a cell; measured before on "
    "these cells, genes and scores, not run here; seed 0"
)
PUBLISHED: dict[str, tuple[str, ...]] = {
    "ifnb-donors": (
        "STATE, as published, is on other cells and cannot stand in this table: PARSE 10M PBMC cytokines, 4 held-out "
        "donors: DES 0.51, PDS 0.89, Pearson-Δ 0.56, AUPRC 0.62, MAE 0.014 (Lingshu-Cell, arXiv 2603.25240, figure "
        "read to ± 0.02).",
    ),
    "crispr-doubles": (
        "STATE, as published, is on other cells and cannot stand in this table: CRISPRi in K562, unseen context: "
        "Systema Pearson 0.7184 (AdaPert, arXiv 2602.18885).",
    ),
}


SET_NAMES = {  # of the populations of `generation.SETS`
    "kang": "PBMC, controls of the IFN-beta study",
    "lung": "Five lung adenocarcinoma lines",
    "mouse": "Mouse stomach and small intestine",
    "fly": "Fly gut",
}


@dataclass(frozen=True)
class Quoted:
    """A peer on one family: task -> metric -> score, or means over all tasks alone."""

    family: str
    name: str
    source: str
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)

    def row(self) -> Row:
        """Return the row of a table."""
        scores = {task: {m: (x,) for m, x in values.items()} for task, values in self.scores.items()}
        return Row(self.name, "quoted", scores, self.source, self.means)


def _per_type(**columns: tuple[float, ...]) -> dict[str, dict[str, float]]:
    """Return task -> metric -> score from columns in the order of `kang.TYPES`."""
    return {kind: {metric: column[i] for metric, column in columns.items()} for i, kind in enumerate(TYPES)}


QUOTED: tuple[Quoted, ...] = (
    Quoted(
        "ifnb-types",
        "scGen (26 epochs)",
        SCGEN.format(seeds="mean of seeds 0 (Pearson-Δ 0.806, MSE 0.0375) and 1 (0.839, 0.0314)"),
        _per_type(
            pearson_delta=(0.856, 0.875, 0.809, 0.858, 0.732, 0.779, 0.847),
            mse=(0.0131, 0.0075, 0.0117, 0.0570, 0.0252, 0.0193, 0.1072),
            des=(0.000, 0.149, 0.000, 0.020, 0.000, 0.000, 0.145),
            auprc=(0.031, 0.075, 0.014, 0.042, 0.013, 0.012, 0.249),
        ),
        {
            "pearson_delta": 0.822,
            "split_control": 0.735,
            "mse": 0.0344,
            "des": 0.045,
            "auprc": 0.062,
            "spearman_lfc": 0.875,
            "direction": 0.888,
            "n_predicted": 984.0,
        },
    ),
    Quoted(
        "ifnb-types",
        "scVI, sampled counts",
        SCVI,
        _per_type(
            pearson_delta=(0.863, 0.909, 0.789, 0.898, 0.746, 0.808, 0.680),
            mse=(0.0199, 0.0143, 0.0201, 0.0317, 0.0300, 0.0251, 0.1004),
            des=(0.371, 0.351, 0.375, 0.653, 0.250, 0.500, 0.336),
            auprc=(0.459, 0.548, 0.479, 0.767, 0.468, 0.509, 0.521),
        ),
        {
            "pearson_delta": 0.813,
            "split_control": 0.747,
            "mse": 0.0345,
            "des": 0.405,
            "auprc": 0.536,
            "spearman_lfc": 0.874,
            "direction": 0.900,
            "n_predicted": 126.0,
        },
    ),
    Quoted(
        "ifnb-donors",
        "scGen (26 epochs)",
        SCGEN.format(seeds="seed 0"),
        means={"pearson_delta": 0.900, "split_control": 0.755, "mse": 0.0155},
    ),
    Quoted(
        "ifnb-donors",
        "scVI, sampled counts",
        SCVI,
        means={"pearson_delta": 0.859, "split_control": 0.721, "mse": 0.0235},
    ),
)


def quoted_rows(family: str) -> list[Row]:
    """Return the quoted rows of a family."""
    return [q.row() for q in QUOTED if q.family == family]


GENERATION_COLUMNS = (
    "mmd", "mmd2_unbiased", "ilisi", "w1_all", "w1_hvg", "pearson", "spearman", "corr_err", "ks_library", "zero_err",
    "zero_rate_diff",
)  # fmt: skip
SCVI_GENERATION = (
    "scvi-tools 1.4.2, ZINB, all genes, defaults, at most 400 epochs, early stopping; measured before on the same "
    "split and scores, not run here; seed 0"
)


def _sets(**rows: tuple[float, ...]) -> dict[str, dict[str, float]]:
    return {SET_NAMES[key]: dict(zip(GENERATION_COLUMNS, values, strict=True)) for key, values in rows.items()}


QUOTED_GENERATORS: tuple[Quoted, ...] = (
    Quoted(
        "generation",
        "scVI, prior samples",
        SCVI_GENERATION,
        _sets(
            kang=(0.1816, 0.0302, 0.336, 0.0360, 0.0417, 0.9827, 0.8723, 0.2126, 0.1806, 0.0143, -0.0020),
            lung=(0.2431, 0.0541, 0.396, 0.0793, 0.0695, 0.9703, 0.9727, 0.2419, 0.1404, 0.0554, -0.0196),
            mouse=(0.2379, 0.0430, 0.427, 0.0778, 0.0787, 0.8462, 0.5666, 0.2433, 0.2045, 0.0280, -0.0006),
            fly=(0.2671, 0.0545, 0.331, 0.0875, 0.0952, 0.8960, 0.7344, 0.2964, 0.2500, 0.0404, -0.0055),
        ),
    ),
    Quoted(
        "generation",
        "scVI, around training cells",
        f"{SCVI_GENERATION}; z encoded from training cells, so that it is no generation from nothing",
        _sets(
            kang=(0.0822, 0.0036, 0.787, 0.0294, 0.0335, 0.9880, 0.8697, 0.1216, 0.1410, 0.0124, 0.0050),
            lung=(0.0901, 0.0018, 0.876, 0.0535, 0.0548, 0.9872, 0.9769, 0.1694, 0.1579, 0.0520, 0.0342),
            mouse=(0.1334, 0.0004, 0.774, 0.0663, 0.0701, 0.8988, 0.5911, 0.2285, 0.1591, 0.0242, 0.0035),
            fly=(0.1733, 0.0084, 0.720, 0.0742, 0.0862, 0.9235, 0.7729, 0.2543, 0.1944, 0.0351, -0.0017),
        ),
    ),
)
