"""The counts of a file that is not trusted, block by block, checked before they are believed."""

from collections.abc import Iterator

import anndata as ad
import h5py
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from twin.data.counts import first_fault
from twin.errors import InputError

AT_ONCE = 2**22  # values of one block; our choice: some 100 MB while they are checked
MOST_ENTRIES = 300_000_000  # counts above 0; our choice: 100,000 cells of 3,000 genes; 2.4 GB in memory
MOST_AT_ONCE = 100_000_000  # of a matrix by columns, which is turned as a whole; our choice
SPARSE = ("csr_matrix", "csc_matrix")


def counts_in(file: h5py.File, n: int, m: int, source: str) -> tuple[str, h5py.Dataset | h5py.Group]:
    """Return which matrix holds raw counts, and where it stands: X, or layers['counts'] where X is no counts.

    n, m : cells and genes.

    Raises
    ------
    InputError
        Saying what is wrong with X, if neither does.
    """
    faults = []
    for name, place in (("X", "X"), ("layers['counts']", "layers/counts")):
        if place not in file:
            continue
        fault = _fault(file[place], n, m, f"{source}: {name}")
        if not fault:
            return name, file[place]
        faults.append(f"{name} {fault}")
    what = faults[0] if faults else "there is no X"
    raise InputError(f"{source}: {what}; raw integer counts are needed, in X or in layers['counts']")


def blocks_of(matrix: h5py.Dataset | h5py.Group, n: int, m: int, source: str) -> Iterator[sp.csr_array]:
    """Yield the values of a matrix by rows, (some cells, gene) CSR as they are; indices are sorted, none is a zero.

    Raises
    ------
    InputError
        If its shape, or where its values stand, cannot be.
    """
    if isinstance(matrix, h5py.Dataset):
        if matrix.shape != (n, m):
            raise InputError(f"{source} has the shape {matrix.shape}, and there are {n:,} cells and {m:,} genes")
        if matrix.dtype.kind not in "iufb":
            raise InputError(f"{source} holds no numbers")
        step = max(1, AT_ONCE // m)
        for first in range(0, n, step):
            yield _settled(sp.csr_array(matrix[first : first + step]))
        return
    form = str(matrix.attrs.get("encoding-type", ""))
    if form not in SPARSE or not all(isinstance(matrix.get(k), h5py.Dataset) for k in ("data", "indices", "indptr")):
        raise InputError(f"{source} is neither an array nor a sparse matrix of anndata: write it by adata.write_h5ad")
    data, indices = matrix["data"], matrix["indices"]
    indptr = _indptr(matrix, (n, m), form, source)
    if form == "csc_matrix":
        if len(data) > MOST_AT_ONCE:
            raise InputError(
                f"{source} is stored by genes (CSC) and has {len(data):,} values, more than {MOST_AT_ONCE:,}: store it "
                "by cells, adata.X = adata.X.tocsr()"
            )
        whole = sp.csc_array((data[:], _places(indices[:], n, source), indptr), shape=(n, m)).tocsr()
        step = max(1, AT_ONCE * n // max(1, whole.nnz))
        for first in range(0, n, step):
            yield _settled(whole[first : first + step])
        return
    first = 0
    while first < n:
        last = max(first + 1, int(np.searchsorted(indptr, indptr[first] + AT_ONCE, side="right")) - 1)
        a, b = int(indptr[first]), int(indptr[last])
        inside = (data[a:b], _places(indices[a:b], m, source), indptr[first : last + 1] - a)
        yield _settled(sp.csr_array(inside, shape=(last - first, m)))
        first = last


def write_counts(matrix: h5py.Dataset | h5py.Group, n: int, m: int, source: str, out: h5py.Group) -> int:
    """Write raw counts into a group as anndata's CSR, int32, and return how many are above 0.

    Raises
    ------
    InputError
        As `blocks_of`, or if there are more than fit.
    """
    out.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array([n, m])})
    places = {
        key: out.create_dataset(key, (0,), np.int32, maxshape=(None,), chunks=(2**17,), compression="lzf")
        for key in ("data", "indices")
    }
    indptr = [np.zeros(1, np.int64)]
    total = 0
    for block in blocks_of(matrix, n, m, source):
        total += block.nnz
        if total > MOST_ENTRIES:
            raise InputError(f"{source} holds more than {MOST_ENTRIES:,} counts above 0: take fewer cells")
        indptr.append(block.indptr[1:].astype(np.int64) + indptr[-1][-1])
        for key, values in (("data", block.data), ("indices", block.indices)):
            places[key].resize((total,))
            places[key][total - block.nnz :] = values.astype(np.int32)
    out.create_dataset("indptr", data=np.concatenate(indptr))
    return total


def write_rest(out: h5py.File, obs: object, var: object, spatial: NDArray[np.float64] | None) -> None:
    """Write all but the counts of an AnnData file that holds nothing else."""
    out.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    ad.io.write_elem(out, "obs", obs)
    ad.io.write_elem(out, "var", var)
    ad.io.write_elem(out, "obsm", {} if spatial is None else {"spatial": spatial})
    for name in ("layers", "obsp", "uns", "varm", "varp"):
        ad.io.write_elem(out, name, {})


def _fault(matrix: h5py.Dataset | h5py.Group, n: int, m: int, source: str) -> str:
    """Return what is wrong with the values of a matrix, "" where they are raw counts."""
    row = 0
    for block in blocks_of(matrix, n, m, source):
        found = first_fault(block.data)
        if found is not None:
            at = row + int(np.searchsorted(block.indptr, found[0], side="right")) - 1
            return f"{found[1]} (first in cell {at + 1:,} of the file)"
        row += block.shape[0]
    return ""


def _settled(block: sp.csr_array) -> sp.csr_array:
    block.sum_duplicates()
    block.eliminate_zeros()
    block.sort_indices()
    return block


def _indptr(matrix: h5py.Group, shape: tuple[int, int], form: str, source: str) -> NDArray[np.int64]:
    """Return where the values of each row (or column) begin, once it is sure that all of them are there."""
    told = matrix.attrs.get("shape")
    said = None if told is None else tuple(np.ravel(told).tolist())
    if said != shape:
        raise InputError(f"{source} has the shape {said}, and there are {shape[0]:,} cells and {shape[1]:,} genes")
    if any(matrix[k].ndim != 1 or matrix[k].dtype.kind not in "iu" for k in ("indptr", "indices")):
        raise InputError(f"{source}: 'indices' and 'indptr' are no lists of whole numbers")
    if matrix["data"].ndim != 1 or matrix["data"].dtype.kind not in "iufb":
        raise InputError(f"{source}: 'data' is no list of numbers")
    major = shape[0] if form == "csr_matrix" else shape[1]
    n = len(matrix["data"])
    indptr = np.asarray(matrix["indptr"][:] if len(matrix["indptr"]) == major + 1 else (), np.int64)
    if len(indptr) != major + 1 or indptr[0] != 0 or indptr[-1] != n or len(matrix["indices"]) != n:
        raise InputError(f"{source} is damaged: its 'data', 'indices' and 'indptr' do not belong together")
    if (np.diff(indptr) < 0).any():
        raise InputError(f"{source} is damaged: its 'indptr' falls")
    return indptr


def _places(indices: NDArray[np.integer], most: int, source: str) -> NDArray[np.integer]:
    if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= most):
        raise InputError(f"{source} is damaged: its 'indices' point beyond its genes and cells")
    return indices
