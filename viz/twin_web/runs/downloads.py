"""Files that were asked for: written by a child, kept for an hour, given to whoever asked alone."""

import asyncio
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import quote

from aiohttp import web

from twin.errors import InputError
from twin_web.journal import Journal
from twin_web.runs.child import told_by
from twin_web.runs.chosen import Wanted
from twin_web.runs.work import Told
from twin_web.site import Site

KEPT = 3600.0  # s; our choice
MOST = 16  # files of one browser; the oldest goes when another is asked for; our choice
PATIENCE = 600.0  # s of silence of the writer; our choice: one frame of 100,000 cells takes some seconds
ENDINGS = {"h5ad": ".h5ad", "png": ".png", "mp4": ".mp4", "csv": ".zip", "html": ".html"}


@dataclass(frozen=True)
class File:
    """A file that is ready. made : by the monotonic clock, s."""

    owner: str
    path: Path
    made: float


class Downloads:
    """The files of a server that are ready to be fetched, or are being written, one at a time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = asyncio.Semaphore(1)  # a film takes the processor as it is
        self._files: dict[str, File] = {}
        shutil.rmtree(self._home, ignore_errors=True)  # of a server that was here before

    @property
    def _home(self) -> Path:
        return self._site.inside / "downloads"

    async def write(self, owner: str, run: Path, wanted: Wanted, journal: Journal) -> Told:
        """Write a run, tell the progress, and return where the file can be fetched.

        Raises
        ------
        InputError
            As the exporters say. Nothing stays, nor where this is cancelled.
        """
        self._forget(owner)
        name = secrets.token_hex(8)
        out = self._home / name / _file_name(run.name, wanted)
        document = {"run": str(run), "out": str(out), "wanted": wanted.model_dump(mode="json")}
        ready = False
        try:
            journal.tell("waiting")
            async with self._turn:
                journal.tell("writing")
                out.parent.mkdir(parents=True)
                async for event in told_by("twin_web.runs.write", document, PATIENCE):
                    if event["kind"] == "progress":
                        journal.tell("progress", done=event["done"], of=event["of"])
            size = out.stat().st_size
            self._files[name] = File(owner, out, monotonic())
            ready = True
        except FileNotFoundError:
            raise InputError(f"{out.name} was not written: there was nothing to write") from None
        finally:
            if not ready:
                shutil.rmtree(out.parent, ignore_errors=True)
        return {"href": f"/api/downloads/{name}", "name": out.name, "bytes": size}

    def answer(self, owner: str, name: str) -> web.FileResponse:
        """Return the answer that is a file.

        Raises
        ------
        InputError
            If there is none of this id, it is another's, or was let go.
        """
        self._forget(owner)
        file = self._files.get(name)
        if file is None or file.owner != owner:
            raise InputError("this file is no longer kept: write it again")
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", file.path.name)
        disposition = f"attachment; filename=\"{safe}\"; filename*=UTF-8''{quote(file.path.name)}"
        return web.FileResponse(file.path, headers={"Content-Disposition": disposition})

    def _forget(self, owner: str) -> None:
        """Let go what is old, and of an owner who has many the oldest."""
        mine = sorted((file.made, name) for name, file in self._files.items() if file.owner == owner)
        old = [name for name, file in self._files.items() if monotonic() - file.made > KEPT]
        for name in {*old, *(name for _, name in mine[: max(0, len(mine) - MOST + 1)])}:
            shutil.rmtree(self._files.pop(name).path.parent, ignore_errors=True)


def _file_name(run: str, wanted: Wanted) -> str:
    """Return the name that a file has at its owner's: the run, what is chosen of it, and the ending."""
    parts = [run, *wanted.branches, *(wanted.time.split(",") if wanted.time and wanted.kind in ("h5ad", "png") else ())]
    words = "-".join(re.sub(r"[^\w.+-]+", "", part) for part in parts if part)
    return words[:120] + ENDINGS[wanted.kind]


DOWNLOADS: web.AppKey[Downloads] = web.AppKey("downloads", Downloads)
