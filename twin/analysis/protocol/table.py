"""The table of a family: every predictor's scores on every task, with what the split cannot show."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from twin.analysis.protocol.task import Float
from twin.errors import InputError

Kind = Literal["model", "scaled", "baseline", "ceiling", "quoted"]
ORDER: tuple[Kind, ...] = ("model", "scaled", "baseline", "ceiling", "quoted")
VERSION = 1

Seeds = Mapping[str, tuple[float, ...]]  # metric -> a score per seed


@dataclass(frozen=True)
class Metric:
    """How a score is shown and which of two is the better one.

    ideal : the best value there is; the nearer, the better.
    """

    key: str
    label: str
    ideal: float
    digits: int = 3


METRICS: tuple[Metric, ...] = (
    Metric("pearson_delta", "Pearson-Δ", 1.0),
    Metric("split_control", "split-control", 1.0),
    Metric("own_control", "Pearson-Δ against its own control", 1.0),
    Metric("split_own", "split-control against its own control", 1.0),
    Metric("mse", "MSE", 0.0, 4),
    Metric("mae", "MAE", 0.0, 4),
    Metric("slope", "slope", 1.0, 2),
    Metric("des", "DES", 1.0),
    Metric("auprc", "AUPRC", 1.0),
    Metric("spearman_lfc", "Spearman LFC", 1.0),
    Metric("direction", "same sign", 1.0),
    Metric("n_real", "really significant", float("nan"), 0),
    Metric("n_predicted", "called significant", float("nan"), 0),
    Metric("pds", "PDS", 1.0),
    Metric("systema", "Systema", 1.0),
    Metric("centroid", "centroid accuracy", 1.0),
    Metric("mmd", "MMD", 0.0),
    Metric("energy", "energy distance", 0.0),
    Metric("ilisi", "iLISI", 1.0),
    Metric("mmd2_unbiased", "MMD² unbiased", 0.0, 4),
    Metric("w1_all", "1-Wasserstein, all genes", 0.0, 4),
    Metric("w1_hvg", "1-Wasserstein", 0.0, 4),
    Metric("pearson", "Pearson of means", 1.0, 4),
    Metric("spearman", "Spearman of means", 1.0, 4),
    Metric("zero_err", "zero-rate error", 0.0, 4),
    Metric("corr_err", "correlation error", 0.0),
    Metric("ks_library", "library-size KS", 0.0),
    Metric("zero_rate_diff", "zero-rate difference", 0.0, 4),
    Metric("mean_variance", "variance error", 0.0),
    Metric("support", "support", float("nan"), 2),
)
BY_KEY = {metric.key: metric for metric in METRICS}


@dataclass(frozen=True)
class Row:
    """One predictor's scores.

    scores : task -> metric -> a score per seed; a task that the predictor does not apply to is not there.
    source : where quoted numbers come from.
    means : means over all tasks, of quoted rows whose single tasks are not known.
    """

    name: str
    kind: Kind
    scores: Mapping[str, Seeds] = field(default_factory=dict)
    source: str = ""
    means: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """All rows of a family.

    sizes : task -> (start cells, hidden cells). notes : lines that stand under the table.
    """

    key: str
    name: str
    split: str
    limits: str
    tasks: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def row(self, name: str) -> Row:
        """Return a row by its name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError(f"the table {self.name!r} has no row {name!r}; it has {', '.join(r.name for r in self.rows)}")

    def values(self, row: Row, metric: str) -> Float:
        """Return a row's score per task, mean over seeds, NaN where there is none, (task,)."""
        out = np.full(len(self.tasks), np.nan)
        for i, task in enumerate(self.tasks):
            seeds = row.scores.get(task, {}).get(metric, ())
            if len(seeds):
                out[i] = float(np.mean(seeds))
        return out

    def mean(self, row: Row, metric: str) -> float:
        """Return the unweighted mean over the tasks where the score is defined."""
        if metric in row.means:
            return row.means[metric]
        return _mean(self.values(row, metric))

    def defined(self, row: Row, metric: str) -> int:
        """Return on how many tasks a row's score is defined; a quoted mean counts for all."""
        return len(self.tasks) if metric in row.means else int(np.isfinite(self.values(row, metric)).sum())

    def spread(self, row: Row, metric: str) -> float:
        """Return the standard deviation over seeds of the mean over tasks; NaN with one seed."""
        runs = [seeds[metric] for task in self.tasks if metric in (seeds := row.scores.get(task, {}))]
        n = min((len(r) for r in runs), default=0)
        if n < 2:
            return float("nan")
        return float(np.std([_mean(np.array([r[i] for r in runs])) for i in range(n)], ddof=1))

    def worst(self, row: Row, metric: str) -> float:
        """Return the score of the task that is farthest from the ideal; NaN where there is none."""
        values = self.values(row, metric)
        good = values[np.isfinite(values)]
        ideal = BY_KEY[metric].ideal
        return float(good[np.argmax(np.abs(good - ideal))]) if len(good) and np.isfinite(ideal) else float("nan")

    def best(self, metric: str, kinds: Iterable[Kind] = ("baseline",)) -> Row | None:
        """Return the row nearest to the ideal, among those that are defined on all tasks."""
        ideal = BY_KEY[metric].ideal
        whole = [r for r in self.rows if r.kind in tuple(kinds) and self.defined(r, metric) == len(self.tasks)]
        return min(whole, key=lambda r: abs(self.mean(r, metric) - ideal)) if whole and np.isfinite(ideal) else None

    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics that any row has."""
        found = {m for r in self.rows for m in (*r.means, *(k for t in r.scores.values() for k in t))}
        return tuple(m for m in METRICS if m.key in found and any(np.isfinite(self.mean(r, m.key)) for r in self.rows))

    def checked(self) -> "Table":
        """Return the table, to be shown.

        Raises
        ------
        InputError
            If it holds one predictor only, or a model without a baseline: no number stands alone.
        """
        own = [r for r in self.rows if r.kind in ("model", "baseline")]
        if len(own) < 2 or not any(r.kind == "baseline" for r in own):
            raise InputError(
                f"{self.name}: the table holds {', '.join(r.name for r in own) or 'no predictor'} and no baseline "
                "beside it; a number is not shown without its baselines"
            )
        return self


def _mean(values: Float) -> float:
    good = values[np.isfinite(values)]
    return float(good.mean()) if len(good) else float("nan")


def ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return rows with models first and quoted ones last, else as they came."""
    return tuple(sorted(rows, key=lambda r: ORDER.index(r.kind)))


def to_json(tables: Iterable[Table]) -> str:
    """Return tables as JSON; a score that is not defined is null."""
    return json.dumps({"version": VERSION, "tables": [_plain(t.checked()) for t in tables]}, indent=1, allow_nan=False)


def from_json(text: str) -> list[Table]:
    """Return the tables that `to_json` wrote.

    Raises
    ------
    InputError
        If the text is no such document.
    """
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise InputError(f"the tables are of version {document['version']}; this program reads {VERSION}")
        return [_table(plain) for plain in document["tables"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"no tables of an evaluation: {type(error).__name__}: {error}") from error


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _plain(table: Table) -> dict[str, Any]:
    return {
        "key": table.key,
        "name": table.name,
        "split": table.split,
        "limits": table.limits,
        "tasks": list(table.tasks),
        "sizes": {task: list(n) for task, n in table.sizes.items()},
        "notes": list(table.notes),
        "rows": [
            {
                "name": row.name,
                "kind": row.kind,
                "source": row.source,
                "means": {m: _number(x) for m, x in row.means.items()},
                "scores": {t: {m: [_number(x) for x in xs] for m, xs in s.items()} for t, s in row.scores.items()},
            }
            for row in table.rows
        ],
    }


def _read(x: float | None) -> float:
    return float("nan") if x is None else float(x)


def _table(plain: dict[str, Any]) -> Table:
    rows = [
        Row(
            row["name"],
            row["kind"],
            {t: {m: tuple(_read(x) for x in xs) for m, xs in s.items()} for t, s in row["scores"].items()},
            row["source"],
            {m: _read(x) for m, x in row["means"].items()},
        )
        for row in plain["rows"]
    ]
    return Table(
        plain["key"],
        plain["name"],
        plain["split"],
        plain["limits"],
        tuple(plain["tasks"]),
        {task: (int(a), int(b)) for task, (a, b) in plain["sizes"].items()},
        tuple(rows),
        tuple(plain["notes"]),
    )
