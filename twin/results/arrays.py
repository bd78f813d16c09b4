"""Arrays on disk: Zarr v3, zstd, chunks of about 1 MiB joined in shards, so that files stay few."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, prod
from typing import Any

import numpy as np
import scipy.sparse as sp
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

CHUNK_BYTES = 2**20  # our choice: what is read at least, to reach one row
SHARD_BYTES = 2**28  # our choice: the largest file before compression, and what a writer holds in memory
TEXT_BYTES = 32  # our choice: a guess for one text, whose length varies
ZSTD_LEVEL = 3  # zstd's own default

Blocks = Iterable[tuple[sp.csr_array, int]]  # rows and the column at which they begin


def storage(
    shape: Sequence[int], itemsize: int, chunk_bytes: int = CHUNK_BYTES, *, sharded: bool = True
) -> dict[str, Any]:
    """Return the chunks, shards and compressor of an array that is cut along its first axis only."""
    row = max(1, prod(shape[1:])) * itemsize
    rows = max(1, chunk_bytes // row)
    rest = [max(1, n) for n in shape[1:]]
    if not shape or shape[0] <= rows:  # one chunk is one file: a shard round it would be a second wrapping
        rows, shards = max(1, shape[0]) if shape else 1, None
    else:
        joined = min(ceil(shape[0] / rows), max(1, SHARD_BYTES // (rows * row)))
        shards = (rows * joined, *rest) if sharded else None
    chunks = (rows, *rest) if shape else ()
    return {"chunks": chunks, "shards": shards, "compressors": ZstdCodec(level=ZSTD_LEVEL, checksum=True)}


def storage_of(values: NDArray[Any]) -> dict[str, Any]:
    """Return `storage` for an array in memory."""
    return storage(values.shape, TEXT_BYTES if values.dtype.kind in "OUT" else values.dtype.itemsize)


def save_array(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dims: Sequence[str],
    attributes: Mapping[str, str],
) -> None:
    """Write an array with named axes, as xarray expects it; text becomes Zarr's own strings."""
    is_text = values.dtype.kind in "OU"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if is_text else values.dtype,
        dimension_names=dims,
        attributes=dict(attributes),
        **storage_of(values),
    )
    array[...] = values.astype(object) if is_text else values


def named(array: "zarr.Array[Any]") -> tuple[str | None, ...]:
    """Return the names of an array's axes."""
    return tuple(getattr(array.metadata, "dimension_names", None) or ())


def save_csr(
    group: zarr.Group,
    name: str,
    blocks: Blocks,
    n_columns: int,
    counts: NDArray[np.int64],
    dtype: np.dtype[Any],
) -> None:
    """Write a sparse matrix, block of rows by block, as anndata's `csr_matrix` 0.1.0.

    At most one shard is held in memory.

    Parameters
    ----------
    blocks : rows from the top down, each (rows, column at which they begin).
    n_columns : width of the whole.
    counts : (row,) stored entries of every row; `blocks` must agree.
    dtype : of the entries.

    Source
    ------
    anndata, On-disk format, section "Sparse arrays".
    """
    total = int(counts.sum())
    # one type for both: anndata hands them to scipy as they are, and scipy's loops take no mixture
    index_type = np.dtype(np.int32 if max(total, n_columns) < 2**31 else np.int64)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(index_type)
    matrix = group.create_group(
        name,
        attributes={
            "encoding-type": "csr_matrix",
            "encoding-version": "0.1.0",
            "shape": [len(counts), n_columns],
        },
    )
    plan = storage((total,), max(index_type.itemsize, dtype.itemsize))
    columns = matrix.create_array("indices", shape=(total,), dtype=index_type, **plan)
    data = matrix.create_array("data", shape=(total,), dtype=dtype, **plan)
    step = min((plan["shards"] or plan["chunks"])[0], total)  # whole shards: one written twice is read in between
    where, what = np.empty(step, index_type), np.empty(step, dtype)
    place = held = 0
    for rows, start in blocks:
        assert place + held + rows.nnz <= total, (place, held, rows.nnz, total)
        taken = 0
        while taken < rows.nnz:
            n = min(step - held, rows.nnz - taken)
            where[held : held + n] = rows.indices[taken : taken + n]
            where[held : held + n] += index_type.type(start)
            what[held : held + n] = rows.data[taken : taken + n]
            taken, held = taken + n, held + n
            if held == step:
                columns[place : place + held], data[place : place + held] = where, what
                place, held = place + held, 0
    if held:
        columns[place : place + held], data[place : place + held] = where[:held], what[:held]
        place += held
    assert place == total, (place, total)
    array = matrix.create_array("indptr", shape=indptr.shape, dtype=indptr.dtype, **storage_of(indptr))
    array[...] = indptr


def load_csr_rows(group: zarr.Group, first: int, last: int) -> tuple[NDArray[Any], ...]:
    """Return (data, indices, indptr) of rows `first` to `last`, reading only their entries."""
    indptr = np.asarray(_array(group, "indptr")[first : last + 1])
    low, high = int(indptr[0]), int(indptr[-1])
    data = np.asarray(_array(group, "data")[low:high])
    return data, np.asarray(_array(group, "indices")[low:high]), indptr - low


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    found = group[name]
    assert isinstance(found, zarr.Array), name
    return found
