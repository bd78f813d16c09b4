"""What a disk has spoilt: the chunk is named, and the rest still opens."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr

from twin.errors import InputError, TwinError
from twin.results.commits import load_commits
from twin.results.layout import CELLS, FIELDS, LINEAGE, readouts_of, trajectory_of
from twin.results.packed import open_group, place_of

# What a codec, a JSON reader, Zarr and anndata raise over bytes that make no sense.
_BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def damaged_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a Zarr group that cannot be read: chunks, or what describes an array."""
    try:
        arrays = [(name, node) for name, node in _members(folder) if isinstance(node, zarr.Array)]
    except _BROKEN:  # what stands there is no JSON, or not Zarr's
        yield place_of(folder) if place_of(folder) != folder else folder / "zarr.json"
        return
    for name, array in arrays:
        unit = array.shards or array.chunks
        for place in np.ndindex(*(ceil(n / size) for n, size in zip(array.shape, unit, strict=True))):
            part = tuple(slice(i * size, (i + 1) * size) for i, size in zip(place, unit, strict=True))
            try:
                array[part if part else ...]
            except _BROKEN:
                yield place_of(folder).joinpath(name, "c", *map(str, place))


def damaged(run: Path, trajectories: Iterable[str], compartments: Iterable[str], generation: int) -> Iterator[Path]:
    """Yield every committed file of a run that cannot be read; all of them are read for it."""
    yield from damaged_in(readouts_of(run, generation))
    kinds = [(compartment, kind) for compartment in compartments for kind in (CELLS, FIELDS, LINEAGE)]
    for trajectory in trajectories:
        home = trajectory_of(run, trajectory)
        for commit in load_commits(home):
            for compartment, kind in kinds:
                folder = home / compartment / kind / commit.name
                if place_of(folder).exists():
                    yield from damaged_in(folder)


@contextmanager
def naming_damage(folder: Path) -> Iterator[None]:
    """Name the file that is damaged where reading a Zarr group fails.

    Raises
    ------
    InputError
        If one is.
    """
    try:
        yield
    except TwinError:
        raise
    except _BROKEN as error:
        file = next(damaged_in(folder), None)
        if file is None:
            raise
        raise InputError(
            f"{file} is damaged ({type(error).__name__}): bring it back from a copy; the other times and trajectories "
            "of the run still open"
        ) from error


def open_dataset(folder: Path) -> xr.Dataset:
    """Open a Zarr group lazily, as `xarray.open_zarr` does; what is damaged is named when it is read.

    Raises
    ------
    InputError
        If what describes it, or a coordinate, is damaged.
    """
    with naming_damage(folder):
        group = open_group(folder)
        data: xr.Dataset = xr.open_zarr(group.store, consolidated=False)
        for name, variable in data.data_vars.items():
            if variable.chunks is not None:
                reader = _Reader(group[str(name)], folder)
                lazy = da.from_array(  # type: ignore[no-untyped-call]  # Dask's own
                    reader, variable.data.chunks, meta=variable.data._meta, asarray=False
                )
                data[name] = variable.copy(data=lazy)
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
