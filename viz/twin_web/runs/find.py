"""Where runs and uploads lie, and who may see them: every path that a page names goes through here.

FOLDER/<name>              a run store; FOLDER/<name>.yaml its scenario, FOLDER/<name>.h5ad cells of its own
FOLDER/.web/<name>.json    what the page notes of a run that it began
FOLDER/.web/before/before-<hash>    the tissue before a run: a store of one instant, which no list shows
FOLDER/.web/uploads/<owner>/<id>.h5ad, <id>.json    cells that a browser sent, checked, and what was found in them
"""

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from twin.errors import InputError
from twin.results.layout import PARTIAL, save_json
from twin_web.runs.upload import Upload, read_upload
from twin_web.site import Site

LONGEST = 100  # bytes of a run's name; our choice, below what file systems hold with an ending
IDS = re.compile(r"[0-9a-f]{16}")
BEFORE = re.compile(r"before-[0-9a-f]{16}")
BESIDE = (".yaml", ".h5ad")  # of a run, beside its store


class Note(BaseModel):
    """What the page notes of a run that it began.

    owner : the browser that began it; empty where nobody did. upload : the id of the cells that it began with; None
    without. made : when, ISO 8601. private : whether its owner alone sees it. What else is noted is its writer's.
    """

    model_config = ConfigDict(frozen=True)

    owner: str = ""
    upload: str | None = None
    made: str = ""
    private: bool = False


def find_run(site: Site, owner: str, name: str) -> Path:
    """Return the store of a run that an owner may see.

    Raises
    ------
    InputError
        If there is none of that name, or it is another's own: in the same words.
    """
    opened = opened_run(site)
    if opened is not None and opened.name == name:
        return opened
    home = site.inside / "before" if BEFORE.fullmatch(name) else site.folder
    path = home / check_name(name)
    if not path.is_dir() or path.is_symlink() or not is_visible(site, owner, name):
        raise InputError(f"there is no run {name!r} here: choose one of the list")
    return path


def scenario_file(site: Site, owner: str, name: str) -> Path | None:
    """Return the scenario file beside a run; None without one.

    Raises
    ------
    InputError
        As `find_run`.
    """
    file = find_run(site, owner, name).with_name(f"{name}.yaml")
    return file if file.is_file() and not file.is_symlink() else None


def opened_run(site: Site) -> Path | None:
    """Return the store that the server was opened with, wherever it lies; None without one."""
    return Path(site.opened.path).resolve() if site.opened.kind == "run" else None


def is_visible(site: Site, owner: str, name: str) -> bool:
    """Whether an owner may see a run of the folder: all but the private ones of others."""
    note = read_note(site, name)
    return not note.private or note.owner == owner


def check_name(name: str) -> str:
    """Return the name of a run, which is the name of a folder in the folder of runs and of nothing else.

    Raises
    ------
    InputError
        If it leads elsewhere, is hidden, unfinished, too long or cannot be printed.
    """
    fits = 0 < len(name.encode("utf-8", "replace")) <= LONGEST and name.isprintable()
    if (
        not fits
        or name.startswith(".")
        or name.endswith(PARTIAL)
        or any(c in name for c in "/\\:")
        or name != name.strip()
    ):
        raise InputError(
            f"{name[:LONGEST]!r} cannot be the name of a run: write letters, digits, '-', '_' or '.' between"
        )
    return name


def free_name(site: Site, wish: str) -> str:
    """Return a name that neither a run nor what lies beside one has: the wish, or with a number after it."""
    stem = re.sub(r"[^\w-]+", "-", wish).strip("-_").encode()[: LONGEST - 20].decode("utf-8", "ignore") or "run"
    opened = opened_run(site)
    for number in range(1, 100_000):
        name = stem if number == 1 else f"{stem}-{number}"
        places = [site.folder / name, site.inside / f"{name}.json", *(site.folder / f"{name}{end}" for end in BESIDE)]
        if not any(os.path.lexists(place) for place in places) and (opened is None or opened.name != name):
            return name
    raise InputError(f"{site.folder} has too many runs called {stem}: delete some")


def read_note(site: Site, name: str) -> Note:
    """Return what the page noted of a run; of one that it did not begin, or whose note is spoilt, that it is nobody's.

    A note that is there and cannot be read makes the run private to nobody, which hides it: what may have been private
    is not shown.
    """
    file = site.inside / f"{check_name(name)}.json"
    try:
        return Note.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return Note()
    except (OSError, ValidationError):
        return Note(private=True)


def note_run(site: Site, name: str, owner: str, upload: str | None = None, *, private: bool | None = None) -> Note:
    """Note of a run who began it, and with whose cells; one that was begun with an upload is its owner's alone."""
    private = upload is not None if private is None else private
    note = Note(owner=owner, upload=upload, made=now(), private=private)
    site.inside.mkdir(parents=True, exist_ok=True)
    save_json(site.inside / f"{check_name(name)}.json", note.model_dump())
    return note


def find_upload(site: Site, owner: str, name: str) -> Upload:
    """Return an upload of an owner by its id.

    Raises
    ------
    InputError
        If there is none, it is another's, or what was noted of it is damaged.
    """
    if not IDS.fullmatch(name):
        raise InputError(f"there are no uploaded cells {name[:16]!r}: upload the file again")
    return read_upload(site.own(owner) / f"{name}.h5ad")


def lend_cells(site: Site, owner: str, upload: str, name: str) -> str:
    """Lay uploaded cells beside the scenario of a run, and return what its scenario calls them.

    They are the run's from then on: it can be resumed when the upload is deleted. Where the disk can, it is the same
    file under a second name.
    """
    source = find_upload(site, owner, upload).path
    return _lay(source, site.folder / f"{check_name(name)}.h5ad")


def lend_cells_of(site: Site, owner: str, old: str, name: str) -> str | None:
    """Lay the cells of one run beside the scenario of another, a branch of it; None where it has none of its own."""
    source = find_run(site, owner, old).with_name(f"{old}.h5ad")
    return _lay(source, site.folder / f"{check_name(name)}.h5ad") if source.is_file() else None


def now() -> str:
    """Return the time, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _lay(source: Path, target: Path) -> str:
    try:
        os.link(source, target)
    except FileExistsError:
        raise InputError(f"{target} is there already: take another name for the run") from None
    except OSError:  # a disk without hard links
        shutil.copyfile(source, target)
    return target.name
