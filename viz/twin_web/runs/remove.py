"""A run is deleted: its store, its scenario, what the page kept of it; never while anybody writes it."""

import shutil
from pathlib import Path

from aiohttp import web

from twin.results.lock import holder_of
from twin_web.runs.find import BESIDE, read_note
from twin_web.runs.rows import is_store
from twin_web.site import Site


def check_deletable(site: Site, owner: str, path: Path) -> None:
    """Refuse to delete what is another's, lies elsewhere, or is being written.

    Raises
    ------
    HTTPForbidden, HTTPConflict
        Saying why.
    """
    name = path.name
    if path.parent != site.folder:
        raise web.HTTPForbidden(text=f"{name} lies outside {site.folder}: delete it there by hand")
    note = read_note(site, name)
    if note.owner and note.owner != owner:
        raise web.HTTPForbidden(text=f"{name} was begun by another browser, which alone may delete it here")
    if path.exists() and not is_store(path):
        raise web.HTTPForbidden(text=f"{name} is no run: it is left as it is, delete it by hand")
    holder = holder_of(path)
    if holder is not None and holder.is_alive:
        raise web.HTTPConflict(text=f"{name} is being written by {holder}: stop it first")


def delete_run(site: Site, name: str) -> None:
    """Take a run away. It goes out of sight at once, so that nobody finds half of one."""
    store = site.folder / name
    hidden = site.folder / f".{name}.deleted"
    shutil.rmtree(hidden, ignore_errors=True)
    if store.exists():
        store.rename(hidden)
    note = site.inside / f"{name}.json"
    if note.exists():  # what lies beside a run of the command line is its user's own
        for ending in BESIDE:
            (site.folder / f"{name}{ending}").unlink(missing_ok=True)
        note.unlink(missing_ok=True)
    shutil.rmtree(site.inside / "files" / name, ignore_errors=True)
    shutil.rmtree(hidden, ignore_errors=True)
