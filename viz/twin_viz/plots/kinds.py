"""The kinds of plot: what each shows, what it takes, and where it is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

PLACE = ("compartment", "branch", "point")


@dataclass(frozen=True)
class Kind:
    """One kind of plot.

    about : one line. draws : "module:function", called with the run and what `takes` names.
    """

    about: str
    draws: str
    takes: tuple[str, ...]


KINDS: Mapping[str, Kind] = {
    "response": Kind("the response over time, by distance and cell type", "twin_viz.plots.curves:response", PLACE),
    "futures": Kind(
        "a readout of every branch and point over time",
        "twin_viz.futures:futures",
        ("compartment", "readout", "cell_type"),
    ),
    "dose-response": Kind(
        "a readout over doses, with Hill fit and EC50",
        "twin_viz.plots.doses:dose_response",
        (*PLACE, "time", "readout", "cell_type", "over"),
    ),
    "power": Kind(
        "what a pilot saw, and power over the number of replicates",
        "twin_viz.plots.pilots:power",
        ("branch", "point", "time", "readout", "cell_type", "versus", "design", "effect", "alpha"),
    ),
    "donors": Kind(
        "the response of each donor, beside measured ones",
        "twin_viz.plots.people:donors",
        (*PLACE, "time", "readout", "cell_type", "versus", "measured"),
    ),
    "exposure": Kind(
        "a drug in plasma and tissue, doses, and the response",
        "twin_viz.plots.drugs:exposure",
        ("compartment", "drug"),
    ),
    "volcano": Kind(
        "genes that differ between branches, times or groups",
        "twin_viz.plots.genes:volcano",
        (*PLACE, "time", "versus", "cell_type", "csv"),
    ),
    "umap": Kind(
        "simulated beside measured cells, and how they mix",
        "twin_viz.plots.embedding:umap",
        (*PLACE, "time", "replicate", "measured", "where", "type_column", "cell_type"),
    ),
    "composition": Kind(
        "shares and numbers of cells over time, by a column",
        "twin_viz.plots.shares:composition",
        (*PLACE, "by"),
    ),
    "spatial-correlation": Kind(
        "how far likeness reaches: correlogram, Moran's I",
        "twin_viz.plots.correlation:spatial_correlation",
        (*PLACE, "time", "replicate", "of"),
    ),
    "lineage": Kind(
        "trees of clones, divisions and deaths, clone sizes",
        "twin_viz.plots.clones:lineage",
        (*PLACE, "time", "replicate", "color", "clones"),
    ),
    "organs": Kind(
        "compartments by what lives in them, and flows between",
        "twin_viz.plots.network:organs",
        ("branch", "point", "time", "replicate", "network"),
    ),
}
MANY = ("volcano", "umap", "donors", "power")  # kinds that take several types of cell


def takers(option: str) -> str:
    """Return the kinds that take an option, in words."""
    return ", ".join(name for name, kind in KINDS.items() if option in kind.takes)
