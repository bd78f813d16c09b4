"""Marker genes by which programs are called: the table `markers.tsv` beside this file."""

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Markers:
    """A set of genes that are known to act together; name, zh : in English and Chinese."""

    name: str
    zh: str
    genes: tuple[str, ...]


def _read() -> tuple[Markers, ...]:
    text = files("twin_web.cell").joinpath("markers.tsv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        Markers(row["name"], row["zh"], tuple(row["genes"].split())) for row in csv.DictReader(lines, delimiter="\t")
    )


MARKERS = _read()
