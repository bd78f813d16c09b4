"""From a checked scenario to a run store: trajectories as chains of Dask tasks.

A task is one segment of one trajectory, from a commit to the next. It reads the state of the last commit and leaves a
new one, so it can be retried anywhere; nothing large goes through the scheduler.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

from distributed import Client, Future, KilledWorker, as_completed, get_worker

from twin.engine.cluster import Cluster, check_versions, client_of, dashboard_of
from twin.engine.expand import Futures, expand
from twin.engine.identity import check_same, record_of
from twin.engine.learning import Group, groups_of
from twin.engine.loop import Progress, segment_ends
from twin.engine.observe import layout_of
from twin.engine.plan import Plan, check_file, compile_plan
from twin.engine.seeding import check_places
from twin.engine.segments import Job, jobs_of, lesson, segment, world_of
from twin.engine.spread import Helpers, spread
from twin.engine.world import World
from twin.errors import InputError, RunError, TwinError
from twin.results import Ensemble, Run, create_run, extend_run, open_run, settle_run
from twin.results.commits import load_commits
from twin.results.layout import trajectory_of, update_of
from twin.results.lock import RunLock
from twin.results.status import ERRORS
from twin.scenario.load import LoadedScenario

__all__ = ["Progress", "Ready", "prepare", "ready", "run", "simulate"]

PROGRESS = "twin-progress"  # topic of the workers' messages
OFTEN = 0.2  # s between messages of one worker; each goes through the scheduler
LOST = ("cancelled", "lost")

Told = Callable[[str], None]


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
    out: str | Path,
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
    sets : overrides of a file's values, like "duration=6 h".
    cluster : a `dask.distributed` client, the address of a scheduler, or its file; without it `workers` of our own
        (call this under `if __name__ == "__main__":` where there are several).
    resume, extend, on_progress, workers : see `simulate`; the errors too.
    """
    loaded = scenario if isinstance(scenario, LoadedScenario) else check_file(scenario, sets)[0]
    simulate(
        loaded,
        Path(out),
        workers=workers,
        cluster=cluster,
        resume=resume,
        extend=extend,
        on_progress=on_progress,
    )
    return open_run(out)


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
            if extend and begun.ensemble != ensemble:
                extend_run(out, record, layout, ensemble)
            _check_ids(open_run(out), ensemble)
        (out / ERRORS).unlink(missing_ok=True)
        groups = groups_of(ensemble, plans.world.scenario)
        jobs = jobs_of(ensemble, groups)
        left = _left(out, plans, jobs)
        if left:
            threads = 1
            if client is None:
                processes = min(workers, len(left))
                threads = workers // processes
                client = opened.enter_context(client_of(None, processes, versions))
            by_id = {job.trajectory.id: job for job in jobs}
            _carry_out(client, loaded, out, left, by_id, groups, threads, versions, on_progress, on_note)


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


def _carry_out(
    client: Client,
    loaded: LoadedScenario,
    out: Path,
    left: list[tuple[Job, list[int]]],
    jobs: Mapping[str, Job],
    groups: Sequence[Group],
    threads: int,
    versions: Mapping[str, str],
    on_progress: Callable[[Progress], None] | None,
    on_note: Told | None,
) -> None:
    """Submit all segments and wait for them; one trajectory that fails does not stop the others."""
    dashboard = dashboard_of(client)
    if dashboard is not None and on_note is not None:
        on_note(f"dashboard: {dashboard}")
    listener = None if on_progress is None else _listener(on_progress)
    if listener is not None:
        client.subscribe_topic(PROGRESS, listener)  # type: ignore[no-untyped-call]  # Dask's own
    run_key = f"{loaded.sha256[:12]}-{sha256(str(out).encode()).hexdigest()[:8]}"
    scenario = client.submit(_same, loaded, key=f"scenario-{run_key}", pure=False)
    forks: dict[tuple[str, int], Future[int]] = {}
    reached: dict[str, Future[int]] = {}  # by each trajectory
    lessons: dict[str, Future[int]] = {}
    homes, helpers = _shared_out(client, len(left))

    def until(stop: int) -> None:
        """Submit the segments that end before tick `stop` or at it."""
        for rank, (job, ends) in enumerate(left):
            me = job.trajectory
            for end in [end for end in ends if end <= stop]:
                begun = reached.get(me.id) or (None if job.parent is None else forks.get((job.parent.id, me.fork)))
                learned = [lessons[step.name] for step in job.steps if step.tick < end and step.name in lessons]
                reached[me.id] = client.submit(
                    _task,
                    scenario,
                    str(out),
                    job,
                    end,
                    [*([] if begun is None else [begun]), *learned],
                    threads,
                    dict(versions),
                    helpers[rank],
                    workers=homes[rank],
                    allow_other_workers=homes[rank] is not None,
                    key=f"segment-{run_key}-{me.id}-{end:08d}",
                    retries=0,  # a segment that fails fails again; one whose worker is lost is run again anyway
                    priority=-rank,  # a worker finishes what it has begun
                    pure=False,
                )
                if end in job.forks:
                    forks[(me.id, end)] = reached[me.id]
            left[rank] = (job, [end for end in ends if end > stop])

    try:
        for group in groups:
            if update_of(out, group.name).exists():
                continue
            until(group.lesson.tick)
            members = [jobs[t.id] for t in group.members]
            earlier = [lessons[step.name] for job in members for step in job.steps if step.name in lessons]
            before = [*(reached[t.id] for t in group.members if t.id in reached), *dict.fromkeys(earlier)]
            lessons[group.name] = client.submit(
                _lesson,
                scenario,
                str(out),
                group,
                members,
                before,
                dict(versions),
                key=f"lesson-{run_key}-{group.name}",
                pure=False,
            )
        until(loaded.scenario.n_ticks)
        last = {reached[job.trajectory.id]: job for job, _ in left}
        _wait(client, out, last)
    finally:
        if listener is not None and client.status == "running":
            with suppress(OSError):
                client.unsubscribe_topic(PROGRESS)  # type: ignore[no-untyped-call]  # Dask's own


def _shared_out(client: Client, trajectories: int) -> tuple[list[str | None], list[Helpers]]:
    """Return where each trajectory had best be, and which workers, that would have nothing to do, help it."""
    threads = dict(sorted(client.nthreads().items()))  # type: ignore[no-untyped-call]  # Dask's own
    if len(threads) <= trajectories:
        return [None] * trajectories, [{}] * trajectories
    addresses = list(threads)
    idle = addresses[trajectories:]
    helpers: list[Helpers] = [{a: threads[a] for a in idle[i::trajectories]} for i in range(trajectories)]
    return [*addresses[:trajectories]], helpers


def _wait(client: Client, out: Path, last: Mapping["Future[int]", Job]) -> None:
    """Wait for the ends of all trajectories, and raise the first failure when the others are done."""
    failed: dict[str, TwinError | OSError] = {}
    for future in as_completed(list(last)):  # type: ignore[no-untyped-call]  # Dask's own
        if future.status in LOST or client.status not in ("running", "connecting"):
            raise RunError("the scheduler was lost")
        error = _error_of(future)
        if error is not None:
            failed[last[future].trajectory.id] = error
    if failed:
        told = {name: str(error).partition(";")[0] for name, error in failed.items()}
        with suppress(OSError):  # a full disk is told below
            (out / ERRORS).write_text(json.dumps(told, indent=1), "utf-8")
        first = next(iter(failed.values()))
        more = len(failed) - 1
        if more and isinstance(first, RunError):
            raise RunError(f"{first} (and {more} more trajectories failed: twin status {out})") from first
        raise first


def _error_of(future: "Future[int]") -> TwinError | OSError | None:
    """Return what ended a trajectory, in our words where it is not ours."""
    error = future.exception()  # type: ignore[no-untyped-call]  # Dask's own
    if error is None or isinstance(error, TwinError | OSError):  # a full disk is the caller's to tell
        return error
    if isinstance(error, KilledWorker):
        lost = RunError("a worker was lost four times, most likely for want of memory: take fewer workers or cells")
        lost.__cause__ = error
        return lost
    stopped = RunError(f"the run stopped: {type(error).__name__}: {error}")
    stopped.__cause__ = error
    return stopped


def _same(loaded: LoadedScenario) -> LoadedScenario:
    """Hand the scenario to the workers as a result of its own: each gets it once, and a lost one is made again."""
    return loaded


def _task(
    loaded: LoadedScenario,
    out: str,
    job: Job,
    until: int,
    before: Sequence[int],
    threads: int,
    versions: Mapping[str, str],
    helpers: Helpers,
) -> int:
    """Run a segment on a worker; `before`, what the segment before it reached, only makes this one wait."""
    _check_here(versions)
    share = partial(spread, loaded=loaded, trajectory=job.trajectory, helpers=helpers) if helpers else None
    return segment(loaded, Path(out), job, until, partial(_report, _Pace()), threads, share)


def _lesson(
    loaded: LoadedScenario,
    out: str,
    group: Group,
    jobs: Sequence[Job],
    before: Sequence[int],
    versions: Mapping[str, str],
) -> int:
    """Let an ensemble learn on a worker, once its trajectories, `before`, have come to the snapshot."""
    _check_here(versions)
    lesson(loaded, Path(out), group, jobs)
    return group.lesson.tick


def _check_here(versions: Mapping[str, str]) -> None:
    """Refuse to work where other versions are installed.

    Raises
    ------
    InputError
        If they are; the worker is named.
    """
    other = check_versions(versions)
    if other:
        told = ", ".join(f"{name} {version} (wanted {versions[name]})" for name, version in other.items())
        raise InputError(f"the worker {get_worker().address} has {told}: install the same versions everywhere")


class _Pace:
    """When the last message was sent."""

    def __init__(self) -> None:
        self.last = float("-inf")

    def is_due(self) -> bool:
        """Say whether it is time for the next one."""
        now = monotonic()
        if now - self.last < OFTEN:
            return False
        self.last = now
        return True


def _report(pace: _Pace, progress: Progress) -> None:
    if pace.is_due() or progress.tick == progress.n_ticks:
        get_worker().log_event(PROGRESS, asdict(progress))


def _listener(on_progress: Callable[[Progress], None]) -> Callable[[tuple[float, dict[str, Any]]], None]:
    def heard(event: tuple[float, dict[str, Any]]) -> None:
        told = event[1]  # Dask adds the worker's address
        on_progress(Progress(**{f.name: told[f.name] for f in fields(Progress)}))

    return heard
