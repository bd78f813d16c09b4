"""What a worker does: it takes one trajectory from its last commit to the next, and can be asked again anywhere."""

import os
import shutil
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

from twin.engine.identity import essence, files_of, name_of
from twin.engine.learning import NOTHING, Group, Known, Step, entries_at, known_at, learn, steps_of
from twin.engine.loop import Progress, advance, attend, run_segment
from twin.engine.observe import References, observed_ticks, references_of
from twin.engine.plan import compile_plan
from twin.engine.seeding import seed_body
from twin.engine.world import World, build_world
from twin.errors import RunError
from twin.kernels.blocks import Crew
from twin.results import Ensemble, Trajectory, TrajectoryWriter, load_state, save_state
from twin.results.commits import load_commits, stopped_by
from twin.results.layout import fork_of, state_name, trajectory_of, update_of
from twin.scenario.learning import learns_among, settled_by
from twin.scenario.load import LoadedScenario
from twin.scenario.network import network_graph
from twin.scenario.variants import axes_of, load_variant, with_values
from twin.state.body import Body

MOST_WORLDS = 3  # held by a process: a worker goes on with the trajectories it began; a world takes memory

Share = Callable[[World], AbstractContextManager[tuple[World, int]]]

_worlds: "OrderedDict[str, World]" = OrderedDict()
_references: "OrderedDict[str, References | None]" = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Job:
    """One trajectory as a worker has to know it.

    parent : its trunk, where it forks from one.
    forks : ticks at which others fork from it.
    steps : what it learns, and what its trunk had learned before it forked, in that order.
    """

    trajectory: Trajectory
    parent: Trajectory | None
    forks: tuple[int, ...]
    steps: tuple[Step, ...] = ()


def jobs_of(ensemble: Ensemble, groups: Sequence[Group] = ()) -> list[Job]:
    """Return what there is to do, a trunk always before what forks from it.

    groups : the ensembles that learn together.
    """
    forks: dict[str, set[int]] = {}
    for t in ensemble.trajectories:
        if t.parent is not None:
            forks.setdefault(t.parent, set()).add(t.fork)
    steps = steps_of(groups)
    jobs = []
    for t in ensemble.trajectories:
        before = [] if t.parent is None else [step for step in steps.get(t.parent, ()) if step.tick <= t.fork]
        parent = None if t.parent is None else ensemble.by_id[t.parent]
        jobs.append(Job(t, parent, tuple(sorted(forks.get(t.id, ()))), (*before, *steps.get(t.id, ()))))
    return sorted(jobs, key=lambda job: job.parent is not None)


def segment(
    loaded: LoadedScenario,
    out: Path,
    job: Job,
    until: int,
    on_progress: Callable[[Progress], None] | None = None,
    threads: int = 1,
    share: Share | None = None,
) -> int:
    """Take one trajectory of the run in `out` from its last commit to tick `until`, and return that.

    Parameters
    ----------
    loaded : the scenario of the whole run.
    threads : they share the chunks of its cells; the result does not depend on it.
    share : gives its world with helpers in it, and how many threads keep them busy (`twin.engine.spread`); the result
        does not depend on it either.
    """
    usual = torch.get_num_threads()
    torch.set_num_threads(1)  # a result must not depend on how many cores there are
    opened = ExitStack()
    try:
        trajectory = job.trajectory
        folder = trajectory_of(out, trajectory.id)
        commits = load_commits(folder)
        if commits and commits[-1].tick >= until:  # what is finished is not touched
            _keep_fork(out, job, commits[-1].tick)
            return until
        begun = commits[-1].tick if commits else trajectory.fork
        world = world_of(loaded, trajectory, known_at(out, job.steps, trajectory, begun))
        if share is not None:
            world, threads = opened.enter_context(share(world))
        writer = TrajectoryWriter(
            out,
            trajectory,
            {name: model.genes for name, model in world.models.items()},
            {name: world.perturbations_of(name) for name in world.models},
            world.substances.names,
            world.scenario.tick,
        )
        crew = opened.enter_context(Crew(threads, begin=_alone))
        body = writer.restore()
        if body is None and job.parent is not None and _ended(out, job.parent, trajectory.fork):
            return until  # its past has no such time
        if body is None and job.parent is not None:
            body = adapted(_forked(loaded, out, job, crew), world)
            past = [i for i, tick in enumerate(observed_ticks(world)) if tick <= trajectory.fork]
            writer.inherit(job.parent, past)
        elif body is None:
            body = seed_body(world, trajectory.replicate, crew)
        else:
            _keep_fork(out, job, body.tick)
            learned = entries_at(out, job.steps, trajectory, body.tick, world.scenario.tick)
            if learned:
                body = adapted(body, world)
                body.log.extend(learned)

        def heard(progress: Progress) -> None:
            assert on_progress is not None
            on_progress(replace(progress, trajectory=trajectory.id))

        told = None if on_progress is None else heard
        references = _references_of(world, loaded)
        run_segment(world, body, writer, trajectory.replicate, until, references, told, crew)
        _keep_fork(out, job, until)
        writer.close()
        return until
    finally:
        opened.close()
        if share is None:  # a worker that helps others may be at a chunk of theirs
            torch.set_num_threads(usual)


def lesson(loaded: LoadedScenario, out: Path, group: Group, jobs: Sequence[Job]) -> None:
    """Let an ensemble that has come to a snapshot learn from it.

    jobs : of its members.
    """
    tick, index = group.lesson.tick, group.lesson.index
    if update_of(out, group.name).exists():
        return
    scenarios = []
    for job in jobs:
        before = [step for step in job.steps if step.tick < tick]
        scenarios.append(scenario_of(loaded, job.trajectory, known_at(out, before, job.trajectory, tick)))
    usual = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a segment
    try:
        snapshot = world_of(loaded, jobs[0].trajectory).snapshots[index]
        learn(out, group, scenarios, snapshot, loaded.scenario.seed)
    finally:
        torch.set_num_threads(usual)


def keep_forks(out: Path, jobs: Sequence[Job]) -> None:
    """Keep the last state of every trajectory from which another forks just there, before any of them goes on.

    A branch that is added where its trunk stands then begins at once; nothing of its past is computed again.
    """
    for job in jobs:
        commits = load_commits(trajectory_of(out, job.trajectory.id))
        if commits:
            _keep_fork(out, job, commits[-1].tick)


def _alone() -> None:
    """Prepare a thread that works on a chunk: it is one of many, each for itself."""
    torch.set_num_threads(1)


def world_of(loaded: LoadedScenario, trajectory: Trajectory | None = None, known: Known = NOTHING) -> World:
    """Return what stands still of a scenario, or of one trajectory of it; built once a process.

    known : what was learned before it is run.
    """
    first, past, fork = _variant(loaded, trajectory)
    own = _with_known(loaded, trajectory, first, known)
    name = _name_of(own)
    with _lock:
        if name not in _worlds:
            if trajectory is not None:
                among = learns_among(loaded, loaded.scenario)
                settled = settled_by(loaded.scenario, trajectory.branch)
                _check_identity(name_of(essence(first, past, fork, among, settled), trajectory.replicate), trajectory)
            plan = compile_plan(own)
            while len(_worlds) >= MOST_WORLDS:
                _worlds.popitem(last=False)
            _worlds[name] = build_world(own, plan.whole, plan.processes)
        _worlds.move_to_end(name)
        return _worlds[name]


def scenario_of(loaded: LoadedScenario, trajectory: Trajectory, known: Known = NOTHING) -> LoadedScenario:
    """Return the scenario of one trajectory, with what was learned before."""
    return _with_known(loaded, trajectory, _variant(loaded, trajectory)[0], known)


def _variant(
    loaded: LoadedScenario, trajectory: Trajectory | None
) -> tuple[LoadedScenario, LoadedScenario | None, int]:
    """Return the scenario of one trajectory, that of its past where it has one, and the tick at which it forks."""
    if trajectory is None or not (loaded.scenario.branches or loaded.scenario.sweep):
        return loaded, None, 0
    axes = axes_of(loaded, loaded.scenario)
    own, fork = load_variant(loaded, axes, trajectory.point, trajectory.branch)
    return own, load_variant(loaded, axes, trajectory.point)[0] if trajectory.parent is not None else None, fork


def _with_known(
    loaded: LoadedScenario, trajectory: Trajectory | None, own: LoadedScenario, known: Known
) -> LoadedScenario:
    """Return a scenario with what was learned; what a branch sets itself at its fork stays as it says."""
    if trajectory is None:
        return own
    settled = settled_by(loaded.scenario, trajectory.branch)
    past = {key: value for key, value in known.past.items() if key not in settled}
    return with_values(own, {**past, **known.own})


def _check_identity(id_here: str, trajectory: Trajectory) -> None:
    """Refuse to compute a trajectory from another model, file or plugin than the one that its id was made of.

    Raises
    ------
    RunError
        If they differ here.
    """
    if id_here != trajectory.id:
        raise RunError(
            f"the world model, a file or a plugin differs on {socket.gethostname()} from what trajectory "
            f"{trajectory.id} was begun with: put the same ones there"
        )


def adapted(body: Body, world: World) -> Body:
    """Return a trunk's state as a branch takes it on: with its processes' columns, without the rates of others.

    Raises
    ------
    RunError
        If the branch's cells can have other things done to them, or are of other kinds, than the trunk's.
    """
    names = {name for name, _ in world.processes}
    for home in body.compartments.values():
        cells = home.cells
        same = _same_but_more_donors(cells.names, world.names[home.name])
        if cells.dose.shape[1] != len(world.perturbations_of(home.name)) or not same:
            raise RunError(f"{home.name}: the branch holds other types or perturbations than its past")
        cells.names = world.names[home.name]
        if cells.columns != world.columns:
            fresh = {c.name: _filled(cells.n, c.width, c.initial) for c in world.columns}
            cells.extra = {
                name: cells.extra[name] if name in cells.extra and cells.extra[name].shape == values.shape else values
                for name, values in fresh.items()
            }
            cells.columns = world.columns
        home.rates = {
            port: {process: values for process, values in contributions.items() if process in names}
            for port, contributions in home.rates.items()
        }
    body.keep(world.stores)
    body.network = network_graph(world.scenario)
    return body


def _same_but_more_donors(before: Mapping[str, tuple[str, ...]], now: Mapping[str, tuple[str, ...]]) -> bool:
    """Say whether cells' categories are the same; a run that got more replicates may have got donors at the end."""
    known = before["donor"]
    return {**before, "donor": now["donor"][: len(known)]} == {**now, "donor": known}


def _filled(n: int, width: int, value: float) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.full((n, width) if width else n, value)


def _forked(loaded: LoadedScenario, out: Path, job: Job, crew: Crew) -> Body:
    """Return a trunk's state at a fork; where it was not kept (a branch that came later), it is computed again."""
    parent, tick = job.parent, job.trajectory.fork
    assert parent is not None
    file = fork_of(out, parent.id, tick)
    if not file.exists():
        kept = [t for t in range(tick) if fork_of(out, parent.id, t).exists()]
        body = load_state(fork_of(out, parent.id, kept[-1])) if kept else None
        turns = sorted({step.tick for step in job.steps if step.tick < tick and step.learner == parent.id})
        begun = 0 if body is None else body.tick
        for end in [*(turn for turn in turns if turn > begun), tick]:
            world = world_of(loaded, parent, known_at(out, job.steps, parent, begun))
            if body is None:
                body = seed_body(world, parent.replicate, crew)
                attend(world, body, parent.replicate)
            body = adapted(body, world)
            while body.tick < end:
                advance(world, body, parent.replicate, crew)
                attend(world, body, parent.replicate)
            begun = end
        assert body is not None
        body.log.clear()  # the trunk has written it, as its lineage
        for home in body.compartments.values():
            home.lineage = type(home.lineage)()
        file.parent.mkdir(exist_ok=True)
        save_state(body, file)
    return load_state(file)


def _ended(out: Path, parent: Trajectory, tick: int) -> bool:
    """Say whether a condition ended a trunk at or before the tick at which another forks from it."""
    commits = load_commits(trajectory_of(out, parent.id))
    return stopped_by(commits) is not None and commits[-1].tick <= tick


def _keep_fork(out: Path, job: Job, tick: int) -> None:
    """Keep the state of a tick at which others fork from a trajectory that has just got there."""
    file = fork_of(out, job.trajectory.id, tick)
    state = trajectory_of(out, job.trajectory.id) / state_name(tick)
    if tick not in job.forks or file.exists() or not state.exists():
        return
    file.parent.mkdir(exist_ok=True)
    try:
        os.link(state, file)  # a state is never changed in place
    except FileExistsError:
        return
    except OSError:  # a file system without links
        draft = file.with_name(f".{file.name}")
        shutil.copyfile(state, draft)
        draft.replace(file)


def _references_of(world: World, loaded: LoadedScenario) -> References | None:
    """Return the levels between which a response is measured, drawn once a process for all branches and doses."""
    scenario = world.scenario
    name = dumps(
        [
            scenario.world_model.model_dump(mode="json"),
            {key: repr(c) for key, c in scenario.compartments.items()},
            scenario.observe.model_dump(mode="json"),
            [scenario.seed, *world.perturbations],
            {key: list(names["cell_type"]) for key, names in world.names.items()},
            _stats(loaded),
        ]
    )
    with _lock:
        if name not in _references:
            while len(_references) >= MOST_WORLDS:
                _references.popitem(last=False)
            _references[name] = references_of(world)
        return _references[name]


def _name_of(loaded: LoadedScenario) -> str:
    """Return what tells one scenario, with its files as they are now, from another."""
    kept = {key: value for key, value in loaded.document.items() if key not in ("branches", "sweep")}
    return dumps([kept, str(loaded.file.resolve()), _stats(loaded)])


def _stats(loaded: LoadedScenario) -> list[tuple[int, int]]:
    stats = [file.stat() for file in files_of(loaded).values() if file.exists()]
    return [(s.st_size, s.st_mtime_ns) for s in stats]
