"""Which scenarios there are: those that are shipped, the opened one, those of earlier runs, and that of own cells."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from twin.engine.findings import Findings
from twin.engine.peeking import peek_files
from twin.errors import InputError, TwinError
from twin.results import open_run
from twin.scenario.load import FILES, LoadedScenario, ScenarioSource, read_source
from twin.scenario.overlay import Marked, Tree
from twin.scenario.overlay import Path as KeyPath
from twin_web.runs import own_cells
from twin_web.runs.find import check_name, find_run, is_visible
from twin_web.site import Site
from twin_web.viewer.shelf import Version, version_of

Origin = Literal["shipped", "opened", "run", "upload"]

DEMO = "ifnb_lymphoid_patch"  # what the tissue view begins with
OPENED, OF_RUN, OWN_CELLS = "opened", "run-", "own-cells"  # ids, beside the names of what is shipped
EXTRAS = {"sbml": ("roadrunner", "sbml")}  # process → the package that it needs, the extra that brings it


@dataclass(frozen=True)
class Known:
    """A scenario that the page may begin with.

    source : as it was written. picture : beside it, or None. needs : why it cannot be run here, or None.
    """

    id: str
    origin: Origin
    source: ScenarioSource
    picture: Path | None = None
    needs: str | None = None


def known(site: Site, owner: str, name: str) -> Known:
    """Return a scenario by its id.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    if name.startswith(OF_RUN):
        return _of_run(site, owner, name.removeprefix(OF_RUN))
    if name == OWN_CELLS:
        return _of_file(OWN_CELLS, "upload", own_cells.OWN_CELLS)
    if name in shipped():
        return _of_file(name, "shipped", shipped()[name])
    if site.opened.kind == "scenario" and name in (OPENED, site.opened.name):
        return replace(_of_file(OPENED, "opened", Path(site.opened.path)), id=OPENED)
    raise InputError(f"there is no scenario {name[:60]!r}: choose one of the list")


def everything(site: Site) -> Iterator[Known]:
    """Yield what the page may begin with, the opened one first; what needs a file of the user is left out."""
    if site.opened.kind == "scenario":
        with suppress(InputError):  # it was there when the server began; who asks for it is told what is wrong
            yield known(site, "", OPENED)
    for name, file in shipped().items():
        found = _of_file(name, "shipped", file)
        if not _lacks_files(found.source):
            yield found


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Path]:
    """Return the files of the scenarios that come with twin, the demonstration first: from the wheel or the source."""
    package = Path(str(files("twin")))
    for folder in (package / "scenarios", package.parent / "scenarios"):
        found = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
        if DEMO in found:
            return {DEMO: found.pop(DEMO), **found}
    return {}


def of_document(tree: Tree, label: Path, *, allow_outside: bool = False) -> ScenarioSource:
    """Return a document as if it had been read from the file `label`, in whose folder its paths start."""
    return ScenarioSource(label, label.parent, Marked(tree), frozenset(), allow_outside)


def checked(source: ScenarioSource) -> LoadedScenario:
    """Return a scenario that is checked as a document.

    Raises
    ------
    ScenarioError
        With everything that is wrong with it.
    """
    scenario, faults = source.validate()
    if scenario is None:
        raise source.error(faults)
    return LoadedScenario.of(source, scenario)


def named_files(tree: Tree) -> Iterator[tuple[KeyPath, str]]:
    """Yield the places of a document at which files are named, with what stands there."""
    for keys in FILES:
        yield from _named(tree, keys, ())


def counted(loaded: LoadedScenario) -> dict[str, int]:
    """Return how many cells each compartment begins with; of a file that cannot be read, 0."""
    contents = peek_files(loaded, Findings(loaded))
    count = {}
    for name, home in loaded.scenario.compartments.items():
        said = home.cells.count if home.cells.source in ("model", "h5ad") else None
        count[name] = said or (contents[name].n_cells if name in contents else 0)
    return count


def _of_file(name: str, origin: Origin, file: Path) -> Known:
    state = file.stat() if file.is_file() else None
    return _read(name, origin, file, None if state is None else (state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=64)
def _read(name: str, origin: Origin, file: Path, state: tuple[int, int] | None) -> Known:
    """Return what `_of_file` does; `state` makes a changed file another one."""
    source = read_source(file)
    picture = file.with_suffix(".png")
    return Known(name, origin, source, picture if picture.is_file() else None, _needs(source))


def _of_run(site: Site, owner: str, run: str) -> Known:
    """Return the scenario of a run: the file that the page wrote beside it, or what its record holds."""
    name, file = f"{OF_RUN}{run}", site.folder / f"{check_name(run)}.yaml"
    if begun_here(site, run) and is_visible(site, owner, run) and file.is_file():
        return replace(_of_file(name, "run", file), picture=None)
    path = find_run(site, owner, run)
    source = of_document(_recorded(path, version_of(path / "zarr.json")), site.folder / f"{run}.yaml")
    return Known(name, "run", source, None, _needs(source))


@lru_cache(maxsize=16)
def _recorded(path: Path, version: Version) -> Tree:
    """Return the scenario that a run's record holds; `version` makes a replaced record another one."""
    tree: Tree = json.loads(json.dumps(open_run(path).scenario))
    return tree


def begun_here(site: Site, run: str) -> bool:
    """Whether the page began a run: the file beside it is ours to write then."""
    return (site.inside / f"{run}.json").is_file()


def _needs(source: ScenarioSource) -> str | None:
    """Return why a scenario cannot be run here, in a sentence."""
    processes = source.document.get("processes")
    for process, (package, extra) in EXTRAS.items():
        if isinstance(processes, dict) and process in processes and find_spec(package) is None:
            return f"it needs an optional part: pip install 'twin[{extra}]'"
    lacking = _lacks_files(source)
    return f"it needs the file {lacking}, which is not here" if lacking else None


def _lacks_files(source: ScenarioSource) -> str | None:
    """Return the first file that a scenario names and that is not there, or that it must not name."""
    for _, text in named_files(source.document):
        try:
            if not source.resolve(text).exists():
                return text
        except TwinError:
            return text
    return None


def _named(node: Any, keys: tuple[str, ...], path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if not keys:
        if isinstance(node, str):
            yield path, node
        return
    first, rest = keys[0], keys[1:]
    if isinstance(node, dict):
        for key in list(node) if first == "*" else [first]:
            if key in node:
                yield from _named(node[key], rest, (*path, key))
    elif isinstance(node, list) and first == "*":
        for i, item in enumerate(node):
            yield from _named(item, rest, (*path, i))
