"""Runs are created whole, and extended in one step: the run's record is what counts."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import zarr

from twin.errors import InputError
from twin.results.arrays import save_array, storage
from twin.results.commits import save_commits
from twin.results.ensemble import Ensemble, SweepAxis
from twin.results.layout import (
    BRANCH,
    CELLS,
    COORDINATE_UNITS,
    FORKS,
    FORMAT,
    PARTIAL,
    READOUTS,
    RECORD,
    REPLICATE,
    TIME,
    TRAJECTORIES,
    UPDATES,
    ReadoutLayout,
    check_folder_name,
    readouts_of,
    save_json,
    trajectory_of,
    unfinished,
)
from twin.results.lock import LOCK
from twin.results.read import open_run

READOUT_CHUNK = 2**23  # bytes, our choice: a commit rewrites its last chunk, a reader opens few files
OLD = f".{READOUTS}-old"


def create_run(
    path: Path,
    attributes: Mapping[str, object],
    layout: ReadoutLayout,
    ensemble: Ensemble,
    compartments: Sequence[str],
) -> None:
    """Create an empty run, whole or not at all.

    Parameters
    ----------
    attributes : the run's record (scenario, versions, seed, tick in h, n_ticks, ...), JSON; or a dict
        that holds just it under "twin".
    layout : the readouts; they are NaN until a commit fills them.

    Raises
    ------
    InputError
        If `path` exists and is no empty folder, or cannot be made.
    """
    for name in compartments:
        check_folder_name(name)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} already exists and is not empty: name another folder, or resume that run")
    record = dict(attributes)
    inner = record.get(RECORD)
    if isinstance(inner, Mapping) and len(record) == 1:
        record = dict(inner)
    record |= _made_of(ensemble, compartments, 0)
    made = path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        root = zarr.create_group(made, zarr_format=3, attributes={RECORD: record})
        _create_readouts(root.create_group(READOUTS), layout, ensemble)
        root.create_group(TRAJECTORIES)
        root.create_group(FORKS)
        _create_trajectories(made, ensemble, compartments)
        made.replace(path)
    except OSError as error:
        raise InputError(f"the run folder {path} cannot be made ({error.strerror}): name another one") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)  # nothing is left of it where all went well


def extend_run(path: Path, attributes: Mapping[str, object], layout: ReadoutLayout, ensemble: Ensemble) -> None:
    """Give a run more trajectories; those that it has stay as they are, wherever they now stand in the readouts.

    A kill leaves the run as it was, or extended; whoever writes it next calls `settle_run` first. The caller holds the
    run's lock.

    Raises
    ------
    InputError
        If a trajectory of the run is not in `ensemble`, or the disk refuses; the run is then as it was.
    """
    run = open_run(path)
    gone = [t for t in run.ensemble.trajectories if t.id not in ensemble.by_id]
    if gone:
        raise InputError(
            f"{len(gone)} of the {len(run.ensemble.trajectories)} trajectories of {path} are not in the scenario any "
            f"more, the first is {run.ensemble.label(gone[0])}: an extended run only grows; run into another folder"
        )
    generation = int(run.attrs.get("generation", 0)) + 1
    record = dict(attributes) | _made_of(ensemble, run.compartments, generation)
    pending = path / f".{READOUTS}-{generation}"
    shutil.rmtree(pending, ignore_errors=True)
    try:
        _create_trajectories(path, ensemble, run.compartments)
        made = unfinished(pending)
        _create_readouts(zarr.create_group(made, zarr_format=3), layout, ensemble)
        _take_over(readouts_of(path, generation - 1), made, run.ensemble, ensemble, [v.name for v in layout.variables])
        made.rename(pending)
        root = path / "zarr.json"
        document = json.loads(root.read_text("utf-8"))
        document["attributes"][RECORD] = record
        save_json(root, document)  # from here on it is extended
    except OSError as error:
        raise InputError(f"{path} cannot be extended ({error.strerror or error}): make room, then try again") from error
    settle_run(path)


def raise_format(path: Path) -> None:
    """Say of a run of an older format that what is written from now on is of ours; the caller holds the run's lock."""
    root = path / "zarr.json"
    document = json.loads(root.read_text("utf-8"))
    if document["attributes"][RECORD]["format"] < FORMAT:
        document["attributes"][RECORD]["format"] = FORMAT
        save_json(root, document)


def settle_run(path: Path) -> None:
    """Finish what a killed `extend_run` left; the caller holds the run's lock."""
    generation = int(open_run(path).attrs.get("generation", 0))
    pending = path / f".{READOUTS}-{generation}"
    if pending.exists():
        if (path / READOUTS).exists():
            shutil.rmtree(path / OLD, ignore_errors=True)
            (path / READOUTS).rename(path / OLD)
        pending.rename(path / READOUTS)
    for left in path.glob(f".{READOUTS}-*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in path.glob(f"{LOCK}-*"):
        left.unlink(missing_ok=True)
    for left in [*path.glob(f".*{PARTIAL}"), *(path / UPDATES).glob(f".*{PARTIAL}")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _made_of(ensemble: Ensemble, compartments: Sequence[str], generation: int) -> dict[str, object]:
    return {
        "format": FORMAT,
        "generation": generation,
        "replicates": ensemble.replicates,
        "compartments": list(compartments),
        "ensemble": ensemble.record(),
    }


def _create_trajectories(run: Path, ensemble: Ensemble, compartments: Sequence[str]) -> None:
    """Make the folders of the trajectories that have none yet; the list of commits comes last."""
    for trajectory in ensemble.trajectories:
        folder = trajectory_of(run, trajectory.id)
        if (folder / "commits.json").exists():
            continue
        group = zarr.open_group(folder, mode="a", zarr_format=3)
        for name in compartments:
            group.require_group(name).require_group(CELLS)
        save_commits(folder, [])


def _create_readouts(group: zarr.Group, layout: ReadoutLayout, ensemble: Ensemble) -> None:
    """Write the axes, and the readouts without any chunk: what is not written reads as NaN."""
    n_times = len(layout.times)
    if len(ensemble.branches) > 1:
        save_array(group, BRANCH, np.asarray(ensemble.branches), (BRANCH,), {})
    for axis in ensemble.axes:
        _save_axis(group, axis)
    coords: dict[str, Any] = {REPLICATE: np.arange(ensemble.replicates), TIME: layout.times, **layout.coords}
    for dim, labels in coords.items():
        units = COORDINATE_UNITS.get(dim)
        save_array(group, dim, np.asarray(labels), (dim,), {"units": units} if units else {})
    leading, single = ensemble.shape, (1,) * len(ensemble.shape)
    beside = [c.name for axis in ensemble.axes for c in axis.coordinates if c.name != axis.name]
    for variable in layout.variables:
        shape = layout.shape(variable)
        dtype = np.dtype(variable.dtype)
        plan = storage((n_times, *shape), dtype.itemsize, READOUT_CHUNK, sharded=False)
        plan["chunks"] = (*single, *plan["chunks"])  # a trajectory has files of its own
        attributes: dict[str, Any] = {"units": variable.units, "long_name": variable.about}
        if beside:
            attributes["coordinates"] = " ".join(beside)  # CF: what else labels an axis
        group.create_array(
            variable.name,
            shape=(*leading, n_times, *shape),
            dtype=dtype,
            fill_value=float("nan"),
            dimension_names=(*ensemble.dims, TIME, *variable.dims),
            attributes=attributes,
            **plan,
        )


def _save_axis(group: zarr.Group, axis: SweepAxis) -> None:
    """Write the labels of an axis; those of a sample stand beside its number."""
    if all(c.name != axis.name for c in axis.coordinates):
        save_array(group, axis.name, np.arange(axis.size), (axis.name,), {})
    for c in axis.coordinates:
        about = {"long_name": c.key} | ({"units": c.units} if c.units else {})
        save_array(group, c.name, np.asarray(c.labels), (axis.name,), about)


def _take_over(old: Path, new: Path, before: Ensemble, after: Ensemble, names: Sequence[str]) -> None:
    """Put the chunks of the trajectories that are there already where they stand now; files are linked, not read."""
    for name in names:
        for trajectory in before.trajectories:
            source = _chunks(old, name, trajectory.places[0])
            if not source.exists():
                continue
            for place in after.by_id[trajectory.id].places:
                _link_all(source, _chunks(new, name, place))


def _chunks(readouts: Path, name: str, place: Sequence[int]) -> Path:
    """Return the folder of all chunks of one readout of one trajectory."""
    return readouts.joinpath(name, "c", *map(str, place))


def _link_all(source: Path, target: Path) -> None:
    for file in source.rglob("*"):
        if file.is_dir() or file.suffix == PARTIAL:
            continue
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)  # a chunk is never changed in place
        except OSError:  # a file system without links
            shutil.copyfile(file, place)
