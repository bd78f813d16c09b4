"""Runs are written here: created whole, then one atomic commit after the other."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from twin.errors import InputError, RunError
from twin.results.arrays import save_array, storage
from twin.results.commits import Commit, Frame, load_commits, save_commits
from twin.results.frames import Snapshot, save_frames, write_elements
from twin.results.layout import (
    CELLS,
    COORDINATE_UNITS,
    FIELDS,
    FORMAT,
    LEADING_DIMS,
    LINEAGE,
    PARTIAL,
    READOUTS,
    RECORD,
    STATE_SUFFIX,
    TRAJECTORIES,
    ReadoutLayout,
    check_folder_name,
    commit_name,
    state_name,
    trajectory_of,
    unfinished,
)
from twin.results.state import load_state, save_state
from twin.state.body import Body, Lineage
from twin.state.fields import Grid
from twin.units import round12

STREAM_EVERY = 2.0  # s, our choice: between two writings of the readouts that wait for a commit
READOUT_CHUNK = 2**23  # bytes, our choice: a commit rewrites its last chunk, a reader opens few files


def create_run(
    path: Path,
    attributes: Mapping[str, object],
    layout: ReadoutLayout,
    n_replicates: int,
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
    record |= {"format": FORMAT, "replicates": n_replicates, "compartments": list(compartments)}
    made = path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _create(made, record, layout, n_replicates, compartments)
        made.replace(path)
    except OSError as error:
        raise InputError(f"the run folder {path} cannot be made ({error.strerror}): name another one") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)  # nothing is left of it where all went well


def _create(
    made: Path,
    record: dict[str, object],
    layout: ReadoutLayout,
    n_replicates: int,
    compartments: Sequence[str],
) -> None:
    root = zarr.create_group(made, zarr_format=3, attributes={RECORD: record})
    _create_readouts(root.create_group(READOUTS), layout, n_replicates)
    trajectories = root.create_group(TRAJECTORIES)
    for replicate in range(n_replicates):
        trajectory = trajectories.create_group(trajectory_of(made, replicate).name)
        for name in compartments:
            trajectory.create_group(name).create_group(CELLS)
        save_commits(trajectory_of(made, replicate), [])


def _create_readouts(group: zarr.Group, layout: ReadoutLayout, n_replicates: int) -> None:
    """Write the axes, and the readouts without any chunk: what is not written reads as NaN."""
    n_times = len(layout.times)
    coords: dict[str, Any] = {"replicate": np.arange(n_replicates), "time": layout.times, **layout.coords}
    for dim, labels in coords.items():
        units = COORDINATE_UNITS.get(dim)
        save_array(group, dim, np.asarray(labels), (dim,), {"units": units} if units else {})
    for variable in layout.variables:
        shape = layout.shape(variable)
        dtype = np.dtype(variable.dtype)
        plan = storage((n_times, *shape), dtype.itemsize, READOUT_CHUNK, sharded=False)
        plan["chunks"] = (1, *plan["chunks"])  # a replicate has files of its own
        group.create_array(
            variable.name,
            shape=(n_replicates, n_times, *shape),
            dtype=dtype,
            fill_value=float("nan"),
            dimension_names=(*LEADING_DIMS, *variable.dims),
            attributes={"units": variable.units, "long_name": variable.about},
            **plan,
        )


class TrajectoryWriter:
    """Writes one trajectory of a run; nothing counts before `commit` has returned.

    Opening it removes what a killed run had begun and not committed.
    """

    def __init__(
        self,
        path: Path,
        replicate: int,
        body_genes: Sequence[str],
        perturbations: Sequence[str],
        substances: Sequence[str],
        tick_hours: float,
    ) -> None:
        """Open the trajectory for writing; `tick_hours` is the length of a tick in h."""
        self._folder = trajectory_of(path, replicate)
        self._replicate = replicate
        self._genes, self._perturbations = tuple(body_genes), tuple(perturbations)
        self._substances, self._tick_hours = tuple(substances), tick_hours
        self._commits = load_commits(self._folder)
        readouts = zarr.open_group(path / READOUTS, mode="r+")
        self._readouts = {name: array for name, array in readouts.arrays() if array.ndim >= len(LEADING_DIMS)}
        self._frames: dict[str, list[Snapshot]] = {}
        self._kept = {frame.tick for commit in self._commits for frame in commit.frames}
        self._values: dict[int, dict[str, NDArray[Any]]] = {}
        self._streamed = -STREAM_EVERY
        self._remove_leftovers()

    def restore(self) -> Body | None:
        """Return the body of the last commit, or None where there is none yet."""
        return load_state(self._folder / self._commits[-1].state) if self._commits else None

    def frame(self, body: Body) -> None:
        """Keep whole cells and fields of this instant; a tick that is kept already stays as it is."""
        if body.tick in self._kept:
            return
        self._kept.add(body.tick)
        time = round12(body.tick * self._tick_hours)
        for name, compartment in body.compartments.items():
            self._frames.setdefault(name, []).append(Snapshot.of(compartment, body.tick, time))

    def readouts(self, time_index: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Keep readouts of one time.

        Parameters
        ----------
        time_index : place along the layout's times.
        values : variable → array of its dims; a variable that is left out stays NaN.
        """
        for name, value in values.items():
            assert name in self._readouts, f"no readout is called {name}"
            assert np.shape(value) == self._readouts[name].shape[2:], (name, np.shape(value))
        self._values[time_index] = {name: np.array(value) for name, value in values.items()}
        self._stream()

    def _stream(self) -> None:
        """Let the readouts since the last commit be read (`Run.streamed`), at most every few seconds.

        They are as final as those of a commit: a run that is resumed comes to the same ones.
        """
        if monotonic() - self._streamed < STREAM_EVERY:
            return
        with self._refusing():
            self._write_readouts()
        self._streamed = monotonic()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn what the disk refuses (full, gone, not writable) into words of how to go on."""
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{self._folder} cannot be written ({error.strerror or error}): make room, then resume; "
                "what is committed is safe"
            ) from error

    def commit(self, body: Body) -> None:
        """Make all that was kept since the last commit final, with the body's state, in one step.

        The body's lineage is written and cleared. A kill before this returns leaves the last commit.
        A second commit of one tick, with nothing new, does nothing.

        Raises
        ------
        RunError
            If the disk refuses (full, gone, not writable).
        """
        with self._refusing():
            self._commit(body)

    def _commit(self, body: Body) -> None:
        last = self._commits[-1].tick if self._commits else -1
        if body.tick == last and not self._frames and not self._values:
            return
        assert body.tick > last, f"tick {body.tick} is committed already"
        name = commit_name(max(last, 0), body.tick)
        born_or_dead = [c for c in body.compartments.values() if c.lineage.id]
        for compartment, frames in self._frames.items():
            about = {"replicate": self._replicate, "compartment": compartment, "commit": name}
            with self._group(compartment, CELLS, name) as group:
                save_frames(group, frames, self._genes, self._perturbations, self._tick_hours, about)
            if self._substances:
                with self._group(compartment, FIELDS, name) as group:
                    _save_fields(group, frames, self._substances, body.compartments[compartment].grid)
        for c in born_or_dead:
            with self._group(c.name, LINEAGE, name) as group:
                write_elements(group, "/", _lineage_table(c.lineage, self._tick_hours))
            c.lineage = Lineage()
        self._write_readouts()
        log, body.log = tuple(body.log), []
        state = state_name(body.tick)
        save_state(body, self._folder / state)
        commit = Commit(
            name=name,
            tick=body.tick,
            state=state,
            frames=self._framed(),
            lineage=tuple(c.name for c in born_or_dead),
            fields=tuple(self._frames) if self._substances else (),
            readouts=tuple(sorted(self._values)),
            log=log,
        )
        save_commits(self._folder, [*self._commits, commit])
        if self._commits and self._commits[-1].state != state:
            (self._folder / self._commits[-1].state).unlink(missing_ok=True)
        self._commits.append(commit)
        self._frames, self._values = {}, {}

    @contextmanager
    def _group(self, compartment: str, kind: str, name: str) -> Iterator[zarr.Group]:
        """Give a group to fill under a hidden name; it gets its own name when it is filled."""
        final = self._folder / compartment / kind / name
        zarr.open_group(final.parent, mode="a", zarr_format=3)
        yield zarr.create_group(unfinished(final), zarr_format=3)
        unfinished(final).rename(final)

    def _framed(self) -> tuple[Frame, ...]:
        """Return where each kept instant stands among the rows of each compartment."""
        rows: dict[int, dict[str, tuple[int, int]]] = {}
        times: dict[int, float] = {}
        for compartment, frames in self._frames.items():
            first = 0
            for frame in frames:
                rows.setdefault(frame.tick, {})[compartment] = (first, first + frame.n)
                times[frame.tick] = frame.time
                first += frame.n
        return tuple(Frame(tick, times[tick], rows[tick]) for tick in sorted(rows))

    def _write_readouts(self) -> None:
        """Put the kept readouts in their places, neighbouring times of a variable together."""
        for name, array in self._readouts.items():
            places = sorted(i for i, values in self._values.items() if name in values)
            for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1) if places else []:
                block = np.stack([self._values[int(i)][name] for i in run])  # (time, ...)
                array[self._replicate, int(run[0]) : int(run[-1]) + 1] = block.astype(array.dtype)

    def _remove_leftovers(self) -> None:
        """Remove what no commit names."""
        names = {commit.name for commit in self._commits}
        state = self._commits[-1].state if self._commits else None
        for file in self._folder.iterdir():
            if file.is_file() and (file.suffix == PARTIAL or (file.suffix == STATE_SUFFIX and file.name != state)):
                file.unlink()
        for kind in (CELLS, FIELDS, LINEAGE):
            for group in self._folder.glob(f"*/{kind}/*"):
                if group.is_dir() and group.name not in names:
                    shutil.rmtree(group)
        done = {i for commit in self._commits for i in commit.readouts}
        for name, array in self._readouts.items():
            chunks = self._folder.parents[1] / READOUTS / name / "c" / str(self._replicate)
            for file in chunks.rglob(f"*{PARTIAL}"):
                file.unlink()
            if chunks.exists():
                values = np.asarray(array[self._replicate])  # (time, ...)
                for i in range(len(values)):
                    if i not in done and not np.isnan(values[i]).all():
                        array[self._replicate, i] = np.nan


def _save_fields(group: zarr.Group, frames: Sequence[Snapshot], substances: Sequence[str], grid: Grid) -> None:
    """Write the concentrations of the frames as an xarray Dataset, voxel centres in µm, values in nM."""
    values = np.stack([frame.concentration for frame in frames])  # (time, substance, z, y, x)
    assert values.shape[1] == len(substances), (values.shape, substances)
    save_array(group, "time", np.array([frame.time for frame in frames]), ("time",), {"units": "h"})
    save_array(group, "substance", np.asarray(substances), ("substance",), {})
    for i, axis in enumerate("xyz"):
        save_array(group, axis, grid.centres(i), (axis,), {"units": "um"})
    about = {"units": "nM", "long_name": "concentration"}
    save_array(group, "concentration", values, ("time", "substance", "z", "y", "x"), about)


def _lineage_table(lineage: Lineage, tick_hours: float) -> pd.DataFrame:
    """Return births and deaths as a table: id, parent, tick, time in h, event."""
    ticks = np.asarray(lineage.tick, np.int64)
    return pd.DataFrame(
        {
            "id": np.asarray(lineage.id, np.uint64),
            "parent": np.asarray(lineage.parent, np.uint64),
            "tick": ticks,
            "time": [round12(tick * tick_hours) for tick in lineage.tick],
            "event": np.asarray(lineage.event, dtype=object),
        }
    )
