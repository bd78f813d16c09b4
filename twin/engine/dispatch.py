"""Trajectories as chains of Dask tasks, submitted and waited for.

A task is one segment of one trajectory, from a commit to the next, or one lesson of an ensemble. It reads what stands
in the run and leaves more there, so it can be retried anywhere; nothing large goes through the scheduler.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from distributed import Client, Future, KilledWorker, as_completed, get_worker

from twin.engine.cluster import check_versions, dashboard_of
from twin.engine.learning import Group
from twin.engine.loop import Progress
from twin.engine.segments import Job, lesson, segment
from twin.engine.spread import Helpers, spread
from twin.errors import InputError, RunError, TwinError
from twin.results.layout import update_of
from twin.results.status import ERRORS
from twin.scenario.load import LoadedScenario

PROGRESS = "twin-progress"  # topic of the workers' messages
OFTEN = 0.2  # s between messages of one worker; each goes through the scheduler
LOST = ("cancelled", "lost")

Told = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """What is to be done of a run.

    left : each trajectory that is not at its end, with the ticks at which its segments end. jobs : all, by id.
    groups : the ensembles that learn together, in the order in which they do. threads : that share the chunks of each
    trajectory's cells. versions : that every worker must have.
    """

    left: Sequence[tuple[Job, Sequence[int]]]
    jobs: Mapping[str, Job]
    groups: Sequence[Group]
    threads: int
    versions: Mapping[str, str]


def carry_out(
    client: Client,
    loaded: LoadedScenario,
    out: Path,
    work: Work,
    on_progress: Callable[[Progress], None] | None,
    on_note: Told | None,
) -> None:
    """Submit all segments and wait for them; one trajectory that fails stops none but those that learn with it.

    Raises
    ------
    RunError, OSError
        The first failure, when the others are done.
    """
    dashboard = dashboard_of(client)
    if dashboard is not None and on_note is not None:
        on_note(f"dashboard: {dashboard}")
    listener = None if on_progress is None else _listener(on_progress)
    if listener is not None:
        client.subscribe_topic(PROGRESS, listener)  # type: ignore[no-untyped-call]  # Dask's own
    try:
        submitted = _Submitted(client, loaded, out, work)
        for group in work.groups:
            if not update_of(out, group.name).exists():
                submitted.until(group.lesson.tick)
                submitted.lesson(group)
        submitted.until(loaded.scenario.n_ticks)
        _wait(client, out, {submitted.reached[job.trajectory.id]: job for job, _ in work.left})
    finally:
        if listener is not None and client.status == "running":
            with suppress(OSError):
                client.unsubscribe_topic(PROGRESS)  # type: ignore[no-untyped-call]  # Dask's own


class _Submitted:
    """What the scheduler has been given: by each trajectory its last segment, by each fork and lesson its task."""

    def __init__(self, client: Client, loaded: LoadedScenario, out: Path, work: Work) -> None:
        self.client, self.out, self.work = client, str(out), work
        self.key = f"{loaded.sha256[:12]}-{sha256(str(out).encode()).hexdigest()[:8]}"
        self.scenario = client.submit(_same, loaded, key=f"scenario-{self.key}", pure=False)
        self.reached: dict[str, Future[int]] = {}
        self.forks: dict[tuple[str, int], Future[int]] = {}
        self.lessons: dict[str, Future[int]] = {}
        self.homes, self.helpers = shared_out(client, len(work.left))
        self.done = 0  # ticks whose segments have been submitted

    def until(self, stop: int) -> None:
        """Submit the segments that end before tick `stop` or at it."""
        for rank, (job, ends) in enumerate(self.work.left):
            for end in ends:
                if self.done < end <= stop:
                    self._segment(rank, job, end)
        self.done = max(self.done, stop)

    def _segment(self, rank: int, job: Job, end: int) -> None:
        me, home = job.trajectory, self.homes[rank]
        begun = self.reached.get(me.id) or (None if job.parent is None else self.forks.get((job.parent.id, me.fork)))
        learned = [self.lessons[s.name] for s in job.steps if s.tick < end and s.name in self.lessons]
        self.reached[me.id] = self.client.submit(
            _task,
            self.scenario,
            self.out,
            job,
            end,
            [*([] if begun is None else [begun]), *learned],
            self.work.threads,
            dict(self.work.versions),
            self.helpers[rank],
            workers=home,
            allow_other_workers=home is not None,
            key=f"segment-{self.key}-{me.id}-{end:08d}",
            retries=0,  # a segment that fails fails again; one whose worker is lost is run again anyway
            priority=-rank,  # a worker finishes what it has begun
            pure=False,
        )
        if end in job.forks:
            self.forks[(me.id, end)] = self.reached[me.id]

    def lesson(self, group: Group) -> None:
        """Submit what an ensemble learns; its trajectories have been submitted as far as that."""
        members = [self.work.jobs[t.id] for t in group.members]
        earlier = [self.lessons[s.name] for job in members for s in job.steps if s.name in self.lessons]
        there = [self.reached[t.id] for t in group.members if t.id in self.reached]
        self.lessons[group.name] = self.client.submit(
            _lesson,
            self.scenario,
            self.out,
            group,
            members,
            [*there, *dict.fromkeys(earlier)],
            dict(self.work.versions),
            key=f"lesson-{self.key}-{group.name}",
            retries=0,
            pure=False,
        )


def shared_out(client: Client, trajectories: int) -> tuple[list[str | None], list[Helpers]]:
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
    """Make a worker ready: one thread for every sum, for good; refuse to work where other versions are installed.

    Raises
    ------
    InputError
        If they are; the worker is named.
    """
    other = check_versions(versions)
    if other:
        told = ", ".join(f"{name} {version} (wanted {versions[name]})" for name, version in other.items())
        raise InputError(f"the worker {get_worker().address} has {told}: install the same versions everywhere")
    torch.set_num_threads(1)  # tasks side by side must not give each other's back


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
