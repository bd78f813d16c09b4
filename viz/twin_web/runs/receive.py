"""A file is sent: written to the disk as it comes, within limits, never held in memory; then checked by a child."""

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from twin.errors import InputError
from twin_web.journal import Journal
from twin_web.runs.axis import Axis
from twin_web.runs.child import told_by
from twin_web.runs.find import now
from twin_web.runs.structure import SIGNATURE, check_name_of_file, is_hdf5
from twin_web.runs.upload import Upload, read_upload, save_upload
from twin_web.runs.work import Told
from twin_web.site import Site

MB = 10**6  # bytes
MOST_FILES = 12  # of one browser; our choice
OWN_TIMES, ALL_TIMES = 4, 40  # times the limit of one file that one browser, and all of them, may keep; our choice
LEFT = 1000 * MB  # bytes of the disk that uploads leave free; our choice
LOOK_AGAIN = 64 * MB  # bytes after which the disk is looked at again; our choice
MEMORY = 6 * 2**30  # bytes of address space of the check; our choice
PATIENCE = 300.0  # s of silence of the check; our choice
SHARE = 4  # times the limit of a file that its copy may have; our choice: it is packed less tightly
DRAFT = ".draft"  # ending of what is being sent; hidden, and nobody's upload


@dataclass(frozen=True)
class Limits:
    """What may be sent. file_mb : of one file; own_mb : of all of one browser, of which used_mb are taken."""

    file_mb: float
    own_mb: float
    used_mb: float
    files: int
    most_files: int


@dataclass(frozen=True)
class Sent:
    """A file as it came. path : a draft. name : what it is called at the user's."""

    path: Path
    name: str
    size: int
    sha256: str


def limits(site: Site, owner: str) -> Limits:
    """Return what an owner may send, and has sent."""
    mine = _files(site.own(owner))
    used = sum(size for _, size in mine) / MB
    kept = [path for path, _ in mine if path.suffix == ".h5ad"]
    return Limits(site.upload_limit, OWN_TIMES * site.upload_limit, round(used, 3), len(kept), MOST_FILES)


def uploads_of(site: Site, owner: str) -> list[Upload]:
    """Return the uploads of an owner, the newest first; what is damaged is left out."""
    found = []
    for path in site.own(owner).glob("[!.]*.h5ad"):
        try:
            found.append(read_upload(path))
        except InputError:
            continue
    return sorted(found, key=lambda upload: upload.created, reverse=True)


def delete_upload(upload: Upload) -> None:
    """Take an upload away; runs that were begun with it keep their own."""
    upload.path.with_suffix(".json").unlink(missing_ok=True)
    upload.path.unlink(missing_ok=True)


async def receive(site: Site, owner: str, request: web.Request) -> Sent:
    """Write what a request sends to the disk.

    Raises
    ------
    InputError
        If it is no .h5ad, or nothing came.
    HTTPRequestEntityTooLarge, HTTPInsufficientStorage
        If it, or all that was sent, is too large, or the disk too full. Nothing of it stays.
    """
    name = check_name_of_file(request.query.get("name", ""))
    await asyncio.to_thread(_check_room, site, owner, request.content_length or 0, site.own(owner))
    home = site.own(owner)
    home.mkdir(parents=True, exist_ok=True)
    draft = home / f".{secrets.token_hex(8)}{DRAFT}"
    digest, size, looked = hashlib.sha256(), 0, 0
    whole = False
    try:
        with draft.open("xb") as out:
            async for block in _blocks(request):
                if size == 0 and not is_hdf5(block):
                    raise InputError(f"{name} is no HDF5 file, so it is no .h5ad: was it renamed, or packed?")
                size += len(block)
                _check_size(site, size)
                if size - looked > LOOK_AGAIN:
                    looked = size
                    await asyncio.to_thread(_check_room, site, owner, 0, home)
                await asyncio.to_thread(_write, out, digest, block)
        if size == 0:
            raise InputError(f"{name} is empty: choose another file")
        whole = True
    except OSError as error:
        raise web.HTTPInsufficientStorage(text=f"{name} cannot be kept: {error.strerror or error}") from error
    finally:
        if not whole:
            draft.unlink(missing_ok=True)
    return Sent(draft, name, size, digest.hexdigest())


async def accepted(site: Site, owner: str, sent: Sent, axis: Axis, turn: asyncio.Semaphore, journal: Journal) -> Told:
    """Check what was sent in a process of its own, keep our copy of it, and return {"upload": …}.

    Raises
    ------
    InputError
        With what is wrong with it. Nothing of it stays, nor where this is cancelled.
    """
    name = secrets.token_hex(8)
    home = site.own(owner)
    draft, copy = home / f".{name}{DRAFT}", home / f"{name}.h5ad"
    document = {
        "file": str(sent.path),
        "name": sent.name,
        "out": str(draft),
        "genes": axis.genes,
        "contexts": axis.contexts,
        "memory": MEMORY,
        "room": SHARE * site.upload_limit * MB,
    }
    try:
        journal.tell("step", step="waiting")
        async with turn:
            async for event in told_by("twin_web.runs.accept", document, PATIENCE):
                if event["kind"] == "step":
                    journal.tell("step", step=event["step"])
                else:
                    found = {key: value for key, value in event.items() if key != "kind"}
        about = {"id": name, "file": sent.name, "created": now(), "model": axis.model}
        size = draft.stat().st_size
        upload = Upload(path=copy, bytes=size, sent=sent.size, sha256=sent.sha256, **about, **found)
        draft.replace(copy)
        save_upload(upload)
    finally:
        for file in (sent.path, draft):
            file.unlink(missing_ok=True)
    return {"upload": told_of(upload)}


def told_of(upload: Upload) -> Told:
    """Return what a page is told of an upload."""
    return {**upload.model_dump(mode="json"), "types": upload.types}


def told_limits(site: Site, owner: str) -> Told:
    """Return what a page is told of the limits."""
    return asdict(limits(site, owner))


def forget_drafts(site: Site) -> None:
    """Take away what was being sent when the server ended before."""
    for draft in (site.inside / "uploads").glob(f"*/.*{DRAFT}"):
        draft.unlink(missing_ok=True)


async def _blocks(request: web.Request) -> AsyncIterator[bytes]:
    """Yield what comes; the first block is long enough to tell a file's signature by."""
    first = b""
    async for block in request.content.iter_chunked(2**20):
        first += block
        if len(first) >= len(SIGNATURE):
            yield first
            first = b""
    if first:
        yield first


def _write(out: BinaryIO, digest: "hashlib._Hash", block: bytes) -> None:
    out.write(block)
    digest.update(block)


def _check_size(site: Site, size: int) -> None:
    if size > site.upload_limit * MB:
        raise web.HTTPRequestEntityTooLarge(
            max_size=int(site.upload_limit * MB),
            actual_size=size,
            text=f"the file is larger than the {site.upload_limit:g} MB that are taken: leave cells out, write it with "
            "adata.write_h5ad(…, compression='gzip'), or start the server with a larger --upload-limit",
        )


def _check_room(site: Site, owner: str, coming: int, home: Path) -> None:
    """Refuse what would not fit: the file, its owner's share, everybody's, the disk."""
    _check_size(site, coming)
    now = limits(site, owner)
    if now.files >= MOST_FILES:
        raise InputError(f"{now.files} files are kept here already, the most there may be: delete one of them first")
    if now.used_mb + coming / MB > now.own_mb:
        raise InputError(
            f"your files take {now.used_mb:,.0f} of {now.own_mb:,.0f} MB, so that this one does not fit: delete one of "
            "them first"
        )
    everyone = sum(size for _, size in _files(site.inside / "uploads"))
    if everyone + coming > ALL_TIMES * site.upload_limit * MB:
        raise web.HTTPInsufficientStorage(text="all browsers together sent as much as is kept here: delete some files")
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    if shutil.disk_usage(place).free - coming < LEFT:
        raise web.HTTPInsufficientStorage(text=f"the disk of {site.folder} is full: make room there first")


def _files(home: Path) -> list[tuple[Path, int]]:
    """Return the files below a folder with their sizes; one that goes meanwhile is left out."""
    found = []
    for path in home.rglob("*"):
        try:
            if path.is_file():
                found.append((path, path.stat().st_size))
        except OSError:
            continue
    return found
