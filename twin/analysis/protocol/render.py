"""Tables as text for a terminal, and as Markdown."""

from collections.abc import Callable, Sequence

import numpy as np

from twin.analysis.protocol.table import BY_KEY, Kind, Metric, Row, Table

BLOCKS: dict[str, tuple[str, ...]] = {
    "Response": ("pearson_delta", "split_control", "own_control", "split_own", "mse", "mae", "slope", "support"),
    "Among the conditions of its panel": ("pds", "systema", "centroid"),
    "Differential expression": ("des", "auprc", "spearman_lfc", "direction", "n_real", "n_predicted"),
    "Predicted cells as a population": (
        "mmd",
        "energy",
        "ilisi",
        "w1_all",
        "w1_hvg",
        "corr_err",
        "ks_library",
        "zero_rate_diff",
        "mean_variance",
    ),
}
WORST = ("pearson_delta", "mse")  # metrics of which the worst task is shown
DETAIL = ("pearson_delta", "mse", "support")  # metrics shown task by task
MOST_COLUMNS = 12  # tasks; with more, only means and worst are shown
UNKNOWN = "–"
OWN: tuple[Kind, ...] = ("model", "baseline")  # rows among which the best is marked
SHARED_NOISE = (
    "Pearson-Δ: the control cells' noise stands in the predicted and in the true delta of a predictor that gives a "
    "treated level; split-control Pearson-Δ and the MSE are free of it. Against its own control: the effect of a "
    "predictor that also predicts the untreated cells is its treated minus its own untreated level. ±: standard "
    "deviation over seeds. (n): defined on n tasks only."
)

Grid = list[list[str]]


def markdown(table: Table, blocks: Sequence[str] = tuple(BLOCKS), detail: Sequence[str] = DETAIL) -> str:
    """Return a family's table as Markdown: means over tasks block by block, then the named metrics task by task.

    Raises
    ------
    InputError
        If no baseline stands beside the predictor (`Table.checked`).
    """
    return _written(table, blocks, detail, ("### ", "**{}**", "- "), lambda x: f"**{x}**", pipes)


def text(table: Table, blocks: Sequence[str] = tuple(BLOCKS), detail: Sequence[str] = ()) -> str:
    """Return a family's table for a terminal, as `markdown`; the best predictor of a column has a star.

    Raises
    ------
    InputError
        As `markdown`.
    """
    return _written(table, blocks, detail, ("", "{}", ""), lambda x: f"{x}*", _columns)


def _written(
    table: Table,
    blocks: Sequence[str],
    detail: Sequence[str],
    signs: tuple[str, str, str],
    mark: Callable[[str], str],
    lay: Callable[[Grid], str],
) -> str:
    there = {m.key for m in table.checked().metrics()}
    title, heading, bullet = signs
    about = f"{table.split}. {len(table.tasks)} task(s). What it cannot show: {table.limits}."
    parts = [f"{title}{table.name}", about]
    for block in blocks:
        metrics = [BY_KEY[k] for k in BLOCKS[block] if k in there]
        if metrics:
            parts += [heading.format(block), lay(_summary(table, metrics, mark))]
    if 1 < len(table.tasks) <= MOST_COLUMNS:
        for metric in (BY_KEY[k] for k in detail if k in there):
            parts += [heading.format(f"{metric.label} per task (start / hidden cells)"), lay(_tasks(table, metric))]
    quoted = [f"{row.name}: {row.source}" for row in table.rows if row.source]
    noise = (SHARED_NOISE,) if "pearson_delta" in there else ()
    notes = "\n".join(f"{bullet}{note}" for note in (*noise, *table.notes, *quoted))
    return "\n\n".join([*parts, notes]) + "\n"


def _summary(table: Table, metrics: Sequence[Metric], mark: Callable[[str], str]) -> Grid:
    worst = [m for m in metrics if m.key in WORST and len(table.tasks) > 1]
    own = [row for row in table.rows if row.kind in OWN]
    best: dict[str, Row | None] = {}
    for m in metrics:  # a lone row is not the best of anything
        whole = sum(table.defined(row, m.key) == len(table.tasks) for row in own)
        best[m.key] = table.best(m.key, OWN) if whole > 1 else None
    rows = [["predictor", *(m.label for m in metrics), *(f"worst {m.label}" for m in worst)]]
    for row in table.rows:
        if not any(np.isfinite(table.mean(row, m.key)) for m in metrics):
            continue
        cells = []
        for metric in metrics:
            shown = _mean(table, row, metric)
            cells.append(mark(shown) if best[metric.key] is row else shown)
        rows.append([_label(row), *cells, *(number(table.worst(row, m.key), m.digits) for m in worst)])
    return rows


def _label(row: Row) -> str:
    return {"ceiling": f"[real cells] {row.name}", "quoted": f"[quoted] {row.name}"}.get(row.kind, row.name)


def _mean(table: Table, row: Row, metric: Metric) -> str:
    shown = number(table.mean(row, metric.key), metric.digits)
    spread = number(table.spread(row, metric.key), metric.digits)
    if spread != UNKNOWN and float(spread) > 0:
        shown += f" ± {spread}"
    n = table.defined(row, metric.key)
    return f"{shown} ({n})" if 0 < n < len(table.tasks) else shown


def _tasks(table: Table, metric: Metric) -> Grid:
    rows = [["predictor", *(f"{t} ({table.sizes[t][0]}/{table.sizes[t][1]})" for t in table.tasks), "mean"]]
    for row in table.rows:
        values = table.values(row, metric.key)
        if np.isfinite(values).any():
            shown = [number(x, metric.digits) for x in values]
            cells = [x + _interval(table, row, metric, task) for x, task in zip(shown, table.tasks, strict=True)]
            rows.append([_label(row), *cells, number(table.mean(row, metric.key), metric.digits)])
    return rows


def _interval(table: Table, row: Row, metric: Metric, task: str) -> str:
    """Return a score's interval, where there is one (`<metric>_low`, `<metric>_high`)."""
    ends = [row.scores.get(task, {}).get(f"{metric.key}_{end}", ()) for end in ("low", "high")]
    low, high = (number(float(np.mean(x)) if len(x) else float("nan"), metric.digits) for x in ends)
    return "" if UNKNOWN in (low, high) else f" [{low}, {high}]"


def number(x: float, digits: int) -> str:
    """Return a number with so many digits; a dash where it is not finite."""
    return f"{x:.{digits}f}" if np.isfinite(x) else UNKNOWN


def pipes(rows: Grid) -> str:
    """Return a grid as a Markdown table; its first row is the head."""
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _columns(rows: Grid) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
