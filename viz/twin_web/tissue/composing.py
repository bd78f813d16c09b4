"""From a scenario and what a page asks of it to the document that is run."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from twin import registry
from twin.errors import Fault, InputError, ScenarioError
from twin.process import Phase
from twin.scenario.layout import fill_boxes
from twin.scenario.load import ScenarioSource
from twin.scenario.overlay import Tree
from twin.units import same_unit
from twin_web.runs.find import find_upload
from twin_web.runs.own_cells import box_for, cells_of, compartment_of
from twin_web.site import Site
from twin_web.tissue.asked import LABEL, MOST_HOURS, Asked, Future, Item
from twin_web.tissue.catalogue import OWN_CELLS, Known, checked, counted, of_document
from twin_web.tissue.medicine import to_add, with_substance
from twin_web.tissue.models import whole_model
from twin_web.tissue.pacing import paced
from twin_web.tissue.writing import with_whole_paths

HANDS = "dosing"  # the process that carries out what a timeline does, where a scenario has none
NOT_DOSING = ("dose", "assimilate", "inject")  # what other processes, or the engine itself, carry out


@dataclass(frozen=True)
class Composed:
    """What is to be run.

    source : names its files by whole paths. edited : what differs from the scenario that it began as, in words.
    """

    base: Known
    source: ScenarioSource
    edited: Sequence[str] = field(default=())

    @property
    def tree(self) -> Tree:
        """The document."""
        return self.source.document


def compose(site: Site, owner: str, base: Known, asked: Asked) -> Composed:
    """Return the document that a request asks for, its cells kept often enough to be watched.

    Raises
    ------
    ScenarioError
        With what is wrong with it as a document.
    InputError
        If uploaded cells are not there.
    """
    if base.needs is not None:
        raise InputError(f"{base.source.document.get('name', base.id)} cannot be run here: {base.needs}")
    tree = with_whole_paths(deepcopy(base.source.document), base.source.folder)
    edited: list[str] = []
    for key in ("duration", "replicates", "seed"):
        value = getattr(asked, key)
        if value is not None and value != tree.get(key):
            tree[key] = value
            edited.append(f"{key} {value}")
    if asked.upload is not None or base.id == OWN_CELLS:
        _own_cells(site, owner, tree, asked, base.id == OWN_CELLS)
        edited.append("cells of an upload")
    elif asked.cells is not None:
        edited += _resize(tree, asked.cells)
    edited += _futures(base, tree, asked)
    _serve(tree, site)
    source = of_document(tree, Path(LABEL), allow_outside=True)
    loaded = checked(source)
    if loaded.scenario.duration > MOST_HOURS:
        long = f"{loaded.scenario.duration:g} h are more than the {MOST_HOURS:g} h that the page begins"
        raise _fault("duration", f"{long}: run it on the command line")
    _check_ends(tree, loaded.scenario.duration)
    n_trajectories = loaded.scenario.replicates * (1 + len(loaded.scenario.branches))
    for axis in loaded.scenario.sweep.values():
        n_trajectories *= axis.size
    tree = paced(tree, loaded.scenario, sum(counted(loaded).values()) * n_trajectories)
    return Composed(base, of_document(tree, Path(LABEL), allow_outside=True), edited)


def with_branch(base: ScenarioSource, name: str, future: Future, at: str) -> Tree:
    """Return the document of a run that has begun, with one branch more; nothing else of it changes.

    at : when it forks. Items without a time are done then.

    Raises
    ------
    ScenarioError
        If the name is taken, or an item measures what nobody has.
    """
    tree = deepcopy(base.document)
    branches = dict(tree.get("branches") or {})
    if name in branches:
        raise _fault("name", f"a branch is called {name!r} already: take another name")
    _refuse_measurements(future.timeline, [], "timeline")
    items = [item if "at" in item or "when" in item else {**item, "at": at} for item in future.timeline]
    branch: Tree = {"at": at, "timeline": items}
    if _needs_hands(items) and not _has_hands(tree):
        branch["set"] = {f"processes.{HANDS}": {}}
    tree["branches"] = {**branches, name: branch}
    return tree


def _futures(base: Known, tree: Tree, asked: Asked) -> list[str]:
    """Put the timeline and the branches that are asked for in their places."""
    edited = []
    own = base.source.document.get("timeline") or []
    if asked.timeline is not None and list(asked.timeline) != own:
        _refuse_measurements(asked.timeline, own, "timeline")
        tree["timeline"] = list(asked.timeline)
        edited.append("timeline")
    if asked.branches is not None:
        before = base.source.document.get("branches") or {}
        branches = {}
        for name, future in asked.branches.items():
            kept = before.get(name) or {}
            _refuse_measurements(future.timeline, kept.get("timeline") or [], f"branches.{name}.timeline")
            branch: Tree = {"at": future.at} if future.at is not None else {}
            branch |= {"set": deepcopy(kept["set"])} if "set" in kept else {}
            branches[name] = {**branch, "timeline": list(future.timeline)}
        if branches != before:
            tree["branches"] = branches
            edited.append("branches")
    return edited


def _serve(tree: Tree, site: Site) -> None:
    """Add what the items of the document need and it lacks: substances of its model, and who carries items out."""
    items = _items(tree)
    if _needs_hands(items) and not _has_hands(tree):
        tree["processes"] = {HANDS: {}, **tree["processes"]}
    known = tree.get("substances") or {}
    wanted = [item.get("substance") for item in items if item.get("do") == "add"]
    missing = [name for name in dict.fromkeys(wanted) if isinstance(name, str) and name not in known]
    if not missing:
        return
    scenario, _ = of_document(tree, Path(LABEL), allow_outside=True).validate()
    if scenario is None:
        return  # told when the whole is checked
    may = to_add(scenario, whole_model(scenario, Path()))
    for name in missing:
        if name in may:
            tree |= with_substance(tree, name)


def _own_cells(site: Site, owner: str, tree: Tree, asked: Asked, whole: bool) -> None:
    """Put uploaded cells into a compartment; into that of the culture that is made for them, with a box that fits."""
    if asked.upload is None:
        raise InputError("upload: which cells does the culture begin with? Upload a file first")
    upload = find_upload(site, owner, asked.upload)
    homes = tree["compartments"]
    name = asked.compartment or next(iter(homes))
    if name not in homes:
        raise _fault("upload.compartment", f"no compartment is called {name!r}: {', '.join(homes)}")
    if whole:
        homes[name] = compartment_of(upload, str(upload.path), asked.cells)
        for place, sentence in fill_boxes(tree, Path):  # cells that have places bring their box
            raise _fault(".".join(map(str, place)), sentence)
        return
    own = homes[name].get("cells") or {}
    cells = cells_of(upload, str(upload.path), asked.cells, placed=False)
    homes[name] = {**homes[name], "cells": {**cells, **({"radius": own["radius"]} if "radius" in own else {})}}
    n = cells.get("count", upload.cells)
    if "volume" not in homes[name]:
        homes[name]["box"] = [*box_for(n)]


def _resize(tree: Tree, cells: int) -> list[str]:
    """Set how many cells there are, where one compartment's are counted."""
    homes = tree["compartments"]
    counts = [name for name, home in homes.items() if isinstance(home, dict) and _is_counted(home)]
    if len(counts) != 1:
        why = "its tissue is built: its size follows its shape" if not counts else "it has several compartments"
        raise _fault("cells", f"the number of cells cannot be set here: {why}")
    own = homes[counts[0]]["cells"]
    if own.get("count") == cells:
        return []
    homes[counts[0]] = {**homes[counts[0]], "cells": {**own, "count": cells}}
    return [f"{cells} cells"]


def _is_counted(home: Tree) -> bool:
    cells = home.get("cells")
    return isinstance(cells, dict) and cells.get("source") == "model" and bool(cells.get("count"))


def _items(tree: Tree) -> list[Item]:
    """Return all items of a document, those of its branches among them."""
    futures = (tree.get("branches") or {}).values()
    more = [item for future in futures if isinstance(future, dict) for item in future.get("timeline") or ()]
    return [item for item in [*(tree.get("timeline") or ()), *more] if isinstance(item, dict)]


def _needs_hands(items: Sequence[Item]) -> bool:
    return any(item.get("do") not in NOT_DOSING for item in items)


def _has_hands(tree: Tree) -> bool:
    """Whether a process of a document carries out what a timeline does."""
    for name in tree.get("processes") or ():
        try:
            if registry.plugin(name).phase == Phase.TIMELINE and name != "pharmacokinetics":
                return True
        except InputError:
            continue  # told when the document is checked
    return False


def _refuse_measurements(items: Sequence[Item], own: Sequence[Item], where: str) -> None:
    """Refuse snapshots that the scenario does not have itself: a page names no files."""
    for i, item in enumerate(items):
        if ("file" in item or item.get("do") == "assimilate") and item not in own:
            raise _fault(f"{where}[{i}].do", "a measured snapshot is written in a scenario file, not here: take it out")


def _check_ends(tree: Tree, duration: float) -> None:
    """Refuse items that come after the end: the engine would never come to them."""
    faults = []
    places = [("timeline", tree.get("timeline") or ())]
    futures = (tree.get("branches") or {}).items()
    places += [(f"branches.{name}.timeline", future.get("timeline") or ()) for name, future in futures]
    for where, items in places:
        for i, item in enumerate(items):
            at, unit = same_unit([item["at"]], "hour") if "at" in item and "when" not in item else ((), None)
            if unit is not None and at[0] >= duration and item.get("do") != "assimilate":
                sentence = f"{item['at']} never comes: the run ends at {duration:g} h"
                faults.append(Fault(None, f"{where}[{i}].at", sentence))
    if faults:
        raise ScenarioError(LABEL, faults)


def _fault(where: str, sentence: str) -> ScenarioError:
    return ScenarioError(LABEL, [Fault(None, where, sentence)])
