"""Small panels of perturbations whose scores were frozen, and cell-eval's own scores of them.

python -m tests.analysis.metrics.panels     writes frozen.json; needs the extra `parity`, not the rest of twin
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FROZEN = Path(__file__).with_name("frozen.json")
CONTROL = "non-targeting"
GENES = tuple(f"G{i:02d}" for i in range(60))
CELLS = 45
KINDS = ("half", "copy")
CASES = (("half", "real"), ("half", "pred"), ("copy", "real"))  # kind of prediction, whose controls

Counts = NDArray[np.int64]
Group = dict[str, Counts]
Logged = dict[str, NDArray[np.float64]]


def count_panel(kind: str = "half", seed: int = 3) -> tuple[Group, Group, Counts]:
    """Return (predicted, real, controls) counts: perturbations named after genes, and one that names none.

    Effects reach from strong to none; some genes are silent in one arm.

    kind : "half": predictions have half of each effect and noise of their own; "copy": all are the same control cells.
    """
    rng = np.random.default_rng(seed)  # uniform numbers alone, so that the panel is the same under every numpy
    rate = 3.0 * stats.gamma.ppf(rng.random(len(GENES)), 0.8)
    rate[40] = 0.0  # silent in the controls: infinite fold changes
    rate[41:44] = 0.004

    def draw(rates: NDArray[np.float64], n: int) -> Counts:
        depth = np.exp(0.3 * stats.norm.ppf(rng.random((n, 1))))
        spread = 0.25 * stats.gamma.ppf(rng.random((n, len(GENES))), 4.0)
        return np.asarray(stats.poisson.ppf(rng.random((n, len(GENES))), rates * depth * spread), dtype=np.int64)

    predicted, real = {}, {}
    for i, name in enumerate([*GENES[:5], "cytokine", "nothing"]):
        effect = np.zeros(len(GENES))
        if name != "nothing":
            hit = np.argsort(rng.random(len(GENES)))[:22]
            effect[hit] = (0.5 + 0.15 * i) * stats.norm.ppf(rng.random(22))
        if name in GENES:
            effect[GENES.index(name)] = -3.0
        guess = 0.5 * effect + 0.1 * stats.norm.ppf(rng.random(len(GENES)))
        base = rate.copy()
        base[40] = 0.5 if i % 2 else 0.0
        real[name], predicted[name] = draw(base * np.exp(effect), CELLS), draw(base * np.exp(guess), CELLS - 5)
    controls = draw(rate, 2 * CELLS)
    return predicted if kind == "half" else dict.fromkeys(real, controls[: CELLS - 5]), real, controls


def log_panel(kind: str = "half") -> tuple[Logged, Logged, NDArray[np.float64]]:
    """Return the same panel as log1p of counts scaled to 200 molecules a cell."""
    predicted, real, controls = count_panel(kind)
    return {n: _logged(c) for n, c in predicted.items()}, {n: _logged(c) for n, c in real.items()}, _logged(controls)


def cell_eval_table(kind: str) -> dict[str, dict[str, float]]:
    """Return cell-eval's own scores of `log_panel`: perturbation -> metric -> score."""
    from cell_eval import MetricsEvaluator  # optional: the test that calls this skips without it

    predicted, real, controls = log_panel(kind)
    with tempfile.TemporaryDirectory() as folder:
        evaluator = MetricsEvaluator(
            _adata(predicted, controls), _adata(real, controls), control_pert=CONTROL, num_threads=1, outdir=folder
        )
        table, _ = evaluator.compute("full", skip_metrics=["clustering_agreement"], write_csv=False)
    names = [
        *("mae", "discrimination_score_l1", "overlap_at_N", "pearson_delta", "de_spearman_sig", "de_spearman_lfc_sig"),
        *("pr_auc", "de_direction_match", "de_nsig_counts_real", "de_nsig_counts_pred"),
    ]
    rows = table.to_dicts()
    return {r["perturbation"]: {n: float("nan") if r[n] is None else float(r[n]) for n in names} for r in rows}


def cell_eval2_table(kind: str, source: str) -> dict[str, dict[str, float]]:
    """Return cell-eval2's own scores of `count_panel`: perturbation (and "mean") -> metric -> score.

    source : whose controls the prediction is measured against, "real" or "pred".
    """
    from dataclasses import replace

    from cell_eval2 import aggregate_metrics, compute_metrics
    from cell_eval2.config import EvalConfig

    predicted, real, controls = count_panel(kind)
    config = EvalConfig.from_preset("vcc2026")
    # not strict: its content hash is for files
    config = replace(config, num_threads=1, control_source=source, cache_strict=False, device="cpu")
    table = compute_metrics(_adata(predicted, controls[::2]), _adata(real, controls), config=config)
    out: dict[str, dict[str, float]] = {}
    for row in table.to_dicts():
        out.setdefault(row["perturbation"], {})[row["metric"]] = float(row["value"])
    out["mean"] = {row["metric"]: float(row["mean"]) for row in aggregate_metrics(table).to_dicts()}
    return out


def _logged(counts: Counts) -> NDArray[np.float64]:
    return np.asarray(np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 200.0))


def _adata(groups: Mapping[str, NDArray[np.generic]], controls: NDArray[np.generic]) -> object:
    import anndata as ad
    import pandas as pd

    parts = {**groups, CONTROL: controls}
    labels = np.repeat(list(parts), [len(p) for p in parts.values()])
    obs = pd.DataFrame({"target": labels}, index=[f"c{i}" for i in range(len(labels))])
    matrix = np.concatenate(list(parts.values())).astype(np.float64)
    return ad.AnnData(matrix, obs=obs, var=pd.DataFrame(index=list(GENES)))


if __name__ == "__main__":
    tables = {f"cell-eval 0.8.2, {kind}": cell_eval_table(kind) for kind in KINDS}
    for kind, source in CASES:
        tables[f"cell-eval2 0.20.0, {kind}, {source}"] = cell_eval2_table(kind, source)
    FROZEN.write_text(json.dumps(tables, indent=1, sort_keys=True) + "\n", encoding="utf-8")
