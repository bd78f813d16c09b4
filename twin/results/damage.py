"""What a disk has spoilt: the chunk is named, and the rest still opens."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr

from twin.errors import InputError, RunError, TwinError
from twin.results.commits import load_commits
from twin.results.layout import CELLS, FIELDS, LINEAGE, readouts_of, trajectory_of
from twin.results.packed import open_group, packed_name, place_of

# What a codec, a JSON reader, Zarr and anndata raise over bytes that make no sense.
_BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)
# What the system says that has nothing to do with the bytes.
_HINDERED = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EINTR}
REST = "the other times and trajectories of the run still open"


def damaged_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a Zarr group that cannot be read: chunks, or what describes an array.

    Raises
    ------
    RunError
        If the system does not let them be read.
    """
    if not place_of(folder).exists():
        yield packed_name(folder)
        return
    try:
        arrays = [(name, node) for name, node in _members(folder) if isinstance(node, zarr.Array)]
    except _BROKEN as error:  # what stands there is no JSON, or not Zarr's
        _refuse_hindrance(folder, error)
        yield place_of(folder) if place_of(folder) != folder else folder / "zarr.json"
        return
    for name, array in arrays:
        unit = array.shards or array.chunks
        for place in np.ndindex(*(ceil(n / size) for n, size in zip(array.shape, unit, strict=True))):
            part = tuple(slice(i * size, (i + 1) * size) for i, size in zip(place, unit, strict=True))
            try:
                array[part if part else ...]
            except _BROKEN as error:
                _refuse_hindrance(folder, error)
                yield place_of(folder).joinpath(name, "c", *map(str, place))


def damaged(run: Path, trajectories: Iterable[str], generation: int) -> Iterator[Path]:
    """Yield every committed file of a run that cannot be read, or is missing; all of them are read for it."""
    yield from damaged_in(readouts_of(run, generation))
    for trajectory in trajectories:
        home = trajectory_of(run, trajectory)
        for commit in load_commits(home):
            kept = dict.fromkeys(name for frame in commit.frames for name in frame.rows)
            for kind, compartments in ((CELLS, kept), (FIELDS, commit.fields), (LINEAGE, commit.lineage)):
                for compartment in compartments:
                    yield from damaged_in(home / compartment / kind / commit.name)


def _refuse_hindrance(folder: Path, error: Exception) -> None:
    """Say what keeps a file from being read where that is not its content."""
    if isinstance(error, OSError) and error.errno in _HINDERED:
        raise RunError(f"{error.filename or folder} cannot be read: {error.strerror}") from error


@contextmanager
def naming_damage(folder: Path, rest: str = REST) -> Iterator[None]:
    """Name the file that is damaged, or missing, where reading a Zarr group fails.

    rest : what still opens.

    Raises
    ------
    InputError
        If one is.
    RunError
        If the system does not let it be read.
    """
    try:
        yield
    except TwinError:
        raise
    except _BROKEN as error:
        _refuse_hindrance(folder, error)
        file = next(damaged_in(folder), None)
        if file is None:
            raise
        what = f"is damaged ({type(error).__name__})" if place_of(folder).exists() else "is missing"
        raise InputError(f"{file} {what}: bring it back from a copy; {rest}") from error


def open_dataset(folder: Path, rest: str = REST) -> xr.Dataset:
    """Open a Zarr group lazily, as `xarray.open_zarr` does; what is damaged is named when it is read.

    Raises
    ------
    InputError
        If what describes it, or a coordinate, is damaged.
    """
    with naming_damage(folder, rest):
        group = open_group(folder)
        data: xr.Dataset = xr.open_zarr(group.store, consolidated=False)
        for name, variable in data.variables.items():
            if variable.chunks is not None:
                reader = _Reader(group[str(name)], folder)
                lazy = da.from_array(  # type: ignore[no-untyped-call]  # Dask's own
                    reader, variable.data.chunks, meta=variable.data._meta, asarray=False
                )
                data[name] = variable.copy(data=lazy)
        data.encoding["source"] = str(place_of(folder))
    return data


class _Reader:
    """An array on the disk, for Dask: whoever computes a block of it is told which file is damaged."""

    def __init__(self, array: Any, folder: Path) -> None:
        self._array, self._folder = array, folder
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key: Any) -> Any:
        with naming_damage(self._folder):
            return self._array[key]


def _members(folder: Path) -> Any:
    return list(open_group(folder).members(max_depth=None))
