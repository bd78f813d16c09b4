"""What the colour of a cell means: a gene, a program or a column, on one scale for all times."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from anndata import AnnData

from twin.errors import InputError, UnknownNameError
from twin_viz.camera import Float

TYPE_LIMIT = 14  # categories with a colour of their own; rarer ones are shown as one
CLIP = 99.0  # percentile at which the colours of a number end; our choice: one outlier tells little
UNITS = {"radius": "µm", "time": "h", "depth": "counts"}
DEATH = "death_phase"  # column of the process death: what a body is going through
PHASE = "cycle_phase"  # column of the process cycle, counted from 0
STATE, OTHER = "state", "other"
DEATH_WORDS = {0.0: "living", 1.0: "apoptotic", 2.0: "necrotic, swelling", 3.0: "necrotic, burst"}
IDS = ("id", "parent", "group", "founder")  # numbers that count nothing
PREFIX_UNITS = {"dose_": "nM", "time_since_": "h"}


@dataclass(frozen=True)
class Coloring:
    """What the colour of a cell means.

    label : with its unit.
    categories : names of the codes; empty for a number. absent : those that no cell has, which keep their colours.
    low, high : ends of the colour bar of a number.
    is_clipped : whether some cells lie beyond `high`.
    """

    label: str
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    is_clipped: bool = False
    absent: frozenset[str] = frozenset()


def column(cells: AnnData, color: str, programs: Mapping[str, Sequence[str]]) -> "tuple[str, pd.Series[Any]]":
    """Return the label and the values (cell,) of `color`: a gene, an obs column or a program.

    programs : name → genes.

    Raises
    ------
    InputError
        If it is none of them; the nearest ones are named.
    """
    scale = "log(1 + counts per 10,000)"
    if color in cells.var_names:
        return f"{color}, {scale}", pd.Series(_log_rate(cells, [color]))
    if color == PHASE and color in cells.obs:
        return "phase of the cycle", cells.obs[color].map(lambda x: f"phase {x:g}" if x >= 0 else "none")
    if color == DEATH and color in cells.obs:
        return STATE, cells.obs[color].map(DEATH_WORDS).fillna("dead")
    if color in IDS and color in cells.obs:
        return color.replace("_", " "), cells.obs[color].astype(str)
    if color in cells.obs:
        unit = UNITS.get(color) or next((u for p, u in PREFIX_UNITS.items() if color.startswith(p)), None)
        return f"{color} ({unit})" if unit else color.replace("_", " "), cells.obs[color]
    if color in programs:
        genes = [gene for gene in programs[color] if gene in cells.var_names]
        if not genes:
            raise InputError(f"color: the program {color!r} has no gene in common with the run")
        return f"{color}, mean {scale}", pd.Series(_log_rate(cells, genes))
    known = [*cells.obs.columns, *programs, *cells.var_names]
    raise UnknownNameError("gene, obs column or program", color, known, where="color: ")


def _log_rate(cells: AnnData, genes: list[str]) -> Float:
    """Return the mean over genes of log(1 + counts per 10,000), (cell,)."""
    counts: Any = cells.X  # (cell, gene)
    size = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).reshape(-1, 1), 1.0)
    chosen: Any = counts[:, cells.var_names.get_indexer(genes)]
    dense = np.asarray(chosen.toarray() if hasattr(chosen, "toarray") else chosen, dtype=np.float64)
    return np.asarray(np.log1p(dense / size * 1e4).mean(axis=1))


Key = TypeVar("Key", bound=Hashable)


def shared_colors(columns: "Mapping[Key, tuple[str, pd.Series[Any]]]") -> tuple[Coloring, dict[Key, Float]]:
    """Give all times and futures one colouring, so that their panels can be compared."""
    label = next(iter(columns.values()))[0]
    every = [series for _, series in columns.values()]
    joined = pd.concat([series for series in every if len(series)] or every[:1], ignore_index=True)
    if pd.api.types.is_numeric_dtype(joined) and not pd.api.types.is_bool_dtype(joined):
        number = {hour: np.asarray(series, dtype=np.float64) for hour, (_, series) in columns.items()}
        seen = np.concatenate(list(number.values()))
        seen = seen[np.isfinite(seen)] if np.isfinite(seen).any() else np.zeros(1)
        low = min(0.0, float(seen.min())) if seen.min() < seen.max() / 2 else float(seen.min())
        high = float(np.percentile(seen, CLIP))
        high = float(seen.max()) if high <= low else high
        high = low + 1.0 if high <= low else high
        return Coloring(label, (), low, high, bool(seen.max() > high)), number
    counts = joined.astype(str).value_counts()
    everyone = _everyone(label, every)
    names = everyone if everyone and set(counts.index) <= set(everyone) else sorted(counts.index[:TYPE_LIMIT])
    if len(names) < len(counts):
        names = [*sorted(counts.index[: TYPE_LIMIT - 1]), OTHER]
    code = {name: i for i, name in enumerate(names)}
    codes = {
        hour: np.array([code.get(str(v), len(names) - 1) for v in series], dtype=np.float64)
        for hour, (_, series) in columns.items()
    }
    return Coloring(label, tuple(names), absent=frozenset({*names} - {*counts.index, OTHER})), codes


def _everyone(label: str, every: "Sequence[pd.Series[Any]]") -> list[str]:
    """Return all names that there could be, in an order that no picture changes, where they are few; else none."""
    if label == STATE:
        return list(DEATH_WORDS.values())
    if all(isinstance(series.dtype, pd.CategoricalDtype) for series in every):
        names = [str(name) for name in dict.fromkeys(n for series in every for n in series.cat.categories)]
        return sorted(names) if len(names) <= TYPE_LIMIT else []
    return []
