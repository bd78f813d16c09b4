"""What an HDF5 file is made of, looked at before anything of it is read: a file that is sent is not trusted.

Refused are a file's ways to lead to other files (external links, external storage, virtual datasets), kinds of values
that cells do not have (references, opaque and variable-length ones), filters of other programs, loops of names, and
arrays that would take more memory than there is, however small the file: a chunk of zeros packs a thousandfold.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import h5py

from twin.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEEPEST, MOST_OBJECTS = 12, 20_000  # our choice: files of cells have 4 floors and some hundred objects
MOST_WORDS = 20_000_000  # texts in one array; our choice
BY_BLOCKS, BLOCKWISE = ("X", "layers/counts"), 4  # what is read by blocks may be so many times larger; our choice
OWN_FILTERS = {  # that HDF5 and h5py bring with them
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_SZIP: "szip",
    h5py.h5z.FILTER_NBIT: "nbit",
    h5py.h5z.FILTER_SCALEOFFSET: "scaleoffset",
    h5py.h5z.FILTER_LZF: "lzf",
}
PLAIN = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING, h5py.h5t.ENUM)
ELSEWHERE = "which may lead to another file: write the file anew with adata.write_h5ad"


def check_structure(file: h5py.File, name: str, room: float) -> None:
    """Refuse a file that is no plain file of cells.

    Parameters
    ----------
    file : open for reading; none of its values is read.
    name : what its owner calls it.
    room : bytes that any of its arrays may take.

    Raises
    ------
    InputError
        Naming the first thing that is wrong.
    """
    for n, (path, found) in enumerate(_objects(file, name)):
        if n >= MOST_OBJECTS:
            raise InputError(f"{name} has more than {MOST_OBJECTS:,} objects: a file of cells has some hundred")
        if isinstance(found, h5py.Dataset):
            _check_dataset(found, f"{name}: '{path}'", room * BLOCKWISE if path in BY_BLOCKS else room)
        elif not isinstance(found, h5py.Group):
            raise InputError(f"{name}: '{path}' is a {type(found).__name__}, which no file of cells has")


def is_hdf5(start: bytes) -> bool:
    """Whether a file that starts like this may be HDF5."""
    return start.startswith(SIGNATURE)


def check_name_of_file(name: str) -> str:
    """Return the last part of a file's name, as it is told to its owner; nothing is ever opened by it.

    Raises
    ------
    InputError
        If it is no .h5ad.
    """
    last = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())[-120:].strip()
    if not last.lower().endswith(".h5ad") or last.lower() == ".h5ad":
        raise InputError(f"{last or name[:40]!r} is no .h5ad file: save your cells by adata.write_h5ad('cells.h5ad')")
    return last


def _objects(file: h5py.File, name: str) -> Iterator[tuple[str, Any]]:
    """Yield what stands in a file, with its path, no link followed that leads out of it."""
    waiting: list[tuple[str, Any, int]] = [("", file, 0)]
    seen = {_place(file)}
    while waiting:
        path, group, depth = waiting.pop()
        if depth > DEEPEST:
            raise InputError(f"{name}: '{path}' lies more than {DEEPEST} groups deep: a file of cells is flat")
        for key in group:
            inner = f"{path}/{key}".lstrip("/")
            shown = inner[:80]
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a soft link"
                raise InputError(f"{name}: '{shown}' is {kind}, {ELSEWHERE}")
            found = group[key]
            yield shown, found
            if isinstance(found, h5py.Group):
                if _place(found) in seen:
                    raise InputError(f"{name}: '{shown}' is a group that stands there twice: its names go in a circle")
                seen.add(_place(found))
                waiting.append((inner, found, depth + 1))


def _place(found: Any) -> int:
    return int(h5py.h5o.get_info(found.id).addr)


def _check_dataset(found: h5py.Dataset, where: str, room: float) -> None:
    made = found.id.get_create_plist()
    if made.get_external_count():
        raise InputError(f"{where} keeps its values in another file: write the file anew with adata.write_h5ad")
    if made.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(f"{where} is a virtual dataset, {ELSEWHERE}")
    for i in range(made.get_nfilters()):
        code, told = made.get_filter(i)[0], made.get_filter(i)[-1]
        if code not in OWN_FILTERS:
            words = bytes(told).decode("ascii", "replace").strip("\x00")[:40]
            raise InputError(
                f"{where} is packed by filter {code} ({words}), which HDF5 does not bring with it: write the file anew "
                "with adata.write_h5ad(…, compression='gzip')"
            )
    kind = _fault(found.id.get_type())
    if kind:
        raise InputError(f"{where} holds {kind}, which no file of cells has: keep numbers and texts alone")
    shape = found.shape or ()
    if h5py.check_string_dtype(found.dtype) is not None and prod(shape) > MOST_WORDS:
        raise InputError(f"{where} has {prod(shape):,} texts, and {MOST_WORDS:,} fit: leave it out of the file")
    size = prod(shape) * found.dtype.itemsize
    if size > room:
        raise InputError(
            f"{where} would take {size / 1e9:,.3g} GB of memory ({' × '.join(f'{n:,}' for n in shape)}), and up to "
            f"{room / 1e9:.3g} GB are read: take fewer cells or genes, or store counts as scipy.sparse.csr_matrix"
        )


def _fault(kind: Any) -> str:
    """Return what is wrong with a type of values; "" where nothing is."""
    sort = kind.get_class()
    if sort in PLAIN:
        return ""
    if sort == h5py.h5t.COMPOUND:
        parts = [_fault(kind.get_member_type(i)) for i in range(kind.get_nmembers())]
        return next((part for part in parts if part), "")
    if sort == h5py.h5t.ARRAY:
        return _fault(kind.get_super())
    names = {
        h5py.h5t.REFERENCE: "references",
        h5py.h5t.OPAQUE: "opaque bytes (pickled objects?)",
        h5py.h5t.VLEN: "arrays of varying length",
        h5py.h5t.BITFIELD: "bit fields",
    }
    return names.get(sort, "values of an unknown kind")
