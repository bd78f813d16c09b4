"""What a run leaves behind: one Zarr folder that anndata and xarray open without us."""

from twin.results.compare import differences
from twin.results.graphs import write_graphml
from twin.results.layout import Readout, ReadoutLayout
from twin.results.read import Run, open_run
from twin.results.state import load_state, save_state
from twin.results.write import TrajectoryWriter, create_run

__all__ = [
    "Readout",
    "ReadoutLayout",
    "Run",
    "TrajectoryWriter",
    "create_run",
    "differences",
    "load_state",
    "open_run",
    "save_state",
    "write_graphml",
]
