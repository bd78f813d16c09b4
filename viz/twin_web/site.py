"""What a server is: its folder of runs, its token, what it opens with, and the jobs that it has begun."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aiohttp import web

from twin_web.journal import Jobs

OWNER: web.RequestKey[str] = web.RequestKey("owner", str)  # who asks: one browser, 32 hex digits
INSIDE = ".web"  # in the folder of runs: what the page keeps beside them
UPLOAD_LIMIT = 512  # MB; our choice: 100,000 cells of 20,000 genes, compressed, have some 400


@dataclass(frozen=True)
class Opened:
    """What `twin serve` was given: the page begins with it.

    kind : "model" (the cell view of `path`, a name or a folder), "scenario" (a file, ready to be started), "run" (a
        store), or "nothing" (the cell view of the shipped model).
    """

    kind: Literal["nothing", "model", "scenario", "run"] = "nothing"
    path: str = ""

    @property
    def name(self) -> str:
        """Return what the page calls it: the name of a run or a model, of a scenario's file without its ending."""
        return Path(self.path).stem if self.kind == "scenario" else Path(self.path).name


@dataclass
class Site:
    """One server.

    folder : of the runs that it begins and lists. token : whoever knows it may come in. model : of the cell view, a
    name of `twin plugins` or the folder of a checkpoint. upload_limit : MB of one file. workers : processes that
    share a run.
    """

    folder: Path
    opened: Opened = field(default_factory=Opened)
    model: str = "default"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    upload_limit: float = UPLOAD_LIMIT
    workers: int = 1
    jobs: Jobs = field(default_factory=Jobs)

    @property
    def inside(self) -> Path:
        """Return the folder of what the page keeps for itself: uploads, maps, what is being written."""
        return self.folder / INSIDE

    def own(self, owner: str) -> Path:
        """Return the folder of what one browser has uploaded; no other is shown it."""
        return self.inside / "uploads" / owner


SITE: web.AppKey[Site] = web.AppKey("site", Site)
