"""From a checked scenario to a run store: what is to be run is tried on, laid out, and carried out."""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from twin.engine.cluster import Cluster, client_of
from twin.engine.dispatch import Told, Work, carry_out
from twin.engine.estimate import GIB
from twin.engine.expand import Futures, expand
from twin.engine.identity import check_same, record_of
from twin.engine.learning import groups_of
from twin.engine.loop import Progress, segment_ends
from twin.engine.observe import layout_of
from twin.engine.plan import Plan, check_file, compile_plan
from twin.engine.seeding import check_places
from twin.engine.segments import Job, jobs_of, keep_forks, world_of
from twin.engine.world import World
from twin.errors import InputError
from twin.results import Ensemble, Run, create_run, extend_run, open_run, raise_format, settle_run
from twin.results.commits import load_commits
from twin.results.layout import trajectory_of
from twin.results.lock import RunLock
from twin.results.status import ERRORS
from twin.scenario.load import LoadedScenario

__all__ = ["Progress", "Ready", "prepare", "ready", "run", "simulate"]


@dataclass(frozen=True)
class Ready:
    """A scenario that can be run: its plan, what stands still of it, and all of its trajectories."""

    loaded: LoadedScenario
    plan: Plan
    world: World
    futures: Futures


def prepare(loaded: LoadedScenario) -> World:
    """Read what the scenario names and try its cells on, so that what cannot run fails before anything is written.

    Raises
    ------
    InputError
        If a file holds no raw counts, or cells do not fit into their box or region.
    """
    world = world_of(loaded)
    check_places(world)
    return world


def ready(loaded: LoadedScenario) -> Ready:
    """Return all that a scenario stands for, tried on as `prepare` does.

    Raises
    ------
    InputError
        As `prepare`, and if a branch or a point of the sweep cannot be run.
    """
    plan, world = compile_plan(loaded), prepare(loaded)
    return Ready(loaded, plan, world, expand(loaded, plan, world))


def run(
    scenario: str | Path | LoadedScenario,
    out: str | Path | None = None,
    *,
    sets: Sequence[str] = (),
    workers: int = 1,
    cluster: Cluster = None,
    resume: bool = False,
    extend: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Run a scenario and return its run, lazily opened.

    Parameters
    ----------
    scenario : a file, or what `twin.load_scenario` gave.
    out : a new folder; without it one in `runs` that is called as the scenario is.
    sets : overrides of a file's values, like "duration=6 h".
    cluster : a `dask.distributed` client, the address of a scheduler, or its file; without it `workers` of our own
        (call this under `if __name__ == "__main__":` where there are several).
    resume, extend, on_progress, workers : see `simulate`; the errors too.
    """
    loaded = scenario if isinstance(scenario, LoadedScenario) else check_file(scenario, sets)[0]
    if out is None and (resume or extend):
        raise InputError("which run goes on? give out, the folder that it is in")
    folder = _new_folder(loaded.scenario.name) if out is None else Path(out)
    simulate(
        loaded,
        folder,
        workers=workers,
        cluster=cluster,
        resume=resume,
        extend=extend,
        on_progress=on_progress,
    )
    return open_run(folder)


def _new_folder(name: str) -> Path:
    """Return a folder in `runs` that is not there yet, called as a scenario is."""
    plain = re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "run"
    tried = (Path("runs", plain if i == 1 else f"{plain}-{i}") for i in count(1))
    return next(folder for folder in tried if not folder.exists())


def simulate(
    loaded: LoadedScenario,
    out: Path,
    *,
    prepared: Ready | None = None,
    workers: int = 1,
    cluster: Cluster = None,
    resume: bool = False,
    extend: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Told | None = None,
) -> None:
    """Run a scenario and leave a run store in `out`.

    Parameters
    ----------
    prepared : what `ready` gave for this scenario, where it was asked already.
    workers : processes that share the trajectories, at most one each; where there are fewer trajectories, the rest
        are threads that share the chunks of each one's cells. The result does not depend on it.
    cluster : a Dask client, address or scheduler file in place of workers of our own.
    resume : go on from the last commits of `out`; scenario, files, model and plugins must be those that it was
        begun with.
    extend : as `resume`, but branches, points of the sweep and replicates may have been added: only those are run.
    on_progress : called after ticks of every trajectory.
    on_note : called with what is worth telling before the first tick: a dashboard, a lock that was taken over.

    Raises
    ------
    InputError
        If the scenario cannot be run, `out` is taken or cannot be written, was begun with something else, or is
        being written by another process.
    RunError
        If the run stopped half-way; what is committed stays, and `resume` goes on from there.
    """
    plans = prepared if prepared is not None else ready(loaded)
    out = out.resolve()
    record, layout = record_of(plans.plan, plans.world), layout_of(plans.world)
    ensemble = plans.futures.ensemble
    if cluster is None and not (resume or extend):
        _check_room(plans, min(workers, len(ensemble.trajectories)))
    with ExitStack() as opened:
        versions = plans.plan.versions
        # a scheduler that is not there is told before anything is written
        client = None if cluster is None else opened.enter_context(client_of(cluster, workers, versions))
        if not (resume or extend):
            create_run(out, record, layout, ensemble, list(plans.world.scenario.compartments))
        open_run(out)  # no run is told before the lock is taken
        lock = opened.enter_context(RunLock(out))
        if lock.taken_from is not None and on_note is not None:
            on_note(f"the lock of {lock.taken_from}, which died, was taken over")
        settle_run(out)
        if resume or extend:
            begun = open_run(out)
            check_same(begun, loaded, record, extend=extend)
            if cluster is None:
                _check_room(plans, min(workers, _unfinished(begun, plans)))
            if extend and begun.ensemble != ensemble:
                extend_run(out, record, layout, ensemble)
            _check_ids(open_run(out), ensemble)
            raise_format(out)
        (out / ERRORS).unlink(missing_ok=True)
        groups = groups_of(ensemble.trajectories, plans.world.scenario)
        jobs = jobs_of(ensemble, groups)
        keep_forks(out, jobs)
        left = _left(out, plans, jobs)
        if left:
            threads = 1
            if client is None:
                processes = min(workers, len(left))
                threads = workers // processes
                client = opened.enter_context(client_of(None, processes, versions))
            work = Work(left, {job.trajectory.id: job for job in jobs}, groups, threads, versions)
            carry_out(client, loaded, out, work, on_progress, on_note)


def _unfinished(begun: Run, plans: Ready) -> int:
    """Return how many trajectories are still to be run, those that are yet to be added among them."""
    known, n_ticks = begun.ensemble.by_id, plans.world.scenario.n_ticks
    return sum(
        t.id not in known or (begun.ticks_of(known[t.id]) < n_ticks and begun.why_stopped(known[t.id]) is None)
        for t in plans.futures.ensemble.trajectories
    )


def _check_room(plans: Ready, processes: int) -> None:
    """Refuse more workers of our own than the scenario's limit of memory holds."""
    each, limit = plans.futures.memory_bytes / GIB, plans.world.scenario.execution.memory_limit_gib
    if processes > 1 and processes * each > limit:
        raise InputError(
            f"{processes} trajectories at a time need about {each:.2f} GiB each, and the limit for all is {limit:.4g} "
            f"GiB: take --workers {max(1, int(limit / each))}, or raise execution.memory_limit_gib"
        )


def _check_ids(begun: Run, ensemble: Ensemble) -> None:
    if begun.ensemble.by_id.keys() != ensemble.by_id.keys():
        raise InputError(
            f"{begun.path} was begun by another version of twin, with other trajectories: run into another folder"
        )


def _left(out: Path, plans: Ready, jobs: Sequence[Job]) -> list[tuple[Job, list[int]]]:
    """Return what is still to do: each trajectory with the ticks at which its segments end."""
    left = []
    begun = open_run(out)
    for job in jobs:
        if begun.why_stopped(job.trajectory) is not None:
            continue
        commits = load_commits(trajectory_of(out, job.trajectory.id))
        done = commits[-1].tick if commits else job.trajectory.fork
        ends = [end for end in segment_ends(plans.world, job.forks) if end > done]
        if ends:
            left.append((job, ends))
    return left
