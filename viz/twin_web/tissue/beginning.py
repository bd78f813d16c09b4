"""A run that begins: its name, its scenario file, and what is noted of it; and one that goes on after all."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from twin.errors import InputError
from twin_web.runs.find import BESIDE, check_name, find_run, free_name, is_visible, note_run
from twin_web.site import Site
from twin_web.tissue.asked import Asked
from twin_web.tissue.branching import scenario_of
from twin_web.tissue.catalogue import OF_RUN, OWN_CELLS, Known, begun_here, known
from twin_web.tissue.checking import planned
from twin_web.tissue.composing import compose
from twin_web.tissue.details import details
from twin_web.tissue.pacing import committed_in_time
from twin_web.tissue.writing import files_of_run, save_scenario, with_own_files

_NAMING = Lock()  # no two runs get one name


@dataclass(frozen=True)
class Made:
    """A run that may begin: file, its scenario; out, where its store will be."""

    name: str
    file: Path
    out: Path


def write(site: Site, owner: str, base: Known, asked: Asked) -> Made:
    """Check what is asked, and write the scenario of a run that has not begun.

    Raises
    ------
    ScenarioError, InputError
        With all that keeps it from running; nothing is left behind then.
    """
    composed = compose(site, owner, base, asked)
    prepared = planned(composed.source)
    paced = committed_in_time(composed.tree, prepared.loaded.scenario, prepared.plan.load)
    private = asked.upload is not None or _is_private(site, base)
    with _NAMING:
        name = free_name(site, asked.name or str(composed.tree["name"]))
        note_run(site, name, owner, asked.upload, private=private)  # first: nobody else is shown what follows
    try:
        tree = with_own_files(site, name, paced)
        file = site.folder / f"{name}.yaml"
        about = [f"written by the page of twin serve, from {base.id}"]
        about += [f"edited: {', '.join(composed.edited)}"] if composed.edited else []
        save_scenario(file, tree, about)
    except (InputError, OSError) as error:
        forget(site, name)
        raise InputError(f"{site.folder} cannot be written: {error}") from error
    return Made(name, file, site.folder / name)


def forget(site: Site, name: str) -> None:
    """Remove what was written of a run that does not begin."""
    shutil.rmtree(files_of_run(site, check_name(name)), ignore_errors=True)
    for file in (*(site.folder / f"{name}{end}" for end in BESIDE), site.inside / f"{name}.json"):
        file.unlink(missing_ok=True)


def scenario_again(site: Site, owner: str, name: str, path: Path) -> Path:
    """Return the scenario file with which a run goes on; of one that the page did not begin, written from its record.

    Raises
    ------
    InputError
        If it names files that are found from its own folder alone.
    """
    base = known(site, owner, f"{OF_RUN}{name}")
    file = scenario_of(site, name, path, base)
    if not begun_here(site, name):
        file.parent.mkdir(parents=True, exist_ok=True)
        save_scenario(file, base.source.document, ["written by the page of twin serve, from the record of the run"])
    return file


def waiting_or_there(site: Site, owner: str, name: str) -> Path:
    """Return the store of a run that this server keeps, which may not have been made yet.

    Raises
    ------
    InputError
        If the owner may not see it, in the words of `find_run`.
    """
    path = site.folder / check_name(name)
    if path.exists() or not is_visible(site, owner, name) or not begun_here(site, name):
        return find_run(site, owner, name)
    return path


def details_with(site: Site, owner: str, base: Known, upload: str | None) -> dict[str, Any]:
    """Return a scenario as the editor needs it, with uploaded cells in it where there are some.

    Raises
    ------
    InputError
        If cells are needed, or those of that id are not there.
    """
    if upload is None and base.id != OWN_CELLS:
        return details(base)
    composed = compose(site, owner, base, Asked(upload=upload, timeline=()))
    return details(replace(base, source=composed.source))


def _is_private(site: Site, base: Known) -> bool:
    """Whether what a run begins as is its owner's alone: the scenario of a run that is."""
    return base.origin == "run" and not is_visible(site, "", base.id.removeprefix(OF_RUN))
