"""A finished Zarr group as one file: a zip without compression, whose members are read in place.

A commit would be some eighty files, most of them of a few bytes. `zarr.storage.ZipStore` opens what is written here,
and with it anndata and xarray; our own reader keeps no file open, so that a run of many commits can be read at once.
"""

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Iterable
from errno import ENOENT
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import crc32

import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

SUFFIX = ".zip"
BLOCK = 2**24  # bytes, our choice: copied at a time
GROUP = "zarr.json"  # what every group holds
CHECKED = b"twin directory crc32 %08x"
END_RECORD = 22  # bytes, before the comment; PKWARE, APPNOTE.TXT, 4.3.16
LOCAL_HEADER = 30  # bytes, and in them the lengths of two parts that follow; PKWARE, APPNOTE.TXT, 4.3.7


def packed_name(folder: Path) -> Path:
    """Return the file that stands for a folder when it is packed."""
    return folder.with_name(folder.name + SUFFIX)


def place_of(folder: Path) -> Path:
    """Return where a group is, packed or as a folder (as runs of format 2 have it)."""
    file = packed_name(folder)
    return file if file.exists() else folder


def open_group(folder: Path) -> zarr.Group:
    """Open a group to be read, packed or as a folder."""
    place = place_of(folder)
    return zarr.open_group(folder if place == folder else Packed(place), mode="r")


def pack(folder: Path, file: Path) -> None:
    """Move all files of a group into the new `file`, each whole and uncompressed, in the order of their names.

    Equal folders give equal files. What is moved is removed as it goes: the disk holds one file twice, never all. It is
    on the disk when this returns. The comment of the zip holds a checksum of its directory, which has none of its own.

    Raises
    ------
    OSError
        If the disk refuses, or the folder holds no group (any more).
    """
    if not (folder / GROUP).exists():
        raise FileNotFoundError(ENOENT, "what was to be packed is gone", str(folder))
    with ZipFile(file, "x", ZIP_STORED) as archive:
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            about = ZipInfo(source.relative_to(folder).as_posix())  # dated 1980, as the format begins
            with source.open("rb") as content, archive.open(about, "w", force_zip64=True) as target:
                while block := content.read(BLOCK):
                    target.write(block)
            source.unlink()
    with ZipFile(file, "a") as archive:
        archive.comment = CHECKED % crc32(_directory(file, archive))
    with file.open("rb") as content:
        os.fsync(content.fileno())


def _directory(file: Path, archive: ZipFile) -> bytes:
    """Return the bytes of the directory at the end of a zip, without its last record."""
    end = file.stat().st_size - END_RECORD - len(archive.comment)
    with file.open("rb") as content:
        content.seek(archive.start_dir)
        return content.read(end - archive.start_dir)


class Packed(Store):
    """What `pack` wrote, to be read; a file is opened for each read and closed again.

    Raises
    ------
    OSError
        Where the file is damaged.
    """

    supports_writes = supports_deletes = False
    supports_listing = True

    def __init__(self, file: Path) -> None:
        super().__init__(read_only=True)
        self.file = file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Packed) and other.file == self.file

    def __hash__(self) -> int:
        return hash(self.file)

    def __repr__(self) -> str:
        return f"Packed({self.file})"

    @cached_property
    def members(self) -> dict[str, ZipInfo]:
        """What is in it, by name."""
        try:
            with ZipFile(self.file) as archive:
                known = archive.comment
                if known.startswith(CHECKED[:5]) and known != CHECKED % crc32(_directory(self.file, archive)):
                    raise OSError(f"{self.file} is damaged: its directory")
                return {about.filename: about for about in archive.infolist()}
        except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise OSError(f"{self.file} is damaged: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is in it: whoever gets this reads it again."""
        return {key: value for key, value in self.__dict__.items() if key != "members"}

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return a member or a part of it; None where there is none."""
        about = self.members.get(key)
        if about is None:
            return None
        content = await asyncio.to_thread(self._read, about, byte_range)
        return prototype.buffer.from_bytes(content)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of members."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Say whether a member is there."""
        return key in self.members

    async def list(self) -> AsyncIterator[str]:
        """Yield all members."""
        for name in self.members:
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the members whose names begin so."""
        for name in self.members:
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield what stands in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        inside = {name[len(start) :].partition("/")[0] for name in self.members if name.startswith(start)}
        for name in sorted(inside):
            yield name

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: what is packed is finished."""
        raise NotImplementedError(f"{self.file} is read only")

    async def delete(self, key: str) -> None:
        """Refuse: what is packed is finished."""
        raise NotImplementedError(f"{self.file} is read only")

    def _read(self, about: ZipInfo, byte_range: ByteRequest | None) -> bytes:
        first, last = _span(about.file_size, byte_range)
        with self.file.open("rb") as file:
            file.seek(about.header_offset)
            header = file.read(LOCAL_HEADER)
            if header[:4] != b"PK\x03\x04":
                raise OSError(f"{self.file} is damaged at {about.filename}")
            names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            file.seek(names + first, os.SEEK_CUR)
            content = file.read(last - first)
        whole = last - first == about.file_size
        if len(content) != last - first or (whole and crc32(content) != about.CRC):
            raise OSError(f"{self.file} is damaged at {about.filename}")
        return content


def _span(size: int, asked: ByteRequest | None) -> tuple[int, int]:
    """Return the first byte, and the one after the last."""
    match asked:
        case RangeByteRequest(start, end):
            return min(start, size), min(end, size)
        case OffsetByteRequest(offset):
            return min(offset, size), size
        case SuffixByteRequest(suffix):
            return max(size - suffix, 0), size
        case _:
            return 0, size


def folder_of(group: zarr.Group) -> Path:
    """Return the folder that `open_group` was asked for."""
    store: Any = group.store_path.store
    return store.file.with_name(store.file.name.removesuffix(SUFFIX)) if isinstance(store, Packed) else Path(store.root)
