"""The columns of cells as the viewer's pieces hold them: codes, each with what it stands for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from twin_viz.camera import Float
from twin_viz.coloring import CLIP, DEATH, DEATH_WORDS, PHASE, TYPE_LIMIT, column
from twin_viz.export.html.encode import Codes, to_codes
from twin_viz.export.html.moments import CELL_TYPE, INNER, MOST_WORDS
from twin_viz.palette import CATEGORIES, OTHERS

DEAD = "dead"  # what a body is called whose phase says nothing
PHASES = ("none", *(f"phase {i}" for i in range(10)))  # of the cycle: no model that we have has more


@dataclass(frozen=True)
class Coded:
    """One column of the cells of one time: what the page has to know of it, and its codes; none where all are alike."""

    about: dict[str, Any]
    codes: Codes | None


def coded(cells: AnnData) -> Iterator[Coded]:
    """Yield the columns of `obs` that a picture may show, the type first, states before other columns."""
    names = [str(name) for name in cells.obs.columns if name not in INNER]
    for name in sorted(names, key=lambda name: (name != CELL_TYPE, name not in (DEATH, PHASE))):
        label, series = column(cells, name, {})
        about: dict[str, Any] = {"name": name, "kind": "type" if name == CELL_TYPE else "state", "label": label}
        words = words_of(name, series)
        if words is None:
            yield numbers(about, np.asarray(series, dtype=np.float64))
        elif len(words) <= MOST_WORDS:
            codes = np.asarray(pd.Categorical(series.astype(str), categories=words).codes).astype(np.uint16)
            alike = codes.size == 0 or bool((codes == codes[0]).all())
            first = int(codes[0]) if codes.size else 0
            yield Coded({**about, "names": words, "first": first}, None if alike else codes)


def numbers(about: dict[str, Any], values: Float) -> Coded:
    """Return a column of numbers: the ends of their range, and where their colours end at this time."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    end = float(np.percentile(known, CLIP)) if known.size else 0.0
    ends = {"min": low, "max": high, "end": end, "gaps": bool(known.size < values.size), "any": bool(known.size)}
    alike = low == high and known.size == values.size
    return Coded({**about, **ends}, None if alike else to_codes(values, low, high))


def words_of(name: str, series: "pd.Series[Any]") -> list[str] | None:
    """Return all words of a column, in an order that does not change as a run goes on; None of numbers."""
    if name == PHASE:
        return list(PHASES)
    if name == DEATH:
        return [*DEATH_WORDS.values(), DEAD]
    if isinstance(series.dtype, pd.CategoricalDtype):
        return [str(word) for word in series.cat.categories]
    if pd.api.types.is_bool_dtype(series):
        return [str(False), str(True)]
    return None if pd.api.types.is_numeric_dtype(series) else sorted(series.astype(str).unique())


def legend(about: dict[str, Any], seen: "pd.Series[int]") -> dict[str, Any]:
    """Return a paint of categories: those that cells have at the first time have their colours for good.

    seen : how many cells of each; what comes later takes the colours that are left, or is one of the others.
    """
    first = sorted(str(word) for word in seen.index[seen > 0])
    if about["name"] in (DEATH, PHASE):
        first = list(about["names"])[: len(CATEGORIES)]
    elif len(first) > TYPE_LIMIT:
        first = sorted(str(word) for word in seen.sort_values(ascending=False, kind="stable").index[: TYPE_LIMIT - 1])
    entries = [{"name": word, "color": CATEGORIES[i]} for i, word in enumerate(first)]
    told: dict[str, Any] = {key: about[key] for key in ("name", "kind", "label")}
    told["tells"] = about["name"] == CELL_TYPE or int((seen > 0).sum()) > 1
    return {
        **told,
        "bodies": about["name"] == DEATH,
        "names": first,
        "group": list(range(len(first))),
        "legend": entries,
    }


def look() -> dict[str, Any]:
    """Return the colours that categories take which are not there at first."""
    return {"categories": list(CATEGORIES), "others": OTHERS}
