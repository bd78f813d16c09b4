"""Plots of a run as Matplotlib figures, one function a kind; `twin plot` draws the same.

    from twin_viz import plots
    plots.volcano(run, branch="treated", cell_type=["CD14 Mono"]).savefig("volcano.png")

What stands here is loaded when it is first used: `twin plot --help` does not pay for Matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin_viz.futures import futures
    from twin_viz.plots.clones import lineage
    from twin_viz.plots.comparison import gene_table
    from twin_viz.plots.correlation import spatial_correlation
    from twin_viz.plots.curves import has_curves, response, response_figure, response_plot
    from twin_viz.plots.doses import dose_response
    from twin_viz.plots.drugs import exposure
    from twin_viz.plots.embedding import umap
    from twin_viz.plots.genes import volcano
    from twin_viz.plots.network import organs
    from twin_viz.plots.people import donors
    from twin_viz.plots.pilots import power
    from twin_viz.plots.shares import composition

__all__ = [
    "composition",
    "donors",
    "dose_response",
    "exposure",
    "futures",
    "gene_table",
    "has_curves",
    "lineage",
    "organs",
    "power",
    "response",
    "response_figure",
    "response_plot",
    "spatial_correlation",
    "umap",
    "volcano",
]

# No file here is called as a function is: importing it would hide the function.
_HOMES = {
    "composition": "twin_viz.plots.shares",
    "donors": "twin_viz.plots.people",
    "dose_response": "twin_viz.plots.doses",
    "exposure": "twin_viz.plots.drugs",
    "futures": "twin_viz.futures",
    "gene_table": "twin_viz.plots.comparison",
    "has_curves": "twin_viz.plots.curves",
    "lineage": "twin_viz.plots.clones",
    "organs": "twin_viz.plots.network",
    "power": "twin_viz.plots.pilots",
    "response": "twin_viz.plots.curves",
    "response_figure": "twin_viz.plots.curves",
    "response_plot": "twin_viz.plots.curves",
    "spatial_correlation": "twin_viz.plots.correlation",
    "umap": "twin_viz.plots.embedding",
    "volcano": "twin_viz.plots.genes",
}


def __getattr__(name: str) -> object:
    """Return what `name` stands for, imported now."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'twin_viz.plots' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
