"""What cells can be coloured by on the page: one scale for all times and futures, codes of the cells, curves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from twin_viz.camera import Float
from twin_viz.coloring import DEATH, Coloring, shared_colors
from twin_viz.export.html.encode import Codes, to_codes
from twin_viz.export.html.moments import CELL_TYPE, MOST_WORDS, Course, Moment
from twin_viz.palette import category_color

OTHER = "other"  # `shared_colors` calls what is too rare for a colour so


@dataclass(frozen=True)
class Paint:
    """One way to colour cells.

    names : of the categories, by their codes; empty for a number. group : (code,) the place in `coloring.categories`.
    low, high : of the numbers themselves; those of the colour bar are in `coloring`. has_gaps : some have none.
    """

    name: str
    kind: str
    coloring: Coloring
    names: tuple[str, ...]
    group: tuple[int, ...]
    low: float
    high: float
    has_gaps: bool

    def codes(self, moment: Moment) -> Codes:
        """Return the cells' codes, (cell,)."""
        series = moment.columns[self.name].values
        if not self.names:
            return to_codes(np.asarray(series, dtype=np.float64), self.low, self.high)
        return np.asarray(pd.Categorical(series.astype(str), categories=list(self.names)).codes).astype(np.uint16)

    def record(self) -> dict[str, Any]:
        """Return what the page has to know, as JSON."""
        told: dict[str, Any] = {"name": self.name, "kind": self.kind, "label": self.coloring.label}
        told["bodies"] = self.name == DEATH  # coloured though dead
        if self.names:
            legend = [
                {"name": name, "color": category_color(self.coloring, i)}
                for i, name in enumerate(self.coloring.categories)
            ]
            return told | {"names": list(self.names), "group": list(self.group), "legend": legend}
        clipped = self.coloring.is_clipped
        ends = {"low": self.coloring.low, "high": self.coloring.high, "clipped": clipped}
        return told | ends | {"min": self.low, "max": self.high, "gaps": self.has_gaps}

    def curves(self, course: Course, types: "Paint") -> list[list[float | None]]:
        """Return a line each over the moments: of a number its mean by cell type, of categories how many cells.

        The living count, as dead cells show no value; of the states of death all.
        """
        n = len(self.coloring.categories) if self.names else len(types.coloring.categories)
        rows = [self._counts(m) if self.names else self._means(m, types, n) for m in course.moments]
        return [[None if np.isnan(v) else float(f"{v:.6g}") for v in line] for line in np.array(rows).T.tolist()]

    def _counts(self, moment: Moment) -> Float:
        shown = moment.alive | (self.name == DEATH)
        group = np.array(self.group)[self.codes(moment)[shown]]
        return np.bincount(group, minlength=len(self.coloring.categories)).astype(np.float64)

    def _means(self, moment: Moment, types: "Paint", n: int) -> Float:
        value = np.asarray(moment.columns[self.name].values, dtype=np.float64)
        shown = moment.alive & np.isfinite(value)
        group = np.array(types.group)[types.codes(moment)[shown]]
        total = np.bincount(group, value[shown], minlength=n)
        count = np.bincount(group, minlength=n)
        return np.asarray(np.divide(total, count, out=np.full(n, np.nan), where=count > 0))


def paints_of(courses: Sequence[Course], asked: Sequence[str]) -> list[Paint]:
    """Return all ways to colour cells: the type, what was asked, and the columns that are not the same everywhere."""
    moments = [m for course in courses for m in course.moments]
    common = [name for name in moments[0].columns if all(name in m.columns for m in moments)]
    made = []
    for name in common:
        paint = _paint(name, moments)
        if name == CELL_TYPE or name in asked or _tells(paint):
            made.append(paint)
    return made


def _tells(paint: Paint) -> bool:
    return 1 < len(paint.names) <= MOST_WORDS if paint.names else paint.high > paint.low


def _paint(name: str, moments: Sequence[Moment]) -> Paint:
    columns = [m.columns[name] for m in moments]
    kind = columns[0].kind
    coloring, values = shared_colors({float(i): (c.label, c.values) for i, c in enumerate(columns)})
    if coloring.categories:
        names = sorted(set(_words(name, moments)))
        place = {word: i for i, word in enumerate(coloring.categories)}
        group = tuple(place.get(word, place.get(OTHER, 0)) for word in names)
        return Paint(name, kind, coloring, tuple(names), group, 0.0, 1.0, False)
    seen = np.concatenate(list(values.values()))
    has_gaps = not np.isfinite(seen).all()
    seen = seen[np.isfinite(seen)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    return Paint(name, kind, coloring, (), (), low, high, has_gaps)


def _words(name: str, moments: Sequence[Moment]) -> Iterator[str]:
    for moment in moments:
        yield from (str(word) for word in moment.columns[name].values.unique())
