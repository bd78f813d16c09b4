"""Trajectories are written here, one atomic commit after the other."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from twin.errors import RunError
from twin.results.arrays import named, save_array
from twin.results.commits import Commit, Frame, load_commits, save_commits
from twin.results.ensemble import Trajectory
from twin.results.frames import Snapshot, save_frames, write_elements
from twin.results.layout import (
    CELLS,
    FIELDS,
    LINEAGE,
    PARTIAL,
    READOUTS,
    STATE_SUFFIX,
    TIME,
    commit_name,
    state_name,
    sync_folder,
    trajectory_of,
    unfinished,
)
from twin.results.lock import WriterMark
from twin.results.packed import SUFFIX, pack, packed_name
from twin.results.state import load_state, save_state
from twin.state.body import Body, Lineage
from twin.state.fields import Grid
from twin.units import round12

STREAM_EVERY = 2.0  # s, our choice: between two writings of the readouts that wait for a commit


class TrajectoryWriter:
    """Writes one trajectory of a run; nothing counts before `commit` has returned.

    Opening it removes what a killed run had begun and not committed.
    """

    def __init__(
        self,
        path: Path,
        trajectory: Trajectory,
        genes: Sequence[str] | Mapping[str, Sequence[str]],
        perturbations: Sequence[str] | Mapping[str, Sequence[str]],
        substances: Sequence[str],
        tick_hours: float,
    ) -> None:
        """Open the trajectory for writing.

        genes, perturbations : those of all cells, or per compartment. tick_hours : length of a tick, h.
        """
        self._folder = trajectory_of(path, trajectory.id)
        self._trajectory = trajectory
        self._genes, self._perturbations = genes, perturbations
        self._substances, self._tick_hours = tuple(substances), tick_hours
        self._commits = load_commits(self._folder)
        self._mark = WriterMark(self._folder)
        readouts = zarr.open_group(path / READOUTS, mode="r+")
        self._leading = len(trajectory.places[0])
        self._readouts = {
            name: array
            for name, array in readouts.arrays()
            if tuple(named(array))[self._leading : self._leading + 1] == (TIME,)
        }
        self._frames: dict[str, list[Snapshot]] = {}
        self._kept = {frame.tick for commit in self._commits for frame in commit.frames}
        self._values: dict[int, dict[str, NDArray[Any]]] = {}
        self._streamed = -STREAM_EVERY
        self._remove_leftovers()

    def restore(self) -> Body | None:
        """Return the body of the last commit, or None where there is none yet."""
        return load_state(self._folder / self._commits[-1].state) if self._commits else None

    def close(self) -> None:
        """Say that nobody writes this trajectory any more."""
        self._mark.release()

    def inherit(self, parent: Trajectory, places: Sequence[int]) -> None:
        """Take a trunk's readouts of the past over, at these places along the time axis; `commit` makes them final."""
        done = {i for commit in self._commits for i in commit.readouts}
        for i in sorted(set(places) - done):
            self._values[i] = {name: np.asarray(a[(*parent.places[0], i)]) for name, a in self._readouts.items()}

    def frame(self, body: Body) -> None:
        """Keep whole cells and fields of this instant; a tick that is kept already stays as it is.

        Raises
        ------
        RunError
            If many cells have to wait on the disk for the commit, and it refuses.
        """
        if body.tick in self._kept:
            return
        time = round12(body.tick * self._tick_hours)
        for name, compartment in body.compartments.items():
            file = unfinished(self._folder / f"{name}-{body.tick:06d}.counts")
            with self._refusing():
                snapshot = Snapshot.of(compartment, body.tick, time, file)
            self._frames.setdefault(name, []).append(snapshot)
        self._kept.add(body.tick)

    def readouts(self, time_index: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Keep readouts of one time.

        Parameters
        ----------
        time_index : place along the layout's times.
        values : variable → array of its dims; a variable that is left out stays NaN.
        """
        for name, value in values.items():
            assert name in self._readouts, f"no readout is called {name}"
            assert np.shape(value) == self._readouts[name].shape[self._leading + 1 :], (name, np.shape(value))
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
        last = self._commits[-1].tick if self._commits else (self._trajectory.fork or -1)
        if body.tick == last and not self._frames and not self._values:
            return
        self._mark.check()
        assert body.tick > last, f"tick {body.tick} is committed already"
        name = commit_name(max(last, 0), body.tick)
        born_or_dead = [c for c in body.compartments.values() if c.lineage.id]
        for compartment, frames in self._frames.items():
            about = {"replicate": self._trajectory.replicate, "compartment": compartment, "commit": name}
            with self._group(compartment, CELLS, name) as group:
                of_cells = _of(self._genes, compartment), _of(self._perturbations, compartment)
                save_frames(group, frames, *of_cells, self._tick_hours, about)
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
        self._mark.check()
        save_commits(self._folder, [*self._commits, commit])
        if self._commits and self._commits[-1].state != state:
            (self._folder / self._commits[-1].state).unlink(missing_ok=True)
        self._commits.append(commit)
        for frame in (frame for frames in self._frames.values() for frame in frames):
            frame.counts.forget()
        self._frames, self._values = {}, {}

    @contextmanager
    def _group(self, compartment: str, kind: str, name: str) -> Iterator[zarr.Group]:
        """Give a group to fill under a hidden name; it is packed and gets its own name when it is filled."""
        folder = self._folder / compartment / kind / name
        final = packed_name(folder)
        hidden = folder.with_name(f".{name}.{uuid4().hex[:8]}{PARTIAL}")  # no other writer's, not even of this process
        draft = packed_name(hidden)
        zarr.open_group(folder.parent, mode="a", zarr_format=3)
        try:
            yield zarr.create_group(hidden, zarr_format=3)
            self._mark.check()
            pack(hidden, draft)
            self._mark.check()
            draft.replace(final)
            sync_folder(final.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        finally:
            _remove(hidden)

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
                where = slice(int(run[0]), int(run[-1]) + 1)
                for place in self._trajectory.places:
                    index: tuple[int | slice, ...] = (*place, where)
                    array[index] = block.astype(array.dtype)

    def _remove_leftovers(self) -> None:
        """Remove what no commit names."""
        names = {commit.name for commit in self._commits}
        state = self._commits[-1].state if self._commits else None
        for file in self._folder.iterdir():
            if file.is_file() and (file.suffix == PARTIAL or (file.suffix == STATE_SUFFIX and file.name != state)):
                file.unlink(missing_ok=True)
        for kind in (CELLS, FIELDS, LINEAGE):
            for group in self._folder.glob(f"*/{kind}/*"):
                if group.is_dir() and group.name not in names:
                    _remove(group)
                elif group.suffix in (SUFFIX, PARTIAL) and group.stem not in names:
                    group.unlink(missing_ok=True)
        done = {i for commit in self._commits for i in commit.readouts}
        for name, array in self._readouts.items():
            for place in self._trajectory.places:
                chunks = self._folder.parents[1].joinpath(READOUTS, name, "c", *map(str, place))
                for file in chunks.rglob(f"*{PARTIAL}"):
                    file.unlink(missing_ok=True)
                if not chunks.exists():
                    continue
                values = np.asarray(array[place])  # (time, ...)
                for i in range(len(values)):
                    if i not in done and not np.isnan(values[i]).all():
                        array[(*place, i)] = np.nan


def _of(named: Sequence[str] | Mapping[str, Sequence[str]], compartment: str) -> Sequence[str]:
    return named[compartment] if isinstance(named, Mapping) else named


def _remove(group: Path) -> None:
    """Remove a group at once, also while a worker that was given up for lost still writes into it or renames it."""
    gone = unfinished(group.with_name(f"{uuid4().hex[:8]}"))
    with suppress(FileNotFoundError):  # it has just been renamed
        group.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


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
