"""A branch for a run that has begun: it forks where the run stands, or earlier, and both futures go on."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from twin.errors import Fault, InputError, ScenarioError
from twin.results import Run
from twin.scenario.load import LoadedScenario
from twin.scenario.overlay import Tree
from twin.scenario.timeline import InjectCells, whole_ticks
from twin_web.site import Site
from twin_web.tissue.asked import LABEL, Future
from twin_web.tissue.catalogue import Known, begun_here, named_files, of_document
from twin_web.tissue.checking import planned
from twin_web.tissue.composing import with_branch
from twin_web.tissue.keeper import PAST, Keeper
from twin_web.tissue.past import Past
from twin_web.tissue.standing import Standings, committed, trunks
from twin_web.tissue.writing import save_scenario

NOT_YET = "nothing of it is committed yet: wait for its first kept hour"
ELSEWHERE = "a command runs it: branch it there, with twin run --extend, or when it has ended"


@dataclass(frozen=True)
class Grown:
    """A run's scenario with one branch more. at : when it forks, h."""

    tree: Tree
    file: Path
    name: str
    at: float


def grow(site: Site, base: Known, run: Run, name: str, future: Future) -> Grown:
    """Return the scenario of a run with a branch more, planned and tried on; nothing is written.

    Raises
    ------
    ScenarioError, InputError
        With everything that keeps it from running.
    """
    if base.needs is not None:
        raise InputError(f"{run.path.name} cannot go on here: {base.needs}")
    file = scenario_of(site, run.path.name, run.path, base)
    tick = float(run.attrs["tick"])
    at = f"{committed(run) * tick:.12g} h" if future.at is None else future.at
    tree = with_branch(base.source, name, future, at)
    prepared = planned(of_document(tree, file, allow_outside=False))
    scenario = prepared.loaded.scenario
    fork = scenario.branches[name].at
    assert fork is not None
    _check_fork(run, whole_ticks(fork, tick, "at"), tick)
    _check_types(prepared.loaded, name, run)
    return Grown(tree, file, name, fork)


def write(grown: Grown, run: Run) -> None:
    """Write the scenario that has grown, and keep the state that its branch begins with."""
    past = Past(run.path, run.ensemble, PAST * 2**20)
    for trajectory in trunks(run):
        past.keep(trajectory.id)
    grown.file.parent.mkdir(parents=True, exist_ok=True)
    save_scenario(grown.file, grown.tree, [f"written by the page of twin serve; the branch {grown.name} came last"])


def scenario_of(site: Site, name: str, path: Path, base: Known) -> Path:
    """Return the file of a run's scenario that the page may write: its own, never one that somebody else wrote.

    Raises
    ------
    InputError
        If the run was begun elsewhere and its scenario names files, which are found from its own folder alone.
    """
    if begun_here(site, name) and path.parent == site.folder:
        return site.folder / f"{name}.yaml"
    if any(True for _ in named_files(base.source.document)):
        raise InputError(
            f"{name} was begun on the command line, from files beside its scenario: add the branch there, and go on "
            "with twin run --extend"
        )
    return site.inside / "branched" / f"{name}.yaml"


async def branch(
    site: Site, keeper: Keeper, standings: Standings, base: Known, path: Path, name: str, future: Future, *, dry: bool
) -> dict[str, Any]:
    """Give a run a branch: halted while it is checked, stopped at its last commit, and gone on with, both futures.

    base : the scenario of the run. path : its store. dry : only check.

    Raises
    ------
    ScenarioError, InputError
        If the branch cannot be run; the run then goes on as it did.
    HTTPConflict
        If it cannot be branched now.
    """
    run = path.name
    live = keeper.live.get(run)
    opened = await asyncio.to_thread(_opened, standings, path)
    if live is None and (await asyncio.to_thread(standings.told, run, path))["state"] == "running":
        raise web.HTTPConflict(text=f"{run}: {ELSEWHERE}")
    if live is not None and (live.branching is not None or live.state not in ("running", "paused")):
        raise web.HTTPConflict(text=f"{run} is {live.state}: it can be branched once it runs")
    halted = live is not None and live.state == "running"
    if live is not None:
        live.branching = name
        if halted:
            keeper.pause(run)
    try:
        grown = await asyncio.to_thread(grow, site, base, opened, name, future)
        if not dry:
            await asyncio.to_thread(write, grown, opened)
    except BaseException:
        _go_on_as_before(keeper, run, halted=halted)
        raise
    if dry:
        _go_on_as_before(keeper, run, halted=halted)
        return {"name": name, "at": grown.at}
    await keeper.stop(run)
    keeper.begin(run, grown.file, path)
    return {"name": name, "at": grown.at}


def _go_on_as_before(keeper: Keeper, run: str, *, halted: bool) -> None:
    live = keeper.live.get(run)
    if live is None:
        return
    live.branching = None
    if halted:
        keeper.resume(run)


def _opened(standings: Standings, path: Path) -> Run:
    try:
        return standings.run(path)
    except InputError:
        raise web.HTTPConflict(text=f"{path.name}: {NOT_YET}") from None


def _check_fork(run: Run, fork: int, tick: float) -> None:
    """Refuse a fork after a trunk has ended by a condition of its scenario: there is nothing to fork from."""
    for trunk in trunks(run):
        ended = run.ticks_of(trunk)
        if run.why_stopped(trunk) is not None and ended <= fork:
            sentence = f"{run.ensemble.label(trunk)} ended at {ended * tick:g} h: fork before that"
            raise ScenarioError(LABEL, [Fault(None, "at", sentence)])


def _check_types(loaded: LoadedScenario, name: str, run: Run) -> None:
    """Refuse to inject a type that the run does not have: its cells know their own types alone."""
    known = {str(t) for t in run.streamed["cell_type"].values}
    faults = [
        Fault(
            None,
            f"timeline[{i}].cell_type",
            f"this run has no {event.cell_type}: take one of {', '.join(sorted(known))}",
        )
        for i, event in enumerate(loaded.scenario.branches[name].timeline)
        if isinstance(event, InjectCells) and event.cell_type not in known
    ]
    if faults:
        raise ScenarioError(LABEL, faults)
