"""Whether two runs are the same, array by array."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from twin.results.commits import load_commits
from twin.results.damage import naming_damage
from twin.results.layout import READOUTS, UPDATES, trajectory_of
from twin.results.packed import open_group, packed_name
from twin.results.read import open_run

TIMES_OF_WRITING = frozenset({"created", "modified"})  # attributes that differ from run to run


def differences(path_a: str | Path, path_b: str | Path) -> list[str]:
    """Name every committed array, log, update and state file in which two runs differ by a single bit.

    NaNs are equal where their bits are. Shape, type and attributes count, but for times of writing;
    the attributes of the runs themselves (versions, where they ran) do not.

    Raises
    ------
    InputError
        If one of them is no run.
    """
    a, b = Path(path_a), Path(path_b)
    arrays_a, arrays_b = dict(_arrays(a)), dict(_arrays(b))
    states_a, states_b = dict(_states(a)), dict(_states(b))
    told = [
        f"{name}: only in {a if name in arrays_a or name in states_a else b}"
        for name in sorted({*arrays_a, *states_a} ^ {*arrays_b, *states_b})
    ]
    for name in sorted(arrays_a.keys() & arrays_b.keys()):
        difference = _difference(arrays_a[name], arrays_b[name])
        if difference:
            told.append(f"{name}: {difference}")
    for name in sorted(states_a.keys() & states_b.keys()):
        if states_a[name].read_bytes() != states_b[name].read_bytes():
            told.append(f"{name}: other bytes")
    logs_a, logs_b = _logs(a), _logs(b)
    told += [f"{name}: another log" for name in sorted(logs_a.keys() & logs_b.keys()) if logs_a[name] != logs_b[name]]
    updates_a, updates_b = ({u.name: u.read_bytes() for u in (x / UPDATES).glob("[!.]*.json")} for x in (a, b))
    told += [
        f"{UPDATES}/{name}: other values"
        for name in sorted({*updates_a, *updates_b})
        if updates_a.get(name) != updates_b.get(name)
    ]
    return told


def _logs(run: Path) -> dict[str, list[str]]:
    """Return what happened to each trajectory, as text, in which NaN is NaN."""
    folders = [trajectory_of(run, trajectory.id) for trajectory in open_run(run).trajectories]
    return {
        folder.relative_to(run).as_posix(): [json.dumps(e) for c in load_commits(folder) for e in c.log]
        for folder in folders
    }


def _arrays(run: Path) -> Iterator[tuple[str, "zarr.Array[Any]"]]:
    """Yield every array of the readouts and of all that a commit names, with its path in the run."""
    opened = open_run(run)
    yield from _inside(run, run / READOUTS)
    for trajectory in opened.trajectories:
        folder = trajectory_of(run, trajectory.id)
        for commit in load_commits(folder):
            names = (commit.name, packed_name(Path(commit.name)).name)
            for group in sorted({g.with_name(commit.name) for name in names for g in folder.glob(f"*/*/{name}")}):
                yield from _inside(run, group)


def _inside(run: Path, folder: Path) -> Iterator[tuple[str, "zarr.Array[Any]"]]:
    with naming_damage(folder):
        found = list(open_group(folder).members(max_depth=None))
    for name, node in found:
        if isinstance(node, zarr.Array):
            yield f"{folder.relative_to(run).as_posix()}/{name}", node


def _states(run: Path) -> Iterator[tuple[str, Path]]:
    for trajectory in open_run(run).trajectories:
        folder = trajectory_of(run, trajectory.id)
        for commit in load_commits(folder)[-1:]:
            yield f"{folder.relative_to(run).as_posix()}/{commit.state}", folder / commit.state


def _difference(a: "zarr.Array[Any]", b: "zarr.Array[Any]") -> str | None:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype} {a.shape} against {b.dtype} {b.shape}"
    if _lasting(a) != _lasting(b):
        return "other attributes"
    values_a, values_b = np.asarray(a[...]), np.asarray(b[...])
    if values_a.dtype.kind in "OUT":
        differ = values_a != values_b
    else:
        differ = _bytes(values_a) != _bytes(values_b)
        differ = differ.reshape(*values_a.shape, -1).any(axis=-1) if values_a.size else differ
    n = int(np.count_nonzero(differ))
    return f"{n} of {values_a.size} values differ" if n else None


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(values.tobytes(), np.uint8)


def _lasting(array: "zarr.Array[Any]") -> dict[str, object]:
    return {k: v for k, v in array.attrs.asdict().items() if k not in TIMES_OF_WRITING}
