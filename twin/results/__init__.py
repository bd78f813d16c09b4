"""What a run leaves behind: one Zarr folder that anndata and xarray open without us."""

from twin.results.compare import differences
from twin.results.create import create_run, extend_run, raise_format, settle_run
from twin.results.ensemble import Ensemble, SweepAxis, Trajectory, point_of
from twin.results.graphs import write_graphml
from twin.results.layout import Readout, ReadoutLayout
from twin.results.read import Run, open_run
from twin.results.state import load_state, save_state
from twin.results.write import TrajectoryWriter

__all__ = [
    "Ensemble",
    "Readout",
    "ReadoutLayout",
    "Run",
    "SweepAxis",
    "Trajectory",
    "TrajectoryWriter",
    "create_run",
    "differences",
    "extend_run",
    "load_state",
    "open_run",
    "point_of",
    "raise_format",
    "save_state",
    "settle_run",
    "write_graphml",
]
