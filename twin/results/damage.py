"""What a disk has spoilt: the chunk is named, and the rest still opens."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from twin.errors import InputError, TwinError
from twin.results.commits import load_commits
from twin.results.layout import CELLS, FIELDS, LINEAGE, readouts_of, trajectory_of

# What a codec, a JSON reader, Zarr and anndata raise over bytes that make no sense.
_BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def damaged_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a Zarr group that cannot be read: chunks, or what describes an array."""
    try:
        arrays = [(name, node) for name, node in _members(folder) if isinstance(node, zarr.Array)]
    except _BROKEN:  # what stands there is no JSON, or not Zarr's
        yield folder / "zarr.json"
        return
    for name, array in arrays:
        unit = array.shards or array.chunks
        for place in np.ndindex(*(ceil(n / size) for n, size in zip(array.shape, unit, strict=True))):
            part = tuple(slice(i * size, (i + 1) * size) for i, size in zip(place, unit, strict=True))
            try:
                array[part if part else ...]
            except _BROKEN:
                yield folder.joinpath(name, "c", *map(str, place))


def damaged(run: Path, trajectories: Iterable[str], compartments: Iterable[str], generation: int) -> Iterator[Path]:
    """Yield every committed file of a run that cannot be read; all of them are read for it."""
    yield from damaged_in(readouts_of(run, generation))
    kinds = [(compartment, kind) for compartment in compartments for kind in (CELLS, FIELDS, LINEAGE)]
    for trajectory in trajectories:
        home = trajectory_of(run, trajectory)
        for commit in load_commits(home):
            for compartment, kind in kinds:
                folder = home / compartment / kind / commit.name
                if folder.exists():
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


def _members(folder: Path) -> Any:
    return list(zarr.open_group(folder, mode="r").members(max_depth=None))
