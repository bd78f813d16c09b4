"""Tensors in one safetensors file, written and read one by one: never a second copy of all of them in memory.

Source
------
safetensors, Format: 8 bytes of header length, a JSON header, then the tensors without gaps.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from twin.errors import InputError

Tensors = dict[str, NDArray[Any]]

ALIGNED = 8  # bytes; the header is filled up with spaces, so that tensors begin at a multiple
_WORDS = {
    "bool": "BOOL",
    "int8": "I8",
    "uint8": "U8",
    "int16": "I16",
    "uint16": "U16",
    "int32": "I32",
    "uint32": "U32",
    "int64": "I64",
    "uint64": "U64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}
_TYPES = {word: np.dtype(name) for name, word in _WORDS.items()}


def save_tensors(tensors: Mapping[str, NDArray[Any]], file: Path, record: str) -> None:
    """Write tensors and a text, under the key "twin", into `file`; it is on the disk when this returns.

    Raises
    ------
    OSError
        If the disk refuses; what was begun is left.
    """
    # wide types first: then each tensor begins at a multiple of its item's size
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"twin": record}}
    place = 0
    for name in names:
        values = tensors[name]
        word = _WORDS.get(values.dtype.name)
        assert word is not None, f"a state cannot hold {values.dtype} ({name})"
        header[name] = {"dtype": word, "shape": list(values.shape), "data_offsets": [place, place + values.nbytes]}
        place += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little"))
        out.write(text)
        for name in names:
            out.write(np.ascontiguousarray(tensors[name]).data)
        out.flush()
        os.fsync(out.fileno())


def load_tensors(file: Path) -> tuple[Tensors, str | None]:
    """Return tensors and text of a file that `save_tensors` wrote; None where there is no text.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    try:
        with safe_open(file, framework="numpy") as handle:  # checks header, sizes and length; reads no tensor
            text = (handle.metadata() or {}).get("twin")
        with file.open("rb") as source:
            length = int.from_bytes(source.read(8), "little")
            header = json.loads(source.read(length))
            header.pop("__metadata__", None)
            return {name: _read(source, 8 + length, about) for name, about in header.items()}, text
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{file} cannot be read as a state ({error}): restore it, or run anew") from error


def load_text(file: Path) -> str | None:
    """Return the text that stands beside the tensors, without reading them.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    try:
        with safe_open(file, framework="numpy") as handle:
            return (handle.metadata() or {}).get("twin")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file} cannot be read as a state ({error}): restore it, or run anew") from error


def _read(source: Any, start: int, about: Mapping[str, Any]) -> NDArray[Any]:
    """Return one tensor: an array of its own, which can be let go alone."""
    dtype, shape = _TYPES[about["dtype"]], tuple(about["shape"])
    first, last = about["data_offsets"]
    values = np.empty(shape, dtype)
    assert values.nbytes == last - first, (about, values.nbytes)
    source.seek(start + first)
    flat = values.reshape(-1)
    if flat.nbytes and source.readinto(flat.view(np.uint8)) != flat.nbytes:
        raise OSError(f"it ends before {start + last:,} bytes")
    return values
