"""Where things stand in a run store, and what its readouts are.

RUN/zarr.json                                    attributes: {"twin": the run's record}
RUN/readouts/                                    one xarray Dataset (branch, sweep axes, replicate, time, ...)
RUN/trajectories/<id>/commits.json               the commit point: a reader believes only what it names
RUN/trajectories/<id>/state-<000012>.safetensors     the full state at the last commit
RUN/trajectories/<id>/<compartment>/cells/<000000-000012>.zip      an AnnData, rows = cell × kept time
RUN/trajectories/<id>/<compartment>/fields/<000000-000012>.zip     an xarray Dataset
RUN/trajectories/<id>/<compartment>/lineage/<000000-000012>.zip    births and deaths, where there are any
RUN/forks/<id>-<000012>.safetensors              the state of a trunk where branches fork from it
RUN/updates/<name>.json                          what an ensemble learned, and the values its trajectories went on with

An <id> is a hash of everything that determines the trajectory; a branch holds what comes after its fork, its past is
its trunk's. The dimensions branch and sweep axes are there where the scenario has them. Every folder is a Zarr v3
group, and so is every zip (`twin.results.packed`). A name with a leading dot is not finished, or says who is writing,
and is nobody else's business.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from twin.errors import InputError

FORMAT = 3  # of the store; a reader refuses a higher one; up to 2 commits were folders
RECORD = "twin"  # key of the run's record in the root's attributes
READOUTS, TRAJECTORIES, FORKS, UPDATES = "readouts", "trajectories", "forks", "updates"
CELLS, FIELDS, LINEAGE = "cells", "fields", "lineage"
COMMITS = "commits.json"
STATE_SUFFIX = ".safetensors"
PARTIAL = ".partial"

COORDINATE_UNITS = {"time": "h", "distance": "um"}
BRANCH, REPLICATE, TIME = "branch", "replicate", "time"

_MINE = uuid4().hex[:8]  # no other process makes a file of the same hidden name
_SAFE_NAME = re.compile(r"[^\W_][\w .+-]*")  # a folder's name on any system, and no hidden one


@dataclass(frozen=True)
class Readout:
    """A number that is followed over time.

    dims : its axes after the time; each is a coordinate of the layout.
    units : "1" for a pure number.
    about : one phrase for plots and tables.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    about: str

    @property
    def dtype(self) -> str:
        """Return the stored type: a readout of every gene is large, and kept in 32 bit."""
        return "float32" if "gene" in self.dims else "float64"


@dataclass(frozen=True)
class ReadoutLayout:
    """All readouts of a run and their axes.

    times : (time,) h, when readouts are taken.
    coords : per axis its labels (text) or its values (numbers, such as bin centres in µm).
    """

    times: NDArray[np.float64]
    coords: Mapping[str, Sequence[str] | NDArray[np.float64]]
    variables: tuple[Readout, ...]

    def shape(self, readout: Readout) -> tuple[int, ...]:
        """Return the shape of one readout at one time of one replicate."""
        return tuple(len(self.coords[dim]) for dim in readout.dims)


def trajectory_of(run: Path, name: str) -> Path:
    """Return the folder of one trajectory."""
    return run / TRAJECTORIES / name


def fork_of(run: Path, name: str, tick: int) -> Path:
    """Return the file that holds the state of a trunk at a tick at which branches fork from it."""
    return run / FORKS / f"{name}-{tick:06d}{STATE_SUFFIX}"


def update_of(run: Path, name: str) -> Path:
    """Return the file of what an ensemble learned."""
    return run / UPDATES / f"{name}.json"


def readouts_of(run: Path, generation: int) -> Path:
    """Return the folder of the readouts; a run that was just extended may hold its new ones under a hidden name."""
    pending = run / f".{READOUTS}-{generation}"
    return pending if pending.exists() else run / READOUTS


def state_name(tick: int) -> str:
    """Return the name of the state file of a tick."""
    return f"state-{tick:06d}{STATE_SUFFIX}"


def commit_name(first: int, last: int) -> str:
    """Return the name of a commit by its first and last tick."""
    return f"{first:06d}-{last:06d}"


def unfinished(path: Path) -> Path:
    """Return the hidden name, in the same folder, under which this process makes `path` before it is renamed."""
    return path.with_name(f".{path.name}.{os.getpid():x}-{_MINE}{PARTIAL}")


def sync_folder(folder: Path) -> None:
    """Wait until names that were made or changed in a folder are on the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def save_json(file: Path, document: object, indent: int | None = None) -> None:
    """Replace a JSON file in one step; it is on the disk when this returns."""
    with unfinished(file).open("w", encoding="utf-8") as out:
        json.dump(document, out, indent=indent)
        out.flush()
        os.fsync(out.fileno())
    unfinished(file).replace(file)
    sync_folder(file.parent)


def check_folder_name(name: str) -> None:
    """Refuse the name of a compartment that cannot be a folder.

    Raises
    ------
    InputError
        If it has a slash, a leading dot or the like.
    """
    if not _SAFE_NAME.fullmatch(name) or name in (COMMITS, "zarr.json"):
        raise InputError(
            f"compartment {name!r} cannot be the name of a folder: write letters, digits, '_', '-', '+', '.' "
            "or spaces, beginning with a letter or digit"
        )
